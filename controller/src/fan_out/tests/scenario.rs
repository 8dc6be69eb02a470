//! Namespaces and children that come, go and change.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stage, child, declaration, push_secret, pushing};
use crate::queue::Next;

#[tokio::test]
async fn every_selected_namespace_gets_the_child_and_nothing_is_written_twice() {
    let mut stage = Stage::new(&[("a", "blue"), ("b", "red"), ("c", "blue"), ("d", "red")]);
    stage.declare(
        "all",
        &json!({
            "metadata": {"labels": {"own": "kept"}},
            "spec": {
                "namespaces": ["d", "nowhere"], "externalSecretName": "registry",
                "externalSecretMetadata": {"labels": {"l": "1"}, "annotations": {"n": "2"}},
            },
        }),
    );
    let mut writes = stage.settle().await;
    writes[..3].sort();
    assert_eq!(writes, ["POST a/registry", "POST c/registry", "POST d/registry", "PUT all/status"]);
    let want = json!({
        "externalSecretName": "registry", "provisionedNamespaces": ["a", "c", "d"],
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    assert_eq!(stage.status(&declaration("all")), want);
    let made = stage.api.get(&child("c", "registry")).unwrap();
    let owner = json!([{
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "name": "all", "uid": "u-all",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    assert_eq!(made["metadata"]["ownerReferences"], owner);
    assert_eq!(
        (&made["metadata"]["labels"], &made["metadata"]["annotations"]),
        (&json!({"l": "1"}), &json!({"n": "2"}))
    );
    assert_eq!(made["spec"]["data"][0]["remoteRef"]["key"], "r");
    assert_eq!(stage.next["all"], Next::After(Duration::from_secs(3600)));
    let text = stage.cx.metrics.encode().unwrap();
    let series = r#"clusterexternalsecret_status_condition{condition="Ready",name="all",namespace="",status="True"} 1"#;
    assert!(text.contains(series), "{text}");
    // What the API server's defaults add is no difference: they are the same in both kinds.
    assert_eq!(stage.look("all").await, (Next::After(Duration::from_secs(3600)), Vec::new()));
    stage.declare("all", &json!({"spec": {"refreshTime": "0"}}));
    assert_eq!(stage.settle().await, Vec::<String>::new());
    assert_eq!(stage.next["all"], Next::OnChange);
}

/// The user's story: team A has an ExternalSecret by hand, team B declares one of its name for every monitored namespace.
#[tokio::test]
async fn an_external_secret_of_somebody_else_is_left_alone_and_told() {
    let mut stage = Stage::new(&[("other", "x")]);
    stage.namespace("abc-namespace", &json!({"labels": {"team": "abc-team", "monitoring": "enabled"}}));
    stage.namespace("other", &json!({"labels": {"monitoring": "enabled"}}));
    let by_hand = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "datadog-secret", "namespace": "abc-namespace", "uid": "u-hand", "generation": 1},
        "spec": {"secretStoreRef": {"name": "theirs"}, "target": {"name": "datadog-api-key"}, "data": []},
    });
    stage.api.put(&child("abc-namespace", "datadog-secret"), by_hand);
    let before = stage.api.get(&child("abc-namespace", "datadog-secret"));
    let spec = json!({
        "namespaceSelectors": [], "namespaceSelector": {"matchLabels": {"monitoring": "enabled"}},
        "externalSecretSpec": {"target": {"name": "datadog-secret"}},
    });
    stage.declare("datadog-monitoring", &json!({"spec": spec}));
    // As drawn, only the Secret has that name: both live side by side.
    stage.settle().await;
    assert_eq!(stage.told_of(&declaration("datadog-monitoring")), "True abc-namespace other; ");

    stage.declare("datadog-monitoring", &json!({"spec": {"externalSecretName": "datadog-secret"}}));
    let writes = stage.settle().await;
    assert!(!writes.iter().any(|write| write.contains("abc-namespace/datadog-secret")), "{writes:?}");
    let collision = "abc-namespace=external secret already exists in namespace";
    assert_eq!(stage.told_of(&declaration("datadog-monitoring")), format!("False other; {collision}"));
    let message = &stage.status(&declaration("datadog-monitoring"))["conditions"][0]["message"];
    assert_eq!(message, "one or more namespaces failed");
    assert_eq!(stage.api.get(&child("abc-namespace", "datadog-secret")), before, "untouched");
    // What can't be replaced stays: the team keeps the Secret that it had so far.
    assert!(stage.api.get(&child("abc-namespace", "datadog-monitoring")).is_some());
    assert_eq!(stage.next["datadog-monitoring"], Next::After(Duration::from_secs(3600)), "no try is needed");

    stage.api.delete(&child("abc-namespace", "datadog-secret"));
    let writes = stage.settle().await;
    assert!(writes.contains(&"POST abc-namespace/datadog-secret".to_owned()), "{writes:?}");
    assert_eq!(stage.told_of(&declaration("datadog-monitoring")), "True abc-namespace other; ");
}

#[tokio::test]
async fn namespaces_come_go_change_their_labels_and_end() {
    let mut stage = Stage::new(&[("a", "blue"), ("b", "red")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    let label = |team: &str| json!({"labels": {"team": team}});
    stage.namespace("c", &label("blue"));
    assert_eq!(stage.settle().await, ["POST c/all", "PUT all/status"]);
    stage.namespace("b", &label("blue"));
    assert_eq!(stage.settle().await, ["POST b/all", "PUT all/status"]);
    stage.namespace("a", &label("red"));
    assert_eq!(stage.settle().await, ["DELETE a/all", "PUT all/status"]);
    assert_eq!(stage.told_of(&declaration("all")), "True b c; ");
    // One that ends is left alone, and so is its child; nothing is tried again and again.
    stage.namespace("b", &json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    assert_eq!(stage.settle().await, ["PUT all/status"]);
    assert_eq!(stage.next["all"], Next::After(Duration::from_secs(3600)));
    stage.api.delete(&child("b", "all"));
    stage.api.delete("/api/v1/namespaces/b");
    assert_eq!(stage.settle().await, Vec::<String>::new());
    assert_eq!(stage.told_of(&declaration("all")), "True c; ");
    // It comes back as another one.
    stage.namespace("b", &label("blue"));
    assert_eq!(stage.settle().await, ["POST b/all", "PUT all/status"]);
    // Others' changes wake nobody.
    stage.namespace("a", &json!({"annotations": {"x": "y"}}));
    stage.tell();
    assert_eq!(stage.cx.fan_out.queue.gauge().0.iter().sum::<usize>(), 0);
}

#[tokio::test]
async fn an_edited_child_is_mended_and_a_deleted_one_made_anew() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({"spec": {"externalSecretMetadata": {"labels": {"l": "1"}}}}));
    stage.settle().await;
    let path = child("a", "all");
    let good = stage.api.get(&path).unwrap();
    let edits = [
        json!({"spec": {"refreshInterval": "2h"}}),
        json!({"metadata": {"labels": {"more": "2"}}}),
        json!({"metadata": {"annotations": {"by": "hand"}}}),
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "external-secrets.io/v1beta1", "kind": "ClusterExternalSecret", "name": "all", "uid": "u-0",
            "controller": true,
        }]}}),
    ];
    for edit in edits {
        stage.change(&path, &Value::Null, &edit);
        let mut wrote = stage.settle().await;
        if wrote.is_empty() {
            // Owner references alone wake nobody.
            wrote = stage.look("all").await.1;
            stage.tell();
        }
        assert_eq!(wrote, ["PUT a/all"], "{edit}");
        let now = stage.api.get(&path).unwrap();
        assert_eq!((&now["spec"], &now["metadata"]["labels"]), (&good["spec"], &good["metadata"]["labels"]));
        assert_eq!(now["metadata"]["ownerReferences"], good["metadata"]["ownerReferences"]);
    }
    // Its status is its own affair.
    stage.change(&path, &Value::Null, &json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}));
    stage.tell();
    assert_eq!(stage.cx.fan_out.queue.gauge().0.iter().sum::<usize>(), 0);
    stage.api.delete(&path);
    assert_eq!(stage.settle().await, ["POST a/all"]);
    // Who takes the owner reference off takes the child over.
    stage.change(&path, &Value::Null, &json!({"metadata": {"ownerReferences": []}}));
    assert_eq!(stage.settle().await, ["PUT all/status"]);
    assert_eq!(stage.told_of(&declaration("all")), "False ; a=external secret already exists in namespace");
    // While it ends it is waited for.
    stage.api.delete(&path);
    stage.settle().await;
    stage.change(
        &path,
        &Value::Null,
        &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]}}),
    );
    assert_eq!(stage.settle().await, ["PUT all/status"]);
    let ending = "False ; a=ExternalSecret all is being deleted; it is made anew once it is gone";
    assert_eq!(stage.told_of(&declaration("all")), ending);
    stage.api.delete(&path);
    assert_eq!(stage.settle().await, ["POST a/all", "PUT all/status"]);
}

