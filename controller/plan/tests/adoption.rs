//! Which targets `--adopt-existing-secrets=false` keeps as they are.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use api::ExternalSecretSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::adoption::{is_forbidden, refused, refused_target};
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

fn thing(metadata: &Value, more: &Value) -> Value {
    let mut thing = json!({"apiVersion": "example.io/v1", "kind": "Thing", "metadata": metadata});
    thing["metadata"]["name"] = json!("db");
    thing.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    thing
}

#[test]
fn a_filled_target_of_another_kind_is_kept_likewise() {
    let owned = |kind: &str, group: &str, controller: bool| json!({"ownerReferences": [{"apiVersion": format!("{group}/v1"), "kind": kind, "name": "x", "uid": "u", "controller": controller}]});
    let managed = json!({"labels": {"reconcile.external-secrets.io/managed": "true"}});
    let none = json!({});
    let other = owned("Certificate", "cert-manager.io", true);
    let adopt = json!({"external-secrets.io/adopt": "true"});
    let cases = [
        ("Owner", &none, json!({"spec": {"size": 3}}), &none, true),
        ("Owner", &none, json!({"data": {"a": "b"}}), &none, true),
        ("Owner", &none, json!({"rules": ["x"]}), &none, true),
        ("Orphan", &none, json!({"spec": {"size": 3}}), &none, true),
        ("CreateOrMerge", &none, json!({"spec": {"size": 3}}), &none, true),
        ("Merge", &none, json!({"spec": {"size": 3}}), &none, false),
        ("None", &none, json!({"spec": {"size": 3}}), &none, false),
        ("Owner", &none, json!({"spec": {}, "data": null, "status": {"phase": "Bound"}}), &none, false),
        ("Owner", &managed, json!({"spec": {"size": 3}}), &none, false),
        ("Owner", &owned("ExternalSecret", "external-secrets.io", false), json!({"spec": {"size": 3}}), &none, false),
        // Refused in the reference's words, and only there.
        ("Owner", &other, json!({"spec": {"size": 3}}), &none, false),
        ("Orphan", &other, json!({"spec": {"size": 3}}), &none, true),
        ("Owner", &json!({"labels": 7}), json!({"spec": {"size": 3}}), &none, true),
        ("Owner", &none, json!({"spec": {"size": 3}}), &adopt, false),
    ];
    for (policy, metadata, more, annotations, want) in cases {
        let live = thing(metadata, &more);
        let got = refused_target(&owner(annotations), &spec(policy, "Merge"), &live, false);
        assert_eq!(got.is_some(), want, "{policy} {live} {annotations}");
    }
    let live = thing(&none, &json!({"spec": {"size": 3}}));
    for (deletion, empty, told) in
        [("Retain", false, true), ("Retain", true, false), ("Delete", true, true), ("Merge", true, true)]
    {
        let verdict = refused_target(&owner(&none), &spec("Owner", deletion), &live, empty);
        assert_eq!(verdict.is_some(), told, "{deletion} {empty}");
        if let Some(Verdict::Failed { text, .. }) = verdict {
            for part in [
                "Thing db exists",
                "--adopt-existing-secrets=false",
                "external-secrets.io/adopt: \"true\"",
                "delete the resource",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
