//! The cases' way of writing bytes, maps and times in JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secret::{SecretBytes, SecretMap};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The field of that name, or null.
pub(super) fn field<'v>(input: &'v Value, name: &str) -> &'v Value {
    input.get(name).unwrap_or(&Value::Null)
}

/// The text in the field of that name; empty if there is none.
pub(super) fn text<'v>(input: &'v Value, name: &str) -> &'v str {
    field(input, name).as_str().unwrap_or_default()
}

/// The field of that name as a type of the API; its default for null.
pub(super) fn typed<T: DeserializeOwned + Default>(input: &Value, name: &str) -> Result<T, String> {
    match field(input, name) {
        Value::Null => Ok(T::default()),
        value => serde_json::from_value(value.clone()).map_err(|error| format!("{name}: {error}")),
    }
}

/// A moment, or nothing for null.
pub(super) fn time(input: &Value, name: &str) -> Result<Option<Timestamp>, String> {
    match field(input, name) {
        Value::Null => Ok(None),
        value => value.as_str().unwrap_or_default().parse().map(Some).map_err(|error| format!("{name}: {error}")),
    }
}

/// Bytes: a string, or `{"b64": …}`.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    match value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        Value::Null => Ok(Vec::new()),
        value => STANDARD.decode(text(value, "b64")).map_err(|error| error.to_string()),
    }
}

/// A map of bytes.
pub(super) fn map(value: &Value) -> Result<SecretMap, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| Ok((key.clone(), SecretBytes::new(bytes(value)?)))).collect()
}

/// Bytes as an answer writes them.
pub(super) fn shown(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "utf8": text }),
        Err(_) => json!({ "b64": STANDARD.encode(bytes) }),
    }
}

/// A map of bytes as an answer writes it.
pub(super) fn shown_map(map: &SecretMap) -> Value {
    map.iter()
        .map(|(key, value)| (key.clone(), shown(value.expose())))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}
