//! Rewriting: what cases of the reference can't show, bounds above all. The rules and texts are in `testdata/rewrite.jsonl`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::Rewrite;
use plan::rewrite::apply;
use plan::template::{Delims, Engine, Env, Functions, Limits};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};

fn rewritten(operations: Value, data: &[(&str, &str)]) -> Result<SecretMap, String> {
    let operations: Vec<Rewrite> = serde_json::from_value(operations).unwrap();
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value))).collect();
    // The engine's delimiters are not those of a rewrite.
    let delims = Delims { left: "<<".into(), right: ">>".into() };
    let engine = Engine::new(Functions::eso(), delims, Limits::default());
    apply(&operations, data, &engine, &Env::new(jiff::Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7)))
}

#[test]
fn operations_that_double_a_key_come_to_an_end() {
    let double = |operation: Value| Value::Array(vec![operation; 40]);
    let cases = [
        (json!({"regexp": {"source": ".+", "target": "$0$0"}}), "regexp"),
        (json!({"regexp": {"source": "", "target": "xxxxxxxxxx"}}), "regexp"),
        (json!({"transform": {"template": "{{ .value }}{{ .value }}"}}), "transform"),
    ];
    for (operation, name) in cases {
        let error = rewritten(double(operation), &[("k", "v")]).unwrap_err();
        let end = format!("]: {name} failed with a key of more than 65536 bytes; make it shorter");
        assert!(error.starts_with("failed rewrite operation[") && error.ends_with(&end), "{error}");
    }
}

#[test]
fn of_keys_that_become_the_same_the_last_in_order_wins() {
    let made = rewritten(json!([{"regexp": {"source": ".*", "target": "k"}}]), &[("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(made["k"].expose(), b"2");
    assert_eq!(made.len(), 1);
}

#[test]
fn a_rewrite_has_go_s_delimiters_whatever_the_flags_say() {
    let made = rewritten(json!([{"transform": {"template": "<< .value >>{{ .value }}"}}]), &[("k", "v")]).unwrap();
    assert_eq!(made.into_keys().collect::<Vec<_>>(), ["<< .value >>k"]);
}

#[test]
fn a_key_that_is_cut_within_a_character_is_left_to_validation() {
    let made = rewritten(json!([{"transform": {"template": "{{ trunc 1 .value }}"}}]), &[("é", "v")]).unwrap();
    assert_eq!(made.into_keys().collect::<Vec<_>>(), ["\u{fffd}"]);
}
