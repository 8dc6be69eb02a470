//! For tests: a provider in memory that can be written to, and does as it is told. Each place holds a value of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use api::StoreKind;
use async_trait::async_trait;
use engine::StoreIdentity;
use provider::{
    Beside, BesideKind, Calls, Capabilities, Error, ErrorKind, Payload, Place, Provider, Push, Pushed, ReadKey,
    RemoteRef, Removed, Retry, Validation, Write,
};
use secret::{SecretBytes, SecretMap};
use tokio::sync::Notify;

use crate::context::Context;
use crate::world::{StoreKey, StoreRecord};

/// Cloned, it is the same one.
#[derive(Clone, Default)]
pub(crate) struct Remote(pub(crate) Arc<State>);

#[derive(Default)]
pub(crate) struct State {
    /// `key` or `key+property` to value.
    pub(crate) values: Mutex<BTreeMap<String, String>>,
    /// What was done: `push app`, `delete app`; looks aren't.
    pub(crate) done: Mutex<Vec<String>>,
    /// How often anybody looked whether something exists.
    pub(crate) looks: Mutex<usize>,
    /// What fails: `push app`, `look app`, `delete app`, or `all`, with a kind and text: `AccessDenied no`.
    pub(crate) fails: Mutex<BTreeMap<String, String>>,
    /// Places that aren't this operator's, where a mark tells.
    pub(crate) foreign: Mutex<BTreeSet<String>>,
    /// Told once something was written.
    pub(crate) written: Notify,
    pub(crate) read_only: bool,
}

pub(crate) fn shown(place: &Place) -> String {
    let Place { key, property } = place;
    property.as_ref().map_or_else(|| key.clone(), |property| format!("{key}+{property}"))
}

impl Remote {
    fn fails(&self, what: &str) -> Result<(), Error> {
        let fails = self.0.fails.lock().unwrap();
        let Some(text) = fails.get(what).or_else(|| fails.get("all")) else { return Ok(()) };
        let (kind, text) = text.split_once(' ').unwrap();
        let (kind, retry) = match kind {
            "Never" => (ErrorKind::Invalid, Retry::Never),
            "After" => (ErrorKind::Throttled, Retry::After(std::time::Duration::from_secs(90))),
            "AccessDenied" => (ErrorKind::AccessDenied, Retry::Backoff),
            "Timeout" => (ErrorKind::Timeout, Retry::Backoff),
            "Invalid" => (ErrorKind::Invalid, Retry::Backoff),
            _ => panic!("{kind}"),
        };
        Err(Error::new(kind, "Test", text).retry(retry))
    }

    pub(crate) fn set(&self, place: &str, value: &str) {
        self.0.values.lock().unwrap().insert(place.to_owned(), value.to_owned());
    }

    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.0.values.lock().unwrap().clone()
    }

    /// What was done since this was last asked.
    pub(crate) fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.done.lock().unwrap())
    }

    /// Stands behind a store whose provider is `fake`.
    pub(crate) async fn stand_behind(&self, cx: &Context, record: &StoreRecord) {
        let StoreKey { kind, namespace, name } = &record.key;
        let identity = StoreIdentity {
            kind: StoreKind::as_str(*kind),
            namespace: namespace.clone(),
            name: name.clone(),
            uid: record.meta.uid.clone().unwrap_or_default(),
            generation: record.meta.generation.unwrap_or_default(),
            consumer: String::new(),
        };
        let remote = self.clone();
        cx.engine.handle(&identity, || async { Ok(Box::new(remote) as Box<dyn Provider>) }).await.unwrap();
    }
}

#[async_trait]
impl Provider for Remote {
    fn metric_name(&self) -> &'static str {
        "Test"
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        "Get"
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        let found = self.0.values.lock().unwrap().get(&key.key).cloned();
        found.map(|value| Payload(SecretBytes::from(value))).ok_or_else(|| Error::not_found("Get"))
    }

    fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Ok(payload.0.clone())
    }

    fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
        Ok(SecretMap::new())
    }

    fn writer(&self) -> Option<&dyn Write> {
        (!self.0.read_only).then_some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        Validation::Ready
    }
}

#[async_trait]
impl Write for Remote {
    async fn push(&self, push: &Push, _: &dyn Calls) -> Result<Pushed, Error> {
        let place = shown(&push.place);
        self.fails(&format!("push {place}"))?;
        if push.metadata.as_ref().is_some_and(|metadata| metadata.get("unknown").is_some()) {
            let text = "unknown field \"unknown\" in metadata.spec";
            return Err(Error::new(ErrorKind::Invalid, "Test", text).retry(Retry::Never));
        }
        if self.0.foreign.lock().unwrap().contains(&place) {
            return Err(Error::new(ErrorKind::Invalid, "Test", "secret not managed by external-secrets"));
        }
        let value = push.value()?.expose_str().unwrap().to_owned();
        let before = self.0.values.lock().unwrap().insert(place.clone(), value.clone());
        if before.as_ref() == Some(&value) {
            return Ok(Pushed::Unchanged);
        }
        self.0.done.lock().unwrap().push(format!("push {place}"));
        self.0.written.notify_one();
        Ok(Pushed::Written)
    }

    /// Metadata names a ConfigMap in `beside`.
    fn beside(&self, push: &Push) -> Result<Option<Beside>, Error> {
        let name = push.metadata.as_ref().and_then(|metadata| metadata["beside"].as_str());
        Ok(name.map(|name| Beside {
            kind: BesideKind::ConfigMap,
            name: name.to_owned(),
            key: "k".to_owned(),
            purpose: "no policy",
        }))
    }

    /// What lies beside is kept at the place with `#`.
    async fn push_with(&self, push: &Push, beside: Option<&SecretBytes>, calls: &dyn Calls) -> Result<Pushed, Error> {
        let pushed = self.push(push, calls).await?;
        if let Some(beside) = beside {
            let place = format!("{}#", shown(&push.place));
            self.0.values.lock().unwrap().insert(place, beside.expose_str().unwrap().to_owned());
        }
        Ok(pushed)
    }

    async fn delete(&self, place: &Place, _: &dyn Calls) -> Result<Removed, Error> {
        let place = shown(place);
        self.fails(&format!("delete {place}"))?;
        if self.0.foreign.lock().unwrap().contains(&place) {
            return Ok(Removed::Foreign);
        }
        if self.0.values.lock().unwrap().remove(&place).is_none() {
            return Ok(Removed::Absent);
        }
        self.0.done.lock().unwrap().push(format!("delete {place}"));
        Ok(Removed::Deleted)
    }

    async fn exists(&self, place: &Place, _: &dyn Calls) -> Result<bool, Error> {
        *self.0.looks.lock().unwrap() += 1;
        let place = shown(place);
        self.fails(&format!("look {place}"))?;
        Ok(self.0.values.lock().unwrap().contains_key(&place))
    }
}
