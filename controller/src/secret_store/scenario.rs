//! Scenarios of stores: what a store looks like, and what a check makes of it. The cases are `stores_check.yaml`; everything
//! below `reconcile` is the real thing, over an API server in memory.
//!
//! Deliberately not here: the watches (what a watch would have told is taken in before each look), and the queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{ClusterSecretStore, SecretStore, StoreKind};
use certgen::fake::FakeApi;
use kube::core::DeserializeGuard;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{reconcile_at, refuse_unreadable};
use crate::context::{Context, Settings};
use crate::events::Writer;
use crate::external_secret::scenario::{Refuse, holds, lay, play_with, shown, without_none};
use crate::fixtures;
use crate::ingest::{self, Scope};
use crate::world::{StoreKey, StoreRecord};

const NAMESPACED: &str = "/apis/external-secrets.io/v1/namespaces/shop/secretstores/fake";
const CLUSTER: &str = "/apis/external-secrets.io/v1/clustersecretstores/fake";
const PUSH: &str = "/apis/external-secrets.io/v1alpha1/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    flags: Flags,
    /// Laid over a SecretStore `fake` in `shop` of a provider without data.
    #[serde(default)]
    store: Value,
    /// PushSecrets, by namespace and name.
    #[serde(default)]
    pushes: BTreeMap<String, Value>,
    #[serde(default)]
    refuse: Vec<Refuse>,
    want: Want,
    #[serde(default)]
    then: Vec<Step>,
}

/// A change, and what the next look makes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Laid over the store as it is; `absent` to delete it.
    #[serde(default)]
    store: Value,
    /// PushSecrets that are no more.
    #[serde(default)]
    gone: Vec<String>,
    #[serde(default)]
    refuse: Vec<Refuse>,
    want: Want,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Flags {
    /// In seconds.
    store_requeue_interval: u64,
    cluster_stores: bool,
    secret_stores: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { store_requeue_interval: 300, cluster_stores: true, secret_stores: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    /// `METHOD store/status`, all of them in order.
    requests: Option<Vec<String>>,
    /// `True Valid: store validated`; `none` without a condition.
    ready: Option<String>,
    detail: Option<String>,
    /// What the store holds at least.
    #[serde(default)]
    store: Value,
    /// All of them in order.
    events: Vec<String>,
    /// `never` until something changes, `after 60s`, or `backoff`.
    next: String,
}

struct Stage {
    name: String,
    api: FakeApi,
    cx: Arc<Context>,
    writer: Writer,
    key: StoreKey,
    path: &'static str,
}

impl Stage {
    fn put_store(&self, over: &Value) {
        let mut store = self.api.get(self.path).unwrap_or(Value::Null);
        let spec = store["spec"].clone();
        lay(&mut store, over);
        without_none(&mut store);
        let first = store["metadata"]["generation"].is_null();
        if first || store["spec"] != spec {
            let generation = store["metadata"]["generation"].as_i64().unwrap_or_default();
            store["metadata"]["generation"] = json!(generation + 1);
        }
        self.api.put(self.path, store);
    }

    /// What the watch would have told by now; an unreadable store is told of at each look, as after a full listing.
    async fn take_in(&self) {
        fn read<K: kube::Resource + serde::de::DeserializeOwned>(object: Value) -> DeserializeGuard<K> {
            serde_json::from_value(object).unwrap()
        }
        let Some(object) = self.api.get(self.path) else {
            return ingest::stores::gone(&self.cx, &self.key);
        };
        let record = match self.key.kind {
            StoreKind::SecretStore => read::<SecretStore>(object).0.map(StoreRecord::of_secret_store),
            StoreKind::ClusterSecretStore => {
                read::<ClusterSecretStore>(object).0.map(StoreRecord::of_cluster_secret_store)
            }
        };
        match record {
            Ok(record) => ingest::stores::take_in(&self.cx, record),
            Err(unreadable) => refuse_unreadable(&self.cx, self.key.kind, unreadable).await,
        }
    }

    async fn check(&mut self, step: &str, refuse: &[Refuse], want: Want) {
        for Refuse { request, code, reason, message, times } in refuse {
            let (method, path) = request.split_once(' ').unwrap();
            let path = path
                .strip_prefix("store")
                .map_or_else(|| format!("{PUSH}{path}"), |rest| format!("{}{rest}", self.path));
            for _ in 0..*times {
                self.api.refuse_once_with(method, &path, *code, reason, message);
            }
        }
        let before = self.api.calls().len();
        self.take_in().await;
        let next = reconcile_at(&self.cx, &self.key, "2026-01-05T12:00:00Z".parse().unwrap()).await;
        let calls = self.api.calls().split_off(before);
        let Want { requests, ready, detail, store, events, next: when } = want;
        let made: Vec<String> = calls
            .iter()
            .map(|call| {
                let path = call.path.replace(self.path, "store").replace(PUSH, "");
                format!("{} {path}", call.method)
            })
            .collect();
        let told: Vec<String> = self
            .writer
            .told()
            .iter()
            .map(|note| format!("{} {}: {}", note.severity.as_str(), note.reason.as_str(), note.message))
            .collect();
        let object = self.api.get(self.path).unwrap_or(Value::Null);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.iter().find(|entry| entry["type"] == "Ready").cloned().unwrap_or_default();
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let context = format!("{}, {step}: {made:?} {told:?} {conditions:?}", self.name);
        let now_ready = match condition {
            Value::Null => "none".to_owned(),
            _ => format!("{} {}: {}", text("status"), text("reason"), text("message")),
        };
        if let Some(ready) = ready {
            assert_eq!(now_ready, ready, "{context}");
        }
        if let Some(detail) = detail {
            assert_eq!(text("detail"), detail, "{context}");
        }
        if let Some(requests) = requests {
            assert_eq!(made, requests, "{context}");
        }
        assert_eq!(told, events, "{context}");
        assert_eq!(shown(next), when, "{context}");
        match store {
            Value::String(word) => assert_eq!((word.as_str(), object), ("absent", Value::Null), "{context}"),
            store => holds(&context, "store", &object, &store),
        }
    }
}

async fn check(case: Case) {
    let Case { name, flags, store, pushes, refuse, want, then } = case;
    let Flags { store_requeue_interval, cluster_stores, secret_stores } = flags;
    let api = FakeApi::default();
    let store_interval = Duration::from_secs(store_requeue_interval);
    let settings = Settings { store_interval, cluster_stores, secret_stores, ..fixtures::settings() };
    let (cx, writer) = fixtures::over(&api, settings);
    let (kind, namespace, path) = match store["kind"].as_str() {
        Some("ClusterSecretStore") => (StoreKind::ClusterSecretStore, "", CLUSTER),
        Some(_) | None => (StoreKind::SecretStore, "shop", NAMESPACED),
    };
    let key = StoreKey { kind, namespace: namespace.into(), name: "fake".into() };
    let mut stage = Stage { name, api, cx, writer, key, path };
    let mut base = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "fake", "namespace": "shop", "uid": "store-uid"},
        "spec": {"provider": {"fake": {"data": []}}},
    });
    lay(&mut base, &store);
    stage.put_store(&base);
    for (place, over) in &pushes {
        let (namespace, name) = place.split_once('/').unwrap();
        let mut push = json!({
            "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"deletionPolicy": "Delete", "secretStoreRefs": [], "selector": {"secret": {"name": "db"}}},
        });
        lay(&mut push, over);
        stage.api.put(&format!("{PUSH}namespaces/{namespace}/pushsecrets/{name}"), push);
    }
    stage.check("first look", &refuse, want).await;
    for (number, step) in then.into_iter().enumerate() {
        let Step { store, gone, refuse, want } = step;
        match &store {
            Value::Null => {}
            Value::String(_) => stage.api.delete(stage.path),
            over => stage.put_store(over),
        }
        for place in gone {
            let (namespace, name) = place.split_once('/').unwrap();
            stage.api.delete(&format!("{PUSH}namespaces/{namespace}/pushsecrets/{name}"));
        }
        stage.check(&format!("step {}", number + 1), &refuse, want).await;
    }
}

