//! Prints JSON values as YAML, the same bytes every time: block style, keys sorted, JSON's quoting where quoting is needed.
//! For generated manifests only; not the YAML of templates, which must look like Go's.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The YAML text of a document, which ends in a newline.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, value, 0, Place::Line);
    out
}

/// Where a node begins.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the start of a line, or after `- `.
    Line,
    /// After `key:`.
    Key,
}

fn node(out: &mut String, value: &Value, depth: usize, place: Place) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            // Sorted here, since the order of the map depends on a feature of serde_json that any crate may switch on.
            let sorted: BTreeMap<_, _> = map.iter().collect();
            for (index, (key, inner)) in sorted.into_iter().enumerate() {
                indent(out, depth, index > 0 || place == Place::Key);
                out.push_str(&scalar(key));
                out.push(':');
                node(out, inner, depth + 1, Place::Key);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                // Lists stand below their key without more indentation, as kubectl prints them.
                let depth = if place == Place::Key { depth.saturating_sub(1) } else { depth };
                indent(out, depth, index > 0 || place == Place::Key);
                out.push_str("- ");
                node(out, inner, depth + 1, Place::Line);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            if place == Place::Key {
                out.push(' ');
            }
            match value {
                Value::String(text) => out.push_str(&scalar(text)),
                other => {
                    // Writing to a String can't fail.
                    write!(out, "{other}").unwrap_or_default();
                }
            }
            out.push('\n');
        }
    }
    if depth == 0 && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn indent(out: &mut String, depth: usize, fresh_line: bool) {
    if fresh_line {
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Plain if no YAML reader could take it for something else, else in double quotes as JSON writes it.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.split(' ').all(|part| !part.is_empty() && part.chars().all(word))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null"
        );
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::to_string;
    use serde_json::json;

    #[test]
    fn block_style_with_quotes_where_needed() {
        let value =
            json!({"a": {"b": [{"c": "x y", "d": []}, [1, "2"], "no"], "e": {}}, "f": "a: b", "g": null, "h": "\n"});
        let want = "a:\n  b:\n  - c: x y\n    d: []\n  - - 1\n    - \"2\"\n  - \"no\"\n  e: {}\nf: \"a: b\"\ng: null\nh: \"\\n\"\n";
        assert_eq!(to_string(&value), want);
    }
}
