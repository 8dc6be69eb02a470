//! Documents made to hurt: each ends soon, with an error or a value, on a small stack.

use std::io;
use std::time::{Duration, Instant};

fn check(name: &str, text: String, ending: Option<&str>) -> io::Result<()> {
    let begun = Instant::now();
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let answer = goyaml::parse(text.as_bytes());
        drop(goyaml::parse_string_map(text.as_bytes()));
        answer.err().map(|error| error.to_string())
    })?;
    let joined = thread.join();
    assert!(joined.is_ok(), "{name} panicked");
    let error = joined.unwrap_or_default();
    match ending {
        Some(ending) => assert!(error.as_ref().is_some_and(|error| error.ends_with(ending)), "{name}: {error:?}"),
        None => assert_eq!(error, None, "{name}"),
    }
    // Without optimisation and on a busy machine; the point is that it isn't minutes.
    assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
    Ok(())
}

const DEEP: Option<&str> = Some("exceeded max depth of 200");
const ALIASES: Option<&str> = Some("document contains excessive aliasing");

#[test]
fn nesting_is_bounded() -> io::Result<()> {
    check("open lists", "[".repeat(1 << 20), DEEP)?;
    check("open maps", "{a: ".repeat(100_000), DEEP)?;
    check("block lists", "- ".repeat(100_000), DEEP)?;
    check("keys", "? ".repeat(100_000), DEEP)?;
    check("deeper lines", (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect(), DEEP)?;
    check("mixed", format!("{}{}", "- ".repeat(150), "[".repeat(150)), DEEP)?;
    let chain: String = (1..2000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    check("chain of aliases", format!("a0: &a0 x\n{chain}"), DEEP)?;
    check("as deep as allowed", format!("{}{}", "[".repeat(199), "]".repeat(199)), None)?;
    Ok(())
}

#[test]
fn aliases_are_bounded() -> io::Result<()> {
    let tenfold = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    let bomb: String = (1..10).map(tenfold).collect();
    check("bomb", format!("a0: &a0 x\n{bomb}"), ALIASES)?;
    let merges: String = (1..30).map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}]}}\n", n - 1)).collect();
    check("bomb of merges", format!("a0: &a0 {{x: 1}}\n{merges}"), ALIASES)?;
    let copies = "- *a\n".repeat(900);
    check("copies of a long text", format!("- &a {}\n{copies}", "x".repeat(100_000)), ALIASES)?;
    check("itself", "a: &a [*a]".into(), Some("anchor 'a' value contains itself"))?;
    Ok(())
}

#[test]
fn long_documents_end() -> io::Result<()> {
    check("one line", "x".repeat(1 << 20), None)?;
    check("quoted", format!("\"{}\"", "\\n".repeat(1 << 19)), None)?;
    check("empty lines", "\n".repeat(1 << 20), None)?;
    check("many keys", (0..100_000).map(|n| format!("k{n}: v\n")).collect(), None)?;
    check("flow pairs", format!("[{}]", "a: b, ".repeat(100_000)), None)?;
    check("colons", ":".repeat(1 << 20), Some("mapping values are not allowed in this context"))?;
    check("anchors", "&a ".repeat(100_000), None)?;
    check("too long", "#".repeat(goyaml::MAX_BYTES + 1), Some("more than 16777216 bytes"))?;
    Ok(())
}

#[test]
fn what_is_too_deep_to_read_is_not_written() {
    let mut value = serde_json::json!(1);
    for _ in 0..600 {
        value = serde_json::json!([value]);
    }
    assert_eq!(goyaml::emit(&value), "");
}

#[test]
fn indentation_does_not_make_output_explode() {
    let deep = format!("{}{}{}", "[".repeat(150), "1,".repeat(100_000) + "1", "]".repeat(150));
    let error = goyaml::json_to_yaml(deep.as_bytes(), 1 << 20).unwrap_err();
    assert_eq!(error.to_string(), "error converting YAML to JSON: yaml: output is too long: more than 1048576 bytes");
}
