//! A cluster as tests see it: clients, kubeconfigs of service accounts, manifests applied.
//!
//! Not here: the processes of the control plane (`controlplane`), our programs (`operator`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::controlplane::{ControlPlane, Entry, kubeconfig_text};
use crate::deps;
use crate::error::{Context, Error, Result};
use crate::manifests::{self, Part};
use crate::wait;

/// A cluster with an administrator's client.
pub struct Cluster {
    client: Client,
    server: String,
    ca: String,
    kubeconfig: PathBuf,
    folder: PathBuf,
    namespaces: AtomicUsize,
    // Last: the clients above are closed before their server goes.
    control_plane: Option<ControlPlane>,
}

impl Cluster {
    /// Starts a control plane of its own; with `E2E_USE_KUBECONFIG=1`, uses the cluster of `KUBECONFIG` instead. That
    /// one must run on this machine, since its API server calls the webhook at a loopback address.
    ///
    /// # Errors
    /// If the control plane doesn't start, or the kubeconfig can't be used.
    pub async fn start() -> Result<Self> {
        install_crypto();
        if std::env::var("E2E_USE_KUBECONFIG").is_ok_and(|value| value == "1") {
            return Self::existing().await;
        }
        Self::of(ControlPlane::start().await?).await
    }

    /// Starts a control plane of its own that keeps an audit log, whatever `E2E_USE_KUBECONFIG` says.
    ///
    /// # Errors
    /// If the control plane doesn't start.
    pub async fn audited() -> Result<Self> {
        install_crypto();
        Self::of(ControlPlane::audited().await?).await
    }

    async fn of(control_plane: ControlPlane) -> Result<Self> {
        let kubeconfig = control_plane.folder().join("kubeconfig");
        Ok(Self {
            client: client_of(&kubeconfig).await?,
            server: control_plane.server().to_owned(),
            ca: control_plane.ca().to_owned(),
            folder: control_plane.folder().to_owned(),
            kubeconfig,
            namespaces: AtomicUsize::new(0),
            control_plane: Some(control_plane),
        })
    }

    async fn existing() -> Result<Self> {
        let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").context("E2E_USE_KUBECONFIG needs KUBECONFIG")?);
        let parsed = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
        let ca = match config.root_cert.as_deref() {
            Some([first, ..]) => pem("CERTIFICATE", first),
            _ => String::new(),
        };
        // Nobody removes this folder when the process is gone, so it is one that the next run uses again.
        let folder = deps::repository().join("target/e2e");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            server: config.cluster_url.to_string(),
            ca,
            client: Client::try_from(config)?,
            kubeconfig,
            folder,
            namespaces: AtomicUsize::new(0),
            control_plane: None,
        })
    }

    /// What the API server was asked for so far.
    ///
    /// # Errors
    /// If it keeps no audit log ([`Cluster::audited`] does), or that can't be read.
    pub fn audit(&self) -> Result<Vec<Entry>> {
        self.control_plane.as_ref().and_then(ControlPlane::audit).context("this cluster keeps no audit log")?.entries()
    }

    /// An administrator's client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// An administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where logs and kubeconfigs of this cluster go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate that the API server's is to be checked against, PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// A token of this service account, for a day. The account must exist.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.context(format!("token of service account {namespace}/{name}"))?;
        answer.status.and_then(|it| it.token).context("a token request without a token")
    }

    /// Writes a kubeconfig that acts as this service account, with whatever roles it has and no more.
    ///
    /// # Errors
    /// As [`Cluster::service_account_token`].
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        self.service_account_kubeconfig_by(&self.server, namespace, name).await
    }

    /// As [`Cluster::service_account_kubeconfig`], with another URL of the API server.
    ///
    /// # Errors
    /// As [`Cluster::service_account_token`].
    pub async fn service_account_kubeconfig_by(&self, server: &str, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name).await?;
        let file = self.folder.join(format!("kubeconfig-{namespace}-{name}"));
        fs::write(&file, kubeconfig_text(server, &self.ca, namespace, &json!({ "token": token }))?)?;
        Ok(file)
    }

    /// Creates a namespace that no other test has: the given name with a number.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let name = format!("{prefix}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        self.apply_json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        // Secrets can be created at once, but admission of other objects looks the namespace up in a cache.
        let namespaces: Api<Namespace> = Api::all(self.client());
        wait::until(&namespaces, &name, Duration::from_secs(10), "to exist", |it| it.is_some()).await?;
        Ok(name)
    }

    /// Applies the custom resource definitions, the namespace and the controller's account, roles and deployment.
    ///
    /// # Errors
    /// If a manifest is missing or refused.
    pub async fn install(&self) -> Result<()> {
        for part in [Part::Definitions, Part::Controller] {
            for object in manifests::installed(part)? {
                self.apply_json(object).await?;
            }
        }
        Ok(())
    }

    /// Applies a YAML file of one or several documents, or every `.yaml` file of a folder in the order of their names.
    ///
    /// # Errors
    /// If a file can't be read or a document is refused.
    pub async fn apply(&self, path: &Path) -> Result<()> {
        for file in yaml_files(path)? {
            let text = fs::read_to_string(&file).context(file.display())?;
            self.apply_yaml(&text).await.context(file.display())?;
        }
        Ok(())
    }

    /// Applies the documents of a YAML text.
    ///
    /// # Errors
    /// If it isn't YAML or a document is refused.
    pub async fn apply_yaml(&self, text: &str) -> Result<Vec<DynamicObject>> {
        let mut applied = Vec::new();
        for document in documents(text)? {
            applied.push(self.apply_json(document).await?);
        }
        Ok(applied)
    }

    /// Applies one object and returns it as stored. An applied definition is waited for until it is served.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn apply_json(&self, object: Value) -> Result<DynamicObject> {
        let stored = self.patch(&object, &PatchParams::apply("e2e").force().validation_strict()).await?;
        if object["kind"] == "CustomResourceDefinition" {
            let (api, name) = self.address(&object)?;
            wait::until(&api, &name, Duration::from_secs(30), "to be established", |it| {
                it.is_some_and(|it| wait::condition(it, "Established").is_some_and(|it| it.status == "True"))
            })
            .await?;
        }
        Ok(stored)
    }

    /// Whether the API server would take this object as it is, with no field that it doesn't know. Writes nothing.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn would_take(&self, object: &Value) -> Result {
        self.patch(object, &PatchParams::apply("e2e").force().validation_strict().dry_run()).await.map(drop)
    }

    async fn patch(&self, object: &Value, params: &PatchParams) -> Result<DynamicObject> {
        let (api, name) = self.address(object)?;
        api.patch(&name, params, &Patch::Apply(object)).await.context(describe(object))
    }

    /// Creates one object and returns the API server's answer, whatever it is.
    ///
    /// # Errors
    /// If the object has no kind or no name.
    pub async fn create(&self, object: Value) -> Result<kube::Result<DynamicObject>> {
        let (api, _) = self.address(&object)?;
        Ok(api.create(&PostParams::default(), &serde_json::from_value(object)?).await)
    }

    /// Writes a Secret of these keys and plain values.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn write_secret(&self, namespace: &str, name: &str, values: &[(&str, &str)]) -> Result<()> {
        let values: serde_json::Map<String, Value> =
            values.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        self.apply_json(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace}, "stringData": values,
        }))
        .await?;
        Ok(())
    }

    /// The Secrets of a namespace.
    pub fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client(), namespace)
    }

    /// The objects of one of our kinds, in the version that is stored; all of them without a namespace.
    ///
    /// # Errors
    /// If it isn't one of our kinds.
    pub fn objects(&self, kind: &str, namespace: Option<&str>) -> Result<Api<DynamicObject>> {
        let version = if matches!(kind, "PushSecret" | "ClusterPushSecret") { "v1alpha1" } else { "v1" };
        let resource = resource(&format!("external-secrets.io/{version}"), kind)?.0;
        Ok(match namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        })
    }

    fn address(&self, object: &Value) -> Result<(Api<DynamicObject>, String)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let version = text(&object["apiVersion"]).context("an object without apiVersion")?;
        let kind = text(&object["kind"]).context("an object without kind")?;
        let name = text(&object["metadata"]["name"]).context("an object without metadata.name")?;
        let (resource, namespaced) = resource(&version, &kind)?;
        let api = if namespaced {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
            Api::namespaced_with(self.client(), namespace, &resource)
        } else {
            Api::all_with(self.client(), &resource)
        };
        Ok((api, name))
    }
}

