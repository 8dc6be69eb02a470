//! The provider `kubernetes`: Secrets of one namespace of this or another cluster.
//!
//! `config.rs` checks the settings, `read.rs` reads and picks values, `find.rs` lists, `push.rs` writes what `desired.rs`
//! says, `review.rs` validates, `error.rs` sorts what the API server says about Secrets. Deliberately not here: the
//! connection (`cluster`).
//! For users: `docs/providers/kubernetes.md`.

mod config;
mod desired;
mod error;
mod find;
mod push;
mod read;
mod review;

use api::{KubernetesProvider, StoreKind};
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::cluster::Cluster;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use config::Settings;

const METRIC_NAME: &str = "Kubernetes";
const READ: &str = "GetSecret";
const LIST: &str = "ListSecrets";

/// An opened `kubernetes` store.
pub(crate) struct Kubernetes {
    cluster: Cluster,
    namespace: String,
    is_cluster_store: bool,
}

/// Checks the settings and looks up the credentials.
pub(crate) async fn open(spec: &KubernetesProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let Settings { connection, namespace } = Settings::of(spec)?;
    if needs_consumer(cx.credentials.as_ref(), connection.namespaces()) {
        let capabilities = Capabilities::ReadWrite;
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: READ, capabilities }));
    }
    let cluster = connection.open(cx).await.map_err(|e| e.context("failed to prepare auth"))?;
    let is_cluster_store = cx.store.kind == StoreKind::ClusterSecretStore;
    Ok(Box::new(Kubernetes { cluster, namespace, is_cluster_store }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &KubernetesProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| names_no_namespace(settings.connection.namespaces()))
}

#[async_trait]
impl Provider for Kubernetes {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    /// The reference takes a missing Secret for a missing remote key in `extract` only; in `data` it is an error that
    /// deletes nothing.
    fn missing_value(&self, _: Error, reference: &RemoteRef) -> Error {
        let text = format!("secrets {} not found", gojson::quote(&reference.read.key));
        Error::new(ErrorKind::Invalid, READ, text)
    }

    async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(self, find, calls).await
    }

    fn converts_found_names(&self) -> bool {
        true
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        review::validate(self).await
    }
}
