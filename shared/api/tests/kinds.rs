//! Every kind against its CRD, and objects of every kind there and back.

use api::generator::{self, KINDS};
use api::{ClusterExternalSecret, ClusterPushSecret, ClusterSecretStore, ExternalSecret, PushSecret, SecretStore};
use kube_core::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Calls a macro with every kind.
macro_rules! every_kind {
    ($then:ident) => {
        $then!(
            ClusterExternalSecret,
            ClusterPushSecret,
            ClusterSecretStore,
            ExternalSecret,
            PushSecret,
            SecretStore,
            generator::AcrAccessToken,
            generator::BeyondtrustDynamicSecret,
            generator::CloudsmithAccessToken,
            generator::ClusterGenerator,
            generator::EcrAuthorizationToken,
            generator::Fake,
            generator::GcrAccessToken,
            generator::GeneratorState,
            generator::GithubAccessToken,
            generator::GitlabDeployToken,
            generator::Grafana,
            generator::Mfa,
            generator::Password,
            generator::QuayAccessToken,
            generator::SshKey,
            generator::StsSessionToken,
            generator::Uuid,
            generator::VaultDynamicSecret,
            generator::Webhook
        )
    };
}

/// Reads and writes an object as the type of its kind.
fn again(object: &Value) -> Result<Value, String> {
    fn typed<T: Serialize + DeserializeOwned>(object: &Value) -> Result<Value, String> {
        let read = T::deserialize(object).map_err(|e| e.to_string())?;
        serde_json::to_value(read).map_err(|e| e.to_string())
    }
    macro_rules! by_kind {
        ($($kind:ty),+) => {
            match object["kind"].as_str().unwrap_or_default() {
                $(<$kind>::KIND => typed::<$kind>(object),)+
                other => panic!("kind {other}"),
            }
        };
    }
    every_kind!(by_kind)
}

#[test]
fn kinds_are_named_as_in_their_definitions() {
    fn named<K: Resource<DynamicType = ()>>(api_version: &str) -> Value {
        assert_eq!(K::api_version(&()), api_version);
        json!([K::group(&()), K::version(&()), K::kind(&()), K::plural(&())])
    }
    macro_rules! names {
        ($($kind:ty),+) => { vec![$(named::<$kind>(<$kind>::API_VERSION)),+] };
    }
    let mut got: Vec<String> = every_kind!(names).iter().map(Value::to_string).collect();
    let mut want: Vec<String> = api::crd::all()
        .iter()
        .map(|crd| {
            let spec = &crd.document["spec"];
            json!([spec["group"], spec["versions"][0]["name"], spec["names"]["kind"], spec["names"]["plural"]])
                .to_string()
        })
        .collect();
    got.sort();
    want.sort();
    assert_eq!(got, want);
}

#[test]
fn the_kinds_of_generators_are_the_same_everywhere() {
    let crds = api::crd::all();
    let spec = |plural: &str| {
        let crd = crds.iter().find(|crd| crd.plural == plural).unwrap_or_else(|| panic!("no {plural}"));
        crd.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].clone()
    };
    let sorted = |list: &Value| {
        let mut words: Vec<String> =
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        words.sort();
        words
    };
    let mut kinds: Vec<String> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
    kinds.sort();
    let cluster = spec("clustergenerators");
    assert_eq!(sorted(&cluster["kind"]["enum"]), kinds);
    assert_eq!(cluster["generator"]["properties"].as_object().map(serde_json::Map::len), Some(kinds.len()));
    kinds.push("ClusterGenerator".to_owned());
    kinds.sort();
    assert_eq!(
        sorted(&spec("pushsecrets")["selector"]["properties"]["generatorRef"]["properties"]["kind"]["enum"]),
        kinds
    );
    let data_from = &spec("externalsecrets")["dataFrom"]["items"]["properties"]["sourceRef"]["properties"];
    assert_eq!(sorted(&data_from["generatorRef"]["properties"]["kind"]["enum"]), kinds);
}

