//! Objects survive reading and writing: what the API server stores comes back unchanged.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use api::{
    ClusterSecretStore, DataFrom, ExternalSecret, ExternalSecretData, GoDuration, ProviderSpec, ProviderSpecError,
    SecretStore, StoreProvider,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::PathBuf;

/// An ExternalSecret that uses every field, as the API server would return it: with its defaults.
fn full_external_secret() -> Value {
    let remote = json!({
        "key": "k", "property": "p", "version": "v", "conversionStrategy": "Unicode", "decodingStrategy": "Base64URL",
        "metadataPolicy": "Fetch", "nullBytePolicy": "Fail",
    });
    json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "full", "namespace": "shop"},
        "spec": {
            "secretStoreRef": {"name": "store", "kind": "ClusterSecretStore"},
            "refreshPolicy": "OnChange",
            "refreshInterval": "1h30m0s",
            "syncWindows": {"kind": "deny", "windows": [{"schedule": "@daily", "duration": "1h0m0s"}]},
            "target": {
                "name": "t", "creationPolicy": "CreateOrMerge", "deletionPolicy": "Merge", "immutable": true,
                "manifest": {"apiVersion": "v1", "kind": "ConfigMap"},
                "template": {
                    "type": "Opaque", "engineVersion": "v2", "mergePolicy": "Merge",
                    "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["e/f"]},
                    "data": {"x": "{{ .x }}"},
                    "templateFrom": [
                        {"target": "Data", "configMap": {"name": "c", "items": [{"key": "k", "templateAs": "KeysAndValues"}]}},
                        {"target": "Labels", "secret": {"name": "s", "items": [{"key": "k", "templateAs": "Values"}]}},
                        {"target": "spec.x", "literal": "l", "valuesDecodingStrategy": "Auto"},
                    ],
                },
            },
            "data": [
                {"secretKey": "a", "remoteRef": remote},
                {"secretKey": "b", "remoteRef": {"key": "k"}, "sourceRef": {"storeRef": {"name": "other"}}},
            ],
            "dataFrom": [
                {"extract": remote},
                {
                    "find": {
                        "path": "p", "name": {"regexp": "r"}, "tags": {"t": "u"}, "conversionStrategy": "Default",
                        "decodingStrategy": "None", "nullBytePolicy": "Ignore",
                    },
                    "rewrite": [
                        {"merge": {
                            "into": "i", "priority": ["x"], "priorityPolicy": "IgnoreNotFound",
                            "conflictPolicy": "Ignore", "strategy": "JSON",
                        }},
                        {"regexp": {"source": "a", "target": "b"}},
                        {"transform": {"template": "t"}},
                    ],
                },
                {"sourceRef": {"generatorRef": {
                    "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Password", "name": "n",
                }}},
            ],
        },
        "status": {
            "refreshTime": "2026-01-02T03:04:05Z", "syncedResourceVersion": "1-x", "binding": {"name": "t"},
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced", "detail": "d",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }],
        },
    })
}

/// Reads and writes, and gives back what was written.
fn again<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e} in {value}"));
    serde_json::to_value(read).expect("writes")
}

#[test]
fn a_full_external_secret_survives() {
    let object = full_external_secret();
    assert_eq!(again::<ExternalSecret>(&object), object);
}

#[test]
fn an_external_secret_without_a_spec_is_readable_and_has_the_defaults() {
    for spec in [json!({"kind": "ExternalSecret"}), json!({"spec": null})] {
        let read: ExternalSecret = serde_json::from_value(spec).expect("reads");
        let target = json!({"creationPolicy": "Owner", "deletionPolicy": "Retain"});
        assert_eq!(serde_json::to_value(&read.spec).expect("writes"), json!({"target": target}));
    }
}

#[test]
fn v1beta1_reads_as_v1() {
    let object = json!({
        "apiVersion": "external-secrets.io/v1beta1", "kind": "SecretStore", "metadata": {"name": "s"},
        "spec": {"provider": {"akeyless": {"akeylessGWApiURL": "https://x", "deep": {"er": [1, null]}}}, "refreshInterval": 5},
    });
    let mut want = object.clone();
    want["apiVersion"] = json!("external-secrets.io/v1");
    assert_eq!(again::<SecretStore>(&object), want);
}

