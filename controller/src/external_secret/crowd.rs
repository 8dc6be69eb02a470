//! A crowd: bad objects stop nobody. Told by counts and order, not by clocks.

use std::collections::BTreeMap;

use certgen::fake::FakeApi;
use plan::status::ready_is;
use serde_json::{Value, json};
use telemetry::Lane;

use super::reconcile_at;
use crate::fixtures;
use crate::world::{Key, StoreRecord};

const EACH: usize = 1000;
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";

/// Everything that can be wrong with a manifest and still pass admission, one after the other.
fn bad(number: usize) -> Value {
    let data = |reference: Value| json!({"data": [{"secretKey": "k", "remoteRef": reference}]});
    let template = |text: &str| json!({"target": {"template": {"data": {"url": text}}}});
    let from = |entry: Value| json!({"data": [], "dataFrom": [entry]});
    let kinds = [
        data(json!({"key": "missing"})),
        data(json!({"key": "plain", "property": "not.there"})),
        data(json!({"key": "plain", "decodingStrategy": "Base64"})),
        json!({"secretStoreRef": {"name": "missing"}}),
        json!({"secretStoreRef": {"name": "unready"}}),
        template("{{ .password"),
        template("{{ .missing }}"),
        from(json!({"extract": {"key": "plain"}})),
        from(json!({"extract": {"key": "pair"}, "rewrite": [{"regexp": {"source": "(", "target": ""}}]})),
        from(json!({"extract": {"key": "colliding"}})),
        from(json!({"find": {"name": {"regexp": "("}}})),
    ];
    kinds[number % kinds.len()].clone()
}

fn object(name: &str, over: &Value) -> Value {
    let mut spec = json!({
        "refreshInterval": "1h", "secretStoreRef": {"name": "fake"},
        "data": [{"secretKey": "k", "remoteRef": {"key": "plain"}}],
    });
    spec.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1}, "spec": spec,
    })
}

fn store(name: &str, ready: &str) -> StoreRecord {
    let data = json!([
        {"key": "plain", "value": "not base64!"},
        {"key": "pair", "value": r#"{"a": "1"}"#},
        {"key": "colliding", "value": r#"{"a/b": "1", "a:b": "2"}"#},
    ]);
    let store = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1},
        "spec": {"provider": {"fake": {"data": data}}},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    });
    StoreRecord::of_secret_store(serde_json::from_value(store).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_thousand_bad_objects_beside_a_thousand_good_ones_stop_nobody() {
    let api = FakeApi::default();
    let settings = crate::context::Settings { secret_stores: false, ..fixtures::settings() };
    let (cx, mut writer) = fixtures::over(&api, settings);
    cx.world.put_store(store("fake", "True"));
    cx.world.put_store(store("unready", "False"));
    for number in 0..EACH {
        for (name, over) in [(format!("bad-{number}"), bad(number)), (format!("good-{number}"), json!({}))] {
            let path = format!("/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/{name}");
            api.put(&path, object(&name, &over));
            let stored = serde_json::from_value(api.get(&path).unwrap()).unwrap();
            cx.world.put_external_secret(stored);
            cx.external_secrets.wake(Key { namespace: "shop".into(), name }, Lane::New);
        }
    }

    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..2 * EACH {
        let key = cx.external_secrets.take().unwrap();
        let next = reconcile_at(&cx, &key, now).await;
        *turns.entry(key.name.clone()).or_default() += 1;
        cx.external_secrets.done(key, next);
    }

    // Each had one turn: no good one waited for a second try of a bad one.
    assert_eq!((turns.len(), turns.values().max()), (2 * EACH, Some(&1)));
    let is = |name: &str, state: &str| {
        let object = cx.world.external_secret(&Key { namespace: "shop".into(), name: name.to_owned() }).unwrap();
        ready_is(state, &object.status.clone().unwrap_or_default().conditions)
    };
    for number in 0..EACH {
        let (good, bad) = (format!("good-{number}"), format!("bad-{number}"));
        assert!(is(&good, "True"), "{good} isn't Ready");
        assert!(api.get(&format!("{SECRETS}/{good}")).is_some(), "{good} has no Secret");
        assert!(is(&bad, "False"), "{bad} isn't told to be bad");
        assert_eq!(api.get(&format!("{SECRETS}/{bad}")), None, "{bad} has a Secret");
    }
    // One write of each Secret, one of each status, and one event of each object.
    assert_eq!(api.count(&format!("POST {SECRETS}")), EACH);
    assert_eq!(api.count("PUT "), 2 * EACH);
    assert_eq!(writer.told().len(), 2 * EACH);
}
