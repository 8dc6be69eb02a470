//! Scenarios: what one PushSecret, its stores and its source look like, and what a reconcile makes of them. The cases are
//! the file `testdata/pushes.yaml`; everything below `reconcile` is the real thing, over an API server in memory
//! and providers in memory (`remote`).
//!
//! Deliberately not here: the watches and the queue (`flow`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::FakeApi;
use plan::hash;
use serde::Deserialize;
use serde_json::{Value, json};

use super::remote::{self, Remote};
use super::{attempt, watch};
use crate::context::{Context, Settings};
use crate::dispatch::Slot;
use crate::events::Writer;
use crate::external_secret::scenario::{Refuse, lay, shown, without_none};
use crate::fixtures;
use crate::world::{Key, NamespaceSeen, StoreRecord};

const CORE: &str = "/api/v1/namespaces/shop/";
const STORES: &str = "/apis/external-secrets.io/v1/namespaces/shop/secretstores/";
const CLUSTER_STORES: &str = "/apis/external-secrets.io/v1/clustersecretstores/";
const OBJECT: &str = "/apis/external-secrets.io/v1alpha1/namespaces/shop/pushsecrets/out";

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(flatten)]
    first: Step,
    /// What happens then.
    #[serde(default)]
    then: Vec<Step>,
}

/// A change, and what the next look makes of it.
#[derive(Deserialize)]
struct Step {
    /// The time of day; otherwise that of the step before.
    at: Option<String>,
    /// So many seconds pass for the process, by the clock that waits are measured with.
    #[serde(default)]
    pass: u64,
    /// Another process takes over, which remembers nothing.
    #[serde(default)]
    restart: bool,
    /// Laid over a PushSecret `out` in `shop` that pushes `password` of the Secret `db` to `app` in the store `vault`.
    #[serde(default)]
    object: Value,
    /// Laid over SecretStores, by name; `absent` takes one away. At first there is `vault`.
    #[serde(default)]
    stores: BTreeMap<String, Value>,
    /// Secrets, by name: laid over what is there; `absent` takes one away. At first there is `db`.
    #[serde(default)]
    secrets: BTreeMap<String, Value>,
    /// What others write to providers: `store/key[+property]`; `absent` takes it away.
    #[serde(default)]
    remote: BTreeMap<String, String>,
    /// What fails at providers from now on: see [`remote::State::fails`], with the store before it.
    fails: Option<BTreeMap<String, String>>,
    /// What isn't this operator's, where the provider can tell.
    #[serde(default)]
    foreign: Vec<String>,
    #[serde(default)]
    others: BTreeMap<String, Value>,
    #[serde(default)]
    refuse: Vec<Refuse>,
    /// Something that it depends on changed.
    #[serde(default)]
    dependency_changed: bool,
    want: Want,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    /// `vault: push app`, all of them in order.
    #[serde(default)]
    done: Vec<String>,
    /// What the providers hold: `store/key[+property]`.
    remote: Option<BTreeMap<String, String>>,
    /// What the status records: `SecretStore/vault app`.
    synced: Option<Vec<String>>,
    /// `True Synced: PushSecret synced successfully`; `none` without a condition.
    ready: Option<String>,
    detail: Option<String>,
    /// All of them in order.
    events: Option<Vec<String>>,
    /// As scenarios of ExternalSecrets have it.
    next: String,
    /// Status writes.
    writes: Option<usize>,
    finalizers: Option<Vec<String>>,
    /// The object is gone.
    #[serde(default)]
    gone: bool,
}

struct Stage {
    name: String,
    api: FakeApi,
    settings: Settings,
    cx: Arc<Context>,
    writer: Writer,
    remotes: BTreeMap<String, Remote>,
    at: String,
}

impl Stage {
    async fn new(name: &str) -> Self {
        let api = FakeApi::default();
        let settings = fixtures::settings();
        let (cx, writer) = fixtures::over(&api, settings.clone());
        let mut stage = Self {
            name: name.to_owned(),
            api,
            settings,
            cx,
            writer,
            remotes: BTreeMap::new(),
            at: "12:00:00".to_owned(),
        };
        stage.put_store("vault", &json!({})).await;
        stage.put_secret("db", &json!({"stringData": {"password": "hunter2"}}));
        stage
    }

