//! Whose work this process does, and until when it may write.
//!
//! Work is split into buckets: one without sharding, `--shards` with it. A bucket is held under a [`Mandate`], from when its
//! Lease is taken until it is given back; nothing of a bucket is reconciled without one. Whatever a reconcile does, the
//! [`guard`] under the Kubernetes client refuses its writes once the process's own lease is no longer sure.
//!
//! Lives here: mandates, and what runs under them. Deliberately not here: who gets a bucket (`election`, `shards`), what is
//! written into a Lease (`plan::lease`).

mod election;
#[cfg(test)]
mod fixtures;
pub(crate) mod guard;
mod identity;
mod lock;
mod shards;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use api::ExternalSecret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::data;
use plan::lease::{Term, Timing};
use plan::shards as buckets;
use telemetry::Lane;
use tokio::sync::watch;

use crate::clock;
use crate::context::Context;
use crate::external_secret::store_key;
use crate::fan_out::{self, DeclarationKey};
use crate::health::{Listings, all_listed};
use crate::ingest::first_lane_of;
use crate::push_secret;
use crate::world::{Brief, Key, StoreKey};

pub(crate) use identity::identity;
use lock::{Attempt, Lock};
pub(crate) use shards::Sharding;

/// How long running reconciles get to end when the process is told to.
const GRACE: Duration = Duration::from_millis(1500);

/// How it is settled who works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody else does.
    Alone,
    /// Whoever holds the Lease of this name.
    Election { lease: String, timing: Timing },
    /// Everybody, each on what it holds.
    Shards(Sharding),
}

/// Until when this process may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// For ever: nobody else writes.
    Ever,
    /// For this long.
    For(Duration),
    /// Not now.
    No,
}

#[derive(Clone, Copy, Debug)]
enum Validity {
    Ever,
    Until(Term),
    None,
}

/// The right to reconcile what is in a bucket.
struct Mandate {
    number: u64,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    running: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing new begins.
    Draining,
    /// What still runs is cut off.
    Over,
}

/// See the module.
pub(crate) struct Tenure {
    count: u16,
    buckets: RwLock<Vec<Option<Arc<Mandate>>>>,
    validity: Mutex<Validity>,
    /// The last mandate's.
    numbers: watch::Sender<u64>,
    ending: watch::Sender<bool>,
}

impl Tenure {
    /// Everything is ours, for ever.
    pub(crate) fn alone() -> Self {
        let tenure = Self::of(1, Validity::Ever);
        tenure.gain(0);
        tenure
    }

    /// Nothing is ours yet.
    pub(crate) fn vacant(buckets: u16) -> Self {
        Self::of(buckets, Validity::None)
    }

    pub(crate) fn of_mode(mode: &Mode) -> Self {
        match mode {
            Mode::Alone => Self::alone(),
            Mode::Election { lease: _, timing: _ } => Self::vacant(1),
            Mode::Shards(sharding) => Self::vacant(sharding.buckets),
        }
    }

    fn of(buckets: u16, validity: Validity) -> Self {
        Self {
            count: buckets,
            buckets: RwLock::new((0..buckets).map(|_| None).collect()),
            validity: Mutex::new(validity),
            numbers: watch::Sender::new(0),
            ending: watch::Sender::new(false),
        }
    }

    /// The bucket of an ExternalSecret: that of its store, so that reads and logins are shared within one process.
    pub(crate) fn bucket_of(&self, object: &ExternalSecret) -> u16 {
        if self.count == 1 {
            return 0;
        }
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        match data::main_store(&object.spec) {
            Some(store) => self.bucket_of_store(&store_key(&store, namespace)),
            None => self.bucket_of_unreadable(&object.metadata),
        }
    }

    /// As [`Tenure::bucket_of`], of one as it is kept.
    pub(crate) fn bucket_of_kept(&self, key: &Key, brief: &Brief) -> u16 {
        if self.count == 1 {
            return 0;
        }
        match brief.main_store() {
            Some(store) => self.bucket_of_store(store),
            None => self.bucket_of_nothing(key),
        }
    }

    /// The bucket of an ExternalSecret that can't be read, or has no store.
    pub(crate) fn bucket_of_unreadable(&self, meta: &ObjectMeta) -> u16 {
        self.bucket_of_nothing(&Key::of(meta))
    }

    fn bucket_of_nothing(&self, key: &Key) -> u16 {
        buckets::bucket(&["ExternalSecret", &key.namespace, &key.name], self.count)
    }

    /// The bucket of a PushSecret, which may have many stores.
    pub(crate) fn bucket_of_push(&self, key: &Key) -> u16 {
        if self.count == 1 {
            return 0;
        }
        buckets::bucket(&["PushSecret", &key.namespace, &key.name], self.count)
    }

