//! What is kept of each object that the watches tell of, and what the controller remembers of an ExternalSecret.
//!
//! Deliberately not here: where it is kept, and how it is found (`world`).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{ClusterSecretStore, SecretStore, SecretStoreSpec, SecretStoreStatus, StoreKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::event::Note;
use plan::names::{MANAGED_LABEL, OWNER_LABEL};

use crate::fan_out::finalizers::holders;
use crate::turns::Turn;

/// A namespaced object of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
    }
}

/// A store; the namespace of a ClusterSecretStore is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StoreKey {
    pub(crate) kind: StoreKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A store as its watch last told it, both kinds alike.
#[derive(Clone, Debug)]
pub(crate) struct StoreRecord {
    pub(crate) key: StoreKey,
    pub(crate) meta: ObjectMeta,
    pub(crate) spec: SecretStoreSpec,
    pub(crate) status: Option<SecretStoreStatus>,
}

impl StoreRecord {
    pub(crate) fn of_secret_store(object: SecretStore) -> Self {
        let SecretStore { metadata, spec, status } = object;
        let Key { namespace, name } = Key::of(&metadata);
        Self { key: StoreKey { kind: StoreKind::SecretStore, namespace, name }, meta: slim(metadata), spec, status }
    }

    pub(crate) fn of_cluster_secret_store(object: ClusterSecretStore) -> Self {
        let ClusterSecretStore { metadata, spec, status } = object;
        let Key { namespace, name } = Key::of(&metadata);
        Self {
            key: StoreKey { kind: StoreKind::ClusterSecretStore, namespace, name },
            meta: slim(metadata),
            spec,
            status,
        }
    }
}

/// The annotations of a store that mean something.
const KEPT_ANNOTATIONS: [&str; 3] =
    [crate::secret_store::IGNORE_MAINTENANCE, plan::pause::PAUSED_ANNOTATION, plan::brake::ALLOW_ANNOTATION];

/// What of a store's metadata is kept.
fn slim(meta: ObjectMeta) -> ObjectMeta {
    let annotations: BTreeMap<String, String> = meta
        .annotations
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| KEPT_ANNOTATIONS.contains(&key.as_str()))
        .collect();
    ObjectMeta { annotations: Some(annotations), managed_fields: None, ..meta }
}

/// What is kept of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceSeen {
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    /// It is being deleted.
    pub(crate) terminating: bool,
    /// The ClusterExternalSecrets for whose sake the reference holds it.
    pub(crate) holders: Box<[Box<str>]>,
}

impl NamespaceSeen {
    pub(crate) fn of(meta: ObjectMeta) -> Self {
        Self {
            terminating: meta.deletion_timestamp.is_some(),
            holders: holders(&meta),
            labels: Arc::new(meta.labels.unwrap_or_default()),
        }
    }
}

/// What is kept of a Secret that is managed or referenced; foreign Secrets leave no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretSeen {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) managed: bool,
    pub(crate) owner_label: Option<String>,
}

impl SecretSeen {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        let label = |name: &str| meta.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            managed: label(MANAGED_LABEL).as_deref() == Some("true"),
            owner_label: label(OWNER_LABEL),
        }
    }
}

/// What the controller remembers of one ExternalSecret from one reconcile to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The target in the version that was last found to be as wished.
    pub(crate) verified: Option<Verified>,
    /// The last failure that was told as an event: it isn't told again while it stays the same.
    pub(crate) told: Option<Note>,
    /// How things stand besides, as the last refresh told it: entries that were skipped. None before the first one.
    pub(crate) standing: Option<Vec<Note>>,
    /// How often something that it depends on changed since it was last brought in step: if ever, the next reconcile
    /// fetches although no refresh is due. A number, so that a reconcile settles only what it began with.
    pub(crate) changes: u32,
    /// The UID of the Secret that was given our label for its name alone: it isn't given it twice.
    pub(crate) marked: Option<String>,
    /// When an unneeded finalizer is taken away.
    pub(crate) turn: Turn,
    /// The mandate under which the object was last known to be as the API server has it.
    pub(crate) current_under: u64,
}

impl Memory {
    /// Something that the object depends on changed.
    pub(crate) fn changed(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }
}

/// Proof that a version of the target was as wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// Hash of all that went into the wish: an equal wish needs no look at the Secret.
    pub(crate) wish: Option<String>,
}

impl Verified {
    /// The version of a Secret that is as wished; none before the API server gave it one.
    pub(crate) fn of(meta: &ObjectMeta, wish: Option<String>) -> Option<Self> {
        Some(Self { uid: meta.uid.clone()?, resource_version: meta.resource_version.clone()?, wish })
    }
}

/// What a store's last check in this process said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreCheck {
    pub(crate) generation: i64,
    pub(crate) ready: bool,
}
