//! goyaml's values to JSON's and back, as `sigs.k8s.io/yaml` does it.

use std::collections::BTreeMap;

use gojson::Html;
use serde_json::{Map, Number, Value};

use crate::decode::{Datum, Key, go_syntax};
use crate::number::{format_g, format_g32};

/// Makes all keys text. The error is Go's text without its prefix.
pub(crate) fn with_text_keys(value: Datum) -> Result<Datum, String> {
    Ok(match value {
        Datum::List(items) => Datum::List(items.into_iter().map(with_text_keys).collect::<Result<_, _>>()?),
        Datum::Map(entries) => {
            let mut texts = BTreeMap::new();
            for (key, value) in entries {
                let (kind, key) = match key {
                    Key::Text(text) => ("", text),
                    Key::Int(n) => ("", n.to_string()),
                    Key::Bool(b) => ("", b.to_string()),
                    Key::Float(bits) => ("", float_key(f64::from_bits(bits))),
                    Key::Null => ("%!s(<nil>)", "<nil>".into()),
                    Key::Uint(n) => ("uint64", format!("{n:#x}")),
                };
                if !kind.is_empty() {
                    let value = go_syntax(&value);
                    return Err(format!("unsupported map key of type: {kind}, key: {key}, value: {value}"));
                }
                texts.insert(Key::Text(key), with_text_keys(value)?);
            }
            Datum::Map(texts)
        }
        other => other,
    })
}

fn float_key(f: f64) -> String {
    match format_g32(f).as_str() {
        "+Inf" => ".inf".into(),
        "-Inf" => "-.inf".into(),
        "NaN" => ".nan".into(),
        text => text.into(),
    }
}

/// A number or a boolean as text, where text is wanted. Floats are rounded to 32 bits.
pub(crate) fn as_text(value: Datum) -> Datum {
    match value {
        Datum::Bool(b) => Datum::Text(b.to_string()),
        Datum::Int(n) => Datum::Text(n.to_string()),
        Datum::Uint(n) => Datum::Text(n.to_string()),
        Datum::Float(f) => Datum::Text(format_g32(f)),
        other => other,
    }
}

/// The value as JSON. Floats that are whole become integers, as JSON's text doesn't tell one from the other.
pub(crate) fn to_json(value: Datum) -> Result<Value, String> {
    Ok(match value {
        Datum::Null => Value::Null,
        Datum::Bool(b) => Value::Bool(b),
        Datum::Int(n) => n.into(),
        Datum::Uint(n) => n.into(),
        Datum::Float(f) => Value::Number(float(f)?),
        Datum::Text(text) => Value::String(text),
        Datum::List(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Datum::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                if let Key::Text(key) = key {
                    map.insert(key, to_json(value)?);
                }
            }
            Value::Object(map)
        }
    })
}

fn float(f: f64) -> Result<Number, String> {
    whole(f).or_else(|| Number::from_f64(f)).ok_or_else(|| format!("json: unsupported value: {}", format_g(f)))
}

/// The integer that a float's shortest decimal digits are.
fn whole(f: f64) -> Option<Number> {
    if f.fract() != 0.0 || f == 0.0 && f.is_sign_negative() {
        return None;
    }
    let digits = f.to_string();
    digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from)).ok()
}

/// The text that Go's `json.Marshal` writes, but for the layout of numbers.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        // Go's JSON has no fraction here, and its YAML then takes it for an integer.
        Value::Number(number) if number.as_f64() == Some(0.0) => out.push(b'0'),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|_| number.is_f64()).and_then(whole);
            out.extend(whole.as_ref().unwrap_or(number).to_string().as_bytes());
        }
        Value::String(text) => gojson::write_string(out, text.as_bytes(), Html::Escape),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(entries) => {
            out.push(b'{');
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                gojson::write_string(out, key.as_bytes(), Html::Escape);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

/// The name that Go's `json.Unmarshal` has for a kind of value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
