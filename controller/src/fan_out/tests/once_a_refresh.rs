//! What many namespaces want of one store is read once a refresh: all watches, queues and workers over an API server in memory, on
//! a clock on which days go by.

use std::sync::Arc;
use std::time::Duration;

use certgen::fake::FakeApi;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{child, declaration};
use crate::context::Context;
use crate::dispatch;
use crate::fixtures;
use crate::ingest::{Scope, watches};
use crate::workers::{Declarations, ExternalSecrets, Stores};
use crate::{clock, run};

const NAMESPACES: usize = 500;
const HOUR: Duration = Duration::from_secs(3600);

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": kind,
        "metadata": {"name": name, "uid": format!("u-{name}"), "generation": 1}, "spec": spec,
    })
}

fn spec(key: &str) -> Value {
    json!({
        "namespaceSelector": {},
        "externalSecretSpec": {
            "refreshInterval": "1h", "secretStoreRef": {"name": "shared", "kind": "ClusterSecretStore"},
            "data": [{"secretKey": "k", "remoteRef": {"key": key}}],
        },
    })
}

/// Everything that runs in the controller.
fn start(api: &FakeApi) -> (Arc<Context>, JoinSet<()>) {
    let (cx, _) = fixtures::over(api, fixtures::settings());
    let mut tasks = JoinSet::new();
    for watch in watches(&cx, &Scope { namespace: String::new(), cluster_stores: true }) {
        tasks.spawn(watch.run);
    }
    let (stores, objects) = (Arc::new(Stores(cx.clone())), Arc::new(ExternalSecrets(cx.clone())));
    let declarations = Arc::new(Declarations(cx.clone()));
    let (one, two, three) = (cx.stores.clone(), cx.external_secrets.clone(), cx.fan_out.queue.clone());
    tasks.spawn(async move { dispatch::run(one, stores, 16).await.unwrap() });
    tasks.spawn(async move { dispatch::run(two, objects, 16).await.unwrap() });
    tasks.spawn(async move { dispatch::run(three, declarations, 4).await.unwrap() });
    let measured = cx.clone();
    tasks.spawn(async move { run::measure(measured).await.unwrap() });
    (cx, tasks)
}

/// Calls of the provider so far.
fn reads(cx: &Context) -> u64 {
    let text = cx.metrics.encode().unwrap();
    let calls = text.lines().filter(|line| line.starts_with("externalsecret_provider_api_calls_count"));
    calls.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn in_sync(api: &FakeApi) -> usize {
    let objects = api.objects();
    let ready = |object: &Value| object["status"]["conditions"][0]["status"] == "True";
    objects.iter().filter(|(path, object)| path.contains("/externalsecrets/") && ready(object)).count()
}

#[tokio::test(start_paused = true)]
async fn five_hundred_namespaces_cost_one_read_an_interval() {
    clock::paused::follow("2026-01-05T12:00:00.3Z".parse().unwrap());
    let api = FakeApi::default();
    for number in 0..NAMESPACES {
        let name = format!("ns-{number}");
        api.put(&format!("/api/v1/namespaces/{name}"), json!({"metadata": {"name": name, "uid": name}}));
    }
    let values = json!([{"key": "one", "value": "1"}, {"key": "two", "value": "2"}]);
    let store = object("ClusterSecretStore", "shared", &json!({"provider": {"fake": {"data": values}}}));
    api.put("/apis/external-secrets.io/v1/clustersecretstores/shared", store);
    api.put(&declaration("registry"), object("ClusterExternalSecret", "registry", &spec("one")));
    let (cx, _tasks) = start(&api);

    let mut counts = vec![];
    let mut before = 0;
    let mut count = |counts: &mut Vec<u64>| {
        let now = reads(&cx);
        counts.push(now - before);
        before = now;
    };
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(in_sync(&api), NAMESPACES);
    count(&mut counts);
    for _ in 0..2 {
        tokio::time::sleep(HOUR).await;
        count(&mut counts);
    }
    assert_eq!(counts, [1, 1, 1], "made, then once an hour");

    // Another key.
    api.put(&declaration("registry"), {
        let mut changed = object("ClusterExternalSecret", "registry", &spec("two"));
        changed["metadata"]["generation"] = json!(2);
        // The API server in memory counts no generations.
        changed["spec"]["externalSecretMetadata"] = json!({"labels": {"version": "2"}});
        changed
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    count(&mut counts);
    let secret = api.get("/api/v1/namespaces/ns-7/secrets/registry").unwrap();
    assert_eq!(secret["data"]["k"], "Mg==");
    tokio::time::sleep(HOUR).await;
    count(&mut counts);
    assert_eq!(counts[3..], [1, 1]);

    // They were all refreshed in the same second.
    let time = |number| api.get(&child(&format!("ns-{number}"), "registry")).unwrap()["status"]["refreshTime"].clone();
    assert!((0..NAMESPACES).all(|number| time(number) == time(0)));
}
