//! Targets that are no Secret: what is written for each policy and each live object, and what is told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first thing that is not as it should be")]

mod support;

use api::{CreationPolicy, ExternalSecretSpec, ManifestRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::generic_target::{
    Decision, Write, Written, cluster_scoped, decide, emptied, is_as_written, needs_finalizer, note, refusal, removal,
    unknown_kind, unwritten, without_values,
};
use plan::status::{Again, Verdict};
use plan::template::{Manifest, Sources, wished};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};
use support::engine;

const MANAGED: &str = "reconcile.external-secrets.io/managed";
const HASH: &str = "reconcile.external-secrets.io/data-hash";
const SYNCED: &str = "ResourceSynced: secret synced";

fn spec(target: Value) -> ExternalSecretSpec {
    let mut all = json!({"manifest": {"apiVersion": "example.io/v1", "kind": "Thing"}});
    all.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    serde_json::from_value(json!({"target": all})).unwrap()
}

fn owner() -> ObjectMeta {
    serde_json::from_value(json!({"name": "es", "namespace": "shop", "uid": "u"})).unwrap()
}

fn data() -> SecretMap {
    [("user".to_owned(), SecretBytes::from("canary"))].into()
}

fn decided(target: Value, live: Option<&Value>, written: Option<&Written>) -> Decision {
    let (engine, env) = engine();
    let spec = spec(target);
    let wish = wished(&owner(), &spec, &data(), live, &Sources::default(), &engine, &env);
    decide(&owner(), spec.target.creation_policy, wish, live, written)
}

fn told(decision: &Decision) -> (&'static str, String) {
    let write = match &decision.write {
        Write::Nothing => "nothing",
        Write::Create(_) => "create",
        Write::Update(_) => "update",
        Write::Delete { uid: _, resource_version: _ } => "delete",
    };
    (write, verdict(&decision.verdict))
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Done { reason, message } => format!("{}: {message}", reason.as_str()),
        Verdict::Failed { reason, message, text, detail: _, again: Again::Backoff } => {
            format!("{}: {message}: {text}", reason.as_str())
        }
        Verdict::Failed { reason, message, text, detail: _, again: Again::OnChange } => {
            format!("stuck: {}: {message}: {text}", reason.as_str())
        }
    }
}

/// What the API server has after a write.
fn stored(decision: &Decision) -> Value {
    let (Write::Create(object) | Write::Update(object)) = &decision.write else { panic!("{decision:?}") };
    served(object)
}

fn served(object: &Manifest) -> Value {
    let mut object = object.expose().clone();
    let kept =
        json!({"uid": "t", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 3});
    object["metadata"].as_object_mut().unwrap().extend(kept.as_object().unwrap().clone());
    object["status"] = json!({"phase": "Ready"});
    object
}

#[test]
fn each_policy_writes_what_it_may() {
    let foreign = json!({
        "apiVersion": "example.io/v1", "kind": "Thing", "spec": {"keep": 1}, "status": {"phase": "Ready"},
        "metadata": {"name": "es", "namespace": "shop", "uid": "t", "resourceVersion": "7", "labels": {"l": "1"}, "finalizers": ["f/x"]},
    });
    let missing = "ResourceMissing: resource will not be created due to CreationPolicy=Merge";
    let cases = [
        ("Owner", None, "create", SYNCED),
        ("Orphan", None, "create", SYNCED),
        ("CreateOrMerge", None, "create", SYNCED),
        ("Merge", None, "nothing", missing),
        ("None", None, "nothing", SYNCED),
        ("Owner", Some(&foreign), "update", SYNCED),
        ("Orphan", Some(&foreign), "update", SYNCED),
        ("CreateOrMerge", Some(&foreign), "update", SYNCED),
        ("Merge", Some(&foreign), "update", SYNCED),
        ("None", Some(&foreign), "nothing", SYNCED),
    ];
    for (policy, live, write, said) in cases {
        let target = json!({"creationPolicy": policy});
        let decision = decided(target.clone(), live, None);
        assert_eq!(told(&decision), (write, said.to_owned()), "{policy} {live:?}");
        if let Write::Update(object) = &decision.write {
            let metadata = &object.expose()["metadata"];
            assert_eq!((&metadata["uid"], &metadata["resourceVersion"]), (&json!("t"), &json!("7")), "{policy}");
            assert_eq!(metadata["finalizers"], json!(["f/x"]), "{policy}");
            assert_eq!(object.expose()["status"], json!({"phase": "Ready"}), "{policy}");
            let builds_on_it = policy.ends_with("Merge");
            assert_eq!(object.expose()["spec"].get("keep").is_some(), builds_on_it, "{policy}");
        }
        // Whatever is written is found as written, and deciding again writes nothing.
        if write != "nothing" {
            let live = stored(&decision);
            let policy = spec(target.clone()).target.creation_policy;
            assert!(is_as_written(policy, Some(&live), None), "{policy:?}");
            assert_eq!(told(&decided(target, Some(&live), None)), ("nothing", SYNCED.to_owned()), "{policy:?}");
        }
    }
}

