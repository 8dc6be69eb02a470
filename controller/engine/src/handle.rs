//! One open store: the layers around its provider.

use std::sync::Arc;
use std::time::Duration;

use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};
use telemetry::{CallStatus, Metrics};
use tokio::sync::Semaphore;

use crate::coalesce::{Answer, Coalesce};

/// A find as a whole, in logs.
const FIND: &str = "GetAllSecrets";

/// How much one store may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls to one store at a time.
    pub in_flight: usize,
    /// How long one read may take altogether, retries included.
    pub deadline: Duration,
    /// Finds in one store at a time. Each makes some calls at a time of its own.
    pub finds_in_flight: usize,
    /// How long one find may take altogether: it may read thousands of remote keys.
    pub find_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 64,
            deadline: Duration::from_secs(30),
            finds_in_flight: 4,
            find_deadline: Duration::from_secs(120),
        }
    }
}

/// An open store, shared by all that use it.
pub struct Handle {
    provider: Arc<dyn Provider>,
    reads: Coalesce<ReadKey, Payload>,
    finds: Coalesce<Find, SecretMap>,
    permits: Arc<Semaphore>,
    find_permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    limits: Limits,
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
    pub(crate) fn new(provider: Arc<dyn Provider>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            provider,
            reads: Coalesce::default(),
            finds: Coalesce::default(),
            permits: Arc::new(Semaphore::new(limits.in_flight)),
            find_permits: Arc::new(Semaphore::new(limits.finds_in_flight)),
            metrics,
            limits,
        }
    }

    /// One value of the backend.
    ///
    /// # Errors
    /// The provider's; `Timeout` when the store doesn't answer within the deadline.
    pub async fn value(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        match self.read(&reference.read).await {
            Ok(payload) => self.provider.value(&payload, reference),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.provider.missing_value(error, reference)),
            Err(error) => Err(error),
        }
    }

    /// All values of one remote key.
    ///
    /// # Errors
    /// As [`Handle::value`].
    pub async fn map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let payload = self.read(&reference.read).await?;
        self.provider.map(&payload, reference)
    }

    /// All remote secrets that match. Identical finds in flight are one.
    ///
    /// # Errors
    /// The provider's; `Timeout` when the find takes longer than its deadline.
    pub async fn find(&self, find: &Find) -> Result<Found, Error> {
        let (flight, joined) = self.finds.join(find, || {
            let (provider, permits) = (self.provider.clone(), self.find_permits.clone());
            let calls = Counted { provider: provider.metric_name(), metrics: self.metrics.clone() };
            let (deadline, find) = (self.limits.find_deadline, find.clone());
            async move {
                let Ok(_permit) = permits.acquire().await else { return Err(closed(FIND)) };
                let outcome = tokio::time::timeout(deadline, provider.find(&find, &calls)).await;
                outcome.unwrap_or_else(|_| Err(late_find(deadline))).map(Arc::new)
            }
        });
        if joined {
            self.metrics.shared_read(self.provider.metric_name());
        }
        // The last one to ask gets the map itself, without a copy.
        let values = Arc::unwrap_or_clone(flight.await?);
        Ok(Found { values, convert_first: self.provider.converts_found_names() })
    }

    /// Whether the store works.
    pub async fn validate(&self) -> Validation {
        match tokio::time::timeout(self.limits.deadline, self.provider.validate()).await {
            Ok(validation) => validation,
            Err(_) => Validation::Failed(late("Validate", self.limits.deadline)),
        }
    }

    /// What the backend can do.
    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    pub(crate) async fn close(&self) {
        // A backend that is down must not hold up whoever closes.
        if tokio::time::timeout(Duration::from_secs(5), self.provider.close()).await.is_err() {
            tracing::warn!(provider = self.provider.metric_name(), "the session could not be closed in time");
        }
    }

    async fn read(&self, key: &ReadKey) -> Answer<Payload> {
        let (flight, joined) = self.reads.join(key, || {
            let provider = self.provider.clone();
            let permits = self.permits.clone();
            let metrics = self.metrics.clone();
            let (deadline, key) = (self.limits.deadline, key.clone());
            async move {
                let Ok(_permit) = permits.acquire().await else { return Err(closed(provider.call_name(&key))) };
                let outcome = tokio::time::timeout(deadline, provider.read(&key)).await;
                let answer = outcome.unwrap_or_else(|_| Err(late(provider.call_name(&key), deadline)));
                metrics.provider_call(provider.metric_name(), provider.call_name(&key), status(answer.is_ok()));
                answer.map(Arc::new)
            }
        });
        if joined {
            self.metrics.shared_read(self.provider.metric_name());
        }
        flight.await
    }
}

