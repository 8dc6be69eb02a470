//! A store in memory that answers as it is told, and counts what it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::{Asker, Engine, Handle, Limits, StoreIdentity};
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Retry, Validation};
use secret::{SecretBytes, SecretMap};
use telemetry::Metrics;

/// What the store does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with the value that it had when the call began.
    Good,
    Missing,
    Down(&'static str),
    Denied,
    Throttles(Option<Duration>),
    /// Never answers.
    Hangs,
    Panics,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) behaviour: Mutex<Behaviour>,
    pub(crate) value: Mutex<String>,
    pub(crate) latency: Duration,
    /// Keys in one call; keys with a version go alone.
    pub(crate) batch: usize,
    pub(crate) patience: Option<Duration>,
    /// The sizes of all calls.
    pub(crate) calls: Mutex<Vec<usize>>,
    pub(crate) at_a_time: AtomicUsize,
    pub(crate) most_at_a_time: AtomicUsize,
    pub(crate) finds: AtomicUsize,
}

/// The store. Cloned, it is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Store(pub(crate) Arc<State>);

impl Default for Store {
    fn default() -> Self {
        Self(Arc::new(State {
            behaviour: Mutex::new(Behaviour::Good),
            value: Mutex::new("v".to_owned()),
            latency: Duration::from_millis(100),
            batch: 1,
            patience: None,
            calls: Mutex::default(),
            at_a_time: AtomicUsize::new(0),
            most_at_a_time: AtomicUsize::new(0),
            finds: AtomicUsize::new(0),
        }))
    }
}

impl Store {
    pub(crate) fn with(change: impl FnOnce(&mut State)) -> Self {
        let mut store = Self::default();
        change(Arc::get_mut(&mut store.0).unwrap());
        store
    }

    pub(crate) fn turns(&self, behaviour: Behaviour) {
        *self.0.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn holds(&self, value: &str) {
        *self.0.value.lock().unwrap() = value.to_owned();
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.lock().unwrap().len()
    }

    async fn answer(&self, keys: usize) -> Result<Payload, Error> {
        self.0.calls.lock().unwrap().push(keys);
        let now = self.0.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_a_time.fetch_max(now, Ordering::SeqCst);
        let (behaviour, value) = (self.0.behaviour.lock().unwrap().clone(), self.0.value.lock().unwrap().clone());
        tokio::time::sleep(self.0.latency).await;
        self.0.at_a_time.fetch_sub(1, Ordering::SeqCst);
        match behaviour {
            Behaviour::Good => Ok(Payload(SecretBytes::from(value))),
            Behaviour::Missing => Err(Error::not_found("Get")),
            Behaviour::Down(text) => Err(Error::new(ErrorKind::Unavailable, "Get", text)),
            Behaviour::Denied => Err(Error::new(ErrorKind::AccessDenied, "Get", "denied")),
            Behaviour::Throttles(after) => {
                let error = Error::new(ErrorKind::Throttled, "Get", "slow down");
                Err(after.map_or(error.clone(), |wait| error.retry(Retry::After(wait))))
            }
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Panics => panic!("provider bug"),
        }
    }
}

#[async_trait]
impl Provider for Store {
    fn metric_name(&self) -> &'static str {
        "Test"
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        "Get"
    }

    async fn read(&self, _: &ReadKey) -> Result<Payload, Error> {
        self.answer(1).await
    }

    fn batch(&self, key: &ReadKey) -> usize {
        if key.version.is_none() { self.0.batch } else { 1 }
    }

    async fn read_many(&self, keys: &[ReadKey], calls: &dyn Calls) -> Vec<Result<Payload, Error>> {
        let answer = self.answer(keys.len()).await;
        calls.made("GetMany", answer.is_ok());
        vec![answer; keys.len()]
    }

    fn patience(&self) -> Option<Duration> {
        self.0.patience
    }

    fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Ok(payload.0.clone())
    }

    fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
        Ok(SecretMap::new())
    }

    fn missing_value(&self, error: Error, reference: &RemoteRef) -> Error {
        if reference.property.is_some() { Error::new(ErrorKind::Invalid, "Get", "missing") } else { error }
    }

    async fn find(&self, _: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        self.0.finds.fetch_add(1, Ordering::SeqCst);
        let Payload(value) = self.answer(1).await?;
        calls.made("List", true);
        Ok(SecretMap::from([("a".to_owned(), value)]))
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

pub(crate) fn identity(name: &str) -> StoreIdentity {
    StoreIdentity {
        kind: "SecretStore",
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: "u".to_owned(),
        generation: 1,
        consumer: String::new(),
    }
}

/// An engine, and what it counts.
pub(crate) fn engine(limits: Limits) -> (Engine, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    (Engine::new(metrics.clone(), limits), metrics)
}

pub(crate) async fn open(engine: &Engine, name: &str, store: &Store) -> Arc<Handle> {
    let store = store.clone();
    engine.handle(&identity(name), || async { Ok(Box::new(store) as Box<dyn Provider>) }).await.unwrap()
}

/// A handle of `store` in an engine of its own.
pub(crate) async fn alone(store: &Store, limits: Limits) -> (Engine, Arc<Handle>) {
    let (engine, _) = engine(limits);
    let handle = open(&engine, "store", store).await;
    (engine, handle)
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) fn reference(key: &str) -> RemoteRef {
    RemoteRef { read: ReadKey { key: key.to_owned(), version: None, metadata: false }, property: None }
}

/// The value of `key` for a trigger, as text; an error as its kind and text.
pub(crate) async fn get(handle: &Handle, key: &str, asked: Instant) -> Result<String, String> {
    let value = handle.value(&reference(key), Asker::usual(asked)).await;
    value.map(|v| v.expose_str().unwrap().to_owned()).map_err(|e| format!("{}: {e}", e.kind().as_str()))
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
