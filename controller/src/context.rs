//! What every reconcile is handed.

use std::sync::Arc;
use std::time::Duration;

use api::{SecretStoreSpec, StoreKind};
use engine::Engine;
use kube::Client;
use plan::brake::Brake;
use plan::template;
use providers::{Environment, HttpClients};
use telemetry::Metrics;

use crate::deletions::Deletions;
use crate::events::Events;
use crate::ingest::generic::GenericTargets;
use crate::workqueue::Workqueue;
use crate::world::{Key, StoreKey, World};

/// The settings that decisions need.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) controller_class: String,
    pub(crate) store_interval: Duration,
    pub(crate) flood_gate: bool,
    pub(crate) cluster_stores: bool,
    pub(crate) secret_stores: bool,
    /// Whether targets may be of any kind.
    pub(crate) generic_targets: bool,
    /// Whether a filled Secret of nobody is taken over.
    pub(crate) adopt_existing: bool,
    pub(crate) deletion_brake: Option<Brake>,
}

impl Settings {
    /// Whether a store with this spec is this controller's: of its class, or of none.
    pub(crate) fn handles(&self, spec: &SecretStoreSpec) -> bool {
        spec.controller.as_deref().is_none_or(|class| class.is_empty() || class == self.controller_class)
    }

    /// Whether stores of this kind are validated by this process.
    pub(crate) fn checks(&self, kind: StoreKind) -> bool {
        match kind {
            StoreKind::SecretStore => self.secret_stores,
            StoreKind::ClusterSecretStore => self.cluster_stores,
        }
    }
}

/// Shared by all workers.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) world: World,
    pub(crate) generic_targets: GenericTargets,
    pub(crate) deletions: Deletions,
    /// Objects that share a store are one group.
    pub(crate) external_secrets: Arc<Workqueue<Key, StoreKey>>,
    pub(crate) stores: Arc<Workqueue<StoreKey, ()>>,
    pub(crate) engine: Engine,
    pub(crate) templates: template::Engine,
    pub(crate) environment: Environment,
    pub(crate) http: HttpClients,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
}

impl Context {
    /// Ends a store's sessions: whoever uses it next opens it anew.
    pub(crate) fn retire(&self, key: &StoreKey) {
        self.engine.retire(|identity| {
            identity.kind == key.kind.as_str() && identity.namespace == key.namespace && identity.name == key.name
        });
    }
}