#[test]
fn the_provider_is_told_apart() {
    let parse = |value: Value| StoreProvider(value.as_object().expect("object").clone()).parse();
    let aws = parse(json!({"aws": {"service": "SecretsManager", "region": "eu-west-1"}}));
    assert!(matches!(aws, Ok(ProviderSpec::Aws(aws)) if aws.region == "eu-west-1" && aws.auth.is_empty()));
    let vault = parse(json!({"vault": {"server": "https://x", "auth": {"appRole": {"secretRef": {"name": "s"}}}}}));
    let Ok(ProviderSpec::Vault(vault)) = vault else { panic!("{vault:?}") };
    assert_eq!(vault.auth.and_then(|auth| auth.app_role).map(|role| role.path), Some("approle".to_owned()));

    let failures = [
        (json!({}), "secret stores must only have exactly one backend specified, found 0"),
        (json!({"aws": null}), "secret stores must only have exactly one backend specified, found 0"),
        (
            json!({"aws": {}, "fake": {}, "x": {}}),
            "secret stores must only have exactly one backend specified, found 3",
        ),
        (json!({"nope": {}}), "failed to find registered store backend for type: nope"),
        (json!({"github": {}}), "invalid settings of provider \"github\": missing field `appID`"),
        (json!({"aws": {"service": "SecretsManager"}}), "invalid settings of provider \"aws\": missing field `region`"),
    ];
    for (provider, text) in failures {
        assert_eq!(parse(provider.clone()).expect_err("refused").to_string(), text, "{provider}");
    }
    assert_eq!(parse(json!({})), Err(ProviderSpecError::NotExactlyOne(0)));
}

/// Thousands of these are cached. A larger struct is fine if it is meant; then raise the number.
#[test]
fn external_secrets_stay_compact() {
    assert!(size_of::<ExternalSecretData>() <= 120, "{}", size_of::<ExternalSecretData>());
    assert!(size_of::<DataFrom>() <= 128, "{}", size_of::<DataFrom>());
    assert!(size_of::<api::ExternalSecretSpec>() <= 176, "{}", size_of::<api::ExternalSecretSpec>());
}

/// Drops what Go leaves out when it writes: empty lists and maps, `false`, empty texts.
fn without_empty(value: &Value) -> Value {
    let empty = |v: &Value| match v {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    // Go writes `15m` back as `15m0s`, and so does this.
    let canonical = |key: &str, value: &Value| match value.as_str().map(str::parse::<GoDuration>) {
        Some(Ok(duration)) if matches!(key, "refreshInterval" | "duration" | "timeout" | "ttl") => {
            duration.to_string().into()
        }
        _ => without_empty(value),
    };
    match value {
        Value::Object(map) => {
            map.iter().map(|(k, v)| (k.clone(), canonical(k, v))).filter(|(_, v)| !empty(v)).collect()
        }
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

/// Every spec that the reference's API server returned survives, for the kinds here.
#[test]
fn defaulted_specs_of_the_corpus_survive() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/admission/cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut seen = 0;
    for case in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")) {
        let Some(spec) = case.get("defaulted_spec") else { continue };
        let object = json!({"spec": spec});
        let written = match case["manifest"]["kind"].as_str() {
            Some("ExternalSecret") => again::<ExternalSecret>(&object),
            Some("SecretStore") => again::<SecretStore>(&object),
            Some("ClusterSecretStore") => again::<ClusterSecretStore>(&object),
            _ => continue,
        };
        seen += 1;
        assert_eq!(without_empty(&written["spec"]), without_empty(spec), "{}", case["id"]);
        typed_provider_survives(spec, &case["id"]);
    }
    println!("{seen} specs");
}

fn typed_provider_survives(spec: &Value, id: &Value) {
    let Some(Ok(provider)) = spec.get("provider").map(|p| serde_json::from_value::<StoreProvider>(p.clone())) else {
        return;
    };
    match provider.parse() {
        Ok(typed) => {
            let written = serde_json::to_value(StoreProvider::from(typed)).expect("writes");
            assert_eq!(without_empty(&written), without_empty(&spec["provider"]), "{id}");
        }
        Err(error) => panic!("{id}: {error}"),
    }
}
