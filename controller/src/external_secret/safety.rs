//! Tests of what holds the controller back, and of what its status says about failing entries, over an API server in
//! memory.

use std::sync::Arc;
use std::time::Duration;

use api::ExternalSecret;
use certgen::fake::FakeApi;
use plan::status::{Reason, Verdict};
use plan::template::SourceKind;
use serde_json::{Value, json};

use super::gather::{Seen, gather};
use super::report::{Outcome, report};
use super::{reconcile_at, templates};
use crate::context::{Context, Settings};
use crate::events::Writer;
use crate::fixtures;
use crate::ingest;
use crate::queue::Next;
use crate::world::{Change, Key, Memory, SecretSeen, StoreRecord};

const OURS: &str = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets/";
const MANAGED: &str = "reconcile.external-secrets.io/managed";

/// ExternalSecrets of the store `fake`, each with its Secret.
struct Stage {
    api: FakeApi,
    cx: Arc<Context>,
    writer: Writer,
    stores: usize,
}

fn key(name: &str) -> Key {
    Key { namespace: "shop".into(), name: name.into() }
}

fn lay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

impl Stage {
    fn new(settings: Settings) -> Self {
        let api = FakeApi::default();
        let (cx, writer) = fixtures::over(&api, settings);
        Self { api, cx, writer, stores: 0 }
    }

    /// Another process takes over, which knows nothing.
    fn restart(&mut self, settings: Settings) {
        (self.cx, self.writer) = fixtures::over(&self.api, settings);
    }

