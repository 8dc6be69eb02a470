//! Bad input and an API server that says no: what fails in one namespace stops no other, and nothing is lost.

use std::time::Duration;

use certgen::fake::FakeApi;
use serde_json::{Value, json};

use super::{Stage, child, declaration, pushing};
use crate::context::Settings;
use crate::fixtures;
use crate::ingest::{Scope, watches};
use crate::queue::Next;

const HOUR: Next = Next::After(Duration::from_secs(3600));

#[tokio::test]
async fn a_refusal_is_told_and_tried_again_unless_the_namespace_ends() {
    let create = child("a", "");
    let create = create.trim_end_matches('/');
    let terminating = "externalsecrets \"all\" is forbidden: unable to create new content in namespace a because it is being terminated";
    let long = "ExternalSecret \"all\" is invalid: metadata.name: Too long: may not be more than 253 bytes";
    // What the API server answers to the creation in `a`; what the status tells; how it goes on.
    let cases = [
        (403, "Forbidden", terminating, "True b; ".to_owned(), HOUR),
        (404, "NotFound", "namespaces \"a\" not found", "True b; ".to_owned(), HOUR),
        (422, "Invalid", long, format!("False b; a=could not create or update ExternalSecret: {long}"), Next::Backoff),
        (
            500,
            "InternalError",
            "etcd",
            "False b; a=could not create or update ExternalSecret: etcd".to_owned(),
            Next::Backoff,
        ),
    ];
    for (code, reason, message, told, next) in cases {
        let mut stage = Stage::new(&[("a", "blue"), ("b", "blue")]);
        stage.declare("all", &json!({}));
        stage.api.refuse_once_with("POST", create, code, reason, message);
        stage.settle().await;
        assert_eq!((stage.told_of(&declaration("all")), stage.next["all"]), (told, next), "{message}");
        let (next, writes) = stage.look("all").await;
        assert_eq!((next, writes.first().map(String::as_str)), (HOUR, Some("POST a/all")), "{message}");
        assert_eq!(stage.told_of(&declaration("all")), "True a b; ");
    }
}

/// The watch is behind: what is there is read before anything is said.
#[tokio::test]
async fn a_conflict_is_settled_by_a_look_at_what_is_there() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.tell();
    let key = stage.cx.fan_out.queue.take().unwrap();
    // Another look made it, and the watch hasn't told.
    stage.look("all").await;
    assert_eq!(stage.look("all").await, (HOUR, vec!["POST a/all".to_owned()]));
    assert_eq!(stage.api.count("GET"), 1);
    stage.cx.fan_out.queue.done(key, Next::OnChange);
    stage.settle().await;
    // Somebody wrote it since.
    stage.change(&child("a", "all"), &Value::Null, &json!({"metadata": {"labels": {"x": "y"}}}));
    stage.declare("all", &json!({"spec": {"externalSecretSpec": {"refreshInterval": "2h"}}}));
    let object = serde_json::from_value(stage.api.get(&declaration("all")).unwrap()).unwrap();
    super::watches::seen::<api::ClusterExternalSecret>(&stage.cx, "all".into(), object);
    assert_eq!(stage.look("all").await.1, ["PUT a/all", "PUT a/all"]);
    let now = stage.api.get(&child("a", "all")).unwrap();
    assert_eq!((&now["spec"]["refreshInterval"], &now["metadata"]["labels"]), (&json!("2h0m0s"), &json!({})));
    // One that somebody else made under our eyes.
    stage.settle().await;
    stage.namespace("b", &json!({"labels": {"team": "blue"}}));
    stage.tell();
    let foreign = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "all", "namespace": "b", "uid": "u-f", "generation": 1}, "spec": {"data": []},
    });
    stage.api.put(&child("b", "all"), foreign);
    stage.look("all").await;
    assert_eq!(stage.told_of(&declaration("all")), "False a; b=external secret already exists in namespace");
    // And one that keeps being written.
    stage.settle().await;
    stage.declare("all", &json!({"spec": {"externalSecretSpec": {"refreshInterval": "3h"}}}));
    for _ in 0..3 {
        stage.api.refuse_once("PUT", &child("a", "all"), 409);
    }
    stage.settle().await;
    let told = "False ; a=could not create or update ExternalSecret: refused by the test, b=external secret already exists in namespace";
    assert_eq!((stage.told_of(&declaration("all")).as_str(), stage.next["all"]), (told, Next::Backoff));
}

