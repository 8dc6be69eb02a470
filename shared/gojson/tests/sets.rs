//! Setting a value, against the answers of tidwall/sjson v1.2.5 (`testdata/sets.jsonl`), and against hostile input.

use std::error::Error;
use std::fs;
use std::path::Path;

use gojson::{get, remove, set, valid};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    document: String,
    path: String,
    text: String,
    result: String,
    error: Option<String>,
}

#[test]
fn values_are_set_as_sjson_sets_them() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sets.jsonl");
    let mut failures = Vec::new();
    let cases = fs::read_to_string(file)?;
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line)?;
        let got = set(case.document.as_bytes(), &case.path, case.text.as_bytes());
        let good = match (&got, &case.error) {
            (Ok(json), None) => *json == case.result.as_bytes(),
            (Err(_), Some(_)) => true,
            (Ok(_), Some(_)) | (Err(_), None) => false,
        };
        if !good {
            failures.push(format!(
                "{got:?}\n  not {case:?}",
                got = got.map(|json| String::from_utf8_lossy(&json).into_owned())
            ));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(cases.lines().count() > 500);
    Ok(())
}

fn documents() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![Just("1".to_owned()), Just("\"x\"".to_owned()), Just("null".to_owned()), Just("{}".to_owned())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let keys = prop_oneof![Just("a"), Just("b"), Just("0"), Just("é"), Just("a.b")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(" ,"))),
            prop::collection::btree_map(keys, inner, 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{} }}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_set_is_read_and_can_be_removed(
        json in documents(),
        keys in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("0"), Just("2"), Just("é"), Just(r"a\.b")], 1..4),
        text in ".{0,8}",
    ) {
        let path = keys.join(".");
        let Ok(after) = set(json.as_bytes(), &path, text.as_bytes()) else { return Ok(()) };
        prop_assert!(valid(&after));
        prop_assert_eq!(get(&after, &path).into_text(), text.as_bytes());
        let twice = set(&after, &path, text.as_bytes());
        prop_assert_eq!(twice.as_ref(), Ok(&after), "twice changes nothing");
        let removed = remove(&after, &path);
        prop_assert!(removed.is_ok_and(|json| json.is_some_and(|json| valid(&json))));
    }

    #[test]
    fn no_bytes_make_it_panic(json in prop::collection::vec(any::<u8>(), 0..60), path in ".{0,12}") {
        let _ = set(&json, &path, &json);
        let _ = remove(&json, &path);
    }
}
