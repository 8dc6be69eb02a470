//! Writes to one store: their order, their bounds, and what its trouble does to them. On a paused clock.

#[cfg(test)]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::{Engine, Handle, Limits};
use futures::future::join_all;
use provider::{
    Calls, Capabilities, Error, ErrorKind, Payload, Place, Provider, Push, Pushed, ReadKey, RemoteRef, Removed, Retry,
    Source, Validation, Write,
};
use secret::{SecretBytes, SecretMap};
use support::{Behaviour, Store, alone, engine, get, identity, now, seconds};

/// A store of JSON-like secrets: a remote key has properties, and each write reads all, waits, and writes all back.
#[derive(Clone, Default)]
struct Vault(Arc<State>);

#[derive(Default)]
struct State {
    secrets: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    trouble: Mutex<Option<Error>>,
    hangs: Mutex<bool>,
    writes: AtomicUsize,
    looks: AtomicUsize,
    at_a_time: AtomicUsize,
    most_at_a_time: AtomicUsize,
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

    fn get(&self, key: &str) -> BTreeMap<String, String> {
        self.0.secrets.lock().unwrap().get(key).cloned().unwrap_or_default()
    }

    fn trouble(&self, trouble: Option<Error>) {
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

async fn open(engine: &Engine, generation: i64, vault: &Vault) -> Arc<Handle> {
    let vault = vault.clone();
    let identity = engine::StoreIdentity { generation, ..identity("vault") };
    engine.handle(&identity, || async { Ok(Box::new(vault) as Box<dyn Provider>) }).await.unwrap()
}

fn place(key: &str, property: &str) -> Place {
    Place { key: key.to_owned(), property: (!property.is_empty()).then(|| property.to_owned()) }
}

fn entry(key: &str, property: &str, value: &str) -> Push {
    let data = SecretMap::from([("k".to_owned(), SecretBytes::from(value))]);
    let source = Arc::new(Source { data, ..Source::default() });
    Push { source, secret_key: Some("k".to_owned()), place: place(key, property), metadata: None }
}

fn text<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| format!("{}: {error}", error.kind().as_str()), |done| format!("{done:?}"))
}

