//! Which Secrets `--adopt-existing-secrets=false` keeps as they are.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::ExternalSecretSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::adoption::{is_forbidden, refused};
use plan::secret_object::SecretObject;
use plan::status::Verdict;
use serde_json::{Value, json};

fn spec(creation: &str, deletion: &str) -> ExternalSecretSpec {
    serde_json::from_value(json!({"target": {"creationPolicy": creation, "deletionPolicy": deletion}})).unwrap()
}

fn owner(annotations: &Value) -> ObjectMeta {
    serde_json::from_value(json!({"name": "db", "namespace": "shop", "annotations": annotations})).unwrap()
}

fn secret(metadata: &Value, data: &Value) -> SecretObject {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
    secret["metadata"]["name"] = json!("db");
    serde_json::from_value(secret).unwrap()
}

#[test]
fn a_filled_secret_of_nobody_is_kept() {
    let owned = |kind: &str, group: &str, controller: bool| json!({"ownerReferences": [{"apiVersion": format!("{group}/v1"), "kind": kind, "name": "x", "uid": "u", "controller": controller}]});
    let managed = json!({"labels": {"reconcile.external-secrets.io/managed": "true"}});
    let (filled, empty, none) = (json!({"a": "Yg=="}), json!({}), json!({}));
    let adopt = |value: &str| json!({"external-secrets.io/adopt": value});
    let ours = owned("ExternalSecret", "external-secrets.io", true);
    let other = owned("Certificate", "cert-manager.io", true);
    let cases = [
        ("Owner", &none, &filled, &none, true),
        ("Orphan", &none, &filled, &none, true),
        ("CreateOrMerge", &none, &filled, &none, true),
        ("Merge", &none, &filled, &none, false),
        ("None", &none, &filled, &none, false),
        ("Owner", &none, &empty, &none, false),
        ("Owner", &managed, &filled, &none, false),
        ("Owner", &ours, &filled, &none, false),
        // The reference refuses these by itself, and takes those.
        ("Owner", &other, &filled, &none, false),
        ("Orphan", &other, &filled, &none, true),
        ("Owner", &none, &filled, &adopt("true"), false),
        ("Owner", &none, &filled, &adopt("yes"), true),
    ];
    for (policy, metadata, data, annotations, want) in cases {
        let got = is_forbidden(&owner(annotations), &spec(policy, "Retain"), &secret(metadata, data));
        assert_eq!(got, want, "{policy} {metadata} {data} {annotations}");
    }
}

#[test]
fn it_is_told_what_allows_it_where_something_would_be_written() {
    let live = secret(&json!({}), &json!({"a": "Yg=="}));
    for (deletion, empty, told) in
        [("Retain", false, true), ("Retain", true, false), ("Delete", true, true), ("Merge", true, true)]
    {
        let verdict = refused(&owner(&json!({})), &spec("Owner", deletion), &live, empty);
        assert_eq!(verdict.is_some(), told, "{deletion} {empty}");
        if let Some(Verdict::Failed { text, .. }) = verdict {
            for part in ["secret db", "--adopt-existing-secrets=false", "external-secrets.io/adopt: \"true\""] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
