//! The provider `crd`: objects of one kind of this or another cluster. It only reads.
//!
//! `config.rs` checks the settings, `key.rs` reads remote keys, `whitelist.rs` says what may be read, `resource.rs` looks the kind
//! up, `read.rs` reads and picks values, `find.rs` lists. Deliberately not here: the connection (`cluster`).
//! For users: `docs/providers/crd.md`.

mod config;
mod find;
mod key;
mod read;
mod resource;
mod whitelist;

use std::sync::atomic::AtomicU64;

use api::StoreKind;
use api::provider::crd::CrdProvider;
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};
use tokio::sync::Mutex;

use crate::OpenContext;
use crate::cluster::Cluster;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use config::{Settings, Wanted};
use key::Key;
use resource::Held;
use whitelist::Whitelist;

/// The reference counts no calls of this provider.
const METRIC_NAME: &str = "Kubernetes/CRD";
const READ: &str = "GetObject";
const LIST: &str = "ListObjects";

/// The version of a read that is allowed for the sake of its property alone. Objects have no versions to ask for.
const BY_PROPERTY: &str = "allowed by its property";

/// An opened `crd` store.
pub(crate) struct Crd {
    cluster: Cluster,
    wanted: Wanted,
    whitelist: Whitelist,
    scope: Scope,
    /// Looked up at the first use, and anew when the store is checked, or an answer shows that the definition was replaced.
    resource: Mutex<Held>,
    /// Counts the look-ups that failed, so that who waited for one knows.
    failed_look_ups: AtomicU64,
}

/// Which objects a store can name.
enum Scope {
    /// Those of all namespaces: a ClusterSecretStore.
    All,
    /// Those of this namespace: a SecretStore.
    Namespace(String),
}

impl Scope {
    fn kind(&self) -> StoreKind {
        match self {
            Self::All => StoreKind::ClusterSecretStore,
            Self::Namespace(_) => StoreKind::SecretStore,
        }
    }
}

/// Checks the settings and looks up the credentials.
pub(crate) async fn open(spec: &CrdProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let Settings { connection, wanted, whitelist } = Settings::of(spec, cx.store.kind)?;
    if needs_consumer(cx.credentials.as_ref(), connection.namespaces()) {
        let capabilities = Capabilities::ReadOnly;
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: READ, capabilities }));
    }
    let cluster = connection.open(cx).await.map_err(|e| e.context("crd: failed to prepare api connection"))?;
    let scope = match (cx.store.kind, &cx.store.namespace) {
        (StoreKind::ClusterSecretStore, _) => Scope::All,
        (StoreKind::SecretStore, namespace) => Scope::Namespace(namespace.clone().unwrap_or_default()),
    };
    let resource = Mutex::new(Held::default());
    Ok(Box::new(Crd { cluster, wanted, whitelist, scope, resource, failed_look_ups: AtomicU64::new(0) }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &CrdProvider) -> bool {
    Settings::of(spec, StoreKind::ClusterSecretStore)
        .is_ok_and(|settings| names_no_namespace(settings.connection.namespaces()))
}

#[async_trait]
impl Provider for Crd {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
    }

    /// The whitelist may allow an object for some properties only. As in the reference nothing else is asked for: else one could
    /// find out which objects there are.
    fn read_key(&self, reference: &RemoteRef) -> ReadKey {
        let RemoteRef { read: ReadKey { key, version: _, metadata: _ }, property } = reference;
        let by_property = Key::of(key, self.scope.kind()).is_ok_and(|object| {
            let property = property.as_deref().filter(|property| !property.is_empty());
            !self.whitelist.permits(object, None) && self.whitelist.permits(object, property)
        });
        ReadKey { key: key.clone(), version: by_property.then(|| BY_PROPERTY.to_owned()), metadata: false }
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

    async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(self, find, calls).await
    }

    fn converts_found_names(&self) -> bool {
        true
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    /// Looks the kind up and asks whether its objects may be read. What may pass by itself doesn't fail the store.
    async fn validate(&self) -> Validation {
        let Err(error) = self.look_up_anew().await else { return Validation::Ready };
        match error.kind() {
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Malformed => {
                Validation::Unknown(Some(error))
            }
            ErrorKind::NotFound
            | ErrorKind::AccessDenied
            | ErrorKind::Unauthenticated
            | ErrorKind::BadProperty
            | ErrorKind::Invalid
            | ErrorKind::Unsupported => Validation::Failed(error),
        }
    }
}
