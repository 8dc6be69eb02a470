//! A store in memory that can be written to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Engine, Handle};
use provider::{
    Calls, Capabilities, Error, Payload, Place, Provider, Push, Pushed, ReadKey, RemoteRef, Removed, Source,
    Validation, Write,
};
use secret::{SecretBytes, SecretMap};

use crate::support::identity;

/// A store of JSON-like secrets: a remote key has properties, and each write reads all, waits, and writes all back.
#[derive(Clone, Default)]
pub(crate) struct Vault(pub(crate) Arc<State>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) secrets: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    pub(crate) trouble: Mutex<Option<Error>>,
    pub(crate) hangs: Mutex<bool>,
    pub(crate) writes: AtomicUsize,
    pub(crate) looks: AtomicUsize,
    pub(crate) at_a_time: AtomicUsize,
    pub(crate) most_at_a_time: AtomicUsize,
}

impl Vault {
    async fn step(&self) -> Result<(), Error> {
        if *self.0.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let now = self.0.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_a_time.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.0.at_a_time.fetch_sub(1, Ordering::SeqCst);
        self.0.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    pub(crate) fn get(&self, key: &str) -> BTreeMap<String, String> {
        self.0.secrets.lock().unwrap().get(key).cloned().unwrap_or_default()
    }

    pub(crate) fn trouble(&self, trouble: Option<Error>) {
        *self.0.trouble.lock().unwrap() = trouble;
    }
}

#[async_trait]
impl Provider for Vault {
    fn metric_name(&self) -> &'static str {
        "Test"
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        "Get"
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        Ok(Payload(SecretBytes::from(format!("{:?}", self.get(&key.key)))))
    }

    fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Ok(payload.0.clone())
    }

    fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
        Ok(SecretMap::new())
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        Validation::Ready
    }
}

#[async_trait]
impl Write for Vault {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let mut whole = self.get(&push.place.key);
        let done = self.step().await;
        calls.made("Put", done.is_ok());
        done?;
        let property = push.place.property.clone().unwrap_or_default();
        whole.insert(property, push.value()?.expose_str().unwrap().to_owned());
        self.0.secrets.lock().unwrap().insert(push.place.key.clone(), whole);
        Ok(Pushed::Written)
    }

    async fn delete(&self, place: &Place, _: &dyn Calls) -> Result<Removed, Error> {
        self.step().await?;
        let gone = self.0.secrets.lock().unwrap().remove(&place.key);
        Ok(gone.map_or(Removed::Absent, |_| Removed::Deleted))
    }

    async fn exists(&self, place: &Place, _: &dyn Calls) -> Result<bool, Error> {
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        self.step().await?;
        Ok(self.0.secrets.lock().unwrap().contains_key(&place.key))
    }
}

pub(crate) async fn open(engine: &Engine, generation: i64, vault: &Vault) -> Arc<Handle> {
    let vault = vault.clone();
    let identity = engine::StoreIdentity { generation, ..identity("vault") };
    engine.handle(&identity, || async { Ok(Box::new(vault) as Box<dyn Provider>) }).await.unwrap()
}

pub(crate) fn place(key: &str, property: &str) -> Place {
    Place { key: key.to_owned(), property: (!property.is_empty()).then(|| property.to_owned()) }
}

pub(crate) fn entry(key: &str, property: &str, value: &str) -> Push {
    let data = SecretMap::from([("k".to_owned(), SecretBytes::from(value))]);
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: Some("k".to_owned()), place: place(key, property), metadata: None }
}

pub(crate) fn text<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| format!("{}: {error}", error.kind().as_str()), |done| format!("{done:?}"))
}

pub(crate) async fn text_of_delete(handle: &Handle) -> [String; 2] {
    [text(handle.delete(place("a", ""), None).await), text(handle.delete(place("a", ""), None).await)]
}