    /// The bucket of a store.
    pub(crate) fn bucket_of_store(&self, store: &StoreKey) -> u16 {
        if self.count == 1 {
            return 0;
        }
        buckets::bucket(&[store.kind.as_str(), &store.namespace, &store.name], self.count)
    }

    /// The bucket of a ClusterExternalSecret or ClusterPushSecret.
    pub(crate) fn bucket_of_declaration(&self, key: &DeclarationKey) -> u16 {
        if self.count == 1 {
            return 0;
        }
        buckets::bucket(&[key.kind.metric().as_str(), &key.name], self.count)
    }

    /// Whether what is in the bucket is this process's to reconcile.
    pub(crate) fn holds(&self, bucket: u16) -> bool {
        self.mandate(bucket).is_some_and(|mandate| mandate.state.borrow().phase == Phase::Open)
    }

    /// Which mandate of this process the bucket is held under; numbers begin at 1, and 0 stands for none.
    pub(crate) fn number(&self, bucket: u16) -> u64 {
        self.mandate(bucket).map_or(0, |mandate| mandate.number)
    }

    /// Waits until the bucket is ours.
    pub(crate) async fn held(&self, bucket: u16) {
        // The sender is ours: it can't be gone.
        self.numbers.subscribe().wait_for(|_| self.holds(bucket)).await.ok();
    }

    /// Runs `work` if the bucket is ours. None if it isn't, or isn't any more before the work is done: then the work is
    /// cut off.
    pub(crate) async fn within<T>(&self, bucket: u16, work: impl Future<Output = T>) -> Option<T> {
        let running = Running::of(self.mandate(bucket)?)?;
        let mut state = running.0.state.subscribe();
        tokio::select! {
            done = work => Some(done),
            _ = state.wait_for(|state| state.phase == Phase::Over) => None,
        }
    }

    /// Until when this process may write.
    pub(crate) fn permit(&self) -> Permit {
        match *self.validity() {
            Validity::Ever => Permit::Ever,
            Validity::Until(term) => term.left(clock::instant(), clock::now()).map_or(Permit::No, Permit::For),
            Validity::None => Permit::No,
        }
    }

    /// The process is to end: the bucket's Leases are given back in order, see [`run`].
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }

    async fn told_to_end(&self) {
        // The sender is ours: it can't be gone.
        self.ending.subscribe().wait_for(|ending| *ending).await.ok();
    }

    fn prolong(&self, term: Term) {
        *self.validity() = Validity::Until(term);
    }

    /// Nothing is written from now on.
    fn forfeit(&self) {
        *self.validity() = Validity::None;
    }

    pub(crate) fn gain(&self, bucket: u16) {
        let number = *self.numbers.borrow() + 1;
        let mandate = Mandate { number, state: watch::Sender::new(State { running: 0, phase: Phase::Open }) };
        self.put(bucket, Some(Arc::new(mandate)));
        self.numbers.send_replace(number);
    }

    /// Lets nothing new begin in the bucket, waits for what runs, at most so long, and cuts off the rest.
    async fn drain(&self, bucket: u16, at_most: Duration) {
        let Some(mandate) = self.mandate(bucket) else { return };
        mandate.state.send_modify(|state| state.phase = Phase::Draining);
        let mut state = mandate.state.subscribe();
        if tokio::time::timeout(at_most, state.wait_for(|state| state.running == 0)).await.is_err() {
            tracing::info!(bucket, "some reconciles did not end in time and are cut off");
        }
        mandate.state.send_modify(|state| state.phase = Phase::Over);
        self.put(bucket, None);
    }

    fn mandate(&self, bucket: u16) -> Option<Arc<Mandate>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(usize::from(bucket)).cloned().flatten()
    }

    fn put(&self, bucket: u16, mandate: Option<Arc<Mandate>>) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = buckets.get_mut(usize::from(bucket)) {
            *place = mandate;
        }
    }

    fn validity(&self) -> MutexGuard<'_, Validity> {
        self.validity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a reconcile while it runs.
struct Running(Arc<Mandate>);

impl Running {
    /// None if nothing new may begin.
    fn of(mandate: Arc<Mandate>) -> Option<Self> {
        let began = mandate.state.send_if_modified(|state| {
            let open = state.phase == Phase::Open;
            state.running += usize::from(open);
            open
        });
        began.then(|| Self(mandate))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.running -= 1);
    }
}

