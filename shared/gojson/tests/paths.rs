//! Paths against Go's own answers, and against hostile input.
//!
//! `testdata/paths.jsonl` was answered by tidwall/gjson v1.20.1. The larger corpus is no part of the repository; it is run
//! too where it lies in `../shared/conformance` beside it.

use std::error::Error;
use std::fs;
use std::path::Path;

use gojson::{Limit, get, try_get};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
struct Case {
    document: String,
    path: String,
    exists: bool,
    kind: String,
    raw: String,
    #[serde(alias = "str")]
    text: String,
}

/// Runs a file of cases; returns how many there were.
fn check_file(file: &Path) -> Result<usize, Box<dyn Error>> {
    let cases = fs::read_to_string(file)?;
    let mut failures = Vec::new();
    for line in cases.lines() {
        let mut case: Case = serde_json::from_str(line)?;
        if case.document == "(shop)" {
            case.document = fs::read_to_string(file.with_file_name("shop.json"))?;
        }
        let found = get(case.document.as_bytes(), &case.path);
        let got = (found.exists(), found.kind().as_str(), found.raw(), found.text());
        if got != (case.exists, &case.kind, case.raw.as_bytes(), case.text.as_bytes()) {
            let raw = String::from_utf8_lossy(found.raw());
            failures.push(format!("{}: got {found:?} {raw}, want {case:?}", case.path));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    Ok(cases.lines().count())
}

fn own_cases() -> Result<usize, Box<dyn Error>> {
    check_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/paths.jsonl"))
}

#[test]
fn own_paths_are_answered_as_go_does() -> Result<(), Box<dyn Error>> {
    assert!(own_cases()? > 150);
    Ok(())
}

#[test]
fn shared_paths_are_answered_as_go_does() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/go/gjson.jsonl");
    let count = if file.exists() { check_file(&file)? } else { own_cases()? };
    assert!(count >= 80);
    Ok(())
}

#[test]
fn what_never_ends_is_given_up() {
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let keyed = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)).into_bytes();
    let cases: [(&[u8], String, Option<Limit>); 14] = [
        (&deep, "0.".repeat(100_000), Some(Limit::Depth)),
        (&keyed, "a.".repeat(100_000), Some(Limit::Depth)),
        (&deep, "@dig:a".into(), Some(Limit::Depth)),
        (&deep, "@pretty".into(), Some(Limit::Depth)),
        (&deep, "@flatten:{\"deep\":true}".into(), Some(Limit::Depth)),
        (b"[[1]]", "[".repeat(100_000) + &"]".repeat(100_000), Some(Limit::Depth)),
        (b"[[1]]", "#(0".repeat(100_000) + &")".repeat(100_000), None),
        (b"[[1]]", "@this|".repeat(100_000), Some(Limit::Scanned)),
        (b"{\"aaaaaaaaaaaaaaaa\":1}", "*a".repeat(100_000), None),
        (b"{\"a\":1}", "[@this,@this]|".repeat(60), Some(Limit::Produced)),
        (b"{\"a\":1}", "@tostr|".repeat(60), Some(Limit::Produced)),
        (&deep, "@reverse".into(), None),
        (&deep, "@ugly".into(), None),
        (&keyed, "b".into(), None),
    ];
    for (json, path, want) in cases {
        assert_eq!(try_get(json, &path).err(), want, "{}", &path[..path.len().min(40)]);
        assert!(want.is_none() || !get(json, &path).exists());
    }
    let wide = format!("{{\"{}\":1}}", "a".repeat(20_000));
    let star = "*a".repeat(50) + "b*";
    assert!(!get(wide.as_bytes(), &star).exists());
    let many = format!("[{}]", vec!["@dig:a"; 5_000].join(","));
    let rows = format!("[{}]", vec!["[1,2,3]"; 20_000].join(","));
    assert_eq!(try_get(rows.as_bytes(), &many).err(), Some(Limit::Scanned));
}

/// Bytes that look like JSON, more or less.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("("),
        Just("\""),
        Just("\\"),
        Just(","),
        Just(":"),
        Just(" "),
        Just("\"a\""),
        Just("\"a\":"),
        Just("{\"a\":1}"),
        Just("[1,2]"),
        Just("true"),
        Just("null"),
        Just("-1.5e3"),
        Just("\\u00e9"),
        Just("\\ud83d"),
        Just("é"),
        Just("\u{0}"),
        Just("\n"),
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..80),
    ]
}

/// Text that looks like a path, more or less.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("0"),
        Just("."),
        Just("|"),
        Just("#"),
        Just("#("),
        Just(")"),
        Just(")#"),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("*"),
        Just("?"),
        Just("!"),
        Just("=="),
        Just("%"),
        Just("~true"),
        Just("<"),
        Just("@this"),
        Just("@pretty"),
        Just("@pretty:{\"sortKeys\":true}"),
        Just("@ugly"),
        Just("@reverse"),
        Just("@flatten"),
        Just("@flatten:{\"deep\":true}"),
        Just("@join"),
        Just("@keys"),
        Just("@values"),
        Just("@tostr"),
        Just("@fromstr"),
        Just("@group"),
        Just("@dig:a"),
        Just("@valid"),
        Just(".."),
        Just("é"),
    ];
    prop_oneof![prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat()), any::<String>(),]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_and_no_path_make_it_panic(json in documents(), path in paths()) {
        let found = get(&json, &path);
        prop_assert!(found.raw().len() <= 40 << 20);
        prop_assert!(found.exists() || found.text().is_empty());
        let valid = gojson::valid(&json);
        prop_assert_eq!(gojson::Document::parse(&json).is_ok(), valid);
        prop_assert!(gojson::object_to_map(&json).is_err() || valid);
        prop_assert!(gojson::value_bytes(&json, gojson::Numbers::Literal).is_ok() || !valid);
        let dotted = gojson::property::dotted_first(&json, &path);
        prop_assert_eq!(dotted.is_some(), gojson::property::path_first(&json, &path).is_some());
        let inside = gojson::property::data_key(|key| (key == "a").then_some(json.as_slice()), &format!("a.{path}"));
        prop_assert_eq!(inside.as_deref(), found.exists().then(|| found.text()));
    }

    #[test]
    fn what_is_valid_for_serde_is_valid_here_and_written_the_same(text in documents()) {
        if let Ok(value) = serde_json::from_slice::<Value>(&text) {
            prop_assert!(gojson::valid(&text));
            if let Value::String(text) = &value {
                prop_assert_eq!(gojson::value_bytes(value.to_string().as_bytes(), gojson::Numbers::Literal).unwrap(), text.as_bytes());
            }
        }
    }
}
