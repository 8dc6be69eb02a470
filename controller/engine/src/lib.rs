//! The store engine: one live handle for each store identity, and what all objects that use it share.
//!
//! Lives here: opening a store once however many ask ([`Engine`]), and what its handle does around the provider
//! ([`Handle`]): sharing reads by the freshness rule (`flights.rs`, `keep.rs`), turns, batches and probes (`desk.rs`), the
//! breaker and the pace (`breaker.rs`, `pace.rs`, plain data), and writes (`writes.rs`). Deliberately not here: what a backend is (`provider`,
//! `providers`), and who may use which store (`controller`).
//!
//! Nothing is ever shared across two identities: authorisation is not shared.

mod breaker;
mod clock;
mod desk;
mod flights;
mod handle;
mod identity;
mod keep;
mod pace;
mod writes;

pub use desk::line::LINGER;
pub use handle::{Asker, Found, Handle, Limits};
pub use identity::StoreIdentity;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use provider::{Error, ErrorKind, Provider};
use telemetry::Metrics;
use tokio::sync::mpsc;

use crate::flights::{Flights, Way};
use crate::handle::Common;

/// Where one store is opened, and its handle once it is.
#[derive(Default)]
struct Slot {
    openings: Flights<(), Arc<Handle>>,
    handle: OnceLock<Arc<Handle>>,
    retired: AtomicBool,
}

/// All open stores.
pub struct Engine {
    slots: Mutex<HashMap<StoreIdentity, Arc<Slot>>>,
    numbers: AtomicU64,
    common: Arc<Common>,
}

impl Engine {
    /// An engine with no store open.
    pub fn new(metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self { slots: Mutex::default(), numbers: AtomicU64::new(0), common: Arc::new(Common::new(metrics, limits)) }
    }

    /// The handle of `identity`, opened with `open` if there is none. Askers that come while it is being opened share
    /// that attempt, with its failure, so that a store that can't be reached holds nobody up for longer than one attempt;
    /// a failed attempt is not kept. The attempt goes on if its asker goes away.
    ///
    /// # Errors
    /// What `open` answered; `Timeout` when it takes longer than [`Limits::open_deadline`].
    pub async fn handle<F>(&self, identity: &StoreIdentity, open: impl FnOnce() -> F) -> Result<Arc<Handle>, Error>
    where
        F: Future<Output = Result<Box<dyn Provider>, Error>> + Send + 'static,
    {
        let slot = self.lock().entry(identity.clone()).or_default().clone();
        if let Some(handle) = slot.handle.get() {
            return Ok(handle.clone());
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let way = slot.openings.ask(
            &(),
            None,
            || slot.handle.get().cloned().map(Ok),
            |_| {
                let (slot, common, identity, opening) = (slot.clone(), self.common.clone(), identity.clone(), open());
                async move {
                    let deadline = common.limits.open_deadline;
                    let opened = tokio::time::timeout(deadline, opening).await;
                    let provider = opened.unwrap_or_else(|_| Err(late_open(deadline.as_secs())))?;
                    let handle = Arc::new(Handle::new(number, provider.into(), identity, common));
                    let handle = slot.handle.get_or_init(|| handle).clone();
                    if slot.retired.load(Ordering::SeqCst) {
                        // Those who asked before may use it; nobody else will find it.
                        handle.retire();
                    }
                    Ok(handle)
                }
            },
        );
        match way {
            Way::Kept(handle) => handle,
            Way::Joined(landing) | Way::Started(landing) | Way::After(landing) => landing.await,
        }
    }

    /// Takes every handle out of use whose identity matches, and drops its kept answers: the next asker opens the store
    /// anew. Reads in flight end in peace, then the session is closed.
    pub fn retire(&self, matches: impl Fn(&StoreIdentity) -> bool) {
        let mut slots = self.lock();
        let retired: Vec<(StoreIdentity, Arc<Slot>)> = slots.extract_if(|identity, _| matches(identity)).collect();
        let same = |one: &StoreIdentity, other: &StoreIdentity| {
            (one.kind, &one.namespace, &one.name) == (other.kind, &other.namespace, &other.name)
        };
        let gone: Vec<bool> =
            retired.iter().map(|(identity, _)| !slots.keys().any(|other| same(identity, other))).collect();
        drop(slots);
        for ((identity, slot), gone) in retired.into_iter().zip(gone) {
            slot.retired.store(true, Ordering::SeqCst);
            if let Some(handle) = slot.handle.get() {
                handle.retire();
                let handle = handle.clone();
                tokio::spawn(async move { handle.close().await });
            }
            if gone {
                self.common.metrics.forget_session(identity.kind, &identity.namespace, &identity.name);
            }
        }
    }

    /// Drops all kept answers of reads that began before `instant` (tokio's clock). Called with the oldest trigger that
    /// still waits: nobody can be given them any more.
    pub fn forget_before(&self, instant: Instant) {
        self.common.reads.forget_before(instant);
        self.common.finds.forget_before(instant);
    }

    /// Tells of each store that can be reached again after its reads were refused. The objects that failed meanwhile are
    /// still backing off then: whoever listens wakes them. Only the last caller is told.
    pub fn recovered(&self) -> mpsc::UnboundedReceiver<StoreIdentity> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.common.recovered.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Closes every session: called once, at shutdown.
    pub async fn close(&self) {
        let slots: Vec<Arc<Slot>> = self.lock().drain().map(|(_, slot)| slot).collect();
        let handles = slots.iter().filter_map(|slot| slot.handle.get());
        futures::future::join_all(handles.map(|handle| async move {
            handle.retire();
            handle.close().await;
        }))
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreIdentity, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late_open(seconds: u64) -> Error {
    let text = format!(
        "the store could not be opened within {seconds} s; check that its address can be reached from the controller"
    );
    Error::new(ErrorKind::Timeout, "Open", text)
}
