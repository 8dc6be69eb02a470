//! Webhook replicas as processes, behind a proxy that stands for their Service.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::Api;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{NAMESPACE, Usage};
use crate::cluster::Cluster;
use crate::deps;
use crate::error::{Context, Error, Result};
use crate::guarded::{Guarded, Launch};
use crate::manifests::{self, Part};
use crate::ports;
use crate::proxy::Proxy;
use crate::wait;

/// Replicas of the webhook, each of which may run or not.
pub struct Webhook {
    replicas: Mutex<Vec<Replica>>,
    proxy: Proxy,
    folder: PathBuf,
    kubeconfig: PathBuf,
    args: Vec<String>,
}

struct Replica {
    process: Option<Guarded>,
    address: SocketAddr,
    health: u16,
    metrics: u16,
}

impl Replica {
    fn ready_url(&self) -> String {
        format!("http://127.0.0.1:{}/readyz", self.health)
    }
}

impl Webhook {
    /// The service account of the manifests.
    pub const ACCOUNT: &str = "external-secrets-webhook";

    /// The Secret that the webhook keeps its authority in.
    pub const SECRET: &str = "external-secrets-webhook";

    /// Applies the webhook's manifests, starts `replicas` processes with more arguments, and waits until every one is
    /// ready and the API server has a certificate to trust.
    ///
    /// # Errors
    /// If the program isn't built, a manifest is refused, or a replica doesn't become ready.
    pub async fn spawn(cluster: &Cluster, replicas: usize, args: &[&str]) -> Result<Self> {
        let this = Self::installed(cluster, replicas, args).await?;
        for number in 0..replicas {
            this.start(number)?;
        }
        this.ready(Duration::from_secs(60)).await?;
        this.trusted(cluster, Duration::from_secs(10)).await?;
        Ok(this)
    }

