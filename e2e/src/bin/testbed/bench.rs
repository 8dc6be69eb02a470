//! `make bench`: how long a first sync of many ExternalSecrets takes, and what it costs.
//!
//! Each scenario is a row of [`SCENARIOS`]; further ones are further rows. Everything (API server, database, backend,
//! controller, and this) shares the machine, so that only ratios within one run are worth much.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use e2e::backend::OpenBao;
use e2e::cluster::Cluster;
use e2e::operator::{Controller, Usage};
use e2e::testbed::{Parts, Testbed};
use e2e::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject, Object, PostParams};
use kube::core::{GroupVersionKind, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::say;

/// How much, and of what.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How many ExternalSecrets.
    #[arg(long, default_value_t = 5000)]
    objects: usize,
    /// Which scenarios: all whose name contains this.
    #[arg(long, default_value = "distinct")]
    scenario: String,
    /// Arguments of the controller.
    #[arg(long, default_value = "--concurrent=50", allow_hyphen_values = true)]
    controller_args: String,
    /// Give up after so many seconds.
    #[arg(long, default_value_t = 600)]
    limit: u64,
}

struct Scenario {
    name: &'static str,
    what: &'static str,
    /// The remote key of reference `reference` of object `object`.
    key: fn(object: usize, reference: usize) -> String,
}

const REFERENCES: usize = 3;
const NAMESPACES: usize = 10;
const IN_FLIGHT: usize = 48;

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "first-sync-distinct",
        what: "three references each, every one to a key of its own",
        key: |object, reference| format!("bench/{object}-{reference}"),
    },
    Scenario {
        name: "first-sync-shared",
        what: "three references each, all to the same 10 keys",
        key: |object, reference| format!("bench/shared-{}", (object * REFERENCES + reference) % 10),
    },
];

/// What one run gave.
struct Figures {
    first_secret: Duration,
    all_secrets: Duration,
    all_ready: Duration,
    cpu: Duration,
    peak_memory: u64,
    provider_calls: f64,
    writes: Vec<(String, u64)>,
}

/// Runs the chosen scenarios, each on a fresh cluster.
pub(crate) async fn run(options: &Options) -> Result {
    let chosen: Vec<&Scenario> = SCENARIOS.iter().filter(|it| it.name.contains(&options.scenario)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|it| it.name).collect();
        return Err(Error::new(format!("no scenario contains {:?}; there are {}", options.scenario, names.join(", "))));
    }
    for scenario in chosen {
        say::heading(&format!("{}: {} ExternalSecrets, {}", scenario.name, options.objects, scenario.what));
        print(&measure(options, scenario).await?);
    }
    Ok(())
}

fn print(figures: &Figures) {
    let seconds = |it: Duration| format!("{:.1} s", it.as_secs_f64());
    let writes: Vec<String> = figures.writes.iter().map(|(what, count)| format!("{what} {count}")).collect();
    let rows = [
        ("start to the first Secret", format!("{:.2} s", figures.first_secret.as_secs_f64())),
        ("start to all Secrets", seconds(figures.all_secrets)),
        ("start to all Ready", seconds(figures.all_ready)),
        ("CPU of the controller", seconds(figures.cpu)),
        ("peak memory of the controller", format!("{:.0} MiB", figures.peak_memory as f64 / 1_048_576.0)),
        ("provider calls", format!("{}", figures.provider_calls)),
        ("API writes", writes.join(", ")),
    ];
    for (what, figure) in rows {
        say::line(&format!("{what:<30} {figure}"));
    }
}