    /// An ExternalSecret that wants `key` of its own name.
    fn object(&self, name: &str, over: &Value) {
        let path = format!("{OURS}{name}");
        let mut object = self.api.get(&path).unwrap_or_else(|| {
            json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1},
                "spec": {
                    "refreshInterval": "1h", "secretStoreRef": {"name": "fake"}, "target": {},
                    "data": [{"secretKey": "k", "remoteRef": {"key": name}}],
                },
            })
        });
        lay(&mut object, over);
        self.api.put(&path, object);
    }

    /// The store, with what the provider has.
    fn remote(&mut self, keys: &[&str], annotations: &Value) {
        self.stores += 1;
        let data: Vec<Value> = keys.iter().map(|key| json!({"key": key, "value": "canary"})).collect();
        let store = json!({
            "metadata": {"name": "fake", "namespace": "shop", "uid": "store", "generation": self.stores, "annotations": annotations},
            "spec": {"provider": {"fake": {"data": data}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        ingest::stores::take_in(&self.cx, StoreRecord::of_secret_store(serde_json::from_value(store).unwrap()));
    }

    /// One reconcile at this hour of the day; answers the writes, the condition, and what is next.
    async fn look(&mut self, name: &str, hour: i8) -> (Vec<String>, String, Next) {
        for (path, object) in self.api.objects() {
            let name = path.rsplit('/').next().unwrap().to_owned();
            if path.starts_with(OURS) {
                self.cx.world.put_external_secret(serde_json::from_value(object).unwrap());
            } else if path.starts_with(SECRETS) {
                let seen = SecretSeen::of(&serde_json::from_value(object["metadata"].clone()).unwrap());
                self.cx.world.put_secret(&key(&name), seen.managed.then_some(seen));
            }
        }
        let before = self.api.calls().len();
        let now = format!("2026-01-05T{hour:02}:00:00Z").parse().unwrap();
        let next = reconcile_at(&self.cx, &key(name), now).await;
        let calls = self.api.calls().split_off(before);
        let writes = calls.iter().filter(|call| call.method != "GET").map(|call| {
            let path = call.path.replace("/api/v1/namespaces/shop/", "").replace(OURS, "");
            format!("{} {path}", call.method)
        });
        let condition = &self.status(name)["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        (writes.collect(), format!("{} {}", text("status"), text("message")), next)
    }

    fn status(&self, name: &str) -> Value {
        self.api.get(&format!("{OURS}{name}")).unwrap_or_default()["status"].clone()
    }

    fn secret(&self, name: &str) -> Option<Value> {
        self.api.get(&format!("{SECRETS}{name}"))
    }
}

#[tokio::test]
async fn the_status_tells_every_failing_entry_once() {
    let mut stage = Stage::new(fixtures::settings());
    stage.remote(&["a"], &json!({}));
    stage.object(
        "a",
        &json!({"spec": {"data": [
            {"secretKey": "x", "remoteRef": {"key": "gone"}},
            {"secretKey": "k", "remoteRef": {"key": "a"}},
            {"secretKey": "y", "remoteRef": {"key": "a"}, "sourceRef": {"storeRef": {"name": "nowhere"}}},
        ]}}),
    );
    let (writes, ready, next) = stage.look("a", 1).await;
    assert_eq!(
        (writes, ready.as_str(), next),
        (vec!["PUT a/status".to_owned()], "False could not get secret data from provider", Next::Backoff)
    );
    let status = stage.status("a");
    let of =
        |field: &str| status["failures"].as_array().unwrap().iter().map(|one| one[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("entry"), ["spec.data[0]", "spec.data[2]"]);
    assert_eq!(of("kind"), ["NotFound", "Invalid"]);
    assert_eq!(of("store"), ["SecretStore/fake", "SecretStore/nowhere"]);
    assert!(!status.to_string().contains("canary"));
    assert_eq!(stage.look("a", 2).await.0, [] as [&str; 0], "the same failure is written once");
    stage.object(
        "a",
        &json!({"metadata": {"generation": 2}, "spec": {"data": [{"secretKey": "k", "remoteRef": {"key": "a"}}]}}),
    );
    stage.object("a", &json!({"spec": {"target": {"template": {"data": {"p": "{{ .kk }}"}}}}}));
    let (writes, ready, _) = stage.look("a", 3).await;
    assert_eq!((writes, ready.as_str()), (vec!["PUT a/status".to_owned()], "False could not update secret"));
    let failures = stage.status("a")["failures"].clone();
    assert_eq!(failures.as_array().map(Vec::len), Some(1));
    assert_eq!((&failures[0]["entry"], &failures[0]["line"]), (&json!("spec.target.template.data[p]"), &json!(1)));
    stage.object(
        "a",
        &json!({"metadata": {"generation": 3}, "spec": {"target": {"template": {"data": {"p": "{{ .k }}"}}}}}),
    );
    let (writes, ready, _) = stage.look("a", 4).await;
    assert_eq!(
        (writes, ready.as_str()),
        (vec!["POST secrets".to_owned(), "PUT a/status".to_owned()], "True secret synced")
    );
    assert_eq!(stage.status("a").get("failures"), None);
}

#[tokio::test]
async fn a_paused_object_stands_still_until_the_pause_ends() {
    for by_store in [false, true] {
        let mut stage = Stage::new(fixtures::settings());
        stage.remote(&["a"], &json!({}));
        stage.object("a", &json!({}));
        stage.look("a", 1).await;
        let pause = async |stage: &mut Stage, value: &str| {
            let notes = json!({"external-secrets.io/paused": value});
            if by_store {
                while stage.woken().await {}
                stage.remote(&["a"], &notes);
                assert!(stage.woken().await, "the store's annotation wakes its users");
            } else {
                stage.object("a", &json!({"metadata": {"annotations": notes}}));
            }
        };
        pause(&mut stage, "true").await;
        // Edited, changed and due: nothing of it is followed.
        let mut edited = stage.secret("a").unwrap();
        edited["data"] = json!({"k": "ZWRpdGVk"});
        stage.api.put(&format!("{SECRETS}a"), edited.clone());
        stage.object("a", &json!({"metadata": {"generation": 2}}));
        let (writes, ready, next) = stage.look("a", 5).await;
        assert_eq!(
            (writes, ready.as_str(), next),
            (vec!["PUT a/status".to_owned()], "True secret synced", Next::OnChange)
        );
        let place = if by_store { "SecretStore fake" } else { "this ExternalSecret" };
        assert!(stage.status("a")["paused"].as_str().unwrap().contains(place));
        assert_eq!(stage.look("a", 6).await.0, [] as [&str; 0]);
        assert_eq!(stage.secret("a").unwrap()["data"], edited["data"]);
        pause(&mut stage, "false").await;
        let (writes, ready, _) = stage.look("a", 7).await;
        assert_eq!(
            (writes, ready.as_str()),
            (vec!["PUT secrets/a".to_owned(), "PUT a/status".to_owned()], "True secret synced")
        );
        assert_eq!(stage.status("a").get("paused"), None);
    }
}

#[tokio::test]
async fn a_pause_that_held_nothing_up_leaves_no_trace_and_a_deletion_goes_on() {
    let mut stage = Stage::new(fixtures::settings());
    stage.remote(&["a"], &json!({"external-secrets.io/paused": "true"}));
    stage.object("a", &json!({}));
    assert_eq!(stage.look("a", 1).await, (vec!["PUT a/status".to_owned()], " ".to_owned(), Next::OnChange));
    stage.remote(&["a"], &json!({}));
    stage.look("a", 1).await;
    stage.remote(&["a"], &json!({"external-secrets.io/paused": "true"}));
    stage.look("a", 1).await;
    stage.remote(&["a"], &json!({}));
    // Not due: only the status says no more that it is paused.
    let (writes, _, next) = stage.look_unforced("a", 1).await;
    assert_eq!((writes, next), (vec!["PUT a/status".to_owned()], Next::After(Duration::from_secs(3600))));
    assert_eq!(stage.status("a").get("paused"), None);
    stage.remote(&["a"], &json!({"external-secrets.io/paused": "true"}));
    let deleted = json!({"metadata": {
        "deletionTimestamp": "2026-01-05T12:00:00Z", "finalizers": [super::finalizer::FINALIZER],
    }});
    stage.object("a", &deleted);
    stage.look("a", 2).await;
    assert_eq!(stage.api.get(&format!("{OURS}a")), None);
}

impl Stage {
    /// A look at an object that no changed store forces to fetch.
    async fn look_unforced(&mut self, name: &str, hour: i8) -> (Vec<String>, String, Next) {
        self.cx.world.remember(&key(name), |memory| memory.changes = 0);
        self.look(name, hour).await
    }

    /// Whether somebody wants an object looked at.
    async fn woken(&self) -> bool {
        let next = self.cx.external_secrets.pop(|_| None);
        if let Some(job) = &next {
            self.cx.external_secrets.done(job.key.clone(), Next::OnChange);
        }
        next.is_some()
    }
}

fn theirs() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "a", "namespace": "shop", "uid": "theirs"}, "data": {"mine": "bWluZQ=="},
    })
}

#[tokio::test]
async fn a_filled_secret_of_nobody_is_adopted_only_where_that_is_allowed() {
    let careful = || Settings { adopt_existing: false, ..fixtures::settings() };
    for (policy, remote) in [("Owner", true), ("Orphan", true), ("CreateOrMerge", true), ("Owner", false)] {
        let mut stage = Stage::new(careful());
        stage.remote(if remote { &["a"] } else { &[] }, &json!({}));
        stage.api.put(&format!("{SECRETS}a"), theirs());
        let before = stage.secret("a");
        stage.object("a", &json!({"spec": {"target": {"creationPolicy": policy, "deletionPolicy": "Delete"}}}));
        let (writes, ready, next) = stage.look("a", 1).await;
        let writes: Vec<_> = writes.into_iter().filter(|write| write != "POST secrets").collect();
        let told =
            if remote || policy == "Owner" { "False target secret belongs to nobody and is not adopted" } else { "" };
        assert_eq!((writes, ready.as_str(), next), (vec!["PUT a/status".to_owned()], told, Next::Backoff), "{policy}");
        let detail = stage.status("a")["conditions"][0]["detail"].to_string();
        assert!(
            detail.contains("--adopt-existing-secrets") && detail.contains("external-secrets.io/adopt"),
            "{detail}"
        );
        assert_eq!(stage.secret("a"), before, "{policy}: not even our label");
        assert!(stage.look("a", 2).await.0.iter().all(|write| write == "POST secrets"), "told once");
        stage.object("a", &json!({"metadata": {"annotations": {"external-secrets.io/adopt": "true"}}}));
        let (_, ready, _) = stage.look("a", 3).await;
        assert!(ready.starts_with("True "), "{ready}");
        if remote {
            assert_eq!(stage.secret("a").unwrap()["metadata"]["labels"][MANAGED], "true");
        }
    }
    // By default it is taken over at once, and a failing provider doesn't keep it from being labelled.
    for (settings, labelled) in [(fixtures::settings(), true), (careful(), false)] {
        let mut stage = Stage::new(settings);
        stage.remote(&[], &json!({}));
        stage.api.put(&format!("{SECRETS}a"), theirs());
        stage.object("a", &json!({}));
        stage.look("a", 1).await;
        assert_eq!(stage.secret("a").unwrap()["metadata"]["labels"][MANAGED] == "true", labelled);
    }
}

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const HELD: &str = "False secret not deleted: too many secrets of the store would go at once";

fn braked() -> Settings {
    let brake = plan::brake::Brake { share: "20%".parse().unwrap(), least: 1 };
    Settings { deletion_brake: Some(brake), ..fixtures::settings() }
}

impl Stage {
    /// Ten synced ExternalSecrets, whose provider has nothing then.
    async fn emptied(settings: Settings) -> Self {
        let mut stage = Self::new(settings);
        stage.remote(&NAMES, &json!({}));
        for name in NAMES {
            stage.object(name, &json!({"spec": {"target": {"deletionPolicy": "Delete"}}}));
            stage.look(name, 1).await;
        }
        stage.remote(&[], &json!({}));
        stage
    }

    async fn all(&mut self, hour: i8) -> Vec<&'static str> {
        for name in NAMES {
            self.look(name, hour).await;
        }
        NAMES.into_iter().filter(|name| self.secret(name).is_some()).collect()
    }

    fn held(&self) -> Option<String> {
        self.held_by("fake")
    }

    fn held_by(&self, store: &str) -> Option<String> {
        let text = self.cx.metrics.encode().unwrap();
        let name = format!("name=\"{store}\"");
        let mut lines = text.lines().filter(|line| line.starts_with("external_secrets_deletions_held{"));
        let line = lines.find(|line| line.contains(&name))?;
        line.rsplit(' ').next().map(str::to_owned)
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_has_nothing_takes_only_a_share_of_the_secrets_with_it() {
    let mut stage = Stage::emptied(fixtures::settings()).await;
    assert_eq!(stage.all(3).await, [] as [&str; 0], "without a brake all go, as in the reference");

    let mut stage = Stage::emptied(braked()).await;
    stage.writer.told();
    assert_eq!(stage.all(3).await, NAMES[2..]);
    assert_eq!(stage.held().as_deref(), Some("8"));
    let (writes, ready, next) = stage.look("c", 4).await;
    assert_eq!((writes, ready.as_str(), next), (vec![], HELD, Next::Backoff));
    let told = stage.writer.told();
    assert_eq!(told.iter().filter(|note| note.reason.as_str() == "UpdateFailed").count(), 8, "told once each");
    let detail = stage.status("c")["conditions"][0]["detail"].to_string();
    assert!(detail.contains("--deletion-brake") && detail.contains("SecretStore fake"), "{detail}");

    // Neither time nor a restart releases them.
    tokio::time::advance(plan::brake::WINDOW * 3).await;
    assert_eq!(stage.all(5).await, NAMES[2..]);
    stage.restart(braked());
    stage.remote(&[], &json!({}));
    assert_eq!(stage.all(6).await, NAMES[2..]);

    // One by a person's leave, one because its key is back; the others still wait.
    stage.object("j", &json!({"metadata": {"annotations": {"external-secrets.io/allow-deletion": "true"}}}));
    stage.remote(&["i"], &json!({}));
    assert_eq!(stage.all(7).await, NAMES[2..9]);
    assert_eq!((stage.look("i", 7).await.1.as_str(), stage.held().as_deref()), ("True secret synced", Some("6")));

    // All by leave for the store.
    stage.remote(&[], &json!({"external-secrets.io/allow-deletion": "true"}));
    assert_eq!(stage.all(9).await, [] as [&str; 0]);
    assert_eq!(stage.held().as_deref(), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_called_off_holds_nobody_back() {
    let mut stage = Stage::emptied(braked()).await;
    stage.all(3).await;
    for name in &NAMES[2..] {
        stage.object(name, &json!({"metadata": {"generation": 2}, "spec": {"target": {"deletionPolicy": "Retain"}}}));
    }
    stage.all(5).await;
    assert_eq!(stage.look("c", 5).await.1, "False could not get secret data from provider");
    assert_eq!(stage.held().as_deref(), Some("0"));
}

#[tokio::test]
async fn a_change_during_a_reconcile_is_not_settled_by_it() {
    let mut stage = Stage::new(fixtures::settings());
    stage.remote(&["a"], &json!({}));
    stage.object("a", &json!({}));
    stage.look("a", 1).await;
    for during in [false, true] {
        stage.cx.world.remember(&key("a"), Memory::changed);
        let Seen::Live(seen) = gather(&stage.cx, &key("a")).await.unwrap() else { panic!("not live") };
        if during {
            stage.cx.world.remember(&key("a"), Memory::changed);
        }
        let done = Verdict::done(Reason::SecretSynced, "secret synced");
        let now = "2026-01-05T02:00:00Z".parse().unwrap();
        report(&stage.cx, &seen, Outcome::unwritten(done), now).await;
        assert_eq!(stage.cx.world.memory(&key("a")).changes > 0, during);
    }
}

#[tokio::test]
async fn an_object_is_not_woken_by_its_own_target_though_its_template_lies_there() {
    let stage = Stage::new(fixtures::settings());
    let items = json!([{"key": "k"}]);
    stage.object(
        "a",
        &json!({"spec": {"target": {"template": {"templateFrom": [
            {"secret": {"name": "a", "items": items}}, {"secret": {"name": "b", "items": items}},
        ]}}}}),
    );
    let object: ExternalSecret = serde_json::from_value(stage.api.get(&format!("{OURS}a")).unwrap()).unwrap();
    templates::gather(&stage.cx, &key("a"), &object.spec).await;
    let followed: Vec<_> = stage.cx.world.inputs(SourceKind::Secret).into_iter().map(|input| input.key.name).collect();
    assert_eq!(followed, ["b"]);
}

#[tokio::test]
async fn an_earlier_target_that_somebody_took_over_is_not_deleted() {
    for taken_over in [false, true] {
        let mut stage = Stage::new(fixtures::settings());
        stage.remote(&["a"], &json!({}));
        stage.object("a", &json!({}));
        stage.look("a", 1).await;
        stage.object("a", &json!({"metadata": {"generation": 2}, "spec": {"target": {"name": "b"}}}));
        // What is known of the cluster is brought up to date, and then it changes.
        stage.look("none", 2).await;
        if taken_over {
            stage.api.put(&format!("{SECRETS}a"), stage.secret("a").unwrap());
        }
        reconcile_at(&stage.cx, &key("a"), "2026-01-05T02:00:00Z".parse().unwrap()).await;
        assert_eq!((stage.secret("a").is_some(), stage.secret("b").is_some()), (taken_over, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_has_its_keys_again_ends_it() {
    let mut stage = Stage::emptied(braked()).await;
    stage.all(3).await;
    stage.remote(&NAMES, &json!({}));
    assert_eq!(stage.all(5).await, NAMES);
    assert_eq!(stage.held().as_deref(), Some("0"));
    tokio::time::advance(plan::brake::WINDOW).await;
    stage.remote(&NAMES[1..], &json!({}));
    assert_eq!(stage.all(7).await, NAMES[1..], "a single deletion is no mass deletion");
}

#[tokio::test(start_paused = true)]
async fn targets_of_other_kinds_are_paused_and_kept_alike() {
    let mut stage = Stage::new(braked());
    let resource = json!({"name": "things", "singularName": "", "kind": "Thing", "namespaced": true, "verbs": ["get"]});
    let list = json!({"kind": "APIResourceList", "groupVersion": "example.io/v1", "resources": [resource]});
    stage.api.put("/apis/example.io/v1", list);
    let thing = |name: &str| format!("/apis/example.io/v1/namespaces/shop/things/{name}");
    stage.remote(&NAMES, &json!({}));
    let manifest = json!({"apiVersion": "example.io/v1", "kind": "Thing"});
    for name in ["a", "b", "c"] {
        stage.object(name, &json!({"spec": {"target": {"deletionPolicy": "Delete", "manifest": manifest}}}));
        assert_eq!(stage.look(name, 1).await.1, "True secret synced");
    }
    stage.remote(&[], &json!({}));
    for (name, kept) in [("a", false), ("b", true), ("c", true)] {
        stage.look(name, 3).await;
        assert_eq!(stage.api.get(&thing(name)).is_some(), kept, "{name}");
    }
    let condition = &stage.status("b")["conditions"][0];
    assert_eq!(
        (condition["reason"].as_str(), condition["message"].as_str()),
        (Some("ResourceSyncedError"), HELD.strip_prefix("False "))
    );
    let template = json!({"templateFrom": [{"target": "spec.x", "literal": "{{ .kk }}"}]});
    stage.remote(&NAMES, &json!({}));
    stage.object("b", &json!({"metadata": {"generation": 2}, "spec": {"target": {"template": template}}}));
    stage.look("b", 4).await;
    assert_eq!(stage.status("b")["failures"][0]["kind"], "Template");
    stage.object("b", &json!({"metadata": {"annotations": {"external-secrets.io/paused": "true"}}}));
    stage.api.delete(&thing("b"));
    assert_eq!(stage.look("b", 5).await.0, ["PUT b/status"]);
    assert_eq!(stage.api.get(&thing("b")), None);
}

/// A second store that has nothing either.
fn other_store(cx: &Arc<Context>) {
    let store = json!({
        "metadata": {"name": "other", "namespace": "shop", "uid": "other", "generation": 1},
        "spec": {"provider": {"fake": {"data": []}}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    ingest::stores::take_in(cx, StoreRecord::of_secret_store(serde_json::from_value(store).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_the_store_that_the_object_reads_from_now() {
    for restarts in [false, true] {
        let mut stage = Stage::emptied(braked()).await;
        stage.all(3).await;
        assert_eq!(stage.held().as_deref(), Some("8"));
        other_store(&stage.cx);
        for name in &NAMES[2..] {
            stage.object(name, &json!({"metadata": {"generation": 2}, "spec": {"secretStoreRef": {"name": "other"}}}));
        }
        if restarts {
            stage.restart(braked());
            stage.remote(&[], &json!({}));
            other_store(&stage.cx);
        }
        // The other store has eight users, whose statuses say that they wait for the first one: that holds nobody back here.
        assert_eq!(stage.all(5).await, NAMES[3..], "restarts: {restarts}");
        assert_eq!(stage.held_by("other").as_deref(), Some("7"), "restarts: {restarts}");
        assert_eq!(stage.held().unwrap_or("0".into()), "0", "restarts: {restarts}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_still_does_not_wait() {
    for restarts in [false, true] {
        let mut stage = Stage::emptied(braked()).await;
        stage.all(3).await;
        for name in &NAMES[2..9] {
            stage.object(name, &json!({"metadata": {"annotations": {"external-secrets.io/paused": "true"}}}));
        }
        // The last one gets its key back.
        stage.remote(&["j"], &json!({}));
        stage.all(4).await;
        assert_eq!(stage.held().as_deref(), Some("0"));
        tokio::time::advance(plan::brake::WINDOW).await;
        if restarts {
            stage.restart(braked());
        }
        stage.remote(&[], &json!({}));
        assert_eq!(stage.all(6).await, NAMES[2..9], "a single deletion is no mass deletion; restarts: {restarts}");
    }
}

#[tokio::test]
async fn one_write_teaches_what_the_api_server_drops() {
    let mut stage = Stage::new(fixtures::settings());
    stage.api.prune(&["detail", "failures", "paused"]);
    stage.remote(&[], &json!({}));
    for name in ["a", "b", "c"] {
        stage.object(name, &json!({}));
        assert_eq!(stage.look(name, 1).await.0, [format!("PUT {name}/status")]);
    }
    stage.restart(fixtures::settings());
    stage.remote(&[], &json!({}));
    assert_eq!(stage.look("a", 2).await.0, ["PUT a/status"]);
    for name in ["b", "c", "a"] {
        assert_eq!(stage.look(name, 2).await.0, [] as [&str; 0], "{name}");
    }
}

impl Stage {
    /// The watch of ExternalSecrets tells of the object as it is now.
    async fn told(&self, name: &str) {
        let object = serde_json::from_value(self.api.get(&format!("{OURS}{name}")).unwrap()).unwrap();
        if let Some(telling) = ingest::external_secret_seen(&self.cx, object) {
            telling.await.unwrap();
        }
    }

    fn writes(&self) -> usize {
        self.api.calls().iter().filter(|call| call.method != "GET").count()
    }
}

#[tokio::test]
async fn an_object_that_becomes_unreadable_stands_still_and_says_why_once() {
    for pruned in [false, true] {
        let mut stage = Stage::new(fixtures::settings());
        if pruned {
            stage.api.prune(&["detail", "failures", "paused"]);
        }
        stage.remote(&["a"], &json!({}));
        let deleted = json!({"type": "Deleted", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        stage.object("a", &json!({"status": {"conditions": [deleted]}}));
        stage.look("a", 1).await;
        let before = stage.secret("a");
        stage.writer.told();
        let interval = stage.api.get(&format!("{OURS}a")).unwrap()["spec"]["refreshInterval"].clone();
        stage.object("a", &json!({"metadata": {"generation": 2}, "spec": {"refreshInterval": {"not": "a duration"}}}));
        stage.told("a").await;
        let status = stage.status("a");
        assert_eq!(status["conditions"][0], deleted, "the others stay");
        assert_eq!(status["conditions"][1]["message"], "the object cannot be read");
        assert_eq!(status["conditions"][1]["detail"].is_string(), !pruned);
        assert_eq!(status["binding"]["name"], "a");
        assert_eq!(stage.writer.told().len(), 1);
        // The event of our own write, a new listing, a store that changed, and a key that is due.
        let writes = stage.writes();
        stage.told("a").await;
        stage.remote(&[], &json!({}));
        let next = reconcile_at(&stage.cx, &key("a"), "2026-01-05T20:00:00Z".parse().unwrap()).await;
        assert_eq!((next, stage.writes(), stage.secret("a")), (Next::OnChange, writes, before.clone()));
        // Another process finds the condition there; under the reference's CRDs it must write to know that.
        stage.restart(fixtures::settings());
        stage.told("a").await;
        assert_eq!((stage.writes() - writes, stage.writer.told().len()), (usize::from(pruned), usize::from(pruned)));
        assert_eq!(stage.status("a"), status);
        // Mended, it goes on.
        while stage.woken().await {}
        stage.object("a", &json!({"metadata": {"generation": 3}, "spec": {"refreshInterval": interval}}));
        stage.told("a").await;
        assert!(stage.woken().await);
        stage.remote(&["a"], &json!({}));
        assert_eq!(stage.look("a", 21).await.1, "False ");
        assert_eq!(stage.status("a")["conditions"][1]["message"], "secret synced");
    }
}

#[tokio::test]
async fn what_was_known_of_a_name_counts_no_more_for_another_object() {
    let cx = fixtures::context(&[]);
    let object = |uid: &str, version: &str| -> ExternalSecret {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "shop", "uid": uid, "resourceVersion": version, "generation": 1},
            "spec": {"target": {}},
        }))
        .unwrap()
    };
    let known = || cx.world.external_secret(&key("a")).and_then(|object| object.metadata.uid.clone());
    assert_eq!(cx.world.put_external_secret(object("old", "5")), Change::New);
    cx.world.remember(&key("a"), Memory::changed);
    assert_eq!(cx.world.put_external_secret(object("new", "7")), Change::New);
    assert_eq!(cx.world.memory(&key("a")).changes, 0);
    // The answer to a write on the old one comes late, and so does one on an object that is gone.
    cx.world.put_written(object("old", "6"));
    assert_eq!(known().as_deref(), Some("new"));
    cx.world.remove_external_secret(&key("a"));
    cx.world.put_written(object("new", "8"));
    assert_eq!(known(), None);
}
