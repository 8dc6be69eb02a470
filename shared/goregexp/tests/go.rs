//! Go's answers, recorded: `go.jsonl` is the shared corpus's `go/regex.jsonl`, `edges.jsonl` has what is odd about Go's syntax
//! and matching, with bytes in Base64. A random comparison with Go 1.26 (160,000 patterns from 200 fragments or grown as trees,
//! each on four texts, many of them no UTF-8) found one difference: Go takes `\x{d800}` at the very start of a text for
//! U+FFFD.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::ops::Range;

use goregexp::{Replacement, check, compile};
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digit =
        |b: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|d| *d == b);
    let text = value.as_str().expect("Base64").trim_end_matches('=');
    let (mut bits, mut count, mut out) = (0, 0, Vec::new());
    for b in text.bytes() {
        bits = bits << 6 | digit(b).expect("a digit of Base64");
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    out
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn the_shared_cases() {
    for case in cases("go.jsonl") {
        let pattern = case["pattern"].as_str().expect("a pattern").as_bytes();
        if let Some(template) = case["template"].as_str() {
            let got = compile(pattern).expect("compiles").replace_all(text(&case["input"]), template.as_bytes());
            assert_eq!(got, text(&case["result"]), "{case}");
            continue;
        }
        let error = compile(pattern).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error, case["error"], "{case}");
        let Ok(regexp) = compile(pattern) else { continue };
        for (input, want) in list(&case["inputs"]).iter().zip(list(&case["find_all"])) {
            let input = text(input);
            let found = regexp.find_all(input, usize::MAX);
            let found: Vec<_> = found.into_iter().map(|span| String::from_utf8_lossy(&input[span])).collect();
            assert_eq!(Value::from(found), *want, "{case}");
        }
    }
}

fn text(value: &Value) -> &[u8] {
    value.as_str().expect("a text").as_bytes()
}

#[test]
fn the_edges() {
    for case in cases("edges.jsonl").iter().filter(|case| case["p"].is_string()) {
        let pattern = bytes(&case["p"]);
        let shown = String::from_utf8_lossy(&pattern);
        if case["error"].is_string() {
            let want = String::from_utf8_lossy(&bytes(&case["error"])).into_owned();
            assert_eq!(compile(&pattern).err().map(|error| error.to_string()), Some(want.clone()), "{shown:?}");
            assert_eq!(check(&pattern).err().map(|error| error.to_string()), Some(want), "{shown:?}");
            continue;
        }
        assert_eq!(check(&pattern), Ok(()), "{shown:?}");
        let regexp = compile(&pattern).expect(&shown);
        let template = bytes(&case["template"]);
        for run in list(&case["runs"]) {
            let input = bytes(&run["in"]);
            let spans = |value: &Value| -> Vec<Range<usize>> {
                let offset = |value: &Value| usize::try_from(value.as_u64().expect("an offset")).expect("small");
                list(value).iter().map(|span| offset(&span[0])..offset(&span[1])).collect()
            };
            let all = spans(&run["all"]);
            assert_eq!(regexp.find_all(&input, usize::MAX), all, "{shown:?} on {input:?}");
            assert_eq!(regexp.find(&input), all.first().cloned(), "{shown:?} on {input:?}");
            assert_eq!(regexp.is_match(&input), !all.is_empty(), "{shown:?} on {input:?}");
            assert_eq!(regexp.replace_all(&input, &template), bytes(&run["replaced"]), "{shown:?} on {input:?}");
            let parts: Vec<_> = regexp.split(&input, None).into_iter().map(|part| input[part].to_vec()).collect();
            let want: Vec<_> = list(&run["split"]).iter().map(bytes).collect();
            assert_eq!(parts, want, "{shown:?} on {input:?}");
        }
    }
}

#[test]
fn nesting_is_limited_as_in_go() {
    for case in cases("edges.jsonl").iter().filter(|case| case["depth"].is_u64()) {
        let depth = usize::try_from(case["depth"].as_u64().expect("a depth")).expect("small");
        let part = |name: &str| case[name].as_str().expect(name).to_owned();
        let pattern = part("open").repeat(depth) + &part("middle") + &part("close").repeat(depth);
        // Of deeper groups there are too many for the limits here.
        let got = if depth < 500 { compile(pattern.as_bytes()).map(drop) } else { check(pattern.as_bytes()) };
        let got = got.err().map(|error| error.to_string());
        let got = got.as_deref().and_then(|text| text.split('`').next()).unwrap_or_default();
        assert_eq!(got, case["error"], "{case}");
    }
}

#[test]
fn an_empty_match_within_a_character_hides_none() {
    assert!(compile(r"[[:^lower:]]|\B".as_bytes()).expect("compiles").is_match("Ké".as_bytes()));
    assert!(compile(r"(?i)(?:[[:^lower:]]|\B)".as_bytes()).expect("compiles").is_match("KéS".as_bytes()));
}

#[test]
fn a_limit_on_matches_takes_the_first() {
    let regexp = compile(b"a").expect("compiles");
    assert_eq!(regexp.find_all(b"aaa", 2), [0..1, 1..2]);
    assert!(regexp.find_all(b"aaa", 0).is_empty());
    assert_eq!(regexp.split(b"1a2a3", Some(2)), [0..1, 2..5]);
    assert!(regexp.split(b"1a2a3", Some(0)).is_empty());
}

#[test]
fn a_literal_replacement_is_not_expanded_and_can_be_refused() {
    let regexp = compile(b"a+").expect("compiles");
    let replaced = |most: usize| {
        let mut written = 0;
        regexp.try_replace_all(b"1aa2a", Replacement::Literal(b"$0"), |length| {
            written += length;
            if written > most { Err(written) } else { Ok(()) }
        })
    };
    assert_eq!(replaced(4), Ok(b"1$02$0".to_vec()));
    assert_eq!(replaced(3), Err(4));
}

#[test]
fn quoted_text_matches_itself_only() {
    let text = br"a.b\[c](d)|{2}^$*+?-#";
    let quoted = goregexp::quote_meta(text);
    assert_eq!(quoted, br"a\.b\\\[c\]\(d\)\|\{2\}\^\$\*\+\?-#");
    let input = [&b"x "[..], text].concat();
    assert_eq!(compile(&quoted).expect("compiles").find(&input), Some(2..input.len()));
}

#[test]
fn what_is_too_large_is_refused() {
    for pattern in [
        r"\pL{1000}".to_owned(),
        r"(?i)[\pL\PN]{900}".to_owned(),
        r"\pL".repeat(1000),
        format!("[{}]", r"\pL".repeat(1000)),
        "a*".repeat(70_000),
        r"(\w)\s*".repeat(9_000),
        format!("[{}]", r"a\w".repeat(50_000)),
        r"[\x{0}-\x{10ffff}]{1000}".repeat(100),
    ] {
        let error = compile(pattern.as_bytes()).expect_err(&pattern[..9]).to_string();
        assert_eq!(error, format!("error parsing regexp: expression too large: `{pattern}`"));
    }
}