#[tokio::test]
async fn stores_are_checked_and_what_a_check_says_is_told_once() {
    assert!(play_with("stores_check.yaml", check).await >= 25);
}

/// What the watches ask for before anything is decided.
async fn listed(namespace: &str, cluster_stores: bool) -> (Arc<Context>, Vec<String>) {
    let api = FakeApi::default();
    for (namespace, path) in [("shop", NAMESPACED.to_owned()), ("lab", NAMESPACED.replace("/shop/", "/lab/"))] {
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "fake", "namespace": namespace, "generation": 1}, "spec": {"provider": {"fake": {}}},
        });
        api.put(&path, store);
    }
    let (cx, _) = fixtures::over(&api, Settings { cluster_stores, ..fixtures::settings() });
    let scope = Scope { namespace: namespace.into(), cluster_stores };
    let watches = ingest::watches(&cx, &scope);
    let mut tasks = tokio::task::JoinSet::new();
    for watch in watches {
        let (mut listed, run) = (watch.listed, watch.run);
        tasks.spawn(run);
        listed.wait_for(|listed| *listed).await.unwrap();
    }
    (cx, api.requests())
}

fn known(cx: &Context, namespace: &str) -> bool {
    let key = StoreKey { kind: StoreKind::SecretStore, namespace: namespace.into(), name: "fake".into() };
    cx.world.store(&key).is_some()
}

#[tokio::test]
async fn one_namespace_is_asked_for_nothing_outside_of_it() {
    let (cx, requests) = listed("shop", false).await;
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.contains("/namespaces/shop/")), "{requests:?}");
    assert!(known(&cx, "shop") && !known(&cx, "lab"));
    let (cx, requests) = listed("", true).await;
    assert!(requests.iter().any(|request| request.ends_with("/clustersecretstores")), "{requests:?}");
    assert!(known(&cx, "shop") && known(&cx, "lab"));
}

/// As with the chart's `processSecretStore: false`, and `crds.createSecretStore: false`.
#[tokio::test]
async fn nothing_waits_for_secret_stores_that_nobody_wants() {
    for secret_stores in [true, false] {
        let cx = fixtures::over(&FakeApi::default(), Settings { secret_stores, ..fixtures::settings() }).0;
        let scope = Scope { namespace: "shop".into(), cluster_stores: true };
        let waits = ingest::watches(&cx, &scope).into_iter().filter(|watch| !*watch.listed.borrow());
        let names: Vec<&str> = waits.map(|watch| watch.name).collect();
        assert_eq!(names.contains(&"secretstores"), secret_stores, "{names:?}");
        assert!(names.contains(&"externalsecrets") && names.contains(&"clustersecretstores"));
    }
}
