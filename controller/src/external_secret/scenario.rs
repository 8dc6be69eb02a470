//! Scenarios: what one ExternalSecret, its store and its target look like, and what a reconcile makes of them. The cases
//! are the files of `testdata/scenarios`; everything below `reconcile` is the real thing, over an API server in memory.
//!
//! Deliberately not here: the watches (what a watch would have told is taken in before each step), and the queue.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::{Call, FakeApi};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use plan::hash;
use plan::names::field_manager;
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reconcile_at;
use crate::context::{Context, Settings};
use crate::events::Writer;
use crate::fixtures;
use crate::queue::Next;
use crate::world::{Key, Memory, NamespaceSeen, SecretSeen, StoreRecord};

const CORE: &str = "/api/v1/namespaces/shop/";
const OURS: &str = "/apis/external-secrets.io/v1/namespaces/shop/";
const CLUSTER_STORES: &str = "/apis/external-secrets.io/v1/clustersecretstores/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What all cases have in common: each is laid over it.
    #[serde(default)]
    given: Value,
    cases: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The time of day.
    #[serde(default = "noon")]
    at: String,
    #[serde(default)]
    flags: Flags,
    /// Laid over an ExternalSecret `db` in `shop` that wants `password` from the store `fake`.
    #[serde(default)]
    object: Value,
    /// Laid over a SecretStore `fake` that is Ready; `absent` if there is none.
    #[serde(default)]
    store: Value,
    /// What the provider has; `$bytes 7` is a value of seven bytes.
    #[serde(default = "password")]
    remote: BTreeMap<String, String>,
    /// The target, laid over an empty Secret of no one.
    secret: Option<Value>,
    /// Whatever else there is, by path.
    #[serde(default)]
    others: BTreeMap<String, Value>,
    /// Fields of statuses that the API server drops, as it does under the reference's CRDs.
    #[serde(default)]
    prunes: Vec<String>,
    /// What happens besides, before the first look.
    #[serde(default)]
    refuse: Vec<Refuse>,
    want: Want,
    /// What happens then.
    #[serde(default)]
    then: Vec<Step>,
    /// Whether a further look, were there one, would try again what was refused.
    #[serde(default)]
    would_try_again: bool,
}

/// A change, and what the next look makes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: Option<String>,
    /// Another process takes over, which remembers nothing.
    #[serde(default)]
    restart: bool,
    prunes: Option<Vec<String>>,
    /// Laid over the ExternalSecret as it is.
    #[serde(default)]
    object: Value,
    /// Laid over the target as it is; `absent` to delete it.
    #[serde(default)]
    secret: Value,
    remote: Option<BTreeMap<String, String>>,
    /// A store, a credential or what a template lies in changed.
    #[serde(default)]
    dependency_changed: bool,
    #[serde(default)]
    others: BTreeMap<String, Value>,
    #[serde(default)]
    refuse: Vec<Refuse>,
    want: Want,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Flags {
    flood_gate: bool,
    cluster_stores: bool,
    /// Without it, another process checks the SecretStores.
    secret_stores: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { flood_gate: true, cluster_stores: true, secret_stores: true }
    }
}

/// The API server refuses the next request of this kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refuse {
    /// As `want.requests` has it.
    pub(crate) request: String,
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) message: String,
    /// As often.
    #[serde(default = "one")]
    pub(crate) times: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    /// `METHOD secrets/db`, all of them in order.
    requests: Option<Vec<String>>,
    /// What the target holds at least: `null` where nothing must be, and `stringData` in full. `absent` if it isn't there.
    #[serde(default)]
    secret: Value,
    /// `True SecretSynced: secret synced`; `none` without a condition.
    ready: Option<String>,
    /// The condition's detail.
    detail: Option<String>,
    /// What the status holds at least.
    #[serde(default)]
    status: Value,
    /// `Normal Created: secret created`, all of them in order.
    events: Option<Vec<String>>,
    /// `never` until something changes, `after 60s`, or `backoff`.
    next: String,
    /// Paths at which nothing is left.
    #[serde(default)]
    gone: Vec<String>,
}

