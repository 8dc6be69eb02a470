//! One open store: the layers around its provider.

use std::sync::Arc;
use std::time::{Duration, Instant};

use provider::{Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};
use telemetry::Metrics;
use tokio::sync::Semaphore;

#[cfg(doc)]
use crate::desk::line::LINGER;
use crate::desk::{Desk, Recovered, late};
use crate::flights::{Flights, Way};
use crate::identity::StoreIdentity;
use crate::keep::{Counted, Keep};
use crate::writes::Writes;

/// A find as a whole, in logs.
pub(crate) const FIND: &str = "GetAllSecrets";
/// Bytes of values that are kept after they were read, and of finds. It spares reads of shared keys when thousands of
/// objects start together, a few seconds long; a store that holds more is read again, which costs calls but nothing else.
const KEPT_READS: usize = 1 << 20;
const KEPT_FINDS: usize = 1 << 20;

/// How much one store may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls to one store at a time.
    pub in_flight: usize,
    /// How long one read may take altogether: the wait for its turn, and the call with its retries. A store whose
    /// `retrySettings` take longer gets what they take, see [`Provider::patience`].
    pub deadline: Duration,
    /// How far a store's `retrySettings` may widen the deadline.
    pub longest_deadline: Duration,
    /// Finds in one store at a time. Each makes some calls at a time of its own.
    pub finds_in_flight: usize,
    /// How long one find may take altogether: it may read thousands of remote keys.
    pub find_deadline: Duration,
    /// How long opening a store may take, login and retries included.
    pub open_deadline: Duration,
    /// Writes to one store at a time, looks before them included.
    pub writes_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 64,
            deadline: Duration::from_secs(30),
            longest_deadline: Duration::from_secs(300),
            finds_in_flight: 4,
            find_deadline: Duration::from_secs(120),
            open_deadline: Duration::from_secs(120),
            writes_in_flight: 16,
        }
    }
}

/// Who asks for a value, as far as it matters for which answer it gets, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Its trigger, on tokio's clock: when whatever made it ask happened. Its answer is of a read that began then or later.
    pub since: Instant,
    /// Its reads take their turns before those of all who aren't urgent. A read of such a one that it joins stays where it
    /// stands.
    pub urgent: bool,
    /// Others are about to ask: where the backend takes many keys in one call, its reads wait for them, [`LINGER`] at most.
    pub followed: bool,
}

impl Asker {
    /// One who isn't urgent and comes alone.
    pub fn usual(since: Instant) -> Self {
        Self { since, urgent: false, followed: false }
    }
}

/// What the handles of an engine share.
pub(crate) struct Common {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) reads: Arc<Keep<ReadKey, Payload>>,
    pub(crate) finds: Arc<Keep<Find, SecretMap>>,
    pub(crate) recovered: Recovered,
    pub(crate) writes: Writes,
}

impl Common {
    pub(crate) fn new(metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            metrics,
            limits,
            reads: Keep::new(KEPT_READS),
            finds: Keep::new(KEPT_FINDS),
            recovered: Recovered::default(),
            writes: Writes::default(),
        }
    }
}

/// An open store, shared by all that use it.
pub struct Handle {
    /// Tells its kept answers from those of other handles.
    pub(crate) number: u64,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) desk: Arc<Desk>,
    reads: Flights<ReadKey, Arc<Counted<Payload>>>,
    finds: Flights<Find, Arc<Counted<SecretMap>>>,
    find_permits: Arc<Semaphore>,
    pub(crate) common: Arc<Common>,
}

/// What a find brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Remote names to values.
    pub values: SecretMap,
    /// Whether the names are to be converted before any rewrite, see [`Provider::converts_found_names`].
    pub convert_first: bool,
}

impl Handle {
    pub(crate) fn new(number: u64, provider: Arc<dyn Provider>, identity: StoreIdentity, common: Arc<Common>) -> Self {
        let (metrics, recovered) = (common.metrics.clone(), common.recovered.clone());
        let desk = Arc::new(Desk::new(provider.clone(), identity, metrics, &common.limits, recovered));
        let find_permits = Arc::new(Semaphore::new(common.limits.finds_in_flight));
        Self { number, provider, desk, reads: Flights::default(), finds: Flights::default(), find_permits, common }
    }