#[tokio::test]
async fn force_sync_reaches_the_children_and_leaves_them() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    let forced = |stage: &Stage| stage.api.get(&child("a", "all")).unwrap()["metadata"]["annotations"].clone();
    stage.declare("all", &json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}}));
    assert_eq!(stage.settle().await, ["PUT a/all"]);
    assert_eq!(forced(&stage), json!({"external-secrets.io/force-sync": "1"}));
    let mut object = stage.api.get(&declaration("all")).unwrap();
    object["metadata"]["annotations"] = json!({});
    stage.api.put(&declaration("all"), object);
    assert_eq!(stage.settle().await, ["PUT a/all"]);
    assert_ne!(forced(&stage), json!({"external-secrets.io/force-sync": "1"}));
}

#[tokio::test]
async fn a_renamed_child_loses_no_secret() {
    let mut stage = Stage::new(&[("a", "blue"), ("b", "blue")]);
    stage.declare("all", &json!({"spec": {"externalSecretName": "old"}}));
    stage.settle().await;
    // Each has a Secret of its own name: the new one first.
    stage.declare("all", &json!({"spec": {"externalSecretName": "new"}}));
    let writes = stage.settle().await;
    let at = |write: &str| writes.iter().position(|it| it == write).unwrap_or_else(|| panic!("{write} in {writes:?}"));
    for namespace in ["a", "b"] {
        assert!(at(&format!("POST {namespace}/new")) < at(&format!("DELETE {namespace}/old")), "{writes:?}");
    }
    assert_eq!(stage.told_of(&declaration("all")), "True a b; ");
    assert_eq!(stage.status(&declaration("all"))["externalSecretName"], "new");

    // Both want the same Secret: it stays while its owner changes.
    stage.declare("all", &json!({"spec": {"externalSecretSpec": {"target": {"name": "secret"}}}}));
    stage.settle().await;
    for namespace in ["a", "b"] {
        let held = json!({"metadata": {"finalizers": ["orphan"]}});
        stage.change(&child(namespace, "new"), &Value::Null, &held);
    }
    stage.declare("all", &json!({"spec": {"externalSecretName": "newer"}}));
    let mut writes = stage.settle().await;
    writes.sort();
    assert_eq!(writes, ["DELETE a/new Orphan", "DELETE b/new Orphan", "PUT all/status"]);
    let waiting = "waiting until ExternalSecret new is gone, whose place it takes";
    assert_eq!(stage.told_of(&declaration("all")), format!("False ; a={waiting}, b={waiting}"));
    // The garbage collector has taken the owner reference off the Secret.
    stage.api.delete(&child("a", "new"));
    assert_eq!(stage.settle().await, ["POST a/newer", "PUT all/status"]);
    stage.api.delete(&child("b", "new"));
    assert_eq!(stage.settle().await, ["POST b/newer", "PUT all/status"]);
    assert_eq!(stage.told_of(&declaration("all")), "True a b; ");
}