fn noon() -> String {
    "12:00:00".into()
}

fn password() -> BTreeMap<String, String> {
    [("password".to_owned(), "provided".to_owned())].into()
}

fn one() -> usize {
    1
}

/// Lays `over` over `base`: objects key by key, anything else in place of what was there.
pub(crate) fn lay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, over) => *base = over.clone(),
    }
}

/// A `~` in a laid-over object can't be told from nothing; `none` takes a field away.
pub(crate) fn without_none(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| value != "none");
        map.values_mut().for_each(without_none);
    }
}

struct Stage {
    name: String,
    api: FakeApi,
    settings: Settings,
    cx: Arc<Context>,
    writer: Writer,
    key: Key,
    remote: BTreeMap<String, String>,
    store: Value,
    stores_put: i64,
    known: BTreeMap<String, Value>,
}

impl Stage {
    fn object_path(&self) -> String {
        format!("{OURS}externalsecrets/{}", self.key.name)
    }

    fn object(&self) -> Value {
        self.api.get(&self.object_path()).unwrap_or(Value::Null)
    }

    fn secret_path(&self) -> String {
        let object = self.object();
        let named = object["spec"]["target"]["name"].as_str();
        format!("{CORE}secrets/{}", named.unwrap_or(&self.key.name))
    }

    fn put_object(&self, over: &Value) {
        let mut object = self.object();
        lay(&mut object, over);
        without_none(&mut object);
        let meta: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
        let empty = BTreeMap::new();
        let synced = hash::sync_version(
            meta.generation.unwrap_or_default(),
            meta.labels.as_ref().unwrap_or(&empty),
            meta.annotations.as_ref().unwrap_or(&empty),
        );
        if object["status"]["syncedResourceVersion"] == "$current" {
            object["status"]["syncedResourceVersion"] = json!(synced);
        }
        self.api.put(&self.object_path(), object);
    }