#[test]
fn what_the_api_server_fills_in_is_no_drift_for_the_one_that_wrote_it() {
    let target = json!({"creationPolicy": "Owner"});
    let first = decided(target.clone(), None, None);
    let Write::Create(wish) = &first.write else { panic!("{first:?}") };
    let mut live = stored(&first);
    live["spec"]["replicas"] = json!(1);
    let written = Written::of(wish.expose(), &live);
    // Another process can't know, and writes once more.
    assert!(!is_as_written(CreationPolicy::Owner, Some(&live), None));
    assert_eq!(told(&decided(target.clone(), Some(&live), None)).0, "update");
    live["status"] = json!({"phase": "Pending"});
    live["metadata"]["resourceVersion"] = json!("8");
    assert!(is_as_written(CreationPolicy::Owner, Some(&live), Some(&written)));
    assert_eq!(told(&decided(target.clone(), Some(&live), Some(&written))).0, "nothing");
    let other = json!({"creationPolicy": "Owner", "template": {"data": {"k": "{{ .user }}"}}});
    assert_eq!(told(&decided(other, Some(&live), Some(&written))).0, "update", "another wish is written");
    live["spec"]["replicas"] = json!(2);
    assert!(!is_as_written(CreationPolicy::Owner, Some(&live), Some(&written)));
    assert_eq!(told(&decided(target, Some(&live), Some(&written))).0, "update", "a foreign edit is undone");
}

#[test]
fn drift_is_told_from_content_and_label() {
    let live = stored(&decided(json!({}), None, None));
    let edited = |pointer: &str, value: Value| {
        let mut object = live.clone();
        *object.pointer_mut(pointer).unwrap() = value;
        object
    };
    let cases = [
        (live.clone(), true),
        (edited("/spec/data/user", json!("else")), false),
        (edited("/metadata/labels", json!({})), false),
        (edited("/metadata/annotations", json!({HASH: "x"})), false),
        // Nothing to hash is left: the reference gives up here for ever.
        (edited("/spec", Value::Null), false),
        (edited("/status", Value::Null), true),
    ];
    for (object, intact) in cases {
        assert_eq!(is_as_written(CreationPolicy::Owner, Some(&object), None), intact, "{object}");
    }
    assert!(!is_as_written(CreationPolicy::Owner, None, None));
    assert!(is_as_written(CreationPolicy::Orphan, None, None));
    assert!(!is_as_written(CreationPolicy::None, None, None));
}

