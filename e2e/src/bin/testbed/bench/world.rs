//! A fresh cluster with all that a row needs: remote secrets, a store, ExternalSecrets, and a controller that can be
//! started, stopped and asked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::backend::OpenBao;
use e2e::cluster::Cluster;
use e2e::operator::Controller;
use e2e::proxy::Proxy;
use e2e::testbed::{Parts, Testbed};
use e2e::{Context, Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::Options;
use super::watching::{Counts, Watching};
use crate::say;

/// How many requests of ours are under way at once.
pub(super) const IN_FLIGHT: usize = 48;
/// How many references an ExternalSecret has.
pub(super) const REFERENCES: usize = 3;
const NAMESPACES: usize = 10;
const STORE: &str = "bench";
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// What the remote keys are and how far away the backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Distinct,
    Shared,
    Slow,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Distinct, Self::Shared, Self::Slow];

    pub(super) fn what(self, latency: u64) -> String {
        match self {
            Self::Distinct => "three references each, every one to a key of its own".to_owned(),
            Self::Shared => "three references each, all to the same 10 keys".to_owned(),
            Self::Slow => format!("three references each to keys of their own, at a backend that is {latency} ms away"),
        }
    }

    fn key(self, object: usize, reference: usize) -> String {
        match self {
            Self::Distinct | Self::Slow => format!("bench/{object}-{reference}"),
            Self::Shared => format!("bench/shared-{}", (object * REFERENCES + reference) % 10),
        }
    }
}

/// See the module. Dropping it ends everything.
pub(super) struct World {
    // Field order is drop order.
    pub(super) controller: Option<Controller>,
    pub(super) watching: Watching,
    /// In front of the backend; only a store that [`World::through_proxy`] has moved goes through it, or a slow one.
    pub(super) proxy: Proxy,
    openbao: OpenBao,
    pub(super) bed: Testbed,
    kind: Kind,
    /// How many ExternalSecrets there are by now.
    pub(super) objects: usize,
    interval: String,
    controller_args: Vec<String>,
    limit: Duration,
}

impl World {
    /// Starts everything but the controller.
    pub(super) async fn build(options: &Options, objects: usize, kind: Kind) -> Result<Self> {
        let bed = bare_cluster().await?;
        say::step("starting OpenBao, which stands for Vault");
        let openbao = OpenBao::start(bed.cluster.folder()).await?;
        let address: SocketAddr = openbao.address().trim_start_matches("http://").parse()?;
        let delay = if kind == Kind::Slow { Duration::from_millis(options.latency) } else { Duration::ZERO };
        let proxy = Proxy::delaying(vec![address], delay).await?;

        let keys: BTreeSet<String> =
            (0..objects).flat_map(|object| (0..REFERENCES).map(move |reference| kind.key(object, reference))).collect();
        say::step(&format!("writing {} remote secrets", keys.len()));
        stream::iter(&keys)
            .map(|key| openbao.write(key, json!({ "value": format!("of {key}") })))
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        bed.cluster.write_secret("default", "vault-token", &[("token", OpenBao::ROOT_TOKEN)]).await?;
        let watching = Watching::start(bed.cluster.client());
        let mut world = Self {
            controller: None,
            watching,
            proxy,
            openbao,
            bed,
            kind,
            objects,
            interval: "1h".to_owned(),
            controller_args: options.controller_args.split_whitespace().map(str::to_owned).collect(),
            limit: Duration::from_secs(options.limit),
        };
        if kind == Kind::Slow {
            world.through_proxy().await?;
        } else {
            world.put_store(world.openbao.address()).await?;
        }
        create_all(&world.bed.cluster, kind, objects).await?;
        world.wait("all ExternalSecrets to be seen", |it| it.objects == objects).await?;
        Ok(world)
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.bed.cluster
    }

    pub(super) fn controller(&self) -> Result<&Controller> {
        self.controller.as_ref().context("the controller isn't running")
    }

    /// How long anything may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Starts the controller; the time is that of the beginning.
    pub(super) async fn start_controller(&mut self) -> Result<Instant> {
        say::step("starting the controller");
        let args: Vec<&str> = self.controller_args.iter().map(String::as_str).collect();
        let started = Instant::now();
        self.controller = Some(Controller::spawn(&self.bed.cluster, &args, &[]).await?);
        Ok(started)
    }

    pub(super) async fn stop_controller(&mut self) -> Result {
        if let Some(controller) = self.controller.take() {
            controller.stop(STOPS_WITHIN).await?;
        }
        Ok(())
    }

    /// Waits for a state of the objects.
    pub(super) async fn wait(&mut self, what: &str, wished: impl Fn(&Counts) -> bool) -> Result {
        let mut counts = self.watching.counts.clone();
        // The book and not the last message: a mark changes it without one.
        let watching = &self.watching;
        let waiting = async { counts.wait_for(|_| wished(&watching.now())).await.map(|_| ()) };
        let Ok(outcome) = tokio::time::timeout(self.limit, waiting).await else {
            let now = self.watching.now();
            let log = match &mut self.controller {
                Some(controller) => {
                    controller.alive()?;
                    controller.log_tail(20)
                }
                None => String::new(),
            };
            return Err(Error::new(format!("waiting for {what}: not after {:?}: {now:?}\n{log}", self.limit)));
        };
        Ok(outcome?)
    }

