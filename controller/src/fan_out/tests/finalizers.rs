//! What the reference leaves on declarations and namespaces goes, and nothing hangs for its sake.

use serde_json::{Value, json};

use super::{Stage, child, declaration};
use crate::queue::Next;

const OWN: &str = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup";
const OURS: &str = "externalsecrets.external-secrets.io/ces-all";
const OTHERS: &str = "externalsecrets.external-secrets.io/ces-other";
const ORPHANED: &str = "externalsecrets.external-secrets.io/ces-long-gone";

fn finalizers(stage: &Stage, path: &str) -> Value {
    stage.api.get(path).unwrap()["metadata"]["finalizers"].clone()
}

#[tokio::test]
async fn a_taken_over_declaration_and_its_namespaces_are_freed() {
    let mut stage = Stage::new(&[("a", "blue"), ("b", "red"), ("c", "blue")]);
    stage.declare("all", &json!({"metadata": {"finalizers": [OWN, "example.com/kept"]}}));
    stage.declare("other", &json!({"spec": {"namespaceSelectors": []}}));
    // One that is selected, one that isn't any more (the reference forgets these), and one of a declaration that is gone.
    stage.namespace("a", &json!({"finalizers": [OURS, "example.com/kept", OTHERS]}));
    stage.namespace("b", &json!({"finalizers": [OURS]}));
    stage.namespace("c", &json!({"finalizers": [ORPHANED]}));
    stage.settle().await;
    assert_eq!(finalizers(&stage, &declaration("all")), json!(["example.com/kept"]));
    assert_eq!(finalizers(&stage, "/api/v1/namespaces/a"), json!(["example.com/kept"]));
    assert_eq!(finalizers(&stage, "/api/v1/namespaces/b"), json!([]));
    assert_eq!(finalizers(&stage, "/api/v1/namespaces/c"), json!([]));
    assert_eq!(stage.told_of(&declaration("all")), "True a c; ");
    // Another controller puts it back: it isn't quarrelled with, but let go of in the end.
    stage.change(&declaration("all"), &Value::Null, &json!({"metadata": {"finalizers": [OWN]}}));
    assert_eq!(stage.settle().await, Vec::<String>::new());
    stage.change(
        &declaration("all"),
        &Value::Null,
        &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    assert_eq!(stage.settle().await, ["PATCH all"]);
    assert_eq!(stage.api.get(&declaration("all")), None);
    assert!(stage.api.get(&child("a", "all")).is_some(), "the garbage collector's to delete");
}

#[tokio::test]
async fn a_finalizer_that_is_anothers_to_remove_stays() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("other", &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [OWN]}}));
    stage.namespace("a", &json!({"finalizers": [OTHERS]}));
    stage.api.refuse_once("PATCH", "/api/v1/namespaces/a", 500);
    stage.settle().await;
    // The declaration isn't let go before the namespace is free.
    assert_eq!(stage.next["other"], Next::Backoff);
    assert!(stage.api.get(&declaration("other")).is_some());
    stage.declare("all", &json!({}));
    stage.settle().await;
    assert_eq!(finalizers(&stage, "/api/v1/namespaces/a"), json!([OTHERS]));
    assert_eq!(stage.look("other").await, (Next::OnChange, vec!["PATCH a".into(), "PATCH other".into()]));
    assert_eq!(finalizers(&stage, "/api/v1/namespaces/a"), json!([]));
    assert_eq!(stage.api.get(&declaration("other")), None);
}

#[tokio::test]
async fn a_namespace_that_ends_is_freed_at_once() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    stage.namespace("a", &json!({"finalizers": [OURS], "deletionTimestamp": "2026-01-01T00:00:00Z"}));
    assert_eq!(stage.settle().await, ["PATCH a", "PUT all/status"]);
    assert_eq!(stage.api.get("/api/v1/namespaces/a"), None);
    assert_eq!(stage.next["all"], Next::After(std::time::Duration::from_secs(3600)));
}

#[tokio::test]
async fn nothing_of_the_kind_is_added() {
    let mut stage = Stage::new(&[("a", "blue")]);
    stage.declare("all", &json!({}));
    stage.settle().await;
    for path in ["/api/v1/namespaces/a", &declaration("all"), &child("a", "all")] {
        assert_eq!(finalizers(&stage, path), Value::Null, "{path}");
    }
    // One that is being deleted makes no child anew.
    stage.change(
        &declaration("all"),
        &Value::Null,
        &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}}),
    );
    stage.api.delete(&child("a", "all"));
    assert_eq!(stage.settle().await, Vec::<String>::new());
}