#[test]
fn a_target_of_somebody_else_is_left_to_them() {
    let of = |api_version: &str, kind: &str| {
        json!({
            "apiVersion": "example.io/v1", "kind": "Thing", "spec": {},
            "metadata": {"name": "es", "namespace": "shop", "uid": "t", "resourceVersion": "7", "ownerReferences": [
                {"apiVersion": api_version, "kind": kind, "name": "rival", "uid": "r", "controller": true},
            ]},
        })
    };
    let rival = of("external-secrets.io/v1", "ExternalSecret");
    let operator = of("example.io/v1", "Operator");
    let why = "ResourceSyncedError: could not apply template to manifest: ";
    let owned = format!("{why}secret is owned by another ExternalSecret: rival");
    let controlled = format!(
        "{why}could not set controller reference on secret: Object shop/es is already owned by another Operator controller rival"
    );
    let cases = [
        ("Owner", &rival, "nothing", owned.as_str()),
        ("Orphan", &rival, "nothing", &owned),
        ("Merge", &rival, "nothing", &owned),
        ("Owner", &operator, "nothing", &controlled),
        ("Merge", &operator, "update", SYNCED),
    ];
    for (policy, live, write, said) in cases {
        let decision = decided(json!({"creationPolicy": policy}), Some(live), None);
        assert_eq!(told(&decision), (write, said.to_owned()), "{policy}");
    }
}

#[test]
fn a_template_that_fails_writes_nothing_and_tells_where() {
    for policy in ["Owner", "Merge", "None"] {
        let target =
            json!({"creationPolicy": policy, "template": {"templateFrom": [{"literal": "a: b", "target": "spec[0]"}]}});
        let decision = decided(target, None, None);
        let why = "failed to execute literal template: failed to set path spec[0]: expected array at index 0 but found map[string]interface {}";
        assert_eq!(
            told(&decision),
            ("nothing", format!("ResourceSyncedError: could not apply template to manifest: {why}")),
            "{policy}"
        );
        let Verdict::Failed { reason: _, message: _, text: _, detail, again: _ } = &decision.verdict else {
            panic!("{decision:?}")
        };
        assert!(detail.starts_with("spec.target.template.templateFrom[0].literal"), "{detail}");
    }
}

#[test]
fn a_v1_secret_as_a_generic_target_is_held_to_the_rules_for_secrets() {
    let path = json!({"templateFrom": [{"target": "type", "literal": "kubernetes.io/service-account-token"}]});
    for (kind, refused) in [("Secret", true), ("ConfigMap", false)] {
        let target = json!({"manifest": {"apiVersion": "v1", "kind": kind}, "template": path});
        assert_eq!(told(&decided(target, None, None)).0, if refused { "nothing" } else { "create" }, "{kind}");
    }
}

#[test]
fn without_data_the_deletion_policy_decides() {
    let live = json!({"metadata": {"uid": "t", "resourceVersion": "7", "labels": {MANAGED: "true"}}});
    let foreign = json!({"metadata": {"uid": "t", "resourceVersion": "7"}});
    let deleted = "ResourceDeleted: secret deleted due to DeletionPolicy=Delete";
    let kept = "ResourceSynced: secret retained due to DeletionPolicy=Retain";
    let not_ours = "stuck: ResourceSyncedError: could not delete resource: unable to delete resource: creationPolicy=Orphan is not Owner";
    let cases = [
        ("Delete", "Owner", Some(&live), Some(("delete", deleted))),
        ("Delete", "Owner", Some(&foreign), Some(("nothing", deleted))),
        ("Delete", "Owner", None, Some(("nothing", deleted))),
        ("Delete", "Orphan", Some(&live), Some(("nothing", not_ours))),
        ("Retain", "Owner", Some(&live), Some(("nothing", kept))),
        ("Merge", "Merge", Some(&live), None),
    ];
    for (deletion, creation, live, want) in cases {
        let decision = emptied(&spec(json!({"deletionPolicy": deletion, "creationPolicy": creation})), live);
        let shown = decision.as_ref().map(told);
        assert_eq!(shown, want.map(|(write, said)| (write, said.to_owned())), "{deletion} {creation}");
    }
    assert_eq!(removal(Some(&live)), Write::Delete { uid: Some("t".into()), resource_version: Some("7".into()) });
}

