//! Cluster, backends, controller and webhook together, as most cases, the demo and `make cluster` want them.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::DynamicObject;

use crate::backend::{Moto, OpenBao};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::operator::{Controller, Webhook};
use crate::shared::Shared;
use crate::wait;

/// How long anything may take that should happen at once, on a machine that does much else.
pub const SOON: Duration = Duration::from_secs(20);

const LOGIN: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, namespace: $NS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reviewer, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-reviewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{kind: ServiceAccount, name: reviewer, namespace: $NS}]
";

/// The SecretStore `aws` of Secrets Manager, and the Secret `aws` with credentials that moto takes.
pub const AWS_STORE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: aws, namespace: $NS}
stringData: {id: test, secret: test}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: $NS}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
";

/// An ExternalSecret as a row of a table: its name, the `spec` below `secretStoreRef` in YAML flow style, and the wished keys
/// and values.
pub type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a test bed consists of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// OpenBao and moto.
    pub backends: bool,
    /// More arguments for the controller; none: no controller.
    pub controller: Option<Vec<String>>,
    /// How many replicas of the webhook.
    pub webhooks: usize,
}

impl Parts {
    /// Backends and a controller that logs all that it can, no webhook.
    pub fn syncing() -> Self {
        let args = ["--concurrent=8", "--loglevel=debug"];
        Self { backends: true, controller: Some(args.map(str::to_owned).into()), webhooks: 0 }
    }
}

/// Everything that runs. Dropping this ends it all.
pub struct Testbed {
    /// The webhook's replicas, if there are any.
    pub webhook: Option<Webhook>,
    /// The controller, if there is one.
    pub controller: Option<Controller>,
    /// The backends, if there are any.
    pub backends: Option<Backends>,
    /// The cluster.
    pub cluster: Cluster,
}

/// The running backends.
pub struct Backends {
    /// Stands for Vault.
    pub openbao: OpenBao,
    /// Stands for AWS.
    pub moto: Moto,
}

impl Testbed {
    /// Starts the parts; `progress` is told each step before it begins.
    ///
    /// # Errors
    /// If any part doesn't start.
    pub async fn start(parts: &Parts, progress: impl Fn(&str)) -> Result<Self> {
        progress("starting etcd, kube-apiserver and kube-controller-manager");
        let cluster = Cluster::start().await?;
        progress("applying the custom resource definitions and roles");
        cluster.install().await?;
        let backends = if parts.backends {
            progress("starting OpenBao, which stands for Vault, and moto, which stands for AWS");
            let (openbao, moto) = tokio::try_join!(OpenBao::start(cluster.folder()), Moto::start(cluster.folder()))?;
            Some(Backends { openbao, moto })
        } else {
            None
        };
        let controller = match &parts.controller {
            Some(args) => {
                progress("starting the controller under its service account");
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let env = backends.as_ref().map(|it| it.moto.environment()).unwrap_or_default();
                Some(Controller::spawn(&cluster, &args, &env).await?)
            }
            None => None,
        };
        let webhook = if parts.webhooks > 0 {
            progress("starting the webhook's replicas and waiting for their certificate");
            Some(Webhook::spawn(&cluster, parts.webhooks, &[]).await?)
        } else {
            None
        };
        Ok(Self { webhook, controller, backends, cluster })
    }

    /// The running OpenBao.
    ///
    /// # Errors
    /// If this test bed was started without backends.
    pub fn openbao(&self) -> Result<&OpenBao> {
        self.backends.as_ref().map(|it| &it.openbao).ok_or_else(no_backends)
    }

    /// The running moto.
    ///
    /// # Errors
    /// If this test bed was started without backends.
    pub fn moto(&self) -> Result<&Moto> {
        self.backends.as_ref().map(|it| &it.moto).ok_or_else(no_backends)
    }

    /// The running controller.
    ///
    /// # Errors
    /// If this test bed was started without one.
    pub fn controller(&self) -> Result<&Controller> {
        self.controller.as_ref().ok_or_else(|| crate::Error::new("this test bed has no controller"))
    }

    /// Applies a YAML text in which `$NS` stands for the namespace, `$VAULT` for OpenBao's address and `$SERVER` for the
    /// API server's.
    ///
    /// # Errors
    /// If a document is refused.
    pub async fn apply(&self, namespace: &str, yaml: &str) -> Result {
        self.cluster.apply_yaml(&self.filled(namespace, yaml)).await?;
        Ok(())
    }

    /// Makes the service account `app` and lets its tokens log in to OpenBao as `role`, at the mount `kubernetes`: the
    /// cluster vouches for them.
    ///
    /// # Errors
    /// If the API server or OpenBao refuses.
    pub async fn kubernetes_login(&self, namespace: &str, role: &str) -> Result {
        self.apply(namespace, LOGIN).await?;
        let reviewer = self.cluster.service_account_token(namespace, "reviewer").await?;
        let cluster = (self.cluster.server(), self.cluster.ca(), reviewer.as_str());
        self.openbao()?.kubernetes_auth(role, (namespace, "app"), cluster).await
    }