    /// How often the controller has called the provider.
    pub(super) async fn provider_calls(&self) -> Result<f64> {
        self.controller()?.metric("externalsecret_provider_api_calls_count", &[]).await
    }

    /// Has the store reach its backend through the proxy. If it didn't, that is a change of the store.
    pub(super) async fn through_proxy(&self) -> Result {
        self.put_store(&format!("http://127.0.0.1:{}", self.proxy.port())).await
    }

    async fn put_store(&self, server: &str) -> Result {
        let token = json!({"name": "vault-token", "namespace": "default", "key": "token"});
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": STORE},
            "spec": {"provider": {"vault": {
                "server": server, "path": "secret", "version": "v2", "auth": {"tokenSecretRef": token},
            }}},
        });
        self.cluster().apply_json(store).await?;
        Ok(())
    }

    /// Gives all ExternalSecrets this refresh interval, and waits until they were refreshed once more.
    pub(super) async fn refresh_every(&mut self, seconds: u32) -> Result {
        let interval = format!("{seconds}s");
        if self.interval == interval {
            return Ok(());
        }
        say::step(&format!("giving all ExternalSecrets a refresh interval of {interval}"));
        self.watching.mark();
        let objects = self.objects_by_name().await?;
        let patch = Patch::Merge(json!({"spec": {"refreshInterval": interval}}));
        stream::iter(&objects)
            .map(async |(namespace, name)| {
                let api = self.cluster().objects("ExternalSecret", Some(namespace))?;
                api.patch_metadata(name, &PatchParams::default(), &patch).await?;
                Ok::<_, Error>(())
            })
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        self.interval = interval;
        let all = self.objects;
        self.wait("all to be refreshed after the change of interval", |it| it.refreshed == all).await
    }

    async fn objects_by_name(&self) -> Result<Vec<(String, String)>> {
        let listed = self.cluster().objects("ExternalSecret", None)?.list_metadata(&Default::default()).await?;
        let name = |it: kube::core::ObjectMeta| (it.namespace.unwrap_or_default(), it.name.unwrap_or_default());
        Ok(listed.items.into_iter().map(|it| name(it.metadata)).collect())
    }

    /// Creates one more ExternalSecret; the time is that before the request.
    pub(super) async fn create_another(&mut self, number: usize) -> Result<(Instant, String, String)> {
        let (namespace, name) = (namespace_of(number), format!("es-new-{number}"));
        let wished = external_secret(self.kind, &name, number);
        let api = self.cluster().objects("ExternalSecret", Some(&namespace))?;
        let asked = Instant::now();
        api.create(&PostParams::default(), &wished?).await?;
        self.objects += 1;
        Ok((asked, namespace, name))
    }

    /// For profilers and curious people.
    pub(super) async fn tell_how_to_attach(&self) -> Result {
        say::line("");
        say::line("This world runs until Ctrl-C. To look into it:");
        say::line(&format!("  export KUBECONFIG={}", self.cluster().kubeconfig().display()));
        say::line(&format!("  logs: {}", self.cluster().folder().display()));
        say::line(&format!("  OpenBao: {}, token {}", self.openbao.address(), OpenBao::ROOT_TOKEN));
        if let Some(controller) = &self.controller {
            let pid = controller.pid().await?;
            say::line(&format!("  curl {}", controller.metrics_url()));
            say::line(&format!("  perf record -g -p {pid}"));
        }
        Ok(())
    }
}

/// A cluster with our definitions and roles, and nothing that acts on them.
pub(super) async fn bare_cluster() -> Result<Testbed> {
    Testbed::start(&Parts { backends: false, controller: None, webhooks: 0 }, say::step).await
}

/// Creates the namespaces and the ExternalSecrets, many at a time.
pub(super) async fn create_all(cluster: &Cluster, kind: Kind, objects: usize) -> Result {
    for namespace in 0..NAMESPACES {
        let name = namespace_of(namespace);
        cluster.apply_json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    say::step(&format!("creating {objects} ExternalSecrets"));
    stream::iter(0..objects)
        .map(async |object| {
            let wished = external_secret(kind, &format!("es-{object}"), object)?;
            let api = cluster.objects("ExternalSecret", Some(&namespace_of(object)))?;
            api.create(&PostParams::default(), &wished).await?;
            Ok::<_, Error>(())
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}

fn external_secret(kind: Kind, name: &str, object: usize) -> Result<DynamicObject> {
    let data: Vec<Value> = (0..REFERENCES)
        .map(|reference| {
            let remote = json!({"key": kind.key(object, reference), "property": "value"});
            json!({"secretKey": format!("key-{reference}"), "remoteRef": remote})
        })
        .collect();
    Ok(serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace_of(object)},
        "spec": {"refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE}, "data": data},
    }))?)
}

fn namespace_of(object: usize) -> String {
    format!("bench-{}", object % NAMESPACES)
}
