//! What a PushSecret pushes: each case is a spec, the keys of its Secret, and the entries for the store `vault`.

#[cfg(test)]
mod support;

use std::sync::Arc;

use api::{PushSecretDeletionPolicy, PushSecretSpec, StoreKind};
use plan::data::StoreName;
use plan::push::{Target, Wanted, entries, indistinct, unite};
use provider::Source;
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;
use serde_json::{Value, json};
use support::engine;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    data: Value,
    #[serde(default, rename = "dataTo")]
    data_to: Value,
    /// Keys of the Secret; each value is its key in capitals.
    keys: Vec<String>,
    /// `source -> key[+property] = value`, all in order; of a failing entry `…! why`.
    want: Option<Vec<String>>,
    error: Option<String>,
}

fn source(keys: &[String]) -> Arc<Source> {
    let data: SecretMap = keys.iter().map(|key| (key.clone(), SecretBytes::from(key.to_uppercase()))).collect();
    Arc::new(Source { data, ..Source::default() })
}

fn spec(data: &Value, data_to: &Value) -> PushSecretSpec {
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

fn wanted(spec: &PushSecretSpec, keys: &[String]) -> Result<Vec<Wanted>, String> {
    let (engine, env) = engine();
    let store = StoreName { kind: StoreKind::SecretStore, name: "vault".to_owned() };
    entries(spec, &Target { store, labels: Default::default() }, &source(keys), &engine, &env)
}

fn shown(entries: &[Wanted]) -> Vec<String> {
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

#[test]
fn entries_are_made_as_in_the_reference() {
    let text = include_str!("../testdata/push.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(text).unwrap();
    assert!(cases.len() > 15);
    for case in cases {
        let got = wanted(&spec(&case.data, &case.data_to), &case.keys).map(|entries| shown(&entries));
        let want = case.error.map_or_else(|| Ok(case.want.unwrap_or_default()), Err);
        assert_eq!(got, want, "{}", case.name);
    }
}

fn own(entries: &[(&str, &str, &str)]) -> Value {
    let entry = |(from, key, property): &(&str, &str, &str)| json!({"match": {"secretKey": from, "remoteRef": {"remoteKey": key, "property": property}}});
    Value::Array(entries.iter().map(entry).collect())
}

#[test]
fn several_secrets_are_one_unless_they_want_different_things_at_one_place() {
    let all = spec(&Value::Null, &json!([{}]));
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let of = |secret: &str, names: &[&str]| (secret.to_owned(), wanted(&all, &keys(names)).unwrap());
    // The same key has the same value here.
    let united = unite(vec![of("one", &["a", "b"]), of("two", &["b", "c"])]);
    assert_eq!(shown(&united), ["a -> a = A", "b -> b = B", "c -> c = C"]);
    let data = |from: &str| spec(&own(&[(from, "app", "")]), &Value::Null);
    let one = ("one".to_owned(), wanted(&data("a"), &keys(&["a"])).unwrap());
    let two = ("two".to_owned(), wanted(&data("b"), &keys(&["b"])).unwrap());
    let want = r#"a -> app! duplicate remote key "app": Secrets "one" and "two" both map to the same destination"#;
    assert_eq!(shown(&unite(vec![one, two])), [want]);
}

#[test]
fn places_that_the_status_cannot_tell_apart_are_refused_where_it_says_what_to_delete() {
    let spec = spec(&own(&[("k", "a", "b"), ("k", "a/b", "")]), &Value::Null);
    for (policy, refused) in [(PushSecretDeletionPolicy::None, false), (PushSecretDeletionPolicy::Delete, true)] {
        let mut entries = wanted(&spec, &["k".to_owned()]).unwrap();
        indistinct(policy, &mut entries);
        assert!(entries[0].push.is_ok());
        let why = entries[1].push.as_ref().err().cloned().unwrap_or_default();
        assert_eq!(
            why.contains(r#"remote key "a" with property "b" and remote key "a/b" cannot be told apart"#),
            refused
        );
    }
}
