//! YAML as Go's `sigs.k8s.io/yaml` reads and writes it: YAML 1.1 as goyaml.v2 has it, by way of JSON.
//!
//! Here: documents to JSON values and back, with Go's rules for what a scalar means, Go's layout, and Go's texts for errors.
//! Deliberately not here: lines of values, comments, several documents, types other than JSON's.
//!
//! ```
//! let value = goyaml::parse(b"on: 0x10\nold: 0777\n").unwrap();
//! assert_eq!(value, serde_json::json!({"true": 16, "old": 511}));
//!
//! let text = goyaml::emit(&serde_json::json!({"look-alike": "yes", "list": ["a: b"]}));
//! assert_eq!(text, "list:\n- 'a: b'\nlook-alike: \"yes\"\n");
//!
//! let wrong = goyaml::parse(b"a: [1\n").unwrap_err();
//! assert_eq!(wrong.to_string(), "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'");
//! ```

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::decode::Datum;
use crate::scan::Scanner;

mod compose;
mod decode;
mod emit;
mod json;
mod number;
mod order;
mod property;
mod resolve;
mod scalar;
mod scan;
mod text;
mod write;

/// How deep collections may be nested, aliases followed. Go allows 10000.
pub const MAX_DEPTH: usize = 200;

/// How many bytes a document may have. Go has no limit.
pub const MAX_BYTES: usize = 16 << 20;

/// Why a document can't be read. The text is Go's, and as in Go it may quote a key or a scalar of the document
/// (``cannot decode !!str `x` as a !!int``): where documents are secret, so is this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It isn't YAML, or holds what JSON doesn't.
    #[error("error converting YAML to JSON: {0}")]
    Yaml(String),
    /// It isn't of the kind that was asked for.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )]
    Kind {
        /// What is there: `object`, `array`, `string`, `number` or `bool`.
        found: &'static str,
        /// What was asked for, as Go's type.
        wanted: &'static str,
    },
}

/// Reads the first document; no document is null. Of equal keys the last wins.
///
/// Integers are exact within 64 bits, as `k8s.io/apimachinery/pkg/util/yaml` has them; a caller that wants what
/// `sigs.k8s.io/yaml` gives for an untyped target turns all numbers into `f64`.
///
/// # Errors
/// Bad YAML, infinite numbers, keys that are collections or null, more than [`MAX_BYTES`] or [`MAX_DEPTH`].
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    let value = read(text)?;
    json::with_text_keys(value).and_then(json::to_json).map_err(Error::Yaml)
}

/// Reads the first document as a map; null is an empty one. It is Go's `Unmarshal` into `map[string]interface{}`.
///
/// # Errors
/// As [`parse`], and any other kind of value.
pub fn parse_map(text: &[u8]) -> Result<Map<String, Value>, Error> {
    object(parse(text)?, "map[string]interface {}")
}

fn object(value: Value, wanted: &'static str) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        other => Err(Error::Kind { found: json::kind(&other), wanted }),
    }
}

/// Reads the first document as a map of texts: Go's `Unmarshal` into `map[string]string`. Numbers and booleans become text
/// after they were understood (`0777` is `511`, `yes` is `true`), floats in the shortest form for 32 bits; null is empty.
///
/// # Errors
/// As [`parse_map`], and values that are collections.
pub fn parse_string_map(text: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let value = match json::with_text_keys(read(text)?).map_err(Error::Yaml)? {
        Datum::Map(entries) => Datum::Map(entries.into_iter().map(|(k, v)| (k, json::as_text(v))).collect()),
        other => other,
    };
    let value = json::to_json(value).map_err(Error::Yaml)?;
    let map = object(value, "map[string]string")?;
    map.into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text.into_bytes())),
            Value::Null => Ok((key, Vec::new())),
            other => Err(Error::Kind { found: json::kind(&other), wanted: "string" }),
        })
        .collect()
}

/// Writes a value as YAML, keys sorted as goyaml does, with a newline at the end.
///
/// Empty where Go's `Marshal` fails: on keys of more than 1024 characters, on control characters from U+007F to U+009F
/// (Go goes by way of JSON, which holds them, and goyaml doesn't read them), and beyond [`MAX_DEPTH`] or [`MAX_BYTES`].
#[must_use]
pub fn emit(value: &Value) -> String {
    let mut text = Vec::new();
    json::write(value, &mut text);
    json_to_yaml(&text, MAX_BYTES).unwrap_or_default()
}

/// Turns JSON's text into YAML of at most so many bytes, or a little more: Go's `JSONToYAML`. Indentation can make it much
/// longer than the JSON.
///
/// # Errors
/// What [`emit()`] is empty for. JSON is read as YAML, so an error of syntax is YAML's.
pub fn json_to_yaml(json: &[u8], most: usize) -> Result<String, Error> {
    let value = read(json).and_then(|value| json::with_text_keys(value).map_err(Error::Yaml))?;
    emit::emit(&value, most).ok_or_else(|| Error::Yaml(format!("yaml: output is too long: more than {most} bytes")))
}

fn read(text: &[u8]) -> Result<Datum, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::Yaml(format!("yaml: input is too long: more than {MAX_BYTES} bytes")));
    }
    let tree = compose::compose(Scanner::new(text::decode(text))).map_err(|problem| {
        Error::Yaml(match problem.line {
            0 => format!("yaml: {}", problem.text),
            line => format!("yaml: line {line}: {}", problem.text),
        })
    })?;
    decode::decode(&tree).map_err(|text| Error::Yaml(format!("yaml: {text}")))
}