    /// Puts the target: `stringData` is turned into data, `$hash` and `$owner` into what they stand for.
    fn put_secret(&self, path: &str, over: &Value) {
        let name = path.rsplit('/').next();
        let mut secret = self.api.get(path).unwrap_or_else(|| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{}", name.unwrap_or_default())},
            })
        });
        lay(&mut secret, over);
        without_none(&mut secret);
        if let Some(plain) = secret["stringData"].as_object().cloned() {
            let data = plain.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value.as_str().unwrap()))));
            secret["data"] = Value::Object(data.collect());
        }
        secret.as_object_mut().unwrap().remove("stringData");
        let data: SecretMap =
            strings(&secret).into_iter().map(|(key, value)| (key, SecretBytes::from(value))).collect();
        let owner = hash::owner("shop", &self.key.name);
        let text = secret.to_string().replace("$hash", &hash::data(&data)).replace("$owner", &owner);
        self.api.put(path, serde_json::from_str(&text).unwrap());
    }

    fn put_store(&mut self) {
        if self.store == "absent" {
            return;
        }
        self.stores_put += 1;
        let data: Vec<Value> =
            self.remote.iter().map(|(key, value)| json!({"key": key, "value": blown_up(value)})).collect();
        let mut store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "fake", "namespace": "shop", "uid": "store-uid", "generation": self.stores_put},
            "spec": {"provider": {"fake": {"data": data}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        lay(&mut store, &self.store);
        without_none(&mut store);
        let path = if store["kind"] == "ClusterSecretStore" {
            format!("{CLUSTER_STORES}fake")
        } else {
            format!("{OURS}secretstores/fake")
        };
        self.api.put(&path, store);
    }

    fn refuse(&self, refusals: &[Refuse]) {
        for Refuse { request, code, reason, message, times } in refusals {
            let (method, path) = request.split_once(' ').unwrap();
            let base = match path {
                path if path.starts_with('/') => "",
                path if path.starts_with("externalsecrets") => OURS,
                _ => CORE,
            };
            for _ in 0..*times {
                self.api.refuse_once_with(method, &format!("{base}{path}"), *code, reason, message);
            }
        }
    }

    fn restart(&mut self) {
        (self.cx, self.writer) = fixtures::over(&self.api, self.settings.clone());
        self.known = BTreeMap::new();
    }

    fn prune(&self, fields: &[String]) {
        self.api.prune(&fields.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// What the watches would have told by now.
    fn take_in(&mut self) {
        let objects = self.api.objects();
        for (path, object) in &objects {
            let name = path.rsplit('/').next().unwrap();
            let world = &self.cx.world;
            if path.contains("/externalsecrets/") {
                world.put_external_secret(serde_json::from_value(object.clone()).unwrap());
            } else if path.contains("/clustersecretstores/") {
                let store = serde_json::from_value(object.clone()).unwrap();
                if self.cx.settings.cluster_stores {
                    world.put_store(StoreRecord::of_cluster_secret_store(store));
                }
            } else if path.contains("/secretstores/") {
                let DeserializeGuard(store) = serde_json::from_value(object.clone()).unwrap();
                if let Ok(store) = store {
                    world.put_store(StoreRecord::of_secret_store(store));
                }
            } else if path.contains("/secrets/") {
                let seen = SecretSeen::of(&serde_json::from_value(object["metadata"].clone()).unwrap());
                world.put_secret(&in_shop(name), seen.managed.then_some(seen));
            } else if path.starts_with("/api/v1/namespaces/") {
                let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default();
                world.put_namespace(name, Some(NamespaceSeen { labels: Arc::new(labels), ..NamespaceSeen::default() }));
            }
        }
        for path in self.known.keys().filter(|path| !objects.contains_key(*path)) {
            let key = in_shop(path.rsplit('/').next().unwrap());
            if path.contains("/externalsecrets/") {
                self.cx.world.remove_external_secret(&key);
            } else if path.contains("/secrets/") {
                self.cx.world.put_secret(&key, None);
            }
        }
        self.known = objects;
    }

    /// One reconcile; answers the requests that it made.
    async fn look(&mut self, at: &str) -> (Next, Vec<Call>) {
        self.take_in();
        let now = format!("2026-01-05T{at}Z").parse().unwrap();
        let before = self.api.calls().len();
        let next = reconcile_at(&self.cx, &self.key.clone(), now).await;
        self.known = self.api.objects();
        (next, self.api.calls().split_off(before))
    }

    async fn check(&mut self, step: &str, at: &str, want: Want) {
        let (next, calls) = self.look(at).await;
        let name = format!("{}, {step}", self.name);
        let Want { requests, secret, ready, detail, status, events, next: when, gone } = want;
        let told: Vec<String> = self
            .writer
            .told()
            .iter()
            .map(|note| format!("{} {}: {}", note.severity.as_str(), note.reason.as_str(), note.message))
            .collect();
        let object = self.object();
        let condition = &object["status"]["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let now_ready = match condition {
            Value::Null => "none".to_owned(),
            _ => format!("{} {}: {}", text("status"), text("reason"), text("message")),
        };
        let made: Vec<String> = calls.iter().map(short).collect();
        let context = format!("{name}: {made:?} {told:?} {condition}");
        if let Some(ready) = ready {
            assert_eq!(now_ready, ready, "{context}");
        }
        if let Some(detail) = detail {
            assert_eq!(text("detail"), detail, "{context}");
        }
        if let Some(events) = events {
            assert_eq!(told, events, "{context}");
        }
        if let Some(requests) = requests {
            assert_eq!(made, requests, "{context}");
        }
        assert_eq!(shown(next), when, "{context}");
        holds(&context, "status", &object["status"], &status);
        let path = self.secret_path();
        match (secret, self.api.get(&path)) {
            (Value::Null, _) => {}
            (Value::String(word), live) => assert_eq!((word.as_str(), live), ("absent", None), "{context}"),
            (mut want, live) => {
                let mut live = live.unwrap_or_else(|| panic!("{context}: there is no {path}"));
                live["stringData"] = json!(strings(&live));
                if let Some(exact) = want.as_object_mut().unwrap().remove("stringData") {
                    assert_eq!(live["stringData"], exact, "{context}: stringData");
                }
                holds(&context, "secret", &live, &want);
            }
        }
        for path in gone {
            assert_eq!(self.api.get(&format!("{CORE}{path}")), None, "{context}: {path}");
        }
        self.keeps_the_rules(&context, &calls, &told);
    }

    /// What holds whatever the case.
    fn keeps_the_rules(&self, context: &str, calls: &[Call], told: &[String]) {
        let writes = || calls.iter().filter(|call| call.method != "GET");
        for call in writes().filter(|call| call.path.contains("/secrets") && call.method != "DELETE") {
            let manager = call.query.get("fieldManager").map(String::as_str);
            assert_eq!(manager, Some(field_manager(&self.key.name).as_str()), "{context}");
            let version = &call.body["metadata"]["resourceVersion"];
            assert!(call.method == "POST" || version.is_string(), "{context}: written without its version");
        }
        let statuses = writes().filter(|call| call.path.ends_with("/status")).count();
        assert!(statuses <= 1, "{context}: {statuses} status writes");
        let status = self.object()["status"].to_string();
        for value in self.remote.values().filter(|value| value.len() > 5) {
            assert!(
                !status.contains(value) && told.iter().all(|text| !text.contains(value)),
                "{context}: leaks a value"
            );
        }
    }
}

fn blown_up(value: &str) -> String {
    match value.strip_prefix("$bytes ") {
        Some(count) => "x".repeat(count.parse().unwrap()),
        None => value.to_owned(),
    }
}

fn in_shop(name: &str) -> Key {
    Key { namespace: "shop".into(), name: name.to_owned() }
}

fn strings(secret: &Value) -> BTreeMap<String, String> {
    let data = secret["data"].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        (key.clone(), String::from_utf8(bytes).unwrap())
    })
    .collect()
}

