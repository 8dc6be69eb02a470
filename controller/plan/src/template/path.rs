//! Paths into a manifest, such as `spec.rules[0].host`, and setting what lies there.

use std::fmt;

use serde_json::{Map, Value};

/// The highest index, so that a path can't take up memory at will.
const MAX_INDEX: i64 = 10_000;

/// How many steps a path may have; ESO has no bound.
const MAX_STEPS: usize = 64;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Parses a path.
///
/// # Errors
/// `invalid path "<text>": …`.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let refuse = |why: &dyn fmt::Display| Err(format!("invalid path {}: {why}", gojson::quote(text)));
    let mut steps = Vec::new();
    for segment in text.split('.') {
        if segment.is_empty() {
            return refuse(&"empty segment");
        }
        let (key, mut rest) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        while !rest.is_empty() {
            let Some(inner) = rest.strip_prefix('[') else {
                return refuse(&format_args!("expected '[' near {}", gojson::quote(rest)));
            };
            let Some((number, after)) = inner.split_once(']') else { return refuse(&"unterminated '['") };
            let Ok(index) = number.parse::<i64>() else {
                return refuse(&format_args!("bad index {}", gojson::quote(number)));
            };
            if index > MAX_INDEX {
                return refuse(&format_args!("index {index} exceeds maximum ({MAX_INDEX})"));
            }
            let Ok(index) = usize::try_from(index) else {
                return refuse(&format_args!("negative index {index}"));
            };
            steps.push(Step::Index(index));
            rest = after;
        }
        if steps.len() > MAX_STEPS {
            return refuse(&format_args!("more than {MAX_STEPS} steps"));
        }
    }
    match steps.first() {
        Some(Step::Key(_)) => Ok(steps),
        Some(Step::Index(_)) | None => refuse(&"path must start with a key"),
    }
}

/// Replaces what lies at `steps` by what `leaf` makes of it. What is missing on the way is made, arrays grow.
///
/// # Errors
/// `expected map at key …` or `expected array at index …` with the Go type of what is there.
pub(super) fn set(root: &mut Value, steps: &[Step], leaf: impl FnOnce(Value) -> Value) -> Result<(), String> {
    let mut node = root;
    for step in steps {
        match step {
            Step::Key(key) => {
                if node.is_null() {
                    *node = Value::Object(Map::new());
                }
                let found = go_type(node);
                let Value::Object(map) = node else {
                    return Err(format!("expected map at key {} but found {found}", gojson::quote(key)));
                };
                node = map.entry(key.as_str()).or_insert(Value::Null);
            }
            Step::Index(index) => {
                if node.is_null() {
                    *node = Value::Array(Vec::new());
                }
                let found = go_type(node);
                let Value::Array(items) = node else {
                    return Err(format!("expected array at index {index} but found {found}"));
                };
                if items.len() <= *index {
                    items.resize(index + 1, Value::Null);
                }
                let Some(item) = items.get_mut(*index) else { return Err("the array didn't grow".to_owned()) };
                node = item;
            }
        }
    }
    *node = leaf(node.take());
    Ok(())
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_refused_with_the_reason() {
        let cases = [
            ("", "empty segment"),
            ("a..b", "empty segment"),
            ("a.", "empty segment"),
            ("a[", "unterminated '['"),
            ("a[1.2]", "unterminated '['"),
            ("a[]", "bad index \"\""),
            ("a[x]", "bad index \"x\""),
            ("a[99999999999999999999]", "bad index \"99999999999999999999\""),
            ("a[-1]", "negative index -1"),
            ("a[10001]", "index 10001 exceeds maximum (10000)"),
            ("a[0]b", "expected '[' near \"b\""),
            ("[0].a", "path must start with a key"),
        ];
        for (path, why) in cases {
            assert_eq!(parse(path), Err(format!("invalid path {}: {why}", gojson::quote(path))));
        }
        let long = vec!["a"; 65].join(".");
        assert!(parse(&long).unwrap_err().ends_with("more than 64 steps"));
    }

    #[test]
    fn a_path_is_made_where_it_is_missing() {
        let cases = [
            ("a.b", json!({}), Ok(json!({"a": {"b": 1}}))),
            ("a[+1].b", json!({"a": [{"c": 2}]}), Ok(json!({"a": [{"c": 2}, {"b": 1}]}))),
            ("a[1][0]", json!({}), Ok(json!({"a": [null, [1]]}))),
            ("a.b", json!({"a": null, "c": 1}), Ok(json!({"a": {"b": 1}, "c": 1}))),
            ("a.b", json!({"a": "x"}), Err("expected map at key \"b\" but found string")),
            ("a.b", json!({"a": [1]}), Err("expected map at key \"b\" but found []interface {}")),
            ("a.b", json!({"a": 1}), Err("expected map at key \"b\" but found int64")),
            ("a.b", json!({"a": 1.5}), Err("expected map at key \"b\" but found float64")),
            ("a[0]", json!({"a": {}}), Err("expected array at index 0 but found map[string]interface {}")),
            ("a[0]", json!({"a": true}), Err("expected array at index 0 but found bool")),
        ];
        for (path, mut object, want) in cases {
            let done = set(&mut object, &parse(path).unwrap(), |_| json!(1));
            assert_eq!(done.map(|()| object), want.map_err(str::to_owned), "{path}");
        }
    }
}