async fn measure(options: &Options, scenario: &Scenario) -> Result<Figures> {
    let parts = Parts { backends: true, controller: None, webhooks: 0 };
    let bed = Testbed::start(&parts, say::step).await?;
    fill(options, scenario, &bed).await?;
    let before = api_writes(&bed.cluster).await?;

    let (count, mut counted) = watch::channel(Counts::default());
    let watching = tokio::spawn(watch_counts(bed.cluster.client(), count));
    counted.wait_for(|it| it.objects == options.objects).await?;

    say::step("starting the controller");
    let args: Vec<&str> = options.controller_args.split_whitespace().collect();
    let started = Instant::now();
    let mut controller = Controller::spawn(&bed.cluster, &args, &[]).await?;
    let run = async {
        counted.wait_for(|it| it.secrets > 0).await?;
        let first_secret = started.elapsed();
        counted.wait_for(|it| it.secrets == options.objects).await?;
        let all_secrets = started.elapsed();
        counted.wait_for(|it| it.ready == options.objects).await?;
        Ok::<_, Error>((first_secret, all_secrets, started.elapsed()))
    };
    let limit = Duration::from_secs(options.limit);
    let Ok(times) = tokio::time::timeout(limit, run).await else {
        controller.alive()?;
        let now = *counted.borrow();
        return Err(Error::new(format!("not done after {limit:?}: {now:?}\n{}", controller.log_tail(20))));
    };
    let (first_secret, all_secrets, all_ready) = times?;
    watching.abort();
    let Usage { cpu, resident: _, peak: peak_memory } = controller.usage().await?;
    let provider_calls = controller.metric("externalsecret_provider_api_calls_count", &[]).await?;
    let after = api_writes(&bed.cluster).await?;
    let writes = after
        .into_iter()
        .map(|(what, count)| (what.clone(), count - before.get(&what).copied().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .collect();
    Ok(Figures { first_secret, all_secrets, all_ready, cpu, peak_memory, provider_calls, writes })
}

/// Writes the remote secrets, the store and the ExternalSecrets, many at a time.
async fn fill(options: &Options, scenario: &Scenario, bed: &Testbed) -> Result {
    let keys: BTreeSet<String> = (0..options.objects)
        .flat_map(|object| (0..REFERENCES).map(move |reference| (scenario.key)(object, reference)))
        .collect();
    say::step(&format!("writing {} remote secrets", keys.len()));
    let openbao = bed.openbao()?;
    stream::iter(&keys)
        .map(|key| openbao.write(key, json!({ "value": format!("of {key}") })))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;

    let cluster = &bed.cluster;
    for namespace in 0..NAMESPACES {
        let name = namespace_of(namespace);
        cluster.apply_json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    cluster.write_secret("default", "vault-token", &[("token", OpenBao::ROOT_TOKEN)]).await?;
    cluster
        .apply_json(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "bench"},
            "spec": {"provider": {"vault": {
                "server": openbao.address(), "path": "secret", "version": "v2",
                "auth": {"tokenSecretRef": {"name": "vault-token", "namespace": "default", "key": "token"}},
            }}},
        }))
        .await?;

    say::step(&format!("creating {} ExternalSecrets", options.objects));
    stream::iter(0..options.objects)
        .map(|object| create(cluster, scenario, object))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}

async fn create(cluster: &Cluster, scenario: &Scenario, object: usize) -> Result {
    let data: Vec<Value> = (0..REFERENCES)
        .map(|reference| {
            let remote = json!({"key": (scenario.key)(object, reference), "property": "value"});
            json!({"secretKey": format!("key-{reference}"), "remoteRef": remote})
        })
        .collect();
    let wished: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": format!("es-{object}"), "namespace": namespace_of(object)},
        "spec": {"refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "bench"}, "data": data},
    }))?;
    let api = cluster.objects("ExternalSecret", Some(&namespace_of(object)))?;
    api.create(&PostParams::default(), &wished).await?;
    Ok(())
}

fn namespace_of(object: usize) -> String {
    format!("bench-{}", object % NAMESPACES)
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    objects: usize,
    secrets: usize,
    ready: usize,
}

/// Of an ExternalSecret only what tells whether it is ready, so that counting costs little beside what is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Ignored {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

async fn watch_counts(client: kube::Client, counts: watch::Sender<Counts>) -> Result {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
    let managed = watcher::Config::default().labels("reconcile.external-secrets.io/managed=true");
    let gvk = GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "externalsecrets");
    let objects: Api<Object<Ignored, Status>> = Api::all_with(client, &resource);

    #[expect(clippy::disallowed_methods, reason = "counting backs off as the line below says")]
    let secrets = watcher(secrets, managed).default_backoff().touched_objects();
    #[expect(clippy::disallowed_methods, reason = "counting backs off as the line below says")]
    let objects = watcher(objects, watcher::Config::default()).default_backoff().touched_objects();
    let (mut secrets, mut objects) = (std::pin::pin!(secrets), std::pin::pin!(objects));
    let (mut seen, mut made, mut ready) = (Names::new(), Names::new(), Names::new());
    loop {
        tokio::select! {
            Some(Ok(secret)) = secrets.next() => {
                made.insert((secret.metadata.namespace, secret.metadata.name));
            }
            Some(Ok(object)) = objects.next() => {
                let name = (object.metadata.namespace, object.metadata.name);
                let conditions = object.status.map(|it| it.conditions).unwrap_or_default();
                if conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True") {
                    ready.insert(name.clone());
                }
                seen.insert(name);
            }
            else => return Ok(()),
        }
        counts.send_replace(Counts { objects: seen.len(), secrets: made.len(), ready: ready.len() });
    }
}

type Names = HashSet<(Option<String>, Option<String>)>;

/// Successful writes that the API server has counted so far, by verb and resource, of the kinds that we write.
async fn api_writes(cluster: &Cluster) -> Result<BTreeMap<String, u64>> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = cluster.client().request_text(request).await?;
    let mut writes = BTreeMap::new();
    for line in text.lines().filter(|it| it.starts_with("apiserver_request_total{")) {
        let label = |name: &str| {
            let rest = line.split_once(&format!("{name}=\""))?.1;
            rest.split_once('"').map(|it| it.0)
        };
        let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
        let ours = ["secrets", "externalsecrets", "clustersecretstores", "secretstores", "events"].contains(&resource);
        if ours && ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb) {
            let sub = label("subresource").filter(|it| !it.is_empty()).map(|it| format!("/{it}")).unwrap_or_default();
            let count: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
            *writes.entry(format!("{verb} {resource}{sub}")).or_default() += count as u64;
        }
    }
    Ok(writes)
}
