//! A Kubernetes control plane of three processes: etcd, kube-apiserver, kube-controller-manager.
//!
//! There are no nodes: nothing is scheduled and no pod runs. RBAC is on, and garbage collection, namespace deletion and
//! service account tokens work. Not here: what is put into it (`cluster`).

mod audit;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::deps::{self, ControlPlanePrograms};
use crate::error::{Context, Error, Result};
use crate::guarded::{Guarded, Launch};
use crate::pki::Pki;
use crate::ports;

pub use audit::{AuditLog, Entry};

/// How long a control plane may take to become ready, on a machine that compiles beside it.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// The running processes; dropping this ends them, the API server before its database.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    server: String,
    ca: String,
    audit: Option<AuditLog>,
    // Field order is drop order.
    _controller_manager: Guarded,
    apiserver: Guarded,
    _etcd: Guarded,
}

impl ControlPlane {
    /// Starts the processes and waits until the API server is ready. Their files lie in a new temporary folder.
    ///
    /// # Errors
    /// If a program is missing or the API server isn't ready in time.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// As [`ControlPlane::start`], with an audit log.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn audited() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(audited: bool) -> Result<Self> {
        let programs = deps::control_plane()?;
        let folder = tempfile::Builder::new().prefix("external-secrets-e2e-").tempdir()?.keep();
        // The programs live on when a start fails half-way only until their guards are dropped with the error.
        Self::start_in(&folder, &programs, audited).await
    }

    async fn start_in(folder: &Path, programs: &ControlPlanePrograms, audited: bool) -> Result<Self> {
        let [etcd_port, peer_port, api_port] = ports::free()?;
        let pki = Pki::new(folder)?;
        pki.server("apiserver", &["127.0.0.1", "localhost", "kubernetes.default", "kubernetes.default.svc"])?;
        pki.service_account_key()?;
        let server = format!("https://127.0.0.1:{api_port}");
        let admin = pki.client("admin", "system:masters")?;
        let credentials = json!({
            "client-certificate-data": BASE64_STANDARD.encode(&admin.cert),
            "client-key-data": BASE64_STANDARD.encode(&admin.key),
        });
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_text(&server, pki.ca(), "default", &credentials)?)?;

        let (audit, audit_args) = if audited { Some(AuditLog::set_up(folder)?) } else { None }.unzip();
        let etcd = Self::etcd(folder, programs, etcd_port, peer_port)?;
        let apiserver = Launch::new("kube-apiserver", &programs.apiserver, folder)
            .args([
                format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={api_port}"),
                format!("--tls-cert-file={}", pki.file("apiserver.crt")),
                format!("--tls-private-key-file={}", pki.file("apiserver.key")),
                format!("--client-ca-file={}", pki.file("ca.crt")),
                format!("--service-account-key-file={}", pki.file("service-account.pub")),
                format!("--service-account-signing-key-file={}", pki.file("service-account.key")),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                format!("--cert-dir={}", folder.display()),
            ])
            .args(audit_args.into_iter().flatten())
            .spawn()?;
        let controllers = [
            "garbage-collector-controller",
            "namespace-controller",
            "root-ca-certificate-publisher-controller",
            "serviceaccount-controller",
            "serviceaccount-token-controller",
        ];
        let controller_manager = Launch::new("kube-controller-manager", &programs.controller_manager, folder)
            .args([
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--controllers={}", controllers.join(",")),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                format!("--service-account-private-key-file={}", pki.file("service-account.key")),
                format!("--root-ca-file={}", pki.file("ca.crt")),
            ])
            .spawn()?;
        let mut this = Self {
            folder: folder.to_owned(),
            server,
            ca: pki.ca().to_owned(),
            audit,
            _controller_manager: controller_manager,
            apiserver,
            _etcd: etcd,
        };
        this.ready().await?;
        Ok(this)
    }

    fn etcd(folder: &Path, programs: &ControlPlanePrograms, port: u16, peer: u16) -> Result<Guarded> {
        Launch::new("etcd", &programs.etcd, folder)
            .args([
                format!("--data-dir={}", folder.join("etcd").display()),
                format!("--listen-client-urls=http://127.0.0.1:{port}"),
                format!("--advertise-client-urls=http://127.0.0.1:{port}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
                // The data is thrown away anyhow, and syncing it to disk is most of a test's time.
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
            ])
            .remove(folder)
            .spawn()
    }

    /// The folder of kubeconfigs and logs; it goes away with the control plane.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate of the authority that signed the API server's, PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The audit log, if there is one.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    async fn ready(&mut self) -> Result<()> {
        let client = crate::cluster::client_of(&self.folder.join("kubeconfig")).await?;
        let started = tokio::time::Instant::now();
        loop {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > READY_WITHIN => {
                    return Err(Error::new(format!("the API server isn't ready after {READY_WITHIN:?}: {error}")));
                }
                Err(_) => {}
            }
            if let Some(status) = self.apiserver.exited() {
                return Err(Error::new(format!("kube-apiserver ended, {status}:\n{}", self.apiserver.log_tail(30))));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A kubeconfig with one cluster, one user and one context, whose namespace is that of the user. JSON, which is YAML too.
///
/// # Errors
/// Never in practice: it is a fixed structure of texts.
pub fn kubeconfig_text(server: &str, ca: &str, namespace: &str, user: &Value) -> Result<String> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {
            "server": server, "certificate-authority-data": BASE64_STANDARD.encode(ca),
        }}],
        "users": [{"name": "e2e", "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e", "namespace": namespace}}],
    });
    serde_json::to_string_pretty(&config).context("kubeconfig")
}
