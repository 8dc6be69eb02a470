//! The settings of every provider: typed, lossless, and with the defaults that their schema promises.
//!
//! Most samples are made from the schemas of the CRDs, so that a field or provider that is added is tested by being there.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use api::{ProviderSpec, StoreProvider};
use serde_json::{Map, Value, json};

/// The schemas below `spec.provider` of a SecretStore, by key.
fn schemas() -> Map<String, Value> {
    let crds = api::crd::all();
    let store = crds.iter().find(|crd| crd.plural == "secretstores").expect("SecretStore");
    let provider = store
        .document
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/provider")
        .expect("spec.provider");
    assert_eq!((&provider["minProperties"], &provider["maxProperties"]), (&json!(1), &json!(1)));
    provider["properties"].as_object().expect("properties").clone()
}

/// Reads the settings of one provider as their type, and gives back what is written.
fn again(key: &str, settings: &Value) -> Value {
    let wire = StoreProvider(Map::from_iter([(key.to_owned(), settings.clone())]));
    let typed = wire.parse().unwrap_or_else(|e| panic!("{e} in {settings}"));
    assert_eq!(typed.key(), key);
    let mut written = StoreProvider::from(typed);
    assert_eq!(written.0.len(), 1);
    written.0.remove(key).expect("the same key")
}

/// Settings that set every field, lists and maps with one entry. Where there are several values of an enum, the
/// `choice`th.
fn full(name: &str, schema: &Value, choice: usize) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[choice % values.len()].clone();
    }
    match schema["type"].as_str() {
        Some("object") => match (schema["properties"].as_object(), &schema["additionalProperties"]) {
            (None, Value::Object(_)) => json!({"k": full("", &schema["additionalProperties"], choice)}),
            (properties, _) => {
                let properties = properties.into_iter().flatten();
                properties.map(|(name, field)| (name.clone(), full(name, field, choice))).collect()
            }
        },
        Some("array") => json!([full("", &schema["items"], choice)]),
        Some("integer") => json!(7),
        // Unlike every default, and not `false`, which is left out where it is the default.
        Some("boolean") => json!(schema["default"] != json!(true)),
        Some("string") => match (name, schema["pattern"].as_str()) {
            ("timeout" | "ttl", _) => json!("1m0s"),
            (_, Some(pattern)) if pattern.contains('@') => json!("a@p.iam.gserviceaccount.com"),
            _ => json!("a"),
        },
        other => panic!("{name}: type {other:?}"),
    }
}

/// Settings that set only what is required.
fn least(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let fields = required.map(|name| (name, &schema["properties"][name]));
            let given = fields.filter(|(_, field)| field.get("default").is_none());
            given.map(|(name, field)| (name.to_owned(), least(field))).collect()
        }
        _ => full("", schema, 0),
    }
}

/// What the API server makes of settings: absent fields get the defaults of their schema.
fn defaulted(schema: &Value, settings: &Value) -> Value {
    let (Some(properties), Some(given)) = (schema["properties"].as_object(), settings.as_object()) else {
        return settings.clone();
    };
    let mut result = given.clone();
    for (name, field) in properties {
        match (result.get(name), field.get("default")) {
            (Some(value), _) => {
                result.insert(name.clone(), defaulted(field, value));
            }
            (None, Some(default)) => {
                result.insert(name.clone(), default.clone());
            }
            (None, None) => {}
        }
    }
    result.into()
}

#[test]
fn every_provider_has_a_schema_and_a_type() {
    let schemas = schemas();
    let mut keys: Vec<&str> = ProviderSpec::KEYS.to_vec();
    keys.sort_unstable();
    assert_eq!(schemas.keys().collect::<Vec<_>>(), keys);
    assert_eq!(keys.len(), 43);
    for (key, schema) in &schemas {
        assert!(schema["properties"].as_object().is_some_and(|fields| !fields.is_empty()), "{key} has no fields");
        assert!(schema.get("x-kubernetes-preserve-unknown-fields").is_none(), "{key}");
    }
}

#[test]
fn settings_with_every_field_survive() {
    for (key, schema) in schemas() {
        for choice in 0..6 {
            let settings = full(&key, &schema, choice);
            assert_eq!(again(&key, &settings), settings, "{key}");
        }
    }
}

#[test]
fn settings_with_only_what_is_required_get_the_defaults_of_the_schema() {
    for (key, schema) in schemas() {
        let settings = least(&schema);
        let want = defaulted(&schema, &settings);
        assert_eq!(canonical(&defaulted(&schema, &again(&key, &settings))), canonical(&want), "{key}");
        assert_eq!(canonical(&again(&key, &want)), canonical(&want), "{key} with defaults");
    }
}

/// Empty containers and `false` are left out where nothing asks for them.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), canonical(value)))
            .filter(|(_, value)| *value != json!(false) && *value != json!([]))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn defaults_within_optional_settings_are_those_of_the_schema() {
    let schemas = schemas();
    let cases = [
        ("onepasswordSDK", json!({"auth": {"serviceAccountSecretRef": {}}, "cache": {}, "integrationInfo": {}})),
        ("openBao", json!({"server": "s", "auth": {"appRole": {"secretRef": {}}}})),
        ("openBao", json!({"server": "s", "auth": {"userPass": {"username": "u"}}})),
        ("doppler", json!({"auth": {"oidcConfig": {"identity": "i", "serviceAccountRef": {"name": "a"}}}})),
    ];
    for (key, settings) in cases {
        let want = defaulted(&schemas[key], &settings);
        assert!(want != settings, "{key}: nothing to default in {settings}");
        let written = serde_json::to_string(&again(key, &settings)).expect("writes").replace("5m0s", "5m");
        assert_eq!(serde_json::from_str::<Value>(&written).expect("reads"), canonical(&want), "{key}");
    }
}

#[test]
fn samples_survive() {
    let samples: Vec<Map<String, Value>> =
        serde_json::from_str(include_str!("../testdata/providers.json")).expect("a list of providers");
    let schemas = schemas();
    for sample in &samples {
        let (key, settings) = sample.iter().next().expect("a provider");
        assert_eq!(canonical(&again(key, settings)), canonical(&defaulted(&schemas[key], settings)), "{key}");
    }
}

#[test]
fn values_that_may_be_passwords_are_not_shown_by_debug() {
    let secret = json!({"value": "canary"});
    let stores = [
        json!({"secretserver": {"serverURL": "s", "password": secret}}),
        json!({"delinea": {"tenant": "t", "clientId": secret, "clientSecret": secret}}),
    ];
    for store in stores {
        let wire: StoreProvider = serde_json::from_value(store).expect("reads");
        let shown = format!("{:?}", wire.parse().expect("typed"));
        assert!(!shown.contains("canary") && shown.contains('…'), "{shown}");
    }
}