/// Counts the calls of a find.
struct Counted {
    provider: &'static str,
    metrics: Arc<Metrics>,
}

impl Calls for Counted {
    fn made(&self, call: &'static str, succeeded: bool) {
        self.metrics.provider_call(self.provider, call, status(succeeded));
    }
}

fn status(succeeded: bool) -> CallStatus {
    if succeeded { CallStatus::Success } else { CallStatus::Error }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "the store is closed")
}

fn late_find(deadline: Duration) -> Error {
    let text = format!(
        "find did not end within {} s; narrow spec.dataFrom[].find by name, path or tags, or check that the provider \
         answers in time",
        deadline.as_secs()
    );
    Error::new(ErrorKind::Timeout, FIND, text)
}

fn late(operation: &'static str, deadline: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        operation,
        format!(
            "the provider did not answer within {} s; check that its address can be reached from the controller",
            deadline.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Finds one secret after a second; a missing key isn't one for a single value.
    #[derive(Default)]
    struct Slow {
        finds: Arc<AtomicUsize>,
        at_a_time: Arc<AtomicUsize>,
        most_at_a_time: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Provider for Slow {
        fn metric_name(&self) -> &'static str {
            "Slow"
        }

        fn call_name(&self, _: &ReadKey) -> &'static str {
            "Get"
        }

        async fn read(&self, _: &ReadKey) -> Result<Payload, Error> {
            Err(Error::not_found("Get"))
        }

        fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
            Ok(payload.0.clone())
        }

        fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
            Ok(SecretMap::new())
        }

        fn missing_value(&self, _: Error, _: &RemoteRef) -> Error {
            Error::new(ErrorKind::Invalid, "Get", "missing")
        }

        async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
            self.finds.fetch_add(1, Ordering::SeqCst);
            let now = self.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_a_time.fetch_max(now, Ordering::SeqCst);
            let seconds = if find.name.as_deref() == Some("for ever") { u64::MAX } else { 1 };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.at_a_time.fetch_sub(1, Ordering::SeqCst);
            calls.made("List", true);
            Ok(SecretMap::from([("a".to_owned(), SecretBytes::from("1"))]))
        }

        fn converts_found_names(&self) -> bool {
            true
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::ReadOnly
        }

        async fn validate(&self) -> Validation {
            Validation::Ready
        }
    }

    fn named(name: &str) -> Find {
        Find { name: Some(name.to_owned()), ..Find::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn identical_finds_are_one_and_only_a_few_run_at_a_time() {
        let provider = Slow::default();
        let (finds, most) = (provider.finds.clone(), provider.most_at_a_time.clone());
        let metrics = Arc::new(Metrics::new().unwrap());
        let handle = Handle::new(Arc::new(provider), metrics.clone(), Limits::default());
        let wished: Vec<Find> = (0..20).map(|n| named(&format!("{}", n % 10))).collect();
        let answers = futures::future::join_all(wished.iter().map(|find| handle.find(find))).await;
        for answer in answers {
            let found = answer.unwrap();
            assert_eq!((found.values.len(), found.convert_first), (1, true));
        }
        assert_eq!((finds.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (10, 4));
        let calls = r#"externalsecret_provider_api_calls_count{call="List",provider="Slow",status="success"} 10"#;
        assert!(metrics.encode().unwrap().contains(calls));
    }

    #[tokio::test(start_paused = true)]
    async fn a_find_that_does_not_end_is_given_up_with_a_hint() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let handle = Handle::new(Arc::new(Slow::default()), metrics, Limits::default());
        let error = handle.find(&named("for ever")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().starts_with("find did not end within 120 s; narrow spec.dataFrom[].find"), "{error}");
    }

    #[tokio::test]
    async fn a_provider_says_what_a_missing_key_is_to_a_single_value() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let handle = Handle::new(Arc::new(Slow::default()), metrics, Limits::default());
        let read = ReadKey { key: "k".to_owned(), version: None, metadata: false };
        let reference = RemoteRef { read, property: None };
        assert_eq!(handle.value(&reference).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(handle.map(&reference).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
