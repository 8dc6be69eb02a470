//! Cases about JSON: selecting properties, values and maps.

use gojson::{Document, Html, Item, Numbers, property as select};
use serde_json::{Value, json};

use super::Answer;
use super::values::{bytes, field, map, shown, text};

/// The remote key that all property cases speak of.
const KEY: &str = "my-secret";

pub(super) fn byte_value(input: &Value) -> Answer {
    let literal = field(input, "use_number").as_bool().unwrap_or(false);
    let numbers = if literal { Numbers::Literal } else { Numbers::Float64 };
    let value = gojson::value_bytes(text(input, "json").as_bytes(), numbers).map_err(|error| error.to_string())?;
    Ok(shown(&value))
}

pub(super) fn json_map(input: &Value) -> Answer {
    let map = gojson::object_to_map(text(input, "json").as_bytes()).map_err(|error| error.to_string())?;
    Ok(map.into_iter().map(|(key, value)| (key, shown(&value))).collect())
}

pub(super) fn property(input: &Value) -> Answer {
    let payload = bytes(field(input, "payload"))?;
    let property = text(input, "property");
    let found = match text(input, "provider") {
        "aws" if property.is_empty() => Some(payload),
        "aws" => select::dotted_first(&payload, property),
        "azurekv" if property.is_empty() => Some(payload),
        "azurekv" => select::path_first(&payload, property),
        "vault" => vault(&payload, property)?,
        "kubernetes" => kubernetes(&payload, property)?,
        other => return Err(format!("provider {other} has no property cases")),
    };
    let missing = || match text(input, "provider") {
        "aws" => format!("key {property} does not exist in secret {KEY}"),
        "azurekv" => format!("property {property} does not exist in key {KEY}"),
        "vault" => format!("cannot find secret data for key: {}", gojson::quote(property)),
        _ => format!("property {property} does not exist in data of secret {}", gojson::quote(KEY)),
    };
    found.map(|value| shown(&value)).ok_or_else(missing)
}

fn vault(payload: &[u8], property: &str) -> Result<Option<Vec<u8>>, String> {
    let data = Document::parse_first(payload).map_err(|error| error.to_string())?;
    if matches!(data.item(data.root()), Item::Null) {
        return Err("Secret does not exist".to_owned());
    }
    select::vault(&data, property).map_err(|error| error.to_string())
}

fn kubernetes(payload: &[u8], property: &str) -> Result<Option<Vec<u8>>, String> {
    let data = map(&serde_json::from_slice(payload).unwrap_or(json!({})))?;
    if property.is_empty() {
        let pairs = data.iter().map(|(key, value)| (key.as_str(), value.expose()));
        return Ok(Some(gojson::string_map(pairs, Html::Keep)));
    }
    let value = |key: &str| data.get(key).map(secret::SecretBytes::expose);
    Ok(select::data_key(value, property).map(std::borrow::Cow::into_owned))
}
