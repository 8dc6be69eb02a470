//! Writes to one store: their order, their bounds, and what its trouble does to them. On a paused clock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{Behaviour, Store, alone, engine, get, now, seconds};
use crate::vault::{Vault, entry, open, place, text, text_of_delete};
use engine::Limits;
use futures::future::join_all;
use provider::{Error, ErrorKind, Retry};

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
        handle.delete(place("b", ""), None)
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
    assert_eq!(handle.exists(place("a", ""), None).await, Ok(true));
    assert_eq!(text_of_delete(&handle).await, ["Deleted", "Absent"]);
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