    /// One value of the backend.
    ///
    /// # Errors
    /// The provider's. `Timeout` when the store doesn't answer, or gives the read no turn, within the deadline. While the
    /// store can't be reached, its last failure at once; while it wants quiet, what it said, with `Retry::After`.
    pub async fn value(&self, reference: &RemoteRef, asker: Asker) -> Result<SecretBytes, Error> {
        match self.read(&self.provider.read_key(reference), asker).await {
            Ok(payload) => self.provider.value(&payload, reference),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.provider.missing_value(error, reference)),
            Err(error) => Err(error),
        }
    }

    /// All values of one remote key.
    ///
    /// # Errors
    /// As [`Handle::value`].
    pub async fn map(&self, reference: &RemoteRef, asker: Asker) -> Result<SecretMap, Error> {
        let payload = self.read(&self.provider.read_key(reference), asker).await?;
        self.provider.map(&payload, reference)
    }

    /// All remote secrets that match. No asker's find goes before another's.
    ///
    /// # Errors
    /// The provider's; `Timeout` when the find takes longer than its deadline. Otherwise as [`Handle::value`].
    pub async fn find(&self, find: &Find, asker: Asker) -> Result<Found, Error> {
        let asked = asker.since;
        let answer = loop {
            let way = self.finds.ask(
                find,
                Some(asked),
                || self.common.finds.fresh(self.number, find, asked),
                |began| {
                    let (permits, desk) = (self.find_permits.clone(), self.desk.clone());
                    let (common, number, find) = (self.common.clone(), self.number, find.clone());
                    async move {
                        let deadline = common.limits.find_deadline;
                        let work = async {
                            desk.admits(&find)?;
                            let Ok(_permit) = permits.acquire().await else { return Err(closed()) };
                            desk.find(&find, &began).await
                        };
                        let found = tokio::time::timeout(deadline, work).await;
                        let found = found.unwrap_or_else(|_| Err(late_find(deadline)));
                        let answer = found.map(|values| common.finds.count(values));
                        if let Some(began) = began.get() {
                            common.finds.put((number, find), began, &answer, || !desk.is_retired());
                        }
                        answer
                    }
                },
            );
            if let Some(answer) = self.answer(way).await {
                break answer?;
            }
        };
        // The last one to ask gets the map itself, without a copy.
        let values = Arc::try_unwrap(answer).map_or_else(|shared| SecretMap::clone(&shared), Counted::take);
        Ok(Found { values, convert_first: self.provider.converts_found_names() })
    }

    /// Whether the store works.
    pub async fn validate(&self) -> Validation {
        let deadline = self.common.limits.deadline;
        match tokio::time::timeout(deadline, self.provider.validate()).await {
            Ok(validation) => validation,
            Err(_) => Validation::Failed(late("Validate", deadline)),
        }
    }

    /// What the backend can do.
    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    /// Takes it out of use: nothing is kept of it, nor asked for its sake. Who holds it still gets answers.
    pub(crate) fn retire(&self) {
        self.desk.retire();
        self.common.reads.forget(self.number);
        self.common.finds.forget(self.number);
    }

    pub(crate) async fn close(&self) {
        // A backend that is down must not hold up whoever closes.
        if tokio::time::timeout(Duration::from_secs(5), self.provider.close()).await.is_err() {
            tracing::warn!(provider = self.provider.metric_name(), "the session could not be closed in time");
        }
    }

    async fn read(&self, key: &ReadKey, asker: Asker) -> Result<Arc<Counted<Payload>>, Error> {
        let asked = asker.since;
        loop {
            let way = self.reads.ask(
                key,
                Some(asked),
                || self.common.reads.fresh(self.number, key, asked),
                |began| {
                    let (desk, common, number, key) =
                        (self.desk.clone(), self.common.clone(), self.number, key.clone());
                    async move {
                        let answer = desk.read(&key, began.clone(), asker).await;
                        let answer = answer.map(|payload| common.reads.count(payload));
                        if let Some(began) = began.get() {
                            common.reads.put((number, key), began, &answer, || !desk.is_retired());
                        }
                        answer
                    }
                },
            );
            if let Some(answer) = self.answer(way).await {
                return answer;
            }
        }
    }

    /// Waits for the answer; none if the question must be asked again.
    async fn answer<V: Clone>(&self, way: Way<V>) -> Option<Result<V, Error>> {
        match way {
            Way::Kept(answer) => {
                self.common.metrics.shared_read(self.provider.metric_name());
                Some(answer)
            }
            Way::Joined(landing) => {
                self.common.metrics.shared_read(self.provider.metric_name());
                Some(landing.await)
            }
            Way::Started(landing) => Some(landing.await),
            Way::After(landing) => {
                // Not this asker's answer.
                drop(landing.await);
                None
            }
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, FIND, "the store is closed")
}

fn late_find(deadline: Duration) -> Error {
    let text = format!(
        "find did not end within {} s; narrow spec.dataFrom[].find by name, path or tags, or check that the provider \
         answers in time",
        deadline.as_secs()
    );
    Error::new(ErrorKind::Timeout, FIND, text)
}
