//! Stores that are opened as the controller opens them, and what is pushed to them. The cases are in one file a provider.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{CaProvider, CaProviderType, SecretKeySelector, ServiceAccountSelector, StoreKind, StoreProvider};
use async_trait::async_trait;
use e2e::Result;
use e2e::backend::{Moto, OpenBao};
use e2e::shared::Shared;
use provider::{
    BesideKind, Calls, Credentials, Error, ErrorKind, Place, Provider, Push, Pushed, ReadKey, RemoteRef, Removed,
    ServiceAccountToken, Source,
};
use providers::{Environment, HttpClients, OpenContext, StoreIdentity};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};

pub(crate) struct Backends {
    pub(crate) bao: OpenBao,
    pub(crate) moto: Moto,
    _folder: tempfile::TempDir,
}

static BACKENDS: Shared<Backends> = Shared::new();

pub(crate) fn with(case: impl AsyncFnOnce(&'static Backends) -> Result) -> Result {
    let start = async || {
        let folder = tempfile::tempdir()?;
        let (bao, moto) = tokio::try_join!(OpenBao::start(folder.path()), Moto::start(folder.path()))?;
        Ok(Backends { bao, moto, _folder: folder })
    };
    BACKENDS.run(start, case)
}

/// Secrets and ConfigMaps by name.
struct Lookup(BTreeMap<&'static str, String>);

impl Lookup {
    fn get(&self, name: &str) -> Result<String, Error> {
        let missing = || Error::new(ErrorKind::Invalid, "Lookup", format!("cannot get {name:?}"));
        self.0.get(name).cloned().ok_or_else(missing)
    }
}

#[async_trait]
impl Credentials for Lookup {
    async fn secret_key(&self, selector: &SecretKeySelector, _: &str) -> Result<SecretBytes, Error> {
        self.get(selector.name.as_deref().unwrap_or_default()).map(SecretBytes::from)
    }

    async fn labelled_secret(&self, selector: &SecretKeySelector, _: &str) -> Result<SecretMap, Error> {
        let name = selector.name.as_deref().unwrap_or_default();
        self.get(name).map(|value| SecretMap::from([(name.to_owned(), SecretBytes::from(value))]))
    }

    async fn certificate_authority(&self, source: &CaProvider) -> Result<Vec<u8>, Error> {
        assert_eq!((source.type_, &source.namespace), (CaProviderType::ConfigMap, &None));
        self.get(&source.name).map(String::into_bytes)
    }

    async fn service_account_token(
        &self,
        _: &ServiceAccountSelector,
        _: &[String],
        _: Duration,
    ) -> Result<ServiceAccountToken, Error> {
        self.get("token").map(|token| ServiceAccountToken { token: token.into(), lifetime: Duration::from_secs(60) })
    }

    async fn service_account_annotations(&self, _: &ServiceAccountSelector) -> Result<BTreeMap<String, String>, Error> {
        Ok(BTreeMap::new())
    }

    async fn own_token(&self) -> Result<SecretBytes, Error> {
        self.get("token").map(SecretBytes::from)
    }

    fn has_consumer(&self) -> bool {
        true
    }

    fn is_cluster_store(&self) -> bool {
        false
    }
}

/// An opened store that counts its calls.
pub(crate) struct Store {
    provider: Box<dyn Provider>,
    made: Mutex<BTreeMap<&'static str, usize>>,
}

impl Calls for Store {
    fn made(&self, call: &'static str, _: bool) {
        *self.made.lock().unwrap().entry(call).or_default() += 1;
    }
}

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*",
    "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}"#;

impl Store {
    pub(crate) async fn open(spec: Value, moto: Option<&Moto>, token: &str, kind: StoreKind) -> Result<Self> {
        let mut environment = Environment::default();
        if let Some(moto) = moto {
            environment.aws.secrets_manager_endpoint = Some(moto.address().to_owned());
            environment.aws.ssm_endpoint = Some(moto.address().to_owned());
        }
        let http = HttpClients::new(&environment).map_err(|error| e2e::Error::new(error.to_string()))?;
        let found = [("token", token), ("id", "AKID"), ("key", "SECRET")];
        let lookup = Lookup(found.map(|(name, value)| (name, value.to_owned())).into());
        let cx = OpenContext {
            store: StoreIdentity { kind, name: "store".to_owned(), namespace: Some("shop".to_owned()) },
            credentials: Arc::new(lookup),
            retry: None,
            environment: &environment,
            http: &http,
        };
        let spec: StoreProvider = serde_json::from_value(spec)?;
        let spec = spec.parse().map_err(|error| e2e::Error::new(format!("{error:?}")))?;
        let provider = providers::open(&spec, cx).await.map_err(|error| e2e::Error::new(error.to_string()))?;
        Ok(Self { provider, made: Mutex::default() })
    }

    pub(crate) async fn vault(bao: &OpenBao, patch: Value) -> Result<Self> {
        Self::vault_as(bao, patch, OpenBao::ROOT_TOKEN).await
    }

    pub(crate) async fn vault_as(bao: &OpenBao, patch: Value, token: &str) -> Result<Self> {
        let auth = json!({"tokenSecretRef": {"name": "token", "key": "k"}});
        let mut spec = json!({"server": bao.address(), "path": "secret", "version": "v2", "auth": auth});
        merge(&mut spec, patch);
        Self::open(json!({ "vault": spec }), None, token, StoreKind::SecretStore).await
    }

    pub(crate) async fn aws(moto: &Moto, patch: Value) -> Result<Self> {
        let auth = json!({"secretRef": {"accessKeyIDSecretRef": {"name": "id", "key": "k"},
            "secretAccessKeySecretRef": {"name": "key", "key": "k"}}});
        let mut spec = json!({"service": "SecretsManager", "region": Moto::REGION, "auth": auth});
        merge(&mut spec, patch);
        Self::open(json!({ "aws": spec }), Some(moto), "", StoreKind::SecretStore).await
    }

    pub(crate) async fn push(&self, push: Push) -> Result<Pushed, Error> {
        let writer = self.provider.writer().unwrap();
        let beside = writer.beside(&push)?.map(|beside| {
            assert_eq!((beside.kind, beside.key.as_str()), (BesideKind::ConfigMap, "k"));
            SecretBytes::from(POLICY)
        });
        writer.push_with(&push, beside.as_ref(), self).await
    }

    pub(crate) async fn delete(&self, key: &str, property: Option<&str>) -> Result<Removed, Error> {
        self.provider.writer().unwrap().delete(&place(key, property), self).await
    }

    pub(crate) async fn exists(&self, key: &str, property: Option<&str>) -> Result<bool, Error> {
        self.provider.writer().unwrap().exists(&place(key, property), self).await
    }

    pub(crate) async fn read(&self, key: &str) -> Result<String, Error> {
        let read = ReadKey { key: key.to_owned(), version: None, metadata: false };
        let payload = self.provider.read(&read).await?;
        let value = self.provider.value(&payload, &RemoteRef { read, property: None })?;
        Ok(value.expose_str().unwrap().to_owned())
    }

    /// The calls since the last look.
    pub(crate) fn calls(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut *self.made.lock().unwrap()).into_iter().collect()
    }
}

fn merge(into: &mut Value, patch: Value) {
    for (key, value) in patch.as_object().unwrap() {
        into[key] = value.clone();
    }
}

fn place(key: &str, property: Option<&str>) -> Place {
    Place { key: key.to_owned(), property: property.map(str::to_owned) }
}

/// One value, pushed as a property or (without one) as it is.
pub(crate) fn value(value: &str, key: &str, property: Option<&str>) -> Push {
    let data = [("k".to_owned(), SecretBytes::from(value))].into();
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: Some("k".to_owned()), place: place(key, property), metadata: None }
}

pub(crate) fn whole(data: &[(&str, &str)], key: &str) -> Push {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value))).collect();
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: None, place: place(key, None), metadata: None }
}

pub(crate) fn metadata(mut push: Push, spec: Value) -> Push {
    let version = "kubernetes.external-secrets.io/v1alpha1";
    push.metadata = Some(json!({"apiVersion": version, "kind": "PushSecretMetadata", "spec": spec}));
    push
}

pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, text: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

pub(crate) const FOREIGN: &str = "secret not managed by external-secrets";