    fn put_object(&self, over: &Value) {
        let mut object = self.api.get(OBJECT).unwrap_or_else(|| {
            json!({
                "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
                "metadata": {"name": "out", "namespace": "shop", "uid": "uid-of-out", "generation": 1},
                "spec": {
                    "refreshInterval": "1h", "secretStoreRefs": [{"name": "vault", "kind": "SecretStore"}],
                    "selector": {"secret": {"name": "db"}},
                    "data": [{"match": {"secretKey": "password", "remoteRef": {"remoteKey": "app"}}}],
                },
            })
        });
        if object["metadata"]["resourceVersion"].is_string() && over.get("spec").is_some() {
            object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        lay(&mut object, over);
        without_none(&mut object);
        self.api.put(OBJECT, object);
    }

    async fn put_store(&mut self, name: &str, over: &Value) {
        let cluster = over["kind"] == "ClusterSecretStore";
        let path = if cluster { format!("{CLUSTER_STORES}{name}") } else { format!("{STORES}{name}") };
        if over == "absent" {
            return self.api.delete(&path);
        }
        let mut store = self.api.get(&path).unwrap_or_else(|| {
            json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "generation": 1},
                "spec": {"provider": {"fake": {"data": []}}},
            })
        });
        lay(&mut store, over);
        without_none(&mut store);
        self.api.put(&path, store);
        self.remotes.entry(name.to_owned()).or_default();
    }

    fn put_secret(&self, name: &str, over: &Value) {
        let path = format!("{CORE}secrets/{name}");
        if over == "absent" {
            return self.api.delete(&path);
        }
        let mut secret = self.api.get(&path).unwrap_or_else(|| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-01-05T00:00:00Z"},
            })
        });
        lay(&mut secret, over);
        without_none(&mut secret);
        if let Some(plain) = secret.as_object_mut().unwrap().remove("stringData") {
            let plain = plain.as_object().cloned().unwrap();
            let data = plain.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))));
            secret["data"] = Value::Object(data.collect());
        }
        let object: plan::secret_object::SecretObject = serde_json::from_value(secret.clone()).unwrap();
        let text = secret.to_string().replace("$hash", &hash::data(&object.data));
        self.api.put(&path, serde_json::from_str(&text).unwrap());
    }

    /// What the watches would have told by now.
    async fn take_in(&mut self) {
        let objects = self.api.objects();
        let mut stores = Vec::new();
        for (path, object) in &objects {
            let name = path.rsplit('/').next().unwrap();
            let record = if path.starts_with(STORES) {
                StoreRecord::of_secret_store(serde_json::from_value(object.clone()).unwrap())
            } else if path.starts_with(CLUSTER_STORES) {
                StoreRecord::of_cluster_secret_store(serde_json::from_value(object.clone()).unwrap())
            } else {
                if path == OBJECT {
                    watch::seen(&self.cx, serde_json::from_value(object.clone()).unwrap());
                } else if path.contains("/externalsecrets/") {
                    self.cx.world.put_external_secret(serde_json::from_value(object.clone()).unwrap());
                } else if path == "/api/v1/namespaces/shop" {
                    let meta = serde_json::from_value(object["metadata"].clone()).unwrap();
                    self.cx.world.put_namespace("shop", Some(NamespaceSeen::of(meta)));
                }
                continue;
            };
            self.remotes[name].stand_behind(&self.cx, &record).await;
            stores.push(record.key.clone());
            self.cx.world.put_store(record);
        }
        for key in self.cx.world.stores(|record| !stores.contains(&record.key)) {
            self.cx.world.remove_store(&key);
        }
        if !objects.contains_key(OBJECT) {
            self.cx.pushes.remove(&key());
        }
    }

    async fn check(&mut self, number: usize, step: Step) {
        let Step {
            at,
            pass,
            restart,
            object,
            stores,
            secrets,
            remote,
            fails,
            foreign,
            others,
            refuse,
            dependency_changed,
            want,
        } = step;
        let name = format!("{}, look {number}", self.name);
        self.at = at.unwrap_or_else(|| self.at.clone());
        if restart {
            (self.cx, self.writer) = fixtures::over(&self.api, self.settings.clone());
        }
        tokio::time::advance(Duration::from_secs(pass)).await;
        for (name, over) in &stores {
            self.put_store(name, over).await;
        }
        secrets.iter().for_each(|(name, over)| self.put_secret(name, over));
        if number == 0 || !object.is_null() {
            self.put_object(&object);
        }
        others.into_iter().for_each(|(path, object)| self.api.put(&path, object));
        for (place, value) in &remote {
            let (store, place) = place.split_once('/').unwrap();
            match value.as_str() {
                "absent" => self.remotes[store].0.values.lock().unwrap().remove(place).map(drop).unwrap_or_default(),
                value => self.remotes[store].set(place, value),
            }
        }
        if let Some(fails) = fails {
            self.remotes.values().for_each(|remote| remote.0.fails.lock().unwrap().clear());
            for (what, text) in fails {
                let (store, what) = what.split_once(' ').unwrap();
                self.remotes[store].0.fails.lock().unwrap().insert(what.to_owned(), text);
            }
        }
        for place in foreign {
            let (store, place) = place.split_once('/').unwrap();
            self.remotes[store].0.foreign.lock().unwrap().insert(place.to_owned());
        }
        for Refuse { request, code, reason, message, times } in refuse {
            let (method, path) = request.split_once(' ').unwrap();
            for _ in 0..times {
                self.api.refuse_once_with(method, &path.replace("$object", OBJECT), code, &reason, &message);
            }
        }
        self.take_in().await;
        if dependency_changed {
            self.cx.pushes.remember(&key(), |memory| memory.changes += 1);
        }
        let before = self.api.calls().len();
        let now = format!("2026-01-05T{}Z", self.at).parse().unwrap();
        let next = attempt(&self.cx, &key(), now, &Slot::unlimited()).await;
        self.judge(&name, shown(next), before, want);
    }

    fn judge(&mut self, name: &str, next: String, before: usize, want: Want) {
        let Want { done, remote, synced, ready, detail, events, next: when, writes, finalizers, gone } = want;
        let calls = self.api.calls().split_off(before);
        let told: Vec<String> = self
            .writer
            .told()
            .iter()
            .map(|note| format!("{} {}: {}", note.severity.as_str(), note.reason.as_str(), note.message))
            .collect();
        let object = self.api.get(OBJECT).unwrap_or_default();
        let condition = &object["status"]["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let is = match condition {
            Value::Null => "none".to_owned(),
            _ => format!("{} {}: {}", text("status"), text("reason"), text("message")),
        };
        let made: Vec<String> = calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
        let context = format!("{name}: {is} {made:#?} {told:#?} {object:#}");
        let did: Vec<String> = self
            .remotes
            .iter()
            .flat_map(|(store, remote)| remote.take_done().into_iter().map(move |what| format!("{store}: {what}")))
            .collect();
        assert_eq!(did, done, "{context}");
        if let Some(remote) = remote {
            let holds: BTreeMap<String, String> = self
                .remotes
                .iter()
                .flat_map(|(store, remote)| remote.values().into_iter().map(move |(k, v)| (format!("{store}/{k}"), v)))
                .collect();
            assert_eq!(holds, remote, "{context}");
        }
        if let Some(synced) = synced {
            let map = object["status"]["syncedPushSecrets"].as_object().cloned().unwrap_or_default();
            let all = map.iter().flat_map(|(store, entries)| {
                let keys: Vec<&String> = entries.as_object().unwrap().keys().collect();
                keys.into_iter().map(move |key| format!("{store} {key}")).collect::<Vec<_>>()
            });
            assert_eq!(all.collect::<Vec<_>>(), synced, "{context}");
        }
        if let Some(ready) = ready {
            assert_eq!(is, ready, "{context}");
        }
        if let Some(detail) = detail {
            assert_eq!(text("detail"), detail, "{context}");
        }
        if let Some(events) = events {
            assert_eq!(told, events, "{context}");
        }
        if let Some(writes) = writes {
            assert_eq!(made.iter().filter(|it| it.ends_with("/status")).count(), writes, "{context}");
        }
        if let Some(finalizers) = finalizers {
            let has: Vec<String> = serde_json::from_value(object["metadata"]["finalizers"].clone()).unwrap_or_default();
            assert_eq!(has, finalizers, "{context}");
        }
        assert_eq!(next, when, "{context}");
        assert_eq!(self.api.get(OBJECT).is_none(), gone, "{context}");
        let status = object["status"].to_string();
        assert!(!status.contains("hunter2") && told.iter().all(|text| !text.contains("hunter2")), "leaks: {context}");
        for call in calls.iter().filter(|call| call.method != "GET") {
            assert!(call.path.starts_with(OBJECT), "writes nothing but the object: {context}");
            assert!(call.body["metadata"]["resourceVersion"].is_string(), "written without its version: {context}");
        }
    }
}

