//! PushSecrets with their watches and queue, over an API server and a provider in memory: what wakes them, and that the way
//! back comes to rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::FakeApi;
use serde_json::{Value, json};

use super::remote::Remote;
use crate::context::{Context, Settings};
use crate::dispatch;
use crate::fixtures;
use crate::health::all_listed;
use crate::ingest::{self, Scope};
use crate::workers::{ExternalSecrets, PushSecrets, Stores};
use crate::world::{Key, StoreRecord};

const SECRET: &str = "/api/v1/namespaces/shop/secrets/db";
const STORE: &str = "/apis/external-secrets.io/v1/namespaces/shop/secretstores/vault";
const EXTERNAL_SECRET: &str = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/back";
const OBJECT: &str = "/apis/external-secrets.io/v1alpha1/namespaces/shop/pushsecrets/out";
/// Whatever is to happen has happened by then.
const A_WHILE: Duration = Duration::from_secs(20);

struct Stage {
    api: FakeApi,
    cx: Arc<Context>,
    remote: Remote,
}

impl Stage {
    /// A store, a PushSecret of the Secret `db`, and whatever else is there from the start.
    async fn new(objects: &[(&str, Value)]) -> Self {
        let api = FakeApi::default();
        let (cx, _) = fixtures::over(&api, Settings { flood_gate: false, ..fixtures::settings() });
        let stage = Self { api, cx, remote: Remote::default() };
        stage.put_store(1, &json!({})).await;
        objects.iter().for_each(|(path, object)| stage.api.put(path, object.clone()));
        stage
    }

    async fn put_store(&self, generation: u64, labels: &Value) {
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "vault", "namespace": "shop", "uid": "s", "generation": generation, "labels": labels},
            "spec": {"provider": {"fake": {"data": []}}},
        });
        let record = StoreRecord::of_secret_store(serde_json::from_value(store.clone()).unwrap());
        self.remote.stand_behind(&self.cx, &record).await;
        self.api.put(STORE, store);
    }

    fn put_secret(&self, value: &str) {
        let mut secret = self.api.get(SECRET).unwrap_or_else(|| secret(""));
        secret["data"]["password"] = json!(STANDARD.encode(value));
        self.api.put(SECRET, secret);
    }

    /// Everything runs from now on.
    async fn run(&self) {
        let scope = Scope { namespace: String::new(), cluster_stores: true };
        let mut listed = Vec::new();
        for watch in ingest::watches(&self.cx, &scope) {
            listed.push((watch.name, watch.listed.clone()));
            tokio::spawn(watch.run);
        }
        all_listed(listed).await.unwrap();
        let (cx, queue) = (self.cx.clone(), self.cx.push_secrets.clone());
        tokio::spawn(async move { dispatch::run(queue, Arc::new(PushSecrets(cx)), 4).await });
        let (cx, queue) = (self.cx.clone(), self.cx.external_secrets.clone());
        tokio::spawn(async move { dispatch::run(queue, Arc::new(ExternalSecrets(cx)), 4).await });
        let (cx, queue) = (self.cx.clone(), self.cx.stores.clone());
        tokio::spawn(async move { dispatch::run(queue, Arc::new(Stores(cx)), 4).await });
        self.settle().await;
    }

    async fn settle(&self) {
        tokio::time::sleep(A_WHILE).await;
    }

    fn ready(&self) -> String {
        let condition = &self.api.get(OBJECT).unwrap()["status"]["conditions"][0];
        format!(
            "{} {}",
            condition["reason"].as_str().unwrap_or_default(),
            condition["message"].as_str().unwrap_or_default()
        )
    }

    fn password(&self) -> String {
        let secret = self.api.get(SECRET).unwrap();
        String::from_utf8(STANDARD.decode(secret["data"]["password"].as_str().unwrap()).unwrap()).unwrap()
    }

    /// Requests about the Secret and the PushSecret; watches make others by themselves.
    fn work(&self) -> usize {
        self.api.count(&format!("GET {SECRET}")) + self.api.calls().iter().filter(|call| call.method != "GET").count()
    }

    /// How often the Secret was written by the controller.
    fn secret_writes(&self) -> usize {
        let collection = SECRET.strip_suffix("/db").unwrap();
        self.api.calls().iter().filter(|call| call.method != "GET" && call.path.starts_with(collection)).count()
    }
}