/// A client of the cluster that this kubeconfig names.
///
/// # Errors
/// If the file can't be read.
pub async fn client_of(kubeconfig: &Path) -> Result<Client> {
    install_crypto();
    let parsed = Kubeconfig::read_from(kubeconfig)?;
    Ok(Client::try_from(Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?)?)
}

/// Chooses the process's one TLS implementation. Every entry calls it; only the first call has an effect.
pub fn install_crypto() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap_or_default();
}

/// The documents of a YAML text, empty ones left out.
///
/// # Errors
/// If it isn't YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(all.into_iter().filter(|it| !it.is_null()).collect())
}

/// A file, or the `.yaml` files of a folder in the order of their names.
///
/// # Errors
/// If the folder can't be read.
pub fn yaml_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).context(path.display())? {
        let file = entry?.path();
        if file.extension().is_some_and(|it| it == "yaml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// How kinds map to URLs. A table and not a question to the server: a definition that was applied a moment ago may be
/// missing in discovery.
fn resource(api_version: &str, kind: &str) -> Result<(ApiResource, bool)> {
    let (plural, namespaced) = match kind {
        "Certificate" => ("certificates", true),
        "ClusterExternalSecret" => ("clusterexternalsecrets", false),
        "ClusterGenerator" => ("clustergenerators", false),
        "ClusterRole" => ("clusterroles", false),
        "ClusterRoleBinding" => ("clusterrolebindings", false),
        "ClusterSecretStore" => ("clustersecretstores", false),
        "ConfigMap" => ("configmaps", true),
        "CustomResourceDefinition" => ("customresourcedefinitions", false),
        "Deployment" => ("deployments", true),
        "ExternalSecret" => ("externalsecrets", true),
        "HorizontalPodAutoscaler" => ("horizontalpodautoscalers", true),
        "MutatingWebhookConfiguration" => ("mutatingwebhookconfigurations", false),
        "Namespace" => ("namespaces", false),
        "NetworkPolicy" => ("networkpolicies", true),
        "Password" => ("passwords", true),
        "PodDisruptionBudget" => ("poddisruptionbudgets", true),
        "PushSecret" => ("pushsecrets", true),
        "Role" => ("roles", true),
        "RoleBinding" => ("rolebindings", true),
        "Secret" => ("secrets", true),
        "SSHKey" => ("sshkeys", true),
        "SecretStore" => ("secretstores", true),
        "Service" => ("services", true),
        "ServiceMonitor" => ("servicemonitors", true),
        "ServiceAccount" => ("serviceaccounts", true),
        "ValidatingWebhookConfiguration" => ("validatingwebhookconfigurations", false),
        "Widget" => ("widgets", true),
        other => return Err(Error::new(format!("kind {other} is missing in the harness's table of kinds"))),
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Ok((ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural), namespaced))
}

fn describe(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
    format!("{} {namespace}/{name}", text(&object["kind"])).replace(" /", " ")
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let encoded = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|it| std::str::from_utf8(it).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