fn key() -> Key {
    Key { namespace: "shop".into(), name: "out".into() }
}

#[tokio::test(start_paused = true)]
async fn a_push_secret_does_as_its_scenarios_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/pushes.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
    assert!(cases.len() > 20);
    for Case { name, first, then } in cases {
        let mut stage = Stage::new(&name).await;
        for (number, step) in std::iter::once(first).chain(then).enumerate() {
            stage.check(number, step).await;
        }
    }
}

/// Runs a reconcile until something was written to the provider, and not a step further.
async fn killed_after_the_write(stage: &Stage) {
    let remote = stage.remotes["vault"].clone();
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    let (slot, key) = (Slot::unlimited(), key());
    tokio::select! {
        biased;
        () = remote.0.written.notified() => {}
        _ = attempt(&stage.cx, &key, now, &slot) => panic!("it came to its end"),
    }
}

fn want(done: &[&str], next: &str) -> Want {
    let mut want: Want = serde_json::from_value(json!({"next": next})).unwrap();
    want.done = done.iter().map(|it| (*it).to_owned()).collect();
    want
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_between_the_push_and_the_status_loses_and_doubles_nothing() {
    for then in ["go on", "delete", "push elsewhere"] {
        let mut stage = Stage::new(then).await;
        stage.put_object(&json!({"spec": {"deletionPolicy": "Delete"}}));
        stage.take_in().await;
        killed_after_the_write(&stage).await;
        assert_eq!(stage.remotes["vault"].take_done(), ["push app"]);
        let status = &stage.api.get(OBJECT).unwrap()["status"];
        assert_eq!(status["syncedPushSecrets"]["SecretStore/vault"].as_object().unwrap().len(), 1, "{then}");
        assert!(status["conditions"].as_array().is_none_or(Vec::is_empty), "{then}");
        (stage.cx, stage.writer) = fixtures::over(&stage.api, stage.settings.clone());
        let step = match then {
            "go on" => Step { want: Want { writes: Some(1), ..want(&[], "after 3600s") }, ..nothing() },
            "delete" => {
                let object = json!({"metadata": {"deletionTimestamp": "2026-01-05T12:00:00Z"}});
                Step { object, want: Want { gone: true, ..want(&["vault: delete app"], "never") }, ..nothing() }
            }
            _ => {
                let data = json!([{"match": {"secretKey": "password", "remoteRef": {"remoteKey": "other"}}}]);
                let want = want(&["vault: push other", "vault: delete app"], "after 3600s");
                Step { object: json!({"spec": {"data": data}}), want, ..nothing() }
            }
        };
        stage.check(1, step).await;
    }
}

fn nothing() -> Step {
    serde_json::from_value(json!({"want": {"next": "never"}})).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_pushes_is_named_and_not_tried_before_the_next_refresh() {
    let mut stage = Stage::new("read only").await;
    stage.remotes.insert("vault".into(), Remote(Arc::new(remote::State { read_only: true, ..Default::default() })));
    let text = "False Errored: set secret failed: could not write remote ref password to target secretstore vault: SecretStore \
                \"vault\" cannot be written to: this version does not push to its provider (Test); push to a store whose \
                status.capabilities is ReadWrite";
    stage.check(0, Step { want: Want { ready: Some(text.into()), ..want(&[], "after 3600s") }, ..nothing() }).await;
}
