//! What every reconcile is handed.

use std::sync::Arc;
use std::time::Duration;

use api::StoreKind;
use engine::Engine;
use kube::Client;
use providers::{Environment, HttpClients};
use telemetry::Metrics;

use crate::events::Events;
use crate::queue::Workqueue;
use crate::world::{Key, StoreKey, World};

/// The settings that decisions need.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) controller_class: String,
    pub(crate) store_interval: Duration,
    pub(crate) flood_gate: bool,
    pub(crate) cluster_stores: bool,
    pub(crate) secret_stores: bool,
}

impl Settings {
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
    pub(crate) external_secrets: Workqueue<Key>,
    pub(crate) stores: Workqueue<StoreKey>,
    pub(crate) engine: Engine,
    pub(crate) environment: Environment,
    pub(crate) http: HttpClients,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
}