    /// The text with its placeholders filled in, as [`Testbed::apply`] says.
    pub fn filled(&self, namespace: &str, yaml: &str) -> String {
        let vault = self.backends.as_ref().map_or("", |it| it.openbao.address());
        yaml.replace("$NS", namespace).replace("$VAULT", vault).replace("$SERVER", self.cluster.server())
    }

    /// Waits until the ExternalSecret's condition reads so: `STATUS REASON: MESSAGE`.
    ///
    /// # Errors
    /// If it doesn't soon.
    pub async fn says(&self, namespace: &str, name: &str, wished: &str) -> Result<DynamicObject> {
        wait::ready_says(&self.cluster.objects("ExternalSecret", Some(namespace))?, name, SOON, wished).await
    }

    /// Waits until the ExternalSecret is synced.
    ///
    /// # Errors
    /// If it isn't soon.
    pub async fn synced(&self, namespace: &str, name: &str) -> Result<DynamicObject> {
        self.says(namespace, name, "True SecretSynced: secret synced").await
    }

    /// Waits until the SecretStore's condition reads so.
    ///
    /// # Errors
    /// If it doesn't soon.
    pub async fn store_says(&self, namespace: &str, name: &str, wished: &str) -> Result<DynamicObject> {
        wait::ready_says(&self.cluster.objects("SecretStore", Some(namespace))?, name, SOON, wished).await
    }

    /// Waits for an event about the object that contains the text, and returns it as `TYPE REASON: MESSAGE`.
    ///
    /// # Errors
    /// If there is none soon.
    pub async fn event(&self, namespace: &str, name: &str, part: &str) -> Result<String> {
        wait::event(&self.cluster.client(), namespace, name, SOON, |text| text.contains(part)).await
    }

    /// The Secret's keys and values as texts.
    ///
    /// # Errors
    /// If there is no such Secret.
    pub async fn values(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>> {
        let secret = self.cluster.secrets(namespace).get(name).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(secret.data.unwrap_or_default().iter().map(|(key, value)| (key.clone(), text(&value.0))).collect())
    }

    /// Applies ExternalSecrets of one SecretStore and waits for what each must come to.
    ///
    /// # Errors
    /// If one isn't synced soon, or its Secret holds something else.
    pub async fn deliver(&self, namespace: &str, store: &str, rows: &[Row]) -> Result {
        for (name, spec, _) in rows {
            let head = format!(
                "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n"
            );
            self.apply(namespace, &format!("{head}spec:\n  secretStoreRef: {{name: {store}}}\n  {spec}\n")).await?;
        }
        for (name, _, wished) in rows {
            self.synced(namespace, name).await?;
            let values = self.values(namespace, name).await?;
            let wished = wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            if values != wished {
                return Err(crate::Error::new(format!("{name} holds {values:?}, not {wished:?}")));
            }
        }
        Ok(())
    }

    /// The logs of controller and webhook.
    pub fn logs(&self) -> String {
        let controller = self.controller.as_ref().map(Controller::log).unwrap_or_default();
        controller + &self.webhook.as_ref().map(Webhook::log).unwrap_or_default()
    }
}

/// The cases of one test file, which share a test bed.
pub struct Suite {
    bed: Shared<Testbed>,
    parts: fn() -> Parts,
}

impl Suite {
    /// Cases that need these parts.
    pub const fn new(parts: fn() -> Parts) -> Self {
        Self { bed: Shared::new(), parts }
    }

    /// Runs a case in a namespace of its own. When it fails, what the programs logged about that namespace is shown.
    ///
    /// # Errors
    /// Those of the case, and of starting the test bed if this is the first.
    pub fn run(&'static self, name: &str, case: impl AsyncFnOnce(&'static Testbed, String) -> Result) -> Result {
        let start = async || Testbed::start(&(self.parts)(), |_| ()).await;
        self.bed.run(start, async |bed| {
            let namespace = bed.cluster.namespace(name).await?;
            let log = LogOnFailure { bed, namespace: &namespace };
            let result = case(bed, namespace.clone()).await;
            if result.is_err() {
                log.show();
            }
            result
        })
    }
}

struct LogOnFailure<'a> {
    bed: &'a Testbed,
    namespace: &'a str,
}

impl LogOnFailure<'_> {
    #[expect(clippy::print_stderr, reason = "shown with the failed test")]
    fn show(&self) {
        let logs = self.bed.logs();
        let lines: Vec<&str> = logs.lines().filter(|line| line.contains(self.namespace)).collect();
        let last = &lines[lines.len().saturating_sub(30)..];
        eprintln!("what was logged about {}:\n{}", self.namespace, last.join("\n"));
    }
}

impl Drop for LogOnFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show();
        }
    }
}

fn no_backends() -> crate::Error {
    crate::Error::new("this test bed has no backends")
}