    /// Applies the webhook's manifests; no replica runs yet.
    ///
    /// # Errors
    /// If a manifest is refused.
    pub async fn installed(cluster: &Cluster, replicas: usize, args: &[&str]) -> Result<Self> {
        let proxy = Proxy::start(Vec::new()).await?;
        install(cluster, proxy.port()).await?;
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, Self::ACCOUNT).await?;
        Self::with(cluster, proxy, kubeconfig, replicas, args)
    }

    /// Only makes the service account, as whoever mounts a pod needs it; reaches the API server at the URL `server`.
    /// No replica runs yet, and [`Webhook::install`] is still to come.
    ///
    /// # Errors
    /// If the account can't be made.
    pub async fn uninstalled(cluster: &Cluster, server: &str, replicas: usize, args: &[&str]) -> Result<Self> {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": Self::ACCOUNT, "namespace": NAMESPACE},
        });
        cluster.apply_json(account).await?;
        let kubeconfig = cluster.service_account_kubeconfig_by(server, NAMESPACE, Self::ACCOUNT).await?;
        Self::with(cluster, Proxy::start(Vec::new()).await?, kubeconfig, replicas, args)
    }

    fn with(cluster: &Cluster, proxy: Proxy, kubeconfig: PathBuf, replicas: usize, args: &[&str]) -> Result<Self> {
        let mut all = Vec::new();
        for _ in 0..replicas {
            let [port, health, metrics] = ports::free()?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            all.push(Replica { process: None, address, health, metrics });
        }
        proxy.route(all.iter().map(|it| it.address).collect());
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        Ok(Self { replicas: Mutex::new(all), proxy, folder: cluster.folder().to_owned(), kubeconfig, args })
    }

    /// Applies the webhook's manifests.
    ///
    /// # Errors
    /// If one is refused.
    pub async fn install(&self, cluster: &Cluster) -> Result<()> {
        install(cluster, self.proxy.port()).await
    }

    /// Starts replica `number` and waits for nothing.
    ///
    /// # Errors
    /// If the program isn't built.
    pub fn start(&self, number: usize) -> Result<()> {
        let mut replicas = self.replicas();
        let replica = replicas.get_mut(number).context(format!("there is no webhook-{number}"))?;
        let process = Launch::new(format!("webhook-{number}"), deps::own_program("webhook")?, &self.folder)
            .args([
                format!("--port={}", replica.address.port()),
                "--bind-address=127.0.0.1".to_owned(),
                "--dns-name=127.0.0.1".to_owned(),
                format!("--healthz-addr=127.0.0.1:{}", replica.health),
                format!("--metrics-addr=127.0.0.1:{}", replica.metrics),
                format!("--service-namespace={NAMESPACE}"),
                format!("--secret-namespace={NAMESPACE}"),
            ])
            .args(self.args.iter().cloned())
            .env([("KUBECONFIG", self.kubeconfig.display().to_string())])
            .spawn()?;
        replica.process = Some(process);
        Ok(())
    }

    /// Asks replica `number` to stop, takes it out of the Service when it says that it isn't ready any more, and waits
    /// for its end: what happens to a pod that is deleted.
    ///
    /// # Errors
    /// If it doesn't run, or not stop within `within`.
    pub async fn retire(&self, number: usize, within: Duration) -> Result<ExitStatus> {
        let (mut process, url) = {
            let mut replicas = self.replicas();
            let replica = replicas.get_mut(number).context(format!("there is no webhook-{number}"))?;
            (replica.process.take().context(format!("webhook-{number} doesn't run"))?, replica.ready_url())
        };
        process.signal(Signal::TERM)?;
        let asked = tokio::time::Instant::now();
        while crate::http_get(&url).await.is_ok() && asked.elapsed() < within {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.route_to_running();
        process.ended(within).await
    }

    /// Hands new connections to the replicas that run.
    pub fn route_to_running(&self) {
        let running = self.replicas().iter().filter(|it| it.process.is_some()).map(|it| it.address).collect();
        self.proxy.route(running);
    }

    /// The port that the API server calls.
    pub fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// Where replica `number` itself answers, not through the proxy.
    ///
    /// # Errors
    /// If there is no such replica.
    pub fn address(&self, number: usize) -> Result<SocketAddr> {
        Ok(self.replicas().get(number).context(format!("there is no webhook-{number}"))?.address)
    }

    /// What replica `number` has used so far.
    ///
    /// # Errors
    /// If it doesn't run.
    pub fn usage(&self, number: usize) -> Result<Usage> {
        Usage::of(self.with_process(number, |process| process.started())?)
    }

    /// Sends replica `number` a signal.
    ///
    /// # Errors
    /// If it doesn't run.
    pub fn signal(&self, number: usize, signal: Signal) -> Result<()> {
        self.with_process(number, |process| process.signal(signal))
    }

    /// Fails if a replica that was started has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn alive(&self) -> Result<()> {
        for process in self.replicas().iter_mut().filter_map(|it| it.process.as_mut()) {
            if let Some(status) = process.exited() {
                let log = process.log_tail(30);
                return Err(Error::new(format!("{} ended, {status}:\n{log}", process.name())));
            }
        }
        Ok(())
    }

    /// Waits until every replica that runs says that it is ready.
    ///
    /// # Errors
    /// If one ends or isn't ready after `within`.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let started = tokio::time::Instant::now();
        loop {
            // Asked anew each time: a replica may have been killed meanwhile.
            let urls: Vec<String> =
                self.replicas().iter().filter(|it| it.process.is_some()).map(Replica::ready_url).collect();
            let answers = futures::future::join_all(urls.iter().map(|url| crate::http_get(url))).await;
            let Some(error) = answers.into_iter().find_map(Result::err) else { return Ok(()) };
            self.alive()?;
            if started.elapsed() > within {
                let logs: Vec<String> = self
                    .replicas()
                    .iter()
                    .filter_map(|it| it.process.as_ref().map(|process| process.log_tail(30)))
                    .collect();
                return Err(Error::new(format!("a replica isn't ready: {error}:\n{}", logs.join("\n\n"))));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Kills a replica, as a lost node does.
    pub fn kill(&self, number: usize) {
        if let Some(mut process) = self.replicas().get_mut(number).and_then(|it| it.process.take()) {
            process.kill();
        }
    }

    /// Waits until all webhook configurations hold a certificate to trust.
    ///
    /// # Errors
    /// If one still holds none after `within`.
    pub async fn trusted(&self, cluster: &Cluster, within: Duration) -> Result<()> {
        published(cluster, within, "to have a caBundle in each webhook", |bundle| !bundle.is_empty()).await
    }

    /// Waits until all webhook configurations trust these certificates and maybe others.
    ///
    /// # Errors
    /// If one still doesn't after `within`.
    pub async fn publishes(&self, cluster: &Cluster, pem: &str, within: Duration) -> Result<()> {
        published(cluster, within, "to publish a certificate", |bundle| {
            String::from_utf8_lossy(bundle).contains(pem.trim())
        })
        .await
    }

    /// Asks the API server to create a bad object, and so the webhook for its words about it. Succeeds if they come.
    ///
    /// # Errors
    /// If the object is accepted, or refused in other words.
    pub async fn judges(cluster: &Cluster, namespace: &str) -> Result<()> {
        let bad = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "bad", "namespace": namespace}, "spec": {"secretStoreRef": {"name": "s"}},
        });
        let refusal = cluster.create(bad).await?.err().context("a bad object was accepted")?.to_string();
        if refusal.contains("either data or dataFrom should be specified") {
            return Ok(());
        }
        Err(Error::new(format!("the webhook didn't judge: {refusal}")))
    }

    /// Asks as [`Webhook::judges`] does until the webhook answers, and says how long that took.
    ///
    /// # Errors
    /// The last one, after `within`.
    pub async fn judges_soon(cluster: &Cluster, namespace: &str, within: Duration) -> Result<Duration> {
        let asked = tokio::time::Instant::now();
        loop {
            match Self::judges(cluster, namespace).await {
                Ok(()) => return Ok(asked.elapsed()),
                Err(error) if asked.elapsed() > within => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// What all replicas that still run have logged.
    pub fn log(&self) -> String {
        self.replicas().iter().filter_map(|it| it.process.as_ref().map(Guarded::log)).collect()
    }

    fn with_process<T>(&self, number: usize, ask: impl FnOnce(&Guarded) -> Result<T>) -> Result<T> {
        let replicas = self.replicas();
        let process = replicas.get(number).and_then(|it| it.process.as_ref());
        ask(process.context(format!("webhook-{number} doesn't run"))?)
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until each webhook of ours publishes what is wished; one without a bundle publishes nothing.
///
/// # Errors
/// After `within`, with the configuration that doesn't.
async fn published(cluster: &Cluster, within: Duration, what: &str, wished: impl Fn(&[u8]) -> bool) -> Result<()> {
    let good = |client: &WebhookClientConfig| wished(client.ca_bundle.as_ref().map_or(&[][..], |it| it.0.as_slice()));
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(cluster.client());
    for (kind, name) in configurations()? {
        if kind == "ValidatingWebhookConfiguration" {
            wait::exists(&validating, &name, within, what, |it| {
                it.webhooks.iter().flatten().all(|hook| good(&hook.client_config))
            })
            .await?;
        } else {
            wait::exists(&mutating, &name, within, what, |it| {
                it.webhooks.iter().flatten().all(|hook| good(&hook.client_config))
            })
            .await?;
        }
    }
    Ok(())
}

/// Kind and name of our webhook configurations.
///
/// # Errors
/// If a manifest can't be read.
fn configurations() -> Result<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = manifests::installed(Part::Webhook)?;
    Ok(all
        .iter()
        .filter(|it| is_configuration(it))
        .map(|it| (text(&it["kind"]), text(&it["metadata"]["name"])))
        .collect())
}

async fn install(cluster: &Cluster, port: u16) -> Result<()> {
    for mut object in manifests::installed(Part::Webhook)? {
        if is_configuration(&object) {
            call_locally(&mut object, port)?;
        }
        cluster.apply_json(object).await?;
    }
    Ok(())
}

fn is_configuration(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
}

/// The API server can't resolve a Service without a pod network: it is given the proxy's address in its place.
fn call_locally(object: &mut Value, port: u16) -> Result<()> {
    for hook in object["webhooks"].as_array_mut().context("a webhook configuration without webhooks")? {
        let path = hook["clientConfig"]["service"]["path"].as_str().unwrap_or("/").to_owned();
        hook["clientConfig"] = json!({ "url": format!("https://127.0.0.1:{port}{path}") });
    }
    Ok(())
}
