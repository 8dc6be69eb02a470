//! The controller as a process.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::{NAMESPACE, Usage};
use crate::cluster::Cluster;
use crate::deps;
use crate::error::{Error, Result};
use crate::guarded::{Guarded, Launch};
use crate::ports;

/// A running controller.
pub struct Controller {
    process: Guarded,
    metrics: String,
    live: String,
}

impl Controller {
    /// The service account of the manifests.
    pub const ACCOUNT: &str = "external-secrets";

    /// Starts a controller with more arguments and environment variables. Doesn't wait for anything.
    ///
    /// # Errors
    /// If it isn't built or its service account is missing.
    pub async fn spawn(cluster: &Cluster, args: &[&str], env: &[(String, String)]) -> Result<Self> {
        Self::spawn_by(cluster, cluster.server(), args, env).await
    }

    /// As [`Controller::spawn`], reaching the API server at another URL.
    ///
    /// # Errors
    /// As [`Controller::spawn`].
    pub async fn spawn_by(cluster: &Cluster, server: &str, args: &[&str], env: &[(String, String)]) -> Result<Self> {
        Self::launch(cluster, server, "controller", Self::ACCOUNT, args, env).await
    }

    /// Starts one of several controllers, under a service account of its own with the roles of the manifests, so that the
    /// audit log tells them apart.
    ///
    /// # Errors
    /// As [`Controller::spawn`], and if the account can't be made.
    pub async fn spawn_as(cluster: &Cluster, account: &str, args: &[&str]) -> Result<Self> {
        let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]);
        let metadata = json!({"name": account, "namespace": NAMESPACE});
        cluster.apply_json(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await?;
        for (kind, role, name, metadata) in [
            ("ClusterRoleBinding", "ClusterRole", "external-secrets-controller", json!({"name": account})),
            ("RoleBinding", "Role", "external-secrets-leaderelection", metadata),
        ] {
            let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name});
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": metadata, "roleRef": role, "subjects": subjects,
            });
            cluster.apply_json(binding).await?;
        }
        Self::launch(cluster, cluster.server(), account, account, args, &[]).await
    }

    async fn launch(
        cluster: &Cluster,
        server: &str,
        name: &str,
        account: &str,
        args: &[&str],
        env: &[(String, String)],
    ) -> Result<Self> {
        let kubeconfig = cluster.service_account_kubeconfig_by(server, NAMESPACE, account).await?;
        let [metrics, live] = ports::free()?;
        let process = Launch::new(name, deps::own_program("controller")?, cluster.folder())
            .args([format!("--metrics-addr=127.0.0.1:{metrics}"), format!("--live-addr=127.0.0.1:{live}")])
            .args(args.iter().copied())
            .env([("KUBECONFIG", kubeconfig.display().to_string())])
            .env(env.iter().cloned())
            .spawn()?;
        Ok(Self {
            process,
            metrics: format!("http://127.0.0.1:{metrics}/metrics"),
            live: format!("http://127.0.0.1:{live}/readyz"),
        })
    }

    /// Where its metrics are.
    pub fn metrics_url(&self) -> &str {
        &self.metrics
    }

    /// Where its readiness is told.
    pub fn ready_url(&self) -> &str {
        &self.live
    }

    /// Where it tells whether it is alive.
    pub fn alive_url(&self) -> String {
        self.live.replace("/readyz", "/healthz")
    }

    /// The sum of a metric's samples whose labels contain all the given texts.
    ///
    /// # Errors
    /// If the metrics can't be read.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let text = crate::http_get(&self.metrics).await?;
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        // Not `sum`: that of nothing is minus zero.
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, |sum, it| sum + it))
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it couldn't be started.
    pub async fn pid(&self) -> Result<u32> {
        self.process.pid().await
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// If the process is gone.
    pub async fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid().await?)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }

    /// Fails if it has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn alive(&mut self) -> Result<()> {
        match self.process.exited() {
            None => Ok(()),
            Some(status) => Err(Error::new(format!("the controller ended, {status}:\n{}", self.log_tail(30)))),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result {
        self.process.signal(signal)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it is still running after `within`.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        self.process.ended(within).await
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// If it is still running after `within`.
    pub async fn stop(mut self, within: Duration) -> Result<ExitStatus> {
        self.process.terminate(within).await
    }
}
