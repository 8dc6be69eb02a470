//! Tests of one ClusterSecretStore that many namespaces use: whose sessions end when a credential changes, over an API
//! server in memory.

use std::hash::Hash;
use std::sync::Arc;

use api::StoreKind;
use certgen::fake::FakeApi;
use engine::{Asker, Handle};
use plan::template::SourceKind;
use serde_json::json;
use telemetry::Lane;

use super::input_changed;
use super::stores::gone;
use crate::clock;
use crate::context::Context;
use crate::dependencies::Input;
use crate::dispatch::Slot;
use crate::external_secret::{open, reconcile};
use crate::fixtures;
use crate::queue::Next;
use crate::workqueue::Workqueue;
use crate::world::{Key, StoreCheck, StoreKey, StoreRecord};

/// The store, and the tenants `a` and `b` with one ExternalSecret each.
struct Stage {
    api: FakeApi,
    cx: Arc<Context>,
    store: StoreKey,
}

fn key(namespace: &str, name: &str) -> Key {
    Key { namespace: namespace.into(), name: name.into() }
}

fn login(namespace: &str) -> Input {
    Input { kind: SourceKind::Secret, key: key(namespace, "login") }
}

/// Which keys are ready to be worked on.
fn woken<K, G>(queue: &Workqueue<K, G>) -> Vec<K>
where
    K: Clone + Eq + Hash + Ord,
    G: Clone + Eq + Hash,
{
    let mut keys = Vec::new();
    while let Some(key) = queue.take() {
        queue.done(key.clone(), Next::OnChange);
        keys.push(key);
    }
    keys.sort();
    keys
}

impl Stage {
    /// The store reads its two keys from the Secret `login` of these namespaces; an empty one is the consumer's.
    fn new(id_in: &str, secret_in: &str) -> Self {
        let api = FakeApi::default();
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        let selector = |key: &str, namespace: &str| match namespace {
            "" => json!({"name": "login", "key": key}),
            _ => json!({"name": "login", "key": key, "namespace": namespace}),
        };
        let auth = json!({"accessKeyIDSecretRef": selector("id", id_in), "secretAccessKeySecretRef": selector("secret", secret_in)});
        let store = json!({
            "metadata": {"name": "shared", "uid": "s", "generation": 1},
            "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef": auth}}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let record = StoreRecord::of_cluster_secret_store(serde_json::from_value(store).unwrap());
        let store = record.key.clone();
        cx.world.put_store(record);
        cx.world.put_check(&store, StoreCheck { generation: 1, ready: true });
        let stage = Self { api, cx, store };
        for namespace in ["a", "b"] {
            stage.put_object(namespace, "db");
        }
        for namespace in ["a", "b", "infra"] {
            stage.put_login(namespace);
        }
        stage
    }

    fn put_login(&self, namespace: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/login");
        let secret = json!({"metadata": {"name": "login", "namespace": namespace}, "data": {"id": "aWQ=", "secret": "c2VjcmV0"}});
        self.api.put(&path, secret);
        self.api.get(&path).unwrap()["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    }

    fn put_object(&self, namespace: &str, name: &str) {
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"), "generation": 1},
            "spec": {
                "secretStoreRef": {"name": "shared", "kind": "ClusterSecretStore"},
                "data": [{"secretKey": "k", "remoteRef": {"key": "r"}}],
            },
        });
        let path = format!("/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/{name}");
        self.api.put(&path, object);
        self.cx.world.put_external_secret(serde_json::from_value(self.api.get(&path).unwrap()).unwrap());
    }

    /// As its watch tells of a deletion, and what comes of it.
    async fn remove_object(&self, namespace: &str, name: &str) {
        let key = key(namespace, name);
        self.cx.world.remove_external_secret(&key);
        reconcile(&self.cx, &key, Asker::usual(clock::instant()), Slot::unlimited()).await;
    }

    /// The session of this consumer, opened if there is none.
    async fn session(&self, consumer: &str) -> Arc<Handle> {
        let record = self.cx.world.store(&self.store).unwrap();
        open(&self.cx, &record, Some(consumer)).await.unwrap()
    }

    fn changes(&self) -> [u32; 2] {
        ["a", "b"].map(|namespace| self.cx.world.memory(&key(namespace, "db")).changes)
    }
}

