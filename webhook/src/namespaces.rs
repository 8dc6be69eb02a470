//! The default store of each namespace, as its annotation says: kept by a watch, with a look-up for what the watch
//! hasn't brought yet (a namespace that was created or annotated a moment ago).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Api, Client, ResourceExt};

use crate::mutate::DEFAULT_STORE;
use crate::watch;

/// A look-up takes at most this long: less than the 5 s that the API server waits for the webhook.
const LOOKUP: Duration = Duration::from_secs(2);

/// Namespaces and their default stores. Clones share what they know.
#[derive(Clone)]
pub struct Namespaces {
    client: Client,
    /// Annotated namespaces only.
    known: Arc<RwLock<BTreeMap<String, String>>>,
}

impl Namespaces {
    /// Knows nothing yet; [`Namespaces::follow`] fills it.
    pub fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// The annotation of a namespace, or `None` if it has none.
    ///
    /// # Errors
    /// A text that says what to do, when the namespace can't be read.
    pub async fn default_store(&self, namespace: &str) -> Result<Option<String>, String> {
        if let Some(known) = self.read().get(namespace) {
            return Ok(Some(known.clone()));
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let failed = |why: &str| {
            format!(
                "spec.secretStoreRef is missing, and the default store of namespace {namespace:?} could not be looked up \
                 ({why}): name a store in spec.secretStoreRef, or try again"
            )
        };
        match tokio::time::timeout(LOOKUP, api.get_metadata_opt(namespace)).await {
            Ok(Ok(found)) => Ok(found.and_then(|namespace| annotation(&namespace))),
            Ok(Err(kube::Error::Api(status))) => Err(failed(&format!("{} {}", status.code, status.reason))),
            Ok(Err(_)) => Err(failed("the API server can't be reached")),
            Err(_) => Err(failed("the API server doesn't answer")),
        }
    }

    /// Follows all namespaces; never ends.
    pub async fn follow(self) {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let mut events = Box::pin(watch::all(api, "namespaces".to_owned()));
        let mut listed = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(namespace) => {
                    if let Some(store) = annotation(&namespace) {
                        listed.insert(namespace.name_any(), store);
                    }
                }
                Event::InitDone => *self.write() = std::mem::take(&mut listed),
                Event::Apply(namespace) => {
                    let name = namespace.name_any();
                    match annotation(&namespace) {
                        Some(store) => self.write().insert(name, store),
                        None => self.write().remove(&name),
                    };
                }
                Event::Delete(namespace) => {
                    self.write().remove(&namespace.name_any());
                }
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, String>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, String>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn annotation(namespace: &PartialObjectMeta<Namespace>) -> Option<String> {
    namespace.metadata.annotations.as_ref()?.get(DEFAULT_STORE).cloned()
}
