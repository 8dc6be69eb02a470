//! What a reconcile of a target that is no Secret asks of an API server in memory, and what it tells.

use std::time::Duration;

use certgen::fake::FakeApi;

use super::super::reconcile_at;
use super::*;
use crate::context::Settings;
use crate::events::Writer;
use crate::fixtures;
use crate::world::StoreRecord;

const OBJECT: &str = "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/db";
const THINGS: &str = "/apis/example.io/v1/namespaces/shop/things";
const THING: &str = "/apis/example.io/v1/namespaces/shop/things/db";
const MADE: &str = "/apis/generators.external-secrets.io/v1alpha1/namespaces/shop/fakes/made";
const SYNCED: &str = "True ResourceSynced: secret synced";
const CANARY: &str = "canary-7f3a";

/// An ExternalSecret `db` of a store that has one value, and an API server that knows of Things and Places.
struct Stage {
    api: FakeApi,
    cx: Arc<Context>,
    writer: Writer,
    hour: i8,
}

impl Stage {
    fn new(target: &Value) -> Self {
        let api = FakeApi::default();
        let resource = |plural: &str, kind: &str, namespaced: bool| json!({"name": plural, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get"]});
        let resources = [resource("things", "Thing", true), resource("places", "Place", false)];
        let list = json!({"kind": "APIResourceList", "groupVersion": "example.io/v1", "resources": resources});
        api.put("/apis/example.io/v1", list);
        let mut wished = json!({"manifest": {"apiVersion": "example.io/v1", "kind": "Thing"}});
        json_merge(&mut wished, target);
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "db", "namespace": "shop", "uid": "es", "generation": 1},
            "spec": {
                "refreshInterval": "1h", "secretStoreRef": {"name": "fake"}, "target": wished,
                "dataFrom": [{"extract": {"key": "remote"}}],
            },
        });
        api.put(OBJECT, object);
        let (cx, writer) = fixtures::over(&api, fixtures::settings());
        let stage = Self { api, cx, writer, hour: 0 };
        stage.remote(&json!({"user": CANARY}));
        stage
    }

    fn with_flag_off(target: &Value) -> Self {
        let mut stage = Self::new(target);
        (stage.cx, stage.writer) =
            fixtures::over(&stage.api, Settings { generic_targets: false, ..fixtures::settings() });
        stage.remote(&json!({"user": CANARY}));
        stage
    }

    /// What the provider has from now on.
    fn remote(&self, value: &Value) {
        let store = json!({
            "metadata": {"name": "fake", "namespace": "shop", "uid": "store", "generation": 1 + self.api.requests().len()},
            "spec": {"provider": {"fake": {"data": [{"key": "remote", "value": value.to_string()}]}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        self.cx.world.put_store(StoreRecord::of_secret_store(serde_json::from_value(store).unwrap()));
    }

    /// One reconcile, two hours after the last one: the requests that it made, the condition, the events, what is next.
    async fn look(&mut self) -> Look {
        self.hour += 2;
        self.look_again().await
    }

    /// One reconcile at the time of the last one.
    async fn look_again(&mut self) -> Look {
        if let Some(object) = self.api.get(OBJECT) {
            self.cx.world.put_external_secret(serde_json::from_value(object).unwrap());
        }
        let before = self.api.requests().len();
        let now = jiff::civil::date(2026, 1, 5).at(self.hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let key = Key { namespace: "shop".into(), name: "db".into() };
        let next = reconcile_at(&self.cx, &key, now.timestamp()).await;
        let condition = self.api.get(OBJECT).unwrap_or_default()["status"]["conditions"][0].clone();
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let events: Vec<String> =
            self.writer.told().iter().map(|note| format!("{}: {}", note.reason.as_str(), note.message)).collect();
        let told = format!("{condition} {events:?}");
        assert!(!told.contains(CANARY), "a value leaks: {told}");
        let shorter = |call: &String| call.replace(THINGS, "things").replace(OBJECT, "es");
        Look {
            requests: self.api.requests()[before..].iter().map(shorter).collect(),
            ready: format!("{} {}: {}", text("status"), text("reason"), text("message")),
            detail: text("detail"),
            events,
            next,
        }
    }
}

struct Look {
    requests: Vec<String>,
    ready: String,
    detail: String,
    events: Vec<String>,
    next: Next,
}

fn json_merge(base: &mut Value, over: &Value) {
    for (key, value) in over.as_object().unwrap() {
        base[key] = value.clone();
    }
}

fn thing(spec: &Value, managed: bool) -> Value {
    let mut metadata = json!({"name": "db", "namespace": "shop", "uid": "thing"});
    if managed {
        metadata["labels"] = json!({"reconcile.external-secrets.io/managed": "true"});
    }
    json!({"apiVersion": "example.io/v1", "kind": "Thing", "metadata": metadata, "spec": spec})
}

const WRITES: [&str; 5] = ["PUT things/db", "POST things", "DELETE things/db", "PATCH es", "PATCH things/db"];

fn writes(look: &Look) -> Vec<&str> {
    look.requests.iter().map(String::as_str).filter(|request| WRITES.contains(request)).collect()
}

#[tokio::test]
async fn a_target_is_created_once_and_then_only_looked_at() {
    let mut stage = Stage::new(&json!({}));
    let first = stage.look().await;
    assert_eq!(first.requests, ["GET /apis/example.io/v1", "GET things/db", "POST things", "PUT es/status"]);
    assert_eq!((first.ready.as_str(), first.events), (SYNCED, vec!["Created: Created Thing db".to_owned()]));
    assert_eq!(first.next, Next::After(Duration::from_secs(3600)));
    assert_eq!(stage.api.get(THING).unwrap()["spec"], json!({"data": {"user": CANARY}}));
    assert_eq!(stage.api.get(OBJECT).unwrap()["status"].get("binding"), None);
    assert_eq!(stage.look_again().await.requests, ["GET things/db"]);
    let refreshed = stage.look().await;
    assert_eq!((refreshed.requests, refreshed.events.len()), (vec!["GET things/db".into(), "PUT es/status".into()], 0));
    // Another process knows nothing of what was written, and finds it as it should be.
    let api = stage.api.clone();
    (stage.cx, stage.writer) = fixtures::over(&api, fixtures::settings());
    stage.remote(&json!({"user": CANARY}));
    assert_eq!(writes(&stage.look().await), [] as [&str; 0]);
}

#[tokio::test]
async fn an_edited_target_is_repaired_though_no_refresh_is_due() {
    let mut stage = Stage::new(&json!({}));
    stage.look().await;
    let mut edited = stage.api.get(THING).unwrap();
    edited["spec"] = json!({"data": {"user": "else"}});
    stage.api.put(THING, edited);
    let repaired = stage.look_again().await;
    assert_eq!(
        (writes(&repaired), repaired.events.as_slice()),
        (vec!["PUT things/db"], ["Updated: Updated Thing db".to_owned()].as_slice())
    );
    assert_eq!(stage.api.get(THING).unwrap()["spec"], json!({"data": {"user": CANARY}}));
    stage.api.delete(THING);
    assert_eq!(writes(&stage.look_again().await), ["POST things"]);
}

#[tokio::test]
async fn each_refresh_policy_follows_what_it_says_and_all_of_them_repair() {
    let hour = || Next::After(Duration::from_secs(3600));
    // The spec; whether a new value is written after two hours, and what is next; whether it is once the spec changed.
    let cases = [
        (json!({}), (true, hour()), true),
        (json!({"refreshPolicy": "Periodic"}), (true, hour()), true),
        (json!({"refreshInterval": "3h"}), (false, hour()), true),
        (json!({"refreshInterval": "0"}), (false, Next::OnChange), false),
        (json!({"refreshPolicy": "OnChange"}), (false, hour()), true),
        (json!({"refreshPolicy": "OnChange", "refreshInterval": "0"}), (false, Next::OnChange), true),
        (json!({"refreshPolicy": "CreatedOnce"}), (false, hour()), false),
        (json!({"refreshPolicy": "CreatedOnce", "refreshInterval": "0"}), (false, Next::OnChange), false),
    ];
    for (spec, (periodic, next), on_change) in cases {
        let mut stage = Stage::new(&json!({}));
        let api = stage.api.clone();
        let edit = |path: &str, change: &dyn Fn(&mut Value)| {
            let mut object = api.get(path).unwrap();
            change(&mut object);
            api.put(path, object);
        };
        edit(OBJECT, &|object| json_merge(&mut object["spec"], &spec));
        let holds = |user: &str| api.get(THING).unwrap()["spec"] == json!({"data": {"user": user}});
        assert_eq!(writes(&stage.look().await), ["POST things"], "{spec}");

        stage.remote(&json!({"user": "second"}));
        let look = stage.look().await;
        assert_eq!(
            (writes(&look).len(), holds("second"), look.next),
            (usize::from(periodic), periodic, next),
            "{spec}"
        );

        stage.remote(&json!({"user": "third"}));
        edit(OBJECT, &|object| object["metadata"]["generation"] = json!(2));
        let look = stage.look_again().await;
        assert_eq!((writes(&look).len(), holds("third")), (usize::from(on_change), on_change), "{spec}");

        edit(THING, &|thing| thing["spec"] = json!({"data": {"user": "edited"}}));
        let look = stage.look_again().await;
        assert_eq!((writes(&look), holds("third")), (vec!["PUT things/db"], true), "{spec}");
        api.delete(THING);
        assert_eq!(writes(&stage.look_again().await), ["POST things"], "{spec}");
        assert_eq!(writes(&stage.look_again().await), [] as [&str; 0], "{spec}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quarrel_about_a_target_has_pauses() {
    let mut stage = Stage::new(&json!({}));
    stage.look().await;
    for edit in 1..=6 {
        let mut edited = stage.api.get(THING).unwrap();
        edited["spec"] = json!({"data": {"user": format!("else {edit}")}});
        stage.api.put(THING, edited);
        let look = stage.look_again().await;
        if edit <= 4 {
            assert_eq!(writes(&look), ["PUT things/db"], "{edit}");
        } else {
            assert_eq!((writes(&look).len(), look.next), (0, Next::After(Duration::from_secs(60))), "{edit}");
        }
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(writes(&stage.look_again().await), ["PUT things/db"]);
}

#[tokio::test]
async fn what_cannot_be_obeyed_is_told() {
    let other = |kind: &str| json!({"manifest": {"apiVersion": "example.io/v1", "kind": kind}});
    let cases = [
        (
            other("thing"),
            "False ResourceSyncedError: could not get target resource",
            "UpdateFailed: failed to get target resource: no matches for kind \"thing\" in version \"example.io/v1\"",
            "kubectl api-resources",
            Next::Backoff,
        ),
        (
            json!({"manifest": {"apiVersion": "nobody.io/v1", "kind": "Thing"}}),
            "False ResourceSyncedError: could not get target resource",
            "UpdateFailed: failed to get target resource: no matches for kind \"Thing\" in version \"nobody.io/v1\"",
            "CustomResourceDefinition",
            Next::Backoff,
        ),
        (
            other("Place"),
            "False SecretSyncedError: invalid generic target",
            "UpdateFailed: target.manifest.kind Place of example.io/v1 is cluster-scoped; a target must be of a kind that lives in a namespace",
            "cluster-scoped",
            Next::OnChange,
        ),
    ];
    for (target, ready, event, detail, next) in cases {
        let look = Stage::new(&target).look().await;
        assert_eq!((look.ready.as_str(), look.events, look.next), (ready, vec![event.to_owned()], next));
        assert!(look.detail.contains(detail), "{}", look.detail);
    }
    let look = Stage::with_flag_off(&json!({"creationPolicy": "Orphan", "deletionPolicy": "Delete"})).look().await;
    assert_eq!(look.requests, ["PUT es/status"]);
    assert_eq!(look.ready, "False SecretSyncedError: invalid generic target");
    assert_eq!(
        look.events,
        ["UpdateFailed: generic targets are disabled. Enable with --unsafe-allow-generic-targets flag"]
    );
}

#[tokio::test]
async fn merging_waits_for_a_target_and_adds_to_it() {
    let mut stage = Stage::new(
        &json!({"creationPolicy": "Merge", "deletionPolicy": "Retain", "template": {"templateFrom": [{"target": "spec.auth", "literal": "user: {{ .user }}"}]}}),
    );
    let look = stage.look().await;
    assert_eq!(look.ready, "True ResourceMissing: resource will not be created due to CreationPolicy=Merge");
    stage.api.put(THING, thing(&json!({"size": 3, "auth": {"kind": "basic"}}), false));
    let look = stage.look().await;
    assert_eq!((writes(&look), look.ready.as_str()), (vec!["PUT things/db"], SYNCED));
    assert_eq!(stage.api.get(THING).unwrap()["spec"], json!({"size": 3, "auth": {"kind": "basic", "user": CANARY}}));
}

#[tokio::test]
async fn refused_writes_are_told_without_values_and_with_what_to_do() {
    let invalid = format!("Thing.example.io \"db\" is invalid: spec.user: Invalid value: \"{CANARY}x\": no");
    let forbidden = "things.example.io is forbidden: User \"x\" cannot create resource";
    let failed = "False ResourceSyncedError: could not update secret";
    let unread = "False ResourceSyncedError: could not get target resource";
    let cases = [
        (
            "POST",
            THINGS,
            403,
            "Forbidden",
            forbidden,
            failed,
            "the controller's role must allow get, list, watch, create, update and delete on things.example.io",
            Next::Backoff,
        ),
        (
            "GET",
            THING,
            403,
            "Forbidden",
            forbidden,
            unread,
            "failed to get target resource: things.example.io is forbidden",
            Next::Backoff,
        ),
        (
            "POST",
            THINGS,
            422,
            "Invalid",
            invalid.as_str(),
            failed,
            "failed to create target resource: Thing.example.io \"db\" is invalid",
            Next::Backoff,
        ),
    ];
    for (method, path, code, reason, message, ready, detail, next) in cases {
        let mut stage = Stage::new(&json!({}));
        stage.api.refuse_once_with(method, path, code, reason, message);
        let look = stage.look().await;
        assert_eq!((look.ready.as_str(), look.next), (ready, next), "{code}");
        assert!(look.detail.contains(detail), "{code}: {}", look.detail);
        assert_eq!(stage.look_again().await.ready, SYNCED, "{code}");
    }
}

/// The Secret key of the object comes of a generator, whose reads the API server sees.
fn generated(stage: &Stage) {
    let mut object = stage.api.get(OBJECT).unwrap();
    object["spec"]["dataFrom"] = json!([{"sourceRef": {"generatorRef": {"kind": "Fake", "name": "made"}}}]);
    stage.api.put(OBJECT, object);
    stage.api.put(MADE, json!({"metadata": {"name": "made"}, "spec": {"data": {"user": CANARY}}}));
}

#[tokio::test]
async fn a_target_that_somebody_else_writes_meanwhile_is_decided_on_anew_without_another_fetch() {
    let busy = |method: &str| match method {
        "POST" => ("POST", THINGS, "AlreadyExists"),
        _ => ("PUT", THING, "Conflict"),
    };
    for method in ["POST", "PUT"] {
        for refusals in 0..=4 {
            let mut stage = Stage::new(&json!({}));
            generated(&stage);
            if method == "PUT" {
                stage.api.put(THING, thing(&json!({}), true));
            }
            for _ in 0..refusals {
                let (method, path, reason) = busy(method);
                stage.api.refuse_once_with(method, path, 409, reason, "somebody was faster");
            }
            let look = stage.look().await;
            let made = look.requests.iter().filter(|request| **request == format!("GET {MADE}")).count();
            let wrote = writes(&look).len();
            let case = format!("{method} {refusals}: {:?}", look.requests);
            assert_eq!((made, wrote), (1, 3.min(refusals + 1)), "{case}");
            let want = if refusals < 3 {
                (SYNCED, Next::After(Duration::from_secs(3600)), 1)
            } else {
                // What was read is stale by now: nothing is to be told.
                (" : ", Next::Backoff, 0)
            };
            assert_eq!((look.ready.as_str(), look.next, look.events.len()), want, "{case}");
        }
    }
}

#[tokio::test]
async fn a_target_that_is_gone_or_changed_meanwhile_is_written_as_it_is_then() {
    let mut stage = Stage::new(&json!({"creationPolicy": "Orphan"}));
    stage.api.put(THING, thing(&json!({}), true));
    stage.api.refuse_once("PUT", THING, 404);
    assert_eq!(stage.look().await.ready, SYNCED);
    stage.remote(&json!({"user": "else"}));
    stage.api.refuse_once("PUT", THING, 409);
    stage.api.refuse_once("GET", THING, 500);
    let look = stage.look().await;
    assert!(look.ready.starts_with("False ResourceSyncedError: could not get target resource"), "{}", look.ready);
}

#[tokio::test]
async fn a_filled_target_of_nobody_is_adopted_only_where_that_is_allowed() {
    let filled = || thing(&json!({"size": 3}), false);
    let cases = [
        ("Owner", filled(), false),
        ("Orphan", filled(), false),
        ("CreateOrMerge", filled(), false),
        // It is there to be added to, it is empty, it is ours.
        ("Merge", filled(), true),
        ("Owner", thing(&json!({}), false), true),
        ("Owner", thing(&json!({"size": 3}), true), true),
    ];
    for (policy, live, written) in cases {
        let mut stage = Stage::new(&json!({"creationPolicy": policy, "deletionPolicy": "Retain"}));
        (stage.cx, stage.writer) =
            fixtures::over(&stage.api, Settings { adopt_existing: false, ..fixtures::settings() });
        stage.remote(&json!({"user": CANARY}));
        stage.api.put(THING, live);
        let before = stage.api.get(THING);
        let look = stage.look().await;
        assert_eq!(writes(&look).len(), usize::from(written), "{policy} {before:?}");
        if written {
            assert_eq!(look.ready, SYNCED);
            continue;
        }
        assert_eq!((stage.api.get(THING), look.next), (before, Next::Backoff), "{policy}");
        assert_eq!(look.ready, "False ResourceSyncedError: target resource belongs to nobody and is not adopted");
        for part in ["Thing db", "--adopt-existing-secrets=false", "external-secrets.io/adopt: \"true\""] {
            assert!(look.detail.contains(part), "{}", look.detail);
        }
        assert_eq!(stage.look().await.events.len(), 0, "told once");
        let mut object = stage.api.get(OBJECT).unwrap();
        object["metadata"]["annotations"] = json!({"external-secrets.io/adopt": "true"});
        stage.api.put(OBJECT, object);
        let look = stage.look().await;
        assert_eq!((look.ready.as_str(), writes(&look).len()), (SYNCED, 1), "{policy}");
    }
}

#[tokio::test]
async fn without_data_a_managed_target_is_deleted_once() {
    let mut stage = Stage::new(&json!({"creationPolicy": "Owner", "deletionPolicy": "Delete"}));
    stage.look().await;
    stage.remote(&json!({}));
    let look = stage.look().await;
    assert_eq!(look.ready, "True ResourceDeleted: secret deleted due to DeletionPolicy=Delete");
    assert_eq!(
        (writes(&look), look.events.as_slice()),
        (vec!["DELETE things/db"], ["Deleted: Deleted Thing db".to_owned()].as_slice())
    );
    let look = stage.look().await;
    assert_eq!((writes(&look).len(), look.events.len()), (0, 0));
    stage.api.put(THING, thing(&json!({}), false));
    assert_eq!(writes(&stage.look().await), [] as [&str; 0], "an object that nobody wrote for us stays");
}

/// Whether the target is still there when the ExternalSecret is gone, and whether that had a finalizer.
async fn after_deletion(target: &Value, managed: bool) -> (bool, bool) {
    let mut stage = Stage::new(target);
    let look = stage.look().await;
    let held = look.requests.contains(&"PATCH es".to_owned());
    if held {
        let order = ["PATCH es", "POST things"].map(|wanted| look.requests.iter().position(|made| made == wanted));
        assert!(order[0] < order[1], "the target was written before its clean-up was sure: {:?}", look.requests);
    }
    if !managed {
        stage.api.put(THING, thing(&json!({}), false));
    }
    let mut object = stage.api.get(OBJECT).unwrap();
    object["metadata"]["deletionTimestamp"] = json!("2026-01-05T12:00:00Z");
    stage.api.put(OBJECT, object);
    let look = stage.look().await;
    if held {
        assert_eq!(stage.api.get(OBJECT), None, "the finalizer stays: {:?}", look.requests);
    }
    (stage.api.get(THING).is_some(), held)
}

#[tokio::test]
async fn a_finalizer_cleans_up_where_no_owner_reference_does() {
    let policies = |creation: &str, deletion: &str| json!({"creationPolicy": creation, "deletionPolicy": deletion});
    let cases = [
        (policies("Orphan", "Delete"), true, (false, true)),
        (policies("CreateOrMerge", "Delete"), true, (false, true)),
        (policies("Orphan", "Delete"), false, (true, true)),
        // Left to Kubernetes, which the fake is not.
        (policies("Owner", "Delete"), true, (true, false)),
        (policies("Orphan", "Retain"), true, (true, false)),
    ];
    for (target, managed, want) in cases {
        assert_eq!(after_deletion(&target, managed).await, want, "{target} {managed}");
    }
}

#[tokio::test]
async fn our_own_finalizer_goes_once_it_is_needed_no_more() {
    let mut stage = Stage::new(&json!({"creationPolicy": "Orphan", "deletionPolicy": "Delete"}));
    let key = Key { namespace: "shop".into(), name: "db".into() };
    stage.cx.world.put_external_secret(serde_json::from_value(stage.api.get(OBJECT).unwrap()).unwrap());
    // Another controller's was taken away before.
    stage.cx.world.remember(&key, |memory| memory.turn = Turn::Had);
    stage.look().await;
    let finalizers = |stage: &Stage| stage.api.get(OBJECT).unwrap()["metadata"]["finalizers"].to_string();
    assert!(finalizers(&stage).contains(finalizer::FINALIZER));
    let mut object = stage.api.get(OBJECT).unwrap();
    object["spec"]["target"]["deletionPolicy"] = json!("Retain");
    object["metadata"]["generation"] = json!(2);
    stage.api.put(OBJECT, object);
    let next = stage.look().await.next;
    finalizer::take_away(&stage.cx, &key, next).await;
    assert!(!finalizers(&stage).contains(finalizer::FINALIZER));
}