#[tokio::test]
async fn a_changed_credential_ends_the_sessions_of_those_that_it_is_of_and_no_others() {
    // Where the two keys are; whose Secret changes; whose sessions end, and whether the store itself is checked again.
    let cases = [
        (["", ""], "a", [true, false], false),
        (["", ""], "infra", [false, false], false),
        // Each tenant has a session of its own, and needs the shared half for it.
        (["infra", ""], "a", [true, false], false),
        (["infra", ""], "infra", [true, true], false),
        // All have the same session, whoever opened it.
        (["infra", "infra"], "infra", [true, true], true),
        (["infra", "infra"], "a", [false, false], false),
        (["a", "a"], "a", [true, true], true),
    ];
    for (places, changed, ended, checked) in cases {
        let stage = Stage::new(places[0], places[1]);
        let before = [stage.session("a").await, stage.session("b").await];
        let version = stage.put_login(changed);
        input_changed(&stage.cx, &login(changed), Some(&version));
        let case = format!("{places:?} {changed}");
        let after = [stage.session("a").await, stage.session("b").await];
        assert_eq!([0, 1].map(|tenant| !Arc::ptr_eq(&before[tenant], &after[tenant])), ended, "{case}");
        assert_eq!(stage.changes().map(|changes| changes > 0), ended, "{case}");
        let checks = if checked { vec![stage.store.clone()] } else { Vec::new() };
        assert_eq!((woken(&stage.cx.stores), stage.cx.world.check(&stage.store).is_none()), (checks, checked));
        // The check of a store wakes its users.
        let at_once = [("a", ended[0]), ("b", ended[1])].into_iter().filter(|(_, ended)| *ended && !checked);
        let at_once: Vec<Key> = at_once.map(|(namespace, _)| key(namespace, "db")).collect();
        assert_eq!(woken(&stage.cx.external_secrets), at_once, "{case}");
        input_changed(&stage.cx, &login(changed), Some(&version));
        assert_eq!(stage.changes().map(|changes| changes > 1), [false; 2], "{case}: told once");
    }
}

#[tokio::test]
async fn a_tenants_failing_object_is_tried_again_as_soon_as_its_credential_is_there() {
    let stage = Stage::new("", "");
    let db = key("a", "db");
    stage.api.delete("/api/v1/namespaces/a/secrets/login");
    let other = stage.session("b").await;
    stage.cx.external_secrets.wake(db.clone(), Lane::New);
    let asked = stage.cx.external_secrets.take().unwrap();
    let next = reconcile(&stage.cx, &asked, Asker::usual(clock::instant()), Slot::unlimited()).await;
    assert_eq!(next, Next::Backoff);
    stage.cx.external_secrets.done(asked, next);
    let told = stage.cx.world.external_secret(&db).unwrap().status.clone().unwrap_or_default();
    assert!(format!("{told:?}").contains("secrets \\\"login\\\" not found"), "{told:?}");
    assert_eq!(woken(&stage.cx.external_secrets), []);
    let version = stage.put_login("a");
    input_changed(&stage.cx, &login("a"), Some(&version));
    assert_eq!(stage.cx.external_secrets.gauge().0[Lane::Asked as usize], 1);
    assert_eq!(woken(&stage.cx.external_secrets), [db]);
    stage.session("a").await;
    assert!(Arc::ptr_eq(&other, &stage.session("b").await));
}

#[tokio::test]
async fn what_a_namespace_read_is_forgotten_with_its_last_object_and_with_the_store() {
    let stage = Stage::new("", "");
    stage.put_object("a", "cache");
    let [of_a, of_b] = [stage.session("a").await, stage.session("b").await];
    let noted = || ["a", "b"].map(|namespace| stage.cx.world.is_input(&login(namespace)));
    stage.remove_object("a", "cache").await;
    assert_eq!(noted(), [true, true]);
    assert!(Arc::ptr_eq(&of_a, &stage.session("a").await), "another object needs it");
    stage.remove_object("a", "db").await;
    assert_eq!(noted(), [false, true]);
    assert!(Arc::ptr_eq(&of_b, &stage.session("b").await));
    assert!(!Arc::ptr_eq(&of_a, &stage.session("a").await), "its session has ended");
    assert_eq!(noted(), [true, true]);
    gone(&stage.cx, &stage.store);
    assert_eq!(noted(), [false, false]);
    assert_eq!(stage.store.kind, StoreKind::ClusterSecretStore);
}
