//! JSONPath against the answers of PaesslerAG/jsonpath v0.1.1, and against damage.

use gojson::jsonpath::{Fault, JsonPath, Selected};
use gojson::{Document, Html, NodeId, Numbers};
use serde_json::Value;

fn json(document: &Document<'_>, id: NodeId) -> Value {
    let json = document.compact(id, Numbers::Literal, Html::Keep).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_else(|_| Value::from("not JSON"))
}

fn select(path: &str, document: &Document<'_>) -> Result<Selected, Fault> {
    JsonPath::parse(path)?.select(document)
}

/// A line with `json` is the document of the lines below it: `path`, and what Go `got` or its `error`.
#[test]
fn paths_lead_where_the_reference_goes() {
    let (mut text, mut count) = (String::new(), 0);
    for line in include_str!("../testdata/jsonpath.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if let Some(given) = case.get("json") {
            text = given.to_string();
            continue;
        }
        count += 1;
        let document = Document::parse(text.as_bytes()).unwrap();
        let path = case["path"].as_str().unwrap();
        let got = select(path, &document);
        match (case["error"].as_str(), got) {
            (None, Ok(Selected::One(id))) => assert_eq!(json(&document, id), case["got"], "{path}"),
            // Go meets the members of an object in any order.
            (None, Ok(Selected::FirstOf(first))) => {
                let all = case["got"].as_array().unwrap();
                match first {
                    None => assert!(all.is_empty(), "{path}: {all:?}"),
                    Some(id) => assert!(all.contains(&json(&document, id)), "{path}"),
                }
            }
            (Some("syntax"), Err(Fault::Syntax { .. })) => {}
            (Some(want), Err(fault)) if want.contains("out of bounds") => assert_eq!(fault, Fault::OutOfBounds),
            (Some(want), Err(fault)) => assert!(want.starts_with(&fault.to_string()), "{path}: {fault}, not {want}"),
            (want, got) => panic!("{path}: {got:?}, not {want:?}"),
        }
    }
    assert!(count > 180, "{count}");
}

#[test]
fn what_the_reference_does_not_take() {
    let document = Document::parse(br#"{"items": [{"name": "one", "v": 1}, {"name": "two", "v": null}]}"#).unwrap();
    let cases = [
        ("$.items[?@.name=='two'].name", Ok("\"two\"")),
        ("$.items[?@.v==null].name", Ok("\"two\"")),
        ("items[0].name", Ok("\"one\"")),
        ("$.items(1)", Err("at character 8: scripts in ( ) are not supported")),
        ("$.items[?@.v>1]", Err("at character 13: expected ] after the filter; only == and != can compare")),
        ("@.items", Err("at character 1: a path begins with $")),
        ("$items", Err("at character 7: expected . or [ after $")),
        ("$.items[0].gone", Err("unknown key gone")),
        ("$.items[0][$.items[0].name]", Err("unknown key")),
        ("$.items[\"\\q\"]", Err("at character 12: this escape is not understood")),
    ];
    for (path, want) in cases {
        let got = select(path, &document).map(|selected| match selected {
            Selected::One(id) | Selected::FirstOf(Some(id)) => json(&document, id).to_string(),
            Selected::FirstOf(None) => String::new(),
        });
        assert_eq!(got.map_err(|fault| fault.to_string()), want.map(str::to_owned).map_err(str::to_owned), "{path}");
    }
}

#[test]
fn a_path_takes_neither_the_stack_nor_all_time() {
    let wide = format!("[{}0]", "[[0],[0]],".repeat(20_000));
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let nested = |open: &str, close: &str, times| format!("$[{}1{}]", open.repeat(times), close.repeat(times));
    let too_deep = Fault::Syntax { at: 35, what: "brackets nest too deep" };
    let cases = [
        (&deep, "$..[*]..[*]..[*]..[*]..x".to_owned(), Some(Fault::TooManySteps)),
        (&wide, "$[?$!=$]".to_owned(), Some(Fault::TooManySteps)),
        (&wide, "$[?@!=$[?@!=$[*]]]..x".to_owned(), None),
        (&wide, format!("${}", "..a".repeat(300)), None),
        (&deep, format!("${}", "[0]".repeat(330)), None),
        (&deep, format!("${}", "[*]".repeat(330)), None),
        (&wide, nested("(", ")", 40), Some(too_deep.clone())),
        (&wide, nested("-", "", 900), Some(too_deep)),
        (&wide, format!("${}", ".a".repeat(600)), Some(Fault::TooLong)),
    ]
    .map(|(document, path, want)| (document.clone(), path, want));
    // A thread of tokio's has as much.
    let run = move || {
        for (text, path, want) in cases {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(select(&path, &document).err(), want, "{path}");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

proptest::proptest! {
    #[test]
    fn no_path_makes_it_panic(path in r#"\$([$@.ab0-9\[\]"'?=!():,* -]|\.a|\[\?@|\[0|\]){0,40}"#) {
        let document = Document::parse(br#"{"a": {"b": [1, {"a": "0"}, null]}, "b": [[0], true], "0": "a"}"#);
        let selected = document.map(|document| select(&path, &document));
        proptest::prop_assert!(selected.is_ok());
    }
}