/// Settles who works until the process is told to end, and then hands over.
///
/// # Errors
/// When the process may not work any more: it has to end.
pub(crate) async fn run(
    cx: Arc<Context>,
    mode: Mode,
    leases: kube::Client,
    me: String,
    listed: Listings,
) -> Result<(), String> {
    tokio::select! {
        // Whoever hasn't the whole picture yet takes nothing from one that has.
        all = all_listed(listed) => all?,
        () = cx.tenure.told_to_end() => return Ok(()),
    }
    match mode {
        Mode::Alone => {
            cx.tenure.told_to_end().await;
            cx.tenure.drain(0, GRACE).await;
            Ok(())
        }
        Mode::Election { lease, timing } => election::stand(&cx, leases, lease, me, timing).await,
        Mode::Shards(sharding) => shards::share(&cx, leases, sharding, me).await,
    }
}

/// Renews the Lease that the process works under, and with it its term. Answers why it couldn't any more.
async fn renew(cx: &Context, lock: &mut Lock, timing: &Timing, mut term: Term) -> String {
    loop {
        tokio::time::sleep_until((clock::instant() + timing.retry).min(term.until).into()).await;
        if clock::instant() >= term.until {
            return format!("the lease was not renewed within {:?}", timing.renew_deadline);
        }
        match tokio::time::timeout_at(term.until.into(), lock.attempt()).await {
            Ok(Attempt::Held(renewed)) => {
                term = renewed;
                cx.tenure.prolong(term);
            }
            Ok(Attempt::Lost(holder)) if holder.is_empty() => return "somebody took the lease away".to_owned(),
            Ok(Attempt::Lost(holder)) => return format!("the lease is {holder}'s now"),
            Ok(Attempt::Failed(error)) => tracing::warn!(error = %error, "the lease was not renewed; trying again"),
            // No answer in time; and what is held can't be elsewhere.
            Ok(Attempt::Elsewhere(_)) | Err(_) => {}
        }
    }
}

/// Everything in buckets that are ours from now on is looked at, as after a first listing.
fn wake(cx: &Context, buckets: &[u16]) {
    for key in cx.world.stores(|store| buckets.contains(&cx.tenure.bucket_of_store(&store.key))) {
        cx.stores.wake(key, Lane::New);
    }
    let mine = cx.world.external_secrets(|key, brief| buckets.contains(&cx.tenure.bucket_of_kept(key, brief)));
    let lane_of = |key: Key| cx.world.about(&key, first_lane_of).map(|lane| (key, lane));
    let mine: Vec<(Key, Lane)> = mine.into_iter().filter_map(lane_of).collect();
    cx.external_secrets.wake_all(mine);
    fan_out::watches::wake_buckets(cx, buckets);
    push_secret::gained(cx, buckets);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::fixtures::TIMING;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_lets_nothing_new_begin_and_waits_for_what_runs() {
        let tenure = Arc::new(Tenure::alone());
        let (go, may_go) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn({
            let tenure = tenure.clone();
            async move { tenure.within(0, may_go).await.is_some() }
        });
        tokio::task::yield_now().await;
        let draining = tokio::spawn({
            let tenure = tenure.clone();
            async move { tenure.drain(0, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        assert!(!draining.is_finished());
        assert_eq!(tenure.within(0, async {}).await, None, "nothing new");
        go.send(()).unwrap();
        draining.await.unwrap();
        assert!(running.await.unwrap(), "what ran was done");
        assert_eq!(tenure.number(0), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_cut_off() {
        let tenure = Tenure::alone();
        let forever = tenure.within(0, std::future::pending::<()>());
        let (outcome, ()) = tokio::join!(forever, tenure.drain(0, Duration::from_secs(1)));
        assert_eq!(outcome, None);
        tenure.gain(0);
        assert_eq!(tenure.within(0, async { 1 }).await, Some(1));
        assert_eq!(tenure.number(0), 2, "another mandate");
    }

    #[tokio::test(start_paused = true)]
    async fn writing_is_permitted_until_the_term_is_over_or_forfeit() {
        let tenure = Tenure::vacant(1);
        assert_eq!(tenure.permit(), Permit::No);
        tenure.prolong(Term::of(&TIMING, clock::instant(), clock::now()));
        assert_eq!(tenure.permit(), Permit::For(TIMING.renew_deadline));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(tenure.permit(), Permit::No);
        tenure.prolong(Term { until: clock::instant() + TIMING.lease, until_wall: Timestamp::UNIX_EPOCH });
        assert_eq!(tenure.permit(), Permit::No, "the wall clock says that it is over");
        tenure.prolong(Term::of(&TIMING, clock::instant(), clock::now()));
        tenure.forfeit();
        assert_eq!(tenure.permit(), Permit::No);
    }
}
