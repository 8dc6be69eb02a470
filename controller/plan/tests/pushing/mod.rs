//! Specs of PushSecrets and what they make, as cases write them.

use std::sync::Arc;

use api::{PushSecretSpec, StoreKind};
use plan::data::StoreName;
use plan::push::{Target, Wanted, entries};
use provider::Source;
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::engine;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) data: Value,
    #[serde(default, rename = "dataTo")]
    pub(crate) data_to: Value,
    /// Keys of the Secret; each value is its key in capitals.
    pub(crate) keys: Vec<String>,
    /// `source -> key[+property] = value`, all in order; of a failing entry `…! why`.
    pub(crate) want: Option<Vec<String>>,
    pub(crate) error: Option<String>,
}

pub(crate) fn source(keys: &[String]) -> Arc<Source> {
    let data: SecretMap = keys.iter().map(|key| (key.clone(), SecretBytes::from(key.to_uppercase()))).collect();
    Arc::new(Source { data, ..Source::default() })
}

pub(crate) fn spec(data: &Value, data_to: &Value) -> PushSecretSpec {
    let list = |value: &Value| if value.is_null() { json!([]) } else { value.clone() };
    let mut data_to = list(data_to);
    for entry in data_to.as_array_mut().unwrap() {
        if entry["storeRef"].is_null() {
            entry["storeRef"] = json!({"name": "vault"});
        }
    }
    let refs = json!([{"name": "vault"}]);
    let spec = json!({"secretStoreRefs": refs, "selector": {}, "data": list(data), "dataTo": data_to});
    serde_json::from_value(spec).unwrap()
}

pub(crate) fn wanted(spec: &PushSecretSpec, keys: &[String]) -> Result<Vec<Wanted>, String> {
    let (engine, env) = engine();
    let store = StoreName { kind: StoreKind::SecretStore, name: "vault".to_owned() };
    entries(spec, &Target { store, labels: Default::default() }, &source(keys), &engine, &env)
}

pub(crate) fn shown(entries: &[Wanted]) -> Vec<String> {
    let shown = |entry: &Wanted| {
        let place = entry.place();
        let property = place.property.map(|property| format!("+{property}")).unwrap_or_default();
        let from = entry.data.matching.secret_key.as_deref().unwrap_or("*");
        let value = match &entry.push {
            Ok(push) => format!(" = {}", push.value().unwrap().expose_str().unwrap()),
            Err(why) => format!("! {why}"),
        };
        format!("{from} -> {}{property}{value}", place.key)
    };
    entries.iter().map(shown).collect()
}

pub(crate) fn own(entries: &[(&str, &str, &str)]) -> Value {
    let entry = |(from, key, property): &(&str, &str, &str)| json!({"match": {"secretKey": from, "remoteRef": {"remoteKey": key, "property": property}}});
    Value::Array(entries.iter().map(entry).collect())
}
