//! How much more four replicas with `--shards` do than one, where what bounds a replica is how many objects may wait for
//! their backend at a time.
//!
//! Four replicas don't get four times the cores of the one machine that all of this shares. So the backends are so far away
//! that a replica waits nearly always, and everything is always due: what is counted is refreshes in a window, without
//! beginning or end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::backend::OpenBao;
use e2e::cluster::Cluster;
use e2e::operator::Controller;
use e2e::proxy::Proxy;
use e2e::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::PostParams;
use serde_json::{Value, json};

use super::api_writes::{STATUS_WRITE, Writes};
use super::sheet::{Figure, Unit};
use super::watching::Watching;
use super::world::{self, IN_FLIGHT};
use super::{Options, seconds};
use crate::say;

/// Far more than buckets, so that chance gives no bucket much more than its share.
const STORES: usize = 512;
const BUCKETS: usize = 64;
const REPLICAS: usize = 4;
/// Far more than all replicas have under way, so that there is always something due.
const OBJECTS_EACH: usize = 12;
/// How far away the backends are, a little nearer than where the controller gives a call up. Different ones, or else all
/// answers would come at once.
const AWAY: [Duration; 8] = [
    Duration::from_millis(7_700),
    Duration::from_millis(7_900),
    Duration::from_millis(8_100),
    Duration::from_millis(8_300),
    Duration::from_millis(8_500),
    Duration::from_millis(8_700),
    Duration::from_millis(8_900),
    Duration::from_millis(9_100),
];
/// Before a window, so that what began under other circumstances has ended.
const SETTLING: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(90);
const GOAL: f64 = 3.2;
const NAMESPACE: &str = "default";

/// See the module. Answers the figures, and of how many objects they are.
pub(super) async fn measure(options: &Options) -> Result<(usize, Vec<Figure>)> {
    let objects = STORES * OBJECTS_EACH;
    let bed = world::bare_cluster().await?;
    let cluster = &bed.cluster;
    say::step("starting OpenBao, which stands for Vault");
    let openbao = OpenBao::start(cluster.folder()).await?;
    for object in 0..OBJECTS_EACH {
        openbao.write(&key(object), json!({"value": "far"})).await?;
    }
    let address: SocketAddr = openbao.address().trim_start_matches("http://").parse()?;
    let proxies: Vec<Proxy> =
        stream::iter(AWAY).then(|away| Proxy::delaying(vec![address], away)).try_collect().await?;
    cluster.write_secret(NAMESPACE, "vault-token", &[("token", OpenBao::ROOT_TOKEN)]).await?;
    let watching = Watching::start(cluster.client());
    say::step(&format!("creating {STORES} stores and {objects} ExternalSecrets"));
    let each = |number: usize| {
        let server = format!("http://127.0.0.1:{}", proxies[number % proxies.len()].port());
        async move { create(cluster, number, &server).await }
    };
    stream::iter((0..STORES).map(each)).buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;

    let buckets = format!("--shards={BUCKETS}");
    let mut args = vec![buckets.as_str()];
    args.extend(options.controller_args.split_whitespace());
    let mut replicas = Vec::new();
    let mut windows = Vec::new();
    for wished in [1, REPLICAS] {
        while replicas.len() < wished {
            replicas.push(Controller::spawn_as(cluster, &format!("replica-{}", replicas.len()), &args).await?);
        }
        say::step(&format!("waiting until {wished} of the replicas share the buckets"));
        let limit = Duration::from_secs(options.limit);
        let shared = tokio::time::timeout(limit, all_work(&replicas)).await;
        shared.map_err(|_| Error::new(format!("{wished} replicas don't share the buckets after {limit:?}")))??;
        tokio::time::sleep(SETTLING).await;
        say::step(&format!("watching {} s of {wished} replicas", WINDOW.as_secs()));
        windows.push(Window::of(cluster, &watching).await?);
    }
    let [one, four] = windows.as_slice() else { return Err(Error::new("there are two windows")) };
    let figures = vec![
        Figure::new("refreshes a second, one replica", Unit::Count, one.rate()),
        Figure::new(format!("refreshes a second, {REPLICAS} replicas"), Unit::Count, four.rate()),
        Figure::new("as a multiple", Unit::Count, four.rate() / one.rate()).least(GOAL),
        Figure::count("status writes a refresh, one replica", one.writes_each()).goal(1.02),
        Figure::count(format!("status writes a refresh, {REPLICAS} replicas"), four.writes_each()).goal(1.02),
        Figure::count("writes of Secrets that didn't change", four.secrets).goal(0.0),
    ];
    Ok((objects, figures))
}

async fn create(cluster: &Cluster, number: usize, server: &str) -> Result {
    let name = format!("far-{number}");
    let store = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"provider": {"vault": {
            "server": server, "path": "secret", "version": "v2",
            "auth": {"tokenSecretRef": {"name": "vault-token", "key": "token"}},
        }}},
    });
    cluster.apply_json(store).await?;
    let api = cluster.objects("ExternalSecret", Some(NAMESPACE))?;
    for object in 0..OBJECTS_EACH {
        let wished: Value = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": format!("{name}-{object}"), "namespace": NAMESPACE},
            "spec": {
                "refreshInterval": "1s", "secretStoreRef": {"name": name},
                "data": [{"secretKey": "value", "remoteRef": {"key": key(object), "property": "value"}}],
            },
        });
        api.create(&PostParams::default(), &serde_json::from_value(wished)?).await?;
    }
    Ok(())
}

/// Another one for each object of a store, or else they would share reads.
fn key(object: usize) -> String {
    format!("bench/far-{object}")
}

/// Waits until the replicas hold all buckets, and each of them some.
async fn all_work(replicas: &[Controller]) -> Result {
    loop {
        let mut held = Vec::new();
        for replica in replicas {
            held.push(replica.metric("external_secrets_buckets_held", &[]).await.unwrap_or_default());
        }
        if held.iter().sum::<f64>() == BUCKETS as f64 && held.iter().all(|held| *held > 0.0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What happened while all of the replicas were at work.
struct Window {
    took: Duration,
    refreshes: usize,
    status_writes: u32,
    secrets: u32,
}

impl Window {
    async fn of(cluster: &Cluster, watching: &Watching) -> Result<Self> {
        let (writes, began, refreshes) = (Writes::so_far(cluster).await?, Instant::now(), watching.now().refreshes);
        tokio::time::sleep(WINDOW).await;
        let (took, refreshes) = (began.elapsed(), watching.now().refreshes - refreshes);
        let writes = Writes::so_far(cluster).await?.since(&writes);
        Ok(Self { took, refreshes, status_writes: writes.of(STATUS_WRITE), secrets: writes.secrets() })
    }

    fn rate(&self) -> f64 {
        self.refreshes as f64 / seconds(self.took)
    }

    fn writes_each(&self) -> f64 {
        f64::from(self.status_writes) / (self.refreshes as f64).max(1.0)
    }
}
