//! Webhook replicas as processes, behind a proxy that stands for their Service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::Api;
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

/// Running replicas of the webhook.
pub struct Webhook {
    replicas: Mutex<Vec<Replica>>,
    proxy: Proxy,
}

struct Replica {
    process: Guarded,
    address: SocketAddr,
    health: String,
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
        let mut addresses = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..replicas {
            let [port, health, metrics] = ports::free()?;
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            ports.push([port, health, metrics]);
        }
        let proxy = Proxy::start(addresses).await?;
        install(cluster, proxy.port()).await?;
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, Self::ACCOUNT).await?;
        let mut started = Vec::new();
        for (number, [port, health, metrics]) in ports.into_iter().enumerate() {
            let process = Launch::new(format!("webhook-{number}"), deps::own_program("webhook")?, cluster.folder())
                .args([
                    format!("--port={port}"),
                    "--bind-address=127.0.0.1".to_owned(),
                    "--dns-name=127.0.0.1".to_owned(),
                    format!("--healthz-addr=127.0.0.1:{health}"),
                    format!("--metrics-addr=127.0.0.1:{metrics}"),
                    format!("--service-namespace={NAMESPACE}"),
                    format!("--secret-namespace={NAMESPACE}"),
                ])
                .args(args.iter().copied())
                .env([("KUBECONFIG", kubeconfig.display().to_string())])
                .spawn()?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            started.push(Replica { process, address, health: format!("http://127.0.0.1:{health}/readyz") });
        }
        let this = Self { replicas: Mutex::new(started), proxy };
        this.ready(Duration::from_secs(60)).await?;
        trusted(cluster, Duration::from_secs(10)).await?;
        Ok(this)
    }

    /// The port that the API server calls.
    pub fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// Where replica `number` itself answers, not through the proxy.
    ///
    /// # Errors
    /// If it doesn't run.
    pub fn address(&self, number: usize) -> Result<SocketAddr> {
        Ok(self.running().get(number).context(format!("webhook-{number} doesn't run"))?.address)
    }

    /// What replica `number` has used so far.
    ///
    /// # Errors
    /// If it doesn't run.
    pub fn usage(&self, number: usize) -> Result<Usage> {
        Usage::of(self.running().get(number).context(format!("webhook-{number} doesn't run"))?.process.started()?)
    }

    /// Waits until every replica that runs says that it is ready.
    ///
    /// # Errors
    /// If one ends or isn't ready after `within`.
    pub async fn ready(&self, within: Duration) -> Result<()> {
        let started = tokio::time::Instant::now();
        loop {
            // Asked anew each time: a replica may have been killed meanwhile.
            let urls: Vec<String> = self.running().iter().map(|it| it.health.clone()).collect();
            let answers = futures::future::join_all(urls.iter().map(|url| crate::http_get(url))).await;
            let Some(error) = answers.into_iter().find_map(Result::err) else { return Ok(()) };
            for Replica { process, .. } in self.running().iter_mut() {
                if let Some(status) = process.exited() {
                    let log = process.log_tail(30);
                    return Err(Error::new(format!("{} ended, {status}:\n{log}", process.name())));
                }
                if started.elapsed() > within {
                    let log = process.log_tail(30);
                    return Err(Error::new(format!("a replica isn't ready: {error}; {}:\n{log}", process.name())));
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Kills a replica, as a lost node does.
    pub fn kill(&self, number: usize) {
        let mut running = self.running();
        if number < running.len() {
            running.remove(number).process.kill();
        }
    }

    /// Waits until all webhook configurations hold a certificate to trust.
    ///
    /// # Errors
    /// If one still holds none after `within`.
    pub async fn trusted(&self, cluster: &Cluster, within: Duration) -> Result<()> {
        trusted(cluster, within).await
    }

    /// What all replicas that still run have logged.
    pub fn log(&self) -> String {
        self.running().iter().map(|it| it.process.log()).collect()
    }

    fn running(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all our webhook configurations have a certificate to trust.
///
/// # Errors
/// After `within`, with the configuration that has none.
async fn trusted(cluster: &Cluster, within: Duration) -> Result<()> {
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(cluster.client());
    for (kind, name) in configurations()? {
        if kind == "ValidatingWebhookConfiguration" {
            wait::exists(&validating, &name, within, "to have a caBundle in each webhook", |it| {
                it.webhooks.iter().flatten().all(|hook| hook.client_config.ca_bundle.is_some())
            })
            .await?;
        } else {
            wait::exists(&mutating, &name, within, "to have a caBundle in each webhook", |it| {
                it.webhooks.iter().flatten().all(|hook| hook.client_config.ca_bundle.is_some())
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