fn secret(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "db", "namespace": "shop", "uid": "db"},
        "data": {"password": STANDARD.encode(value)},
    })
}

fn push(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": {"name": "out", "namespace": "shop", "uid": "out", "generation": 1},
        "spec": {
            "refreshInterval": "1h", "secretStoreRefs": [{"name": "vault", "kind": "SecretStore"}],
            "selector": {"secret": {"name": "db"}},
            "data": [{"match": {"secretKey": "password", "remoteRef": {"remoteKey": "app"}}}],
        },
    });
    crate::external_secret::scenario::lay(&mut object["spec"], spec);
    object
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_source_goes_out_at_once() {
    let by_label = json!({"selector": {"secret": {"selector": {"matchLabels": {"push": "yes"}}}}});
    for selector in [json!({}), by_label] {
        let mut object = push(&selector);
        let mut source = secret("one");
        source["metadata"]["labels"] = json!({"push": "yes"});
        if selector != json!({}) {
            object["spec"]["selector"]["secret"].as_object_mut().unwrap().remove("name");
        }
        let stage = Stage::new(&[(OBJECT, object)]).await;
        stage.run().await;
        assert_eq!(stage.remote.values(), values(&[]));
        stage.api.put(SECRET, source);
        stage.settle().await;
        assert_eq!(stage.remote.values(), values(&[("app", "one")]), "it appeared: {}", stage.ready());
        stage.put_secret("two");
        stage.settle().await;
        assert_eq!(stage.remote.values(), values(&[("app", "two")]), "it changed: {}", stage.ready());
        assert_eq!(stage.ready(), "Synced PushSecret synced successfully");
        // What nobody pushes wakes nobody.
        let before = stage.work();
        let mut other = secret("x");
        other["metadata"]["name"] = json!("other");
        stage.api.put("/api/v1/namespaces/shop/secrets/other", other);
        stage.settle().await;
        assert_eq!(stage.work(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_metadata_refers_to_goes_out_at_once() {
    const POLICY: &str = "/api/v1/namespaces/shop/configmaps/policy";
    let policy = |text: &str| {
        let metadata = json!({"name": "policy", "namespace": "shop"});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": text}})
    };
    let remote_ref = json!({"secretKey": "password", "remoteRef": {"remoteKey": "app"}});
    let object = push(&json!({"data": [{"match": remote_ref, "metadata": {"beside": "policy"}}]}));
    let stage = Stage::new(&[(OBJECT, object), (SECRET, secret("one"))]).await;
    stage.run().await;
    assert!(stage.ready().contains("configmaps \"policy\" not found"), "{}", stage.ready());
    for text in ["first", "second"] {
        stage.api.put(POLICY, policy(text));
        stage.settle().await;
        assert_eq!(stage.remote.values(), values(&[("app", "one"), ("app#", text)]), "{}", stage.ready());
    }
}

#[tokio::test(start_paused = true)]
async fn what_metadata_refers_to_is_asked_for_by_a_name_alone() {
    let remote_ref = json!({"secretKey": "password", "remoteRef": {"remoteKey": "app"}});
    let object = push(&json!({"data": [{"match": remote_ref, "metadata": {"beside": "../secrets/db"}}]}));
    let stage = Stage::new(&[(OBJECT, object), (SECRET, secret("one"))]).await;
    stage.run().await;
    assert!(stage.ready().contains(r#"no policy: metadata: name "../secrets/db" can't be"#), "{}", stage.ready());
    assert_eq!(stage.remote.values(), values(&[]));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_changes_or_is_labelled_is_looked_at_at_once() {
    let by_label =
        json!({"secretStoreRefs": [{"labelSelector": {"matchLabels": {"push": "yes"}}, "kind": "SecretStore"}]});
    let stage = Stage::new(&[(OBJECT, push(&by_label)), (SECRET, secret("one"))]).await;
    stage.run().await;
    assert_eq!(stage.remote.values(), values(&[]));
    stage.put_store(1, &json!({"push": "yes"})).await;
    stage.settle().await;
    assert_eq!(stage.remote.values(), values(&[("app", "one")]));
    // Its session is over: what it leads to from then on is no part of this test, but that it is tried at once.
    let before = stage.work();
    stage.put_store(2, &json!({"push": "yes"})).await;
    stage.settle().await;
    assert!(stage.work() > before);
}

#[tokio::test(start_paused = true)]
async fn what_a_template_lies_in_is_followed() {
    const TEMPLATE: &str = "/api/v1/namespaces/shop/configmaps/text";
    let map = |text: &str| {
        let metadata = json!({"name": "text", "namespace": "shop"});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"password": text}})
    };
    let from = json!([{"configMap": {"name": "text", "items": [{"key": "password"}]}}]);
    let object = push(&json!({"template": {"templateFrom": from}}));
    let stage = Stage::new(&[(OBJECT, object), (SECRET, secret("one")), (TEMPLATE, map("a {{ .password }}"))]).await;
    stage.run().await;
    assert_eq!(stage.remote.values(), values(&[("app", "a one")]), "{}", stage.ready());
    stage.api.put(TEMPLATE, map("b {{ .password }}"));
    stage.settle().await;
    assert_eq!(stage.remote.values(), values(&[("app", "b one")]));
}

#[tokio::test(start_paused = true)]
async fn a_store_stays_until_what_was_pushed_to_it_is_deleted() {
    let holds = |stage: &Stage| {
        let store = stage.api.get(STORE)?;
        Some(store["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty()))
    };
    let object = push(&json!({"deletionPolicy": "Delete"}));
    let stage = Stage::new(&[(SECRET, secret("one"))]).await;
    stage.run().await;
    assert_eq!(holds(&stage), Some(false));
    stage.api.put(OBJECT, object);
    stage.settle().await;
    assert_eq!((holds(&stage), stage.remote.values()), (Some(true), values(&[("app", "one")])));
    // Both are deleted, the store first, as in a namespace that goes.
    for path in [STORE, OBJECT] {
        let mut object = stage.api.get(path).unwrap();
        object["metadata"]["deletionTimestamp"] = json!("2026-01-05T12:00:00Z");
        stage.api.put(path, object);
    }
    stage.settle().await;
    assert_eq!((holds(&stage), stage.api.get(OBJECT), stage.remote.values()), (None, None, values(&[])));
}

/// Each round makes another value of it, so that without an end to it there would be none.
#[tokio::test(start_paused = true)]
async fn the_way_back_comes_to_rest() {
    let back = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "back", "namespace": "shop", "uid": "back", "generation": 1},
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": {"name": "vault"},
            "data": [{"secretKey": "password", "remoteRef": {"key": "app"}}],
            "target": {"name": "db", "template": {"data": {"password": "{{ .password }}x"}}},
        },
    });
    let stage = Stage::new(&[(OBJECT, push(&json!({}))), (EXTERNAL_SECRET, back)]).await;
    stage.remote.set("app", "v");
    stage.run().await;
    assert_eq!((stage.password().as_str(), stage.secret_writes()), ("vx", 1));
    let text = r#"Not pushed back: remote key "app" of SecretStore "vault", which ExternalSecret "back" reads into Secret "db""#;
    assert!(stage.ready().ends_with(text), "{}", stage.ready());
    assert_eq!(stage.remote.take_done(), [""; 0]);
    // However often it is read anew.
    for round in 0..5 {
        let mut back = stage.api.get(EXTERNAL_SECRET).unwrap();
        back["metadata"]["annotations"] = json!({"force-sync": round.to_string()});
        stage.api.put(EXTERNAL_SECRET, back);
        stage.settle().await;
    }
    assert_eq!((stage.password().as_str(), stage.secret_writes()), ("vx", 1));
    assert_eq!(stage.remote.take_done(), [""; 0]);
    // Somebody writes the Secret: that goes out once, and what comes back goes no further.
    for edit in ["one", "two", "three"] {
        let before = stage.secret_writes();
        stage.put_secret(edit);
        stage.settle().await;
        assert!(stage.remote.take_done().len() <= 1, "{edit}");
        assert!(stage.secret_writes() - before <= 2, "{edit}");
        assert_ne!(stage.password(), edit, "it is the ExternalSecret's");
    }
    let (work, values) = (stage.work(), stage.remote.values());
    stage.settle().await;
    assert_eq!((stage.work(), stage.remote.values()), (work, values), "nothing goes on");
    let key = Key { namespace: "shop".into(), name: "out".into() };
    assert!(stage.cx.pushes.get(&key).is_some());
}