#[tokio::test]
async fn a_selector_that_cannot_be_used_deletes_nothing() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.declare_push("out", &json!({}));
    stage.settle().await;
    let wrong = json!({"spec": {"namespaceSelectors": [{"matchExpressions": [{"key": "team", "operator": "Is"}]}]}});
    stage.declare("all", &wrong);
    stage.declare_push("out", &wrong);
    assert_eq!(stage.settle().await, ["PUT all/status", "PUT out/status"]);
    let told = stage.told_of(&declaration("all"));
    assert!(told.starts_with("False a; unknown=failed to convert label selector &LabelSelector{"), "{told}");
    assert!(told.ends_with("\"Is\" is not a valid label selector operator"), "{told}");
    let condition = &stage.status(&pushing("out"))["conditions"][0];
    assert_eq!(
        (&condition["reason"], &condition["message"]),
        (&json!("Errored"), &json!("failed to get target Namespaces"))
    );
    let events: Vec<String> = stage.writer.told().iter().map(|note| note.message.clone()).collect();
    assert_eq!(events, ["failed to get target Namespaces"]);
    assert_eq!(stage.look("all").await, (HOUR, Vec::new()), "told once");
}

#[tokio::test]
async fn one_that_cannot_be_read_says_so_and_keeps_its_children() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    stage.declare("all", &json!({"spec": {"refreshTime": "soon", "namespaceSelectors": []}}));
    assert_eq!(stage.settle().await, ["PUT all/status"]);
    let status = stage.status(&declaration("all"));
    let message = status["conditions"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("the object cannot be read: ") && message.contains("soon"), "{message}");
    assert_eq!(stage.told_of(&declaration("all")), "False a; ");
    stage.declare("all", &json!({"spec": {"refreshTime": "1m"}}));
    assert_eq!(stage.settle().await, ["DELETE a/all", "PUT all/status"]);
}

#[tokio::test]
async fn a_child_that_cannot_be_read_is_mended() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    stage.change(&child("a", "all"), &Value::Null, &json!({"spec": {"refreshInterval": "soon"}}));
    let mut writes = stage.settle().await;
    // The ExternalSecret's own say on the matter.
    writes.retain(|write| write != "PUT a/all/status");
    assert_eq!(writes, ["POST a/all", "PUT a/all"]);
    assert_eq!(stage.api.get(&child("a", "all")).unwrap()["spec"]["refreshInterval"], "1h0m0s");
}

/// A schema or a webhook of the cluster has a say in what children look like.
#[tokio::test]
async fn what_the_cluster_makes_of_a_child_is_not_fought_with() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    let injected = |stage: &Stage| {
        stage.change(&child("a", "all"), &Value::Null, &json!({"metadata": {"labels": {"injected": "1"}}}))
    };
    injected(&stage);
    // As the answer to our own write would have it.
    let made: api::ExternalSecret = serde_json::from_value(stage.api.get(&child("a", "all")).unwrap()).unwrap();
    stage.cx.fan_out.external.child_written("all", &made.metadata, &made.spec);
    assert_eq!(stage.settle().await, Vec::<String>::new());
    assert_eq!(stage.look("all").await, (HOUR, Vec::new()));
    // Another wish is written again.
    stage.declare("all", &json!({"spec": {"externalSecretMetadata": {"labels": {"l": "1"}}}}));
    assert_eq!(stage.settle().await, ["PUT a/all"]);
}

#[tokio::test]
async fn nothing_is_decided_before_all_namespaces_are_known() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    let restarted = Stage::new(&[]);
    let (cx, writer) = fixtures::over(&stage.api, fixtures::settings());
    let mut restarted = Stage { api: stage.api.clone(), cx, writer, seen: stage.api.calls().len(), ..restarted };
    restarted.namespace("a", &json!({"labels": {"team": "red"}}));
    assert_eq!(restarted.settle().await, Vec::<String>::new());
    super::watches::namespaces_listed(&restarted.cx);
    assert_eq!(restarted.settle().await, ["DELETE a/all", "PUT all/status"]);
}

/// Their definitions may have been left out, and so may rights.
#[tokio::test]
async fn nobody_waits_for_kinds_that_may_be_absent() {
    let settings = |external, push| Settings {
        cluster_external_secrets: external,
        cluster_push_secrets: push,
        push_secrets: false,
        ..fixtures::settings()
    };
    let pushing = Settings { push_secrets: true, ..settings(false, false) };
    let always = "secrets configmaps externalsecrets secretstores";
    let cases = [
        (true, settings(false, false), "clustersecretstores namespaces", ""),
        (true, settings(true, false), "clustersecretstores namespaces", "clusterexternalsecrets"),
        (false, settings(true, false), "", "namespaces clusterexternalsecrets"),
        (false, settings(false, true), "", "namespaces clusterpushsecrets pushsecrets"),
        (false, pushing, "", "pushsecrets"),
    ];
    for (cluster_stores, settings, awaited, others) in cases {
        let (cx, _) = fixtures::over(&FakeApi::default(), settings);
        let watches = watches(&cx, &Scope { namespace: String::new(), cluster_stores });
        let names = |listed: bool| -> Vec<&str> {
            watches.iter().filter(|it| *it.listed.borrow() == listed).map(|it| it.name).collect()
        };
        assert_eq!(names(false).join(" "), format!("{always} {awaited}").trim_end());
        assert_eq!(names(true).join(" "), others);
    }
}