#[tokio::test]
async fn a_cluster_push_secret_keeps_push_secrets_likewise() {
    let mut stage = Stage::new(&[("a", "blue"), ("b", "red")]);
    stage.declare_push("out", &json!({"spec": {"pushSecretMetadata": {"labels": {"l": "1"}}}}));
    assert_eq!(stage.settle().await, ["POST a/out", "PUT out/status"]);
    let want = json!({
        "pushSecretName": "out", "provisionedNamespaces": ["a"], "conditions": [{"type": "Ready", "status": "True"}],
    });
    assert_eq!(stage.status(&pushing("out")), want);
    let made = stage.api.get(&push_secret("a", "out")).unwrap();
    assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "ClusterPushSecret");
    assert_eq!(made["spec"]["selector"]["secret"]["name"], "source");
    // Edited, deleted, no longer selected.
    stage.change(&push_secret("a", "out"), &Value::Null, &json!({"spec": {"refreshInterval": "7h"}}));
    assert_eq!(stage.settle().await, ["PUT a/out"]);
    stage.api.delete(&push_secret("a", "out"));
    assert_eq!(stage.settle().await, ["POST a/out"]);
    stage.namespace("a", &json!({"labels": {"team": "red"}}));
    assert_eq!(stage.settle().await, ["DELETE a/out", "PUT out/status"]);
    // Somebody else's.
    let foreign = json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": {"name": "out", "namespace": "b", "uid": "u-b", "generation": 1},
        "spec": {"secretStoreRefs": [], "selector": {"secret": {"name": "x"}}},
    });
    stage.api.put(&push_secret("b", "out"), foreign);
    stage.namespace("b", &json!({"labels": {"team": "blue"}}));
    assert_eq!(stage.settle().await, ["PUT out/status"]);
    let want = json!({
        "pushSecretName": "out", "failedNamespaces": [{"namespace": "b", "reason": "push secret already exists in namespace"}],
        "conditions": [{"type": "Ready", "status": "False", "message": "one or more namespaces failed"}],
    });
    assert_eq!(stage.status(&pushing("out")), want);
    stage.api.delete(&push_secret("b", "out"));
    assert_eq!(stage.settle().await, ["POST b/out", "PUT out/status"]);
}

/// Its end takes from the provider what its successor pushes.
#[tokio::test]
async fn a_push_secret_that_deletes_what_it_pushed_is_gone_before_its_successor_comes() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare_push("out", &json!({"spec": {"pushSecretSpec": {"deletionPolicy": "Delete"}}}));
    stage.settle().await;
    let held = json!({"metadata": {"finalizers": ["pushsecret.externalsecrets.io/finalizer"]}});
    stage.change(&push_secret("a", "out"), &Value::Null, &held);
    stage.declare_push("out", &json!({"spec": {"pushSecretName": "new"}}));
    assert_eq!(stage.settle().await, ["DELETE a/out", "PUT out/status"]);
    stage.api.delete(&push_secret("a", "out"));
    assert_eq!(stage.settle().await, ["POST a/new", "PUT out/status"]);
}