#[tokio::test(start_paused = true)]
async fn no_property_of_a_remote_key_is_lost_however_many_write_at_once() {
    let vault = Vault::default();
    let (engine, _) = engine(Limits::default());
    // The store was changed meanwhile: both handles write to the same place.
    let handles = [open(&engine, 1, &vault).await, open(&engine, 2, &vault).await];
    let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    let pushes = names.iter().enumerate().map(|(n, name)| handles[n % 2].push(entry("app", name, "v")));
    for outcome in join_all(pushes).await {
        assert_eq!(text(outcome), "Written");
    }
    assert_eq!(vault.get("app").len(), 20);
    assert_eq!(vault.0.most_at_a_time.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn different_remote_keys_are_written_so_many_at_a_time() {
    let vault = Vault::default();
    let (engine, _) = engine(Limits { writes_in_flight: 4, ..Limits::default() });
    let handle = open(&engine, 1, &vault).await;
    let keys: Vec<String> = (0..40).map(|n| format!("key-{n}")).collect();
    let start = now();
    join_all(keys.iter().map(|key| handle.push(entry(key, "", "v")))).await;
    assert_eq!(vault.0.most_at_a_time.load(Ordering::SeqCst), 4);
    assert_eq!((now() - start).as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_store_gets_one_write_at_a_time_and_is_left_alone_while_it_says_so() {
    let vault = Vault::default();
    let (engine, _) = engine(Limits::default());
    let handle = open(&engine, 1, &vault).await;
    vault.trouble(Some(Error::new(ErrorKind::Throttled, "Put", "slow down").retry(Retry::After(seconds(5)))));
    assert_eq!(text(handle.push(entry("a", "", "v")).await), "Throttled: slow down");
    let refused = handle.push(entry("b", "", "v")).await.unwrap_err();
    assert_eq!(refused.retry_when(), Retry::After(seconds(5)));
    assert_eq!(vault.0.writes.load(Ordering::SeqCst), 1);
    vault.trouble(None);
    tokio::time::sleep(seconds(5)).await;
    vault.0.most_at_a_time.store(0, Ordering::SeqCst);
    let (one, other) = tokio::join!(handle.push(entry("a", "", "v")), handle.push(entry("b", "", "v")));
    assert_eq!((text(one), text(other)), ("Written".to_owned(), "Written".to_owned()));
    assert_eq!(vault.0.most_at_a_time.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_refuses_writes_at_once_and_is_only_looked_at_until_it_is_back() {
    let vault = Vault::default();
    let (engine, _) = engine(Limits::default());
    let mut recovered = engine.recovered();
    let handle = open(&engine, 1, &vault).await;
    vault.trouble(Some(Error::new(ErrorKind::Unavailable, "Put", "down")));
    for _ in 0..10 {
        assert_eq!(text(handle.push(entry("a", "", "v")).await), "Unavailable: down");
    }
    assert_eq!(vault.0.writes.load(Ordering::SeqCst), 5, "then the breaker is open");
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(vault.0.writes.load(Ordering::SeqCst), 5);
    assert!(vault.0.looks.load(Ordering::SeqCst) > 5);
    vault.trouble(None);
    tokio::time::sleep(seconds(7)).await;
    assert_eq!(recovered.recv().await.unwrap().name, "vault");
    assert_eq!(text(handle.push(entry("a", "", "v")).await), "Written");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_says_that_it_may_have_been_made() {
    let vault = Vault::default();
    let (engine, metrics) = engine(Limits::default());
    let handle = open(&engine, 1, &vault).await;
    *vault.0.hangs.lock().unwrap() = true;
    let start = now();
    let (push, second, delete) = tokio::join!(
        handle.push(entry("a", "", "v")),
        handle.push(entry("a", "p", "v")),
        handle.delete(place("b", ""))
    );
    assert_eq!((now() - start).as_secs(), 30);
    let (push, second, delete) = (text(push), text(second), text(delete));
    assert!(push.starts_with("Timeout: the provider did not answer within 30 s"), "{push}");
    assert!(push.ends_with("; the value may or may not have been written"), "{push}");
    assert!(second.starts_with("Timeout: the write had no turn within 30 s and was not made"), "{second}");
    assert!(delete.ends_with("; it may or may not have been deleted"), "{delete}");
    let text = metrics.encode().unwrap();
    assert!(text.contains(r#"call="PushSecret",provider="Test",status="error"} 1"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_when_its_asker_goes_away() {
    let vault = Vault::default();
    let (engine, _) = engine(Limits::default());
    let handle = open(&engine, 1, &vault).await;
    {
        let push = handle.push(entry("a", "", "v"));
        futures::pin_mut!(push);
        assert!(futures::poll!(&mut push).is_pending());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(vault.get("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_write_is_given_to_nobody_after_it() {
    let vault = Vault::default();
    let (engine, metrics) = engine(Limits::default());
    let handle = open(&engine, 1, &vault).await;
    let asked = now();
    assert_eq!(get(&handle, "a", asked).await.as_deref(), Ok("{}"));
    assert_eq!(get(&handle, "b", asked).await.as_deref(), Ok("{}"));
    handle.push(entry("a", "p", "new")).await.unwrap();
    assert_eq!(get(&handle, "a", asked).await.as_deref(), Ok(r#"{"p": "new"}"#));
    get(&handle, "b", asked).await.unwrap();
    let text = metrics.encode().unwrap();
    assert!(text.contains(r#"call="Get",provider="Test",status="success"} 3"#), "{text}");
    assert_eq!(handle.exists(place("a", "")).await, Ok(true));
    assert_eq!(text_of_delete(&handle).await, ["Deleted", "Absent"]);
}

async fn text_of_delete(handle: &Handle) -> [String; 2] {
    [text(handle.delete(place("a", "")).await), text(handle.delete(place("a", "")).await)]
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_pushes_is_named() {
    let store = Store::default();
    store.turns(Behaviour::Good);
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let error = handle.push(entry("a", "", "v")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_when()), (ErrorKind::Unsupported, Retry::Never));
    assert!(error.to_string().starts_with("SecretStore \"store\" cannot be written to"), "{error}");
    assert_eq!(store.calls(), 0);
}
