//! The store engine: one live handle for each store identity, and what all objects that use it share.
//!
//! Lives here: opening a store once however many ask ([`Engine`]), sharing identical reads and finds in flight, limits and
//! deadlines ([`Handle`]). Deliberately not here: what a backend is (`provider`, `providers`), and who may use which
//! store (`controller`).
//!
//! Nothing is ever shared across two identities: authorisation is not shared.

mod coalesce;
mod handle;
mod identity;

pub use handle::{Found, Handle, Limits};
pub use identity::StoreIdentity;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use provider::{Error, Provider};
use telemetry::Metrics;
use tokio::sync::OnceCell;

type Slot = Arc<OnceCell<Arc<Handle>>>;

/// All open stores.
pub struct Engine {
    slots: Mutex<HashMap<StoreIdentity, Slot>>,
    metrics: Arc<Metrics>,
    limits: Limits,
}

impl Engine {
    /// An engine with no store open.
    pub fn new(metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self { slots: Mutex::default(), metrics, limits }
    }

    /// The handle of `identity`, opened with `open` if there is none. Askers that come while it is being opened wait
    /// for the same attempt; a failed attempt is not kept.
    ///
    /// # Errors
    /// What `open` answered.
    pub async fn handle<F>(&self, identity: &StoreIdentity, open: impl FnOnce() -> F) -> Result<Arc<Handle>, Error>
    where
        F: Future<Output = Result<Box<dyn Provider>, Error>>,
    {
        let slot = self.lock().entry(identity.clone()).or_default().clone();
        let handle = slot
            .get_or_try_init(|| async {
                Ok::<_, Error>(Arc::new(Handle::new(open().await?.into(), self.metrics.clone(), self.limits)))
            })
            .await?;
        Ok(handle.clone())
    }

    /// Takes every handle out of use whose identity matches: the next asker opens the store anew. Reads in flight end
    /// in peace, then the session is closed.
    pub fn retire(&self, matches: impl Fn(&StoreIdentity) -> bool) {
        let retired: Vec<Slot> =
            self.lock().extract_if(|identity, _| matches(identity)).map(|(_, slot)| slot).collect();
        for slot in retired {
            if let Some(handle) = slot.get() {
                let handle = handle.clone();
                tokio::spawn(async move { handle.close().await });
            }
        }
    }

    /// Closes every session: called once, at shutdown.
    pub async fn close(&self) {
        let slots: Vec<Slot> = self.lock().drain().map(|(_, slot)| slot).collect();
        futures::future::join_all(slots.iter().filter_map(|slot| slot.get()).map(|handle| handle.close())).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<StoreIdentity, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