fn short(call: &Call) -> String {
    let path = call.path.strip_prefix(CORE).or_else(|| call.path.strip_prefix(OURS)).unwrap_or(&call.path);
    format!("{} {path}", call.method)
}

pub(crate) fn shown(next: Next) -> String {
    match next {
        Next::OnChange => "never".into(),
        Next::After(wait) => format!("after {}s", wait.as_secs()),
        Next::At(_) => "together with others".into(),
        Next::Backoff => "backoff".into(),
        Next::FailedFor(wait) => format!("failed for {}s", wait.as_secs()),
    }
}

pub(crate) fn holds(context: &str, path: &str, have: &Value, want: &Value) {
    match want {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner = have.get(key).unwrap_or(&Value::Null);
                match value.as_str() {
                    Some("absent") => assert_eq!(inner, &Value::Null, "{context}: {path}.{key}"),
                    Some("present") => assert_ne!(inner, &Value::Null, "{context}: {path}.{key}"),
                    Some(_) | None => holds(context, &format!("{path}.{key}"), inner, value),
                }
            }
        }
        Value::Null => {}
        other => assert_eq!(have, other, "{context}: {path}"),
    }
}

async fn check(case: Case) {
    let Case { name, at, flags, object, store, remote, secret, others, prunes, refuse, want, then, would_try_again } =
        case;
    let Flags { flood_gate, cluster_stores, secret_stores } = flags;
    let api = FakeApi::default();
    let settings = Settings { flood_gate, cluster_stores, secret_stores, ..fixtures::settings() };
    let (cx, writer) = fixtures::over(&api, settings.clone());
    let named = object["metadata"]["name"].as_str().unwrap_or("db");
    let key = in_shop(named);
    let known = BTreeMap::new();
    let mut stage = Stage { name, api, settings, cx, writer, key, remote, store, stores_put: 0, known };
    stage.prune(&prunes);
    let mut base = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": "shop", "uid": "es-uid", "generation": 1},
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": {"name": "fake", "kind": "SecretStore"},
            "target": {"creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [{"secretKey": "password", "remoteRef": {"key": "password"}}],
        },
    });
    lay(&mut base, &object);
    stage.put_object(&base);
    stage.put_store();
    if let Some(secret) = &secret {
        stage.put_secret(&stage.secret_path(), secret);
    }
    for (path, object) in &others {
        if path.starts_with("secrets/") {
            stage.put_secret(&format!("{CORE}{path}"), object);
        } else {
            stage.api.put(path, object.clone());
        }
    }
    stage.refuse(&refuse);
    let mut ended = want.next.clone();
    stage.check("first look", &at, want).await;
    let mut last = at;
    for (number, step) in then.into_iter().enumerate() {
        let Step { at, restart, prunes, object, secret, remote, dependency_changed, others, refuse, want } = step;
        if restart {
            stage.restart();
        }
        if let Some(prunes) = prunes {
            stage.prune(&prunes);
        }
        let path = stage.secret_path();
        if !object.is_null() {
            stage.put_object(&object);
        }
        match &secret {
            Value::Null => {}
            Value::String(_) => stage.api.delete(&path),
            over => stage.put_secret(&path, over),
        }
        if let Some(remote) = remote {
            stage.remote = remote;
            stage.put_store();
        }
        if dependency_changed {
            stage.cx.world.remember(&stage.key, Memory::changed);
        }
        for (path, object) in &others {
            stage.put_secret(&format!("{CORE}{path}"), object);
        }
        stage.refuse(&refuse);
        last = at.unwrap_or(last);
        ended.clone_from(&want.next);
        stage.check(&format!("step {}", number + 1), &last, want).await;
    }
    if would_try_again || ended == "backoff" {
        return;
    }
    // Nothing has changed since: whatever the outcome was, nothing is written and nothing is told again.
    let (_, calls) = stage.look(&last).await;
    let again: Vec<String> = calls.iter().filter(|call| call.method != "GET").map(short).collect();
    assert!(again.is_empty(), "{}: a further look writes {again:?}", stage.name);
    let warnings = stage.writer.told().iter().filter(|note| note.severity.as_str() == "Warning").count();
    assert_eq!(warnings, 0, "{}: a further look warns", stage.name);
}