#[test]
fn a_finalizer_is_needed_where_no_owner_reference_deletes() {
    let cases = [
        ("Delete", "Owner", false),
        ("Delete", "Orphan", true),
        ("Delete", "CreateOrMerge", true),
        ("Retain", "Orphan", false),
        ("Merge", "Merge", false),
    ];
    for (deletion, creation, needed) in cases {
        let policies = json!({"deletionPolicy": deletion, "creationPolicy": creation});
        assert_eq!(needs_finalizer(&spec(policies.clone())), needed, "{deletion} {creation}");
        let secret: ExternalSecretSpec = serde_json::from_value(json!({"target": policies})).unwrap();
        assert!(!needs_finalizer(&secret));
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused_in_the_reference_s_words() {
    let manifest = |api_version: &str, kind: &str| ManifestRef { api_version: api_version.into(), kind: kind.into() };
    let off = "generic targets are disabled. Enable with --unsafe-allow-generic-targets flag";
    let cases = [
        (manifest("v1", "ConfigMap"), false, Some(off)),
        (manifest("", "ConfigMap"), true, Some("target.manifest.apiVersion is required")),
        (manifest("v1", ""), true, Some("target.manifest.kind is required")),
        (manifest("v1", "ConfigMap"), true, None),
    ];
    for (manifest, allowed, want) in cases {
        let want = want.map(|text| format!("stuck: SecretSyncedError: invalid generic target: {text}"));
        assert_eq!(refusal(&manifest, allowed).as_ref().map(verdict), want);
    }
    let unknown = "ResourceSyncedError: could not get target resource: failed to get target resource: no matches for kind \"Thing\" in version \"example.io/v1\"";
    assert_eq!(verdict(&unknown_kind(&manifest("example.io/v1", "Thing"))), unknown);
    assert!(verdict(&cluster_scoped(&manifest("v1", "Namespace"))).starts_with(
        "stuck: SecretSyncedError: invalid generic target: target.manifest.kind Namespace of v1 is cluster-scoped"
    ));
}

#[test]
fn writes_are_told_with_kind_and_name_and_failures_without_values() {
    let create = || decided(json!({}), None, None).write;
    let delete = || Write::Delete { uid: None, resource_version: None };
    let noted =
        |write: &Write| note(write, "Thing", "db").map(|note| format!("{} {}", note.reason.as_str(), note.message));
    assert_eq!(noted(&create()).as_deref(), Some("Created Created Thing db"));
    assert_eq!(noted(&delete()).as_deref(), Some("Deleted Deleted Thing db"));
    assert_eq!(noted(&Write::Nothing), None);
    let failed = |write: &Write| verdict(&unwritten(write, "denied: canary", &data()));
    assert_eq!(
        failed(&create()),
        "ResourceSyncedError: could not update secret: failed to create target resource: denied: ***"
    );
    assert_eq!(
        failed(&delete()),
        "ResourceSyncedError: could not delete resource: failed to delete target resource: denied: ***"
    );
}

#[test]
fn a_schema_s_refusal_is_told_without_the_value() {
    let message =
        r#"Thing.example.io "db" is invalid: spec.port: Invalid value: "canary": spec.port in body must be x"#;
    let subject = r#"Thing.example.io "db" is invalid"#;
    let cases = [
        (vec![], subject.to_owned()),
        (
            vec![("spec.port", r#"Invalid value: "ca\"nary": spec.port in body should match '^x$'"#)],
            format!("{subject}: spec.port: Invalid value: ***: spec.port in body should match '^x$'"),
        ),
        (
            vec![("a", r#"Unsupported value: "canary": supported values: "x", "y""#), ("b", "Invalid value: 42: no")],
            format!(r#"{subject}: [a: Unsupported value: ***: supported values: "x", "y", b: Invalid value]"#),
        ),
        (vec![("a", "Required value")], format!("{subject}: a: Required value")),
        (vec![("a", "Required value: must be given")], format!("{subject}: a: Required value: must be given")),
    ];
    for (causes, want) in cases {
        assert_eq!(without_values(message, causes), want);
    }
}
