//! What every reconcile is handed.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use api::{ExternalSecretSpec, SecretStoreSpec, StoreKind};
use engine::{Engine, StoreIdentity};
use jiff::tz::TimeZone;
use kube::Client;
use plan::brake::Brake;
use plan::template;
use providers::{Environment, HttpClients};
use telemetry::Metrics;

use crate::deletions::Deletions;
use crate::dependencies::Dependant;
use crate::events::Events;
use crate::fan_out::FanOut;
use crate::ingest::generic::GenericTargets;
use crate::push_secret::{self, Pushes};
use crate::supervision::Supervision;
use crate::tenure::Tenure;
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
    pub(crate) cluster_external_secrets: bool,
    pub(crate) cluster_push_secrets: bool,
    /// Whether PushSecrets are acted on.
    pub(crate) push_secrets: bool,
    /// Whether targets may be of any kind.
    pub(crate) generic_targets: bool,
    /// Whether a filled target of nobody is taken over.
    pub(crate) adopt_existing: bool,
    pub(crate) deletion_brake: Option<Brake>,
    /// By whose clocks sync windows begin.
    pub(crate) zone: TimeZone,
}

impl Settings {
    /// Whether a store with this spec is this controller's: of its class, or of none.
    pub(crate) fn handles(&self, spec: &SecretStoreSpec) -> bool {
        spec.controller.as_deref().is_none_or(|class| class.is_empty() || class == self.controller_class)
    }

    /// Whether an object is left alone for the kind of its own store. As in the reference an entry may name a cluster store
    /// all the same.
    pub(crate) fn ignores(&self, spec: &ExternalSecretSpec) -> bool {
        let kind = spec.secret_store_ref.as_ref().and_then(|store| store.kind);
        kind == Some(StoreKind::ClusterSecretStore) && !self.cluster_stores
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
    pub(crate) fan_out: FanOut,
    /// PushSecrets; those that push to one store first are one group.
    pub(crate) push_secrets: Arc<Workqueue<Key, StoreKey>>,
    pub(crate) pushes: Pushes,
    pub(crate) engine: Engine,
    pub(crate) templates: template::Engine,
    pub(crate) environment: Environment,
    pub(crate) http: HttpClients,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) supervision: Arc<Supervision>,
    pub(crate) settings: Settings,
    pub(crate) tenure: Arc<Tenure>,
}

impl Context {
    /// Ends a store's sessions: whoever uses it next opens it anew.
    pub(crate) fn retire(&self, key: &StoreKey) {
        self.engine.retire(|identity| is_of(identity, key));
    }

    /// Ends the sessions that a store has for these namespaces alone, and forgets what was read for them.
    pub(crate) fn retire_for(&self, key: &StoreKey, consumers: &BTreeSet<String>) {
        for consumer in consumers {
            self.world.depends_on_nothing(&Dependant::Store { key: key.clone(), consumer: Some(consumer.clone()) });
        }
        self.engine.retire(|identity| is_of(identity, key) && consumers.contains(&identity.consumer));
    }

    /// An ExternalSecret of this namespace is gone: what its stores had for the namespace alone goes, unless another
    /// ExternalSecret there uses them.
    pub(crate) fn release_consumer(&self, namespace: &str) {
        // Looked for only where there is something to let go.
        let used = OnceCell::new();
        let is_used = |key: &StoreKey| used.get_or_init(|| self.stores_used_in(namespace)).contains(key);
        for key in self.world.stores_for(namespace) {
            if !is_used(&key) {
                self.world.depends_on_nothing(&Dependant::Store { key, consumer: Some(namespace.to_owned()) });
            }
        }
        self.engine.retire(|identity| {
            let key = || StoreKey {
                kind: StoreKind::ClusterSecretStore,
                namespace: String::new(),
                name: identity.name.clone(),
            };
            identity.consumer == namespace && !is_used(&key())
        });
    }

    fn stores_used_in(&self, namespace: &str) -> HashSet<StoreKey> {
        let objects = self.world.external_secrets(|key, _| key.namespace == namespace);
        let stores = objects.iter().filter_map(|key| self.world.about(key, |brief| brief.stores().to_vec()));
        let pushes = |store: &StoreKey| !push_secret::users(self, store, Some(namespace)).is_empty();
        stores.flatten().chain(self.world.stores(|_| true).into_iter().filter(pushes)).collect()
    }
}

fn is_of(identity: &StoreIdentity, key: &StoreKey) -> bool {
    identity.kind == key.kind.as_str() && identity.namespace == key.namespace && identity.name == key.name
}