/// Runs the cases of one file; answers how many they are.
async fn play(file: &str) -> usize {
    play_with(file, check).await
}

/// Runs `check` on each case of a file; answers how many they are.
pub(crate) async fn play_with<C, F>(file: &str, check: impl Fn(C) -> F) -> usize
where
    C: DeserializeOwned,
    F: Future<Output = ()> + Send + 'static,
{
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let File { given, cases } = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (count, mut failed) = (cases.len(), Vec::new());
    for over in cases {
        let mut case = given.clone();
        if case.is_null() {
            case = json!({});
        }
        lay(&mut case, &over);
        if case["secret"] == "none" {
            case["secret"] = Value::Null;
        }
        let name = over["name"].to_string();
        let case = serde_json::from_value(case).unwrap_or_else(|error| panic!("{file}, {name}: {error}"));
        // In a task of its own, so that one that fails hides no other.
        if tokio::spawn(check(case)).await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} of {count} cases of {file} failed: {failed:#?}", failed.len());
    count
}

#[tokio::test]
async fn refreshes_are_due_as_policy_interval_and_drift_say() {
    assert!(play("refresh.yaml").await >= 25);
}

#[tokio::test]
async fn null_bytes_are_refused_where_the_manifest_says_so() {
    assert!(play("null_bytes.yaml").await >= 6);
}

#[tokio::test]
async fn targets_are_written_as_their_policies_say() {
    assert!(play("creation.yaml").await >= 25);
}

#[tokio::test]
async fn an_empty_provider_means_what_the_deletion_policy_says() {
    assert!(play("deletion.yaml").await >= 10);
}

#[tokio::test]
async fn stores_are_used_only_as_they_allow() {
    assert!(play("stores.yaml").await >= 12);
}

#[tokio::test]
async fn users_of_odd_stores_are_told_and_not_held_up() {
    assert!(play("stores_use.yaml").await >= 10);
}

#[tokio::test]
async fn refused_writes_are_retried_or_told() {
    assert!(play("refusals.yaml").await >= 12);
}

#[tokio::test]
async fn a_change_of_the_manifest_is_followed() {
    assert!(play("changes.yaml").await >= 6);
}