#[test]
fn full_objects_survive() {
    let secret = json!({"name": "s", "namespace": "n", "key": "k"});
    let condition = json!({"type": "Ready", "status": "True", "message": "m"});
    let selector = json!({"matchLabels": {"a": "b"}});
    let push = json!({
        "refreshInterval": "1h0m0s",
        "secretStoreRefs": [{"name": "s", "kind": "SecretStore"}, {"labelSelector": selector, "kind": "ClusterSecretStore"}],
        "updatePolicy": "IfNotExists", "deletionPolicy": "Delete",
        "selector": {"secret": {"name": "s", "selector": selector}},
        "data": [{
            "match": {"secretKey": "k", "remoteRef": {"remoteKey": "r", "property": "p"}},
            "metadata": {"any": ["thing", 1, null]}, "conversionStrategy": "ReverseUnicode",
        }],
        "dataTo": [{
            "storeRef": {"name": "s", "kind": "SecretStore"}, "match": {"regexp": "x"}, "metadata": 5,
            "rewrite": [{"regexp": {"source": "a", "target": "b"}}, {"transform": {"template": "t"}}],
            "conversionStrategy": "None",
        }, {"remoteKey": "all", "conversionStrategy": "None"}],
        "template": {"engineVersion": "v2", "mergePolicy": "Replace", "data": {"k": "v"}},
    });
    let objects = [
        json!({
            "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret", "metadata": {"name": "p"}, "spec": push,
            "status": {
                "refreshTime": "2026-01-02T03:04:05Z", "syncedResourceVersion": "1-x", "conditions": [condition],
                "syncedPushSecrets": {"SecretStore/s": {"r/p": {
                    "match": {"remoteRef": {"remoteKey": "r"}}, "conversionStrategy": "None",
                }}},
            },
        }),
        json!({
            "apiVersion": "external-secrets.io/v1alpha1", "kind": "ClusterPushSecret", "metadata": {"name": "p"},
            "spec": {
                "pushSecretSpec": push, "pushSecretName": "n", "namespaceSelectors": [selector], "refreshTime": "1h0m0s",
                "pushSecretMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
            },
            "status": {
                "pushSecretName": "n", "provisionedNamespaces": ["a"], "conditions": [condition],
                "failedNamespaces": [{"namespace": "b", "reason": "r"}],
            },
        }),
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": "e"},
            "spec": {
                "externalSecretSpec": {"target": {"creationPolicy": "Owner", "deletionPolicy": "Retain"}},
                "externalSecretName": "n", "namespaceSelector": selector, "namespaceSelectors": [selector],
                "externalSecretMetadata": {"labels": {"a": "b"}}, "namespaces": ["a"], "refreshTime": "1m0s",
            },
            "status": {
                "externalSecretName": "n", "provisionedNamespaces": ["a"], "conditions": [condition],
                "failedNamespaces": [{"namespace": "b", "reason": "r"}],
            },
        }),
        json!({
            "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "ClusterGenerator",
            "metadata": {"name": "g"},
            "spec": {"kind": "VaultDynamicSecret", "generator": {"vaultDynamicSecretSpec": {
                "controller": "c", "method": "POST", "parameters": {"any": [1]}, "getParameters": {"a": ["b"]},
                "resultType": "Raw", "path": "p", "allowEmptyResponse": true,
                "retrySettings": {"maxRetries": 3, "retryInterval": "5s"},
                "provider": {"server": "https://v", "version": "v2", "auth": {"tokenSecretRef": secret}},
            }}},
        }),
        json!({
            "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "GeneratorState", "metadata": {"name": "g"},
            "spec": {
                "resource": {"kind": "Fake"}, "state": "any", "garbageCollectionDeadline": "2026-01-02T03:04:05Z",
            },
            "status": {"conditions": [condition]},
        }),
    ];
    for object in objects {
        assert_eq!(again(&object), Ok(object.clone()), "{}", object["kind"]);
    }
}

/// Drops what Go leaves out when it writes: empty lists and maps, `false`, empty texts, and `null` which nobody stores.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, inner)| (key.clone(), without_empty(inner)))
            .filter(|(_, inner)| {
                !matches!(inner, Value::Null | Value::Bool(false))
                    && inner.as_str() != Some("")
                    && inner.as_array().is_none_or(|items| !items.is_empty())
                    && inner.as_object().is_none_or(|map| !map.is_empty())
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        // The API server stores a whole number without a point.
        Value::Number(number) => match number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
            Some(float) => (float as i64).into(),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

/// What is said is kept, at any depth; defaults may come on top.
fn kept(path: &str, said: &Value, got: &Value) -> Vec<String> {
    match (said, got) {
        (Value::Object(said), Value::Object(got)) => {
            said.iter().flat_map(|(key, inner)| kept(&format!("{path}.{key}"), inner, &got[key])).collect()
        }
        (Value::Array(said), Value::Array(got)) if said.len() == got.len() => {
            said.iter().zip(got).flat_map(|(said, got)| kept(&format!("{path}[]"), said, got)).collect()
        }
        (said, got) if said == got || said.is_null() => Vec::new(),
        // Durations are written in one form.
        (Value::String(said), Value::String(got))
            if said.parse::<api::GoDuration>().is_ok_and(|said| got.parse() == Ok(said)) =>
        {
            Vec::new()
        }
        (said, got) => vec![format!("{path}: {said} became {got}")],
    }
}

/// The manifests that the reference accepts, from the shared corpus where it lies beside the repository.
#[test]
fn accepted_manifests_are_read_without_loss() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/admission/cases.jsonl");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let (mut seen, mut failed) = (0, Vec::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("a JSON line");
        let manifest = without_empty(&case["manifest"]);
        if case["verdict"] != "accept" || !manifest["kind"].is_string() {
            continue;
        }
        seen += 1;
        match again(&case["manifest"]).or_else(|_| again(&manifest)) {
            Ok(got) => {
                let lost = kept("spec", &manifest["spec"], &without_empty(&got["spec"]));
                failed.extend(lost.into_iter().map(|lost| format!("{}: {lost}", case["id"])));
            }
            // No webhook looks at intervals of these kinds, and no controller can read the object, the reference's neither.
            Err(error)
                if error.starts_with("time: ")
                    && case["id"].as_str().is_some_and(|id| id.ends_with("-not-checked")) => {}
            Err(error) => failed.push(format!("{}: {error}", case["id"])),
        }
    }
    println!("{seen} manifests");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
