//! What a store's users share, and what one store's trouble does to them and to others. On a paused clock. Writes are in
//! `writes`.

#[cfg(test)]
mod support;
#[cfg(test)]
mod vault;
#[cfg(test)]
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::{Asker, Handle, Limits};
use futures::StreamExt;
use futures::future::join_all;
use provider::{Error, ErrorKind, Find, Provider, ReadKey, Retry};
use support::{Behaviour, Store, alone, engine, get, identity, now, open, reference, seconds};

/// Objects that are worked on at a time.
const WORKERS: usize = 64;

/// Every object reads three of ten keys, for one trigger, as the queue's workers would. Answers how many failed.
async fn crowd(handle: &Handle, objects: usize) -> usize {
    let asked = now();
    let work = (0..objects).map(|object| async move {
        let keys: Vec<String> = (0..3).map(|n| format!("key-{}", (object + n) % 10)).collect();
        join_all(keys.iter().map(|key| get(handle, key, asked))).await.iter().any(Result::is_err)
    });
    let failed = futures::stream::iter(work).buffer_unordered(WORKERS);
    failed.filter(|failed| std::future::ready(*failed)).count().await
}

#[tokio::test(start_paused = true)]
async fn five_thousand_objects_over_ten_keys_cost_ten_calls() {
    let store = Store::default();
    let (_engine, handle) = alone(&store, Limits::default()).await;
    assert_eq!(crowd(&handle, 5000).await, 0);
    assert_eq!(store.calls(), 10);
}

#[tokio::test(start_paused = true)]
async fn who_asks_because_of_a_change_never_gets_the_value_from_before_it() {
    let store = Store::default();
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let before = now();
    let old = async { get(&handle, "db", before).await };
    let new = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        store.holds("new");
        get(&handle, "db", now()).await
    };
    // The read of the old value is still under way when the second one asks.
    let (old, new) = tokio::join!(old, new);
    assert_eq!((old.as_deref(), new.as_deref()), (Ok("v"), Ok("new")));
    // The newer answer serves the older trigger too, and a later trigger reads again.
    assert_eq!(get(&handle, "db", before).await.as_deref(), Ok("new"));
    assert_eq!(store.calls(), 2);
    tokio::time::sleep(seconds(1)).await;
    store.holds("newest");
    assert_eq!(get(&handle, "db", now()).await.as_deref(), Ok("newest"));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_triggers_never_piles_up_reads() {
    let store = Store::with(|store| store.latency = seconds(1));
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let storm = (0..1000).map(|n| {
        let (handle, store) = (&handle, &store);
        async move {
            tokio::time::sleep(Duration::from_millis(n * 10)).await;
            let began = now();
            store.holds(&format!("{n}"));
            let value: u64 = get(handle, "db", began).await.unwrap().parse().unwrap();
            assert!(value >= n, "{n} was told {value}");
        }
    });
    join_all(storm).await;
    assert_eq!(store.0.most_at_a_time.load(Ordering::SeqCst), 2);
    assert!(store.calls() <= 25, "{}", store.calls());
}

#[tokio::test(start_paused = true)]
async fn values_and_missing_keys_are_kept_for_triggers_before_their_read_and_nothing_else() {
    use Behaviour::{Denied, Down, Good, Missing, Throttles};
    for (behaviour, calls) in [(Good, 1), (Missing, 1), (Denied, 2), (Down("down"), 2), (Throttles(None), 2)] {
        let store = Store::default();
        store.turns(behaviour.clone());
        let (_engine, handle) = alone(&store, Limits::default()).await;
        let asked = now();
        let first = get(&handle, "db", asked).await;
        assert_eq!(get(&handle, "db", asked).await, first);
        assert_eq!(store.calls(), calls, "{behaviour:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn kept_answers_go_with_their_triggers_their_handle_and_their_age() {
    for (what, calls) in [("nothing", 1), ("triggers", 2), ("handle", 2), ("age", 2)] {
        let store = Store::default();
        let (engine, handle) = alone(&store, Limits::default()).await;
        let asked = now();
        get(&handle, "db", asked).await.unwrap();
        match what {
            "triggers" => engine.forget_before(now()),
            "handle" => engine.retire(|_| true),
            "age" => tokio::time::sleep(seconds(62)).await,
            _ => {}
        }
        get(&handle, "db", asked).await.unwrap();
        assert_eq!(store.calls(), calls, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn urgent_reads_go_before_all_others_that_wait() {
    let store = Store::with(|store| store.latency = seconds(1));
    let (_engine, handle) = alone(&store, Limits { in_flight: 1, ..Limits::default() }).await;
    let start = now();
    let read = |key: &'static str, urgent: bool| {
        let handle = &handle;
        async move {
            handle.value(&reference(key), Asker { urgent, ..Asker::usual(start) }).await.unwrap();
            (now() - start).as_secs()
        }
    };
    let took = tokio::join!(
        read("a", false),
        read("b", false),
        read("c", true),
        read("d", false),
        read("e", true),
        read("f", true),
        read("g", true)
    );
    // The fourth turn is that of who waited longest without urgency.
    assert_eq!(took, (4, 6, 1, 7, 2, 3, 5));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_turn_counts_within_the_deadline() {
    let store = Store::default();
    store.turns(Behaviour::Hangs);
    let (_engine, handle) = alone(&store, Limits { in_flight: 1, ..Limits::default() }).await;
    let start = now();
    let (first, second) = tokio::join!(get(&handle, "a", start), get(&handle, "b", start));
    assert!(first.unwrap_err().starts_with("Timeout: the provider did not answer within 30 s"));
    assert!(second.unwrap_err().starts_with("Timeout: the read had no turn within 30 s"));
    assert_eq!((now() - start).as_secs(), 30);
    // The permit came back.
    store.turns(Behaviour::Good);
    assert_eq!(get(&handle, "c", now()).await.as_deref(), Ok("v"));
}

#[tokio::test(start_paused = true)]
async fn retry_settings_widen_the_deadline_up_to_five_minutes() {
    for (patience, want) in [(None, 30), (Some(10), 30), (Some(100), 100), (Some(3600), 300)] {
        let store = Store::with(|store| store.patience = patience.map(seconds));
        store.turns(Behaviour::Hangs);
        let (_engine, handle) = alone(&store, Limits::default()).await;
        let start = now();
        get(&handle, "a", start).await.unwrap_err();
        assert_eq!((now() - start).as_secs(), want, "{patience:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_answers_at_once_and_is_asked_seldom() {
    let store = Store::default();
    let (engine, metrics) = engine(Limits::default());
    let handle = open(&engine, "store", &store).await;
    let open_line = |n: u8| {
        format!(r#"external_secrets_store_breaker_open{{kind="SecretStore",name="store",namespace="shop"}} {n}"#)
    };
    let mut recovered = engine.recovered();
    store.turns(Behaviour::Down("connection refused"));
    let start = now();
    assert_eq!(crowd(&handle, 5000).await, 5000);
    assert!(now() - start < seconds(1), "refused at once");
    assert!(metrics.encode().unwrap().contains(&open_line(1)));
    tokio::time::sleep(seconds(60)).await;
    let asked = now();
    assert_eq!(get(&handle, "other", asked).await.unwrap_err(), "Unavailable: connection refused");
    assert_eq!(now(), asked);
    // Some ten keys' first reads, and a probe every five seconds at most.
    assert!(store.calls() <= 30, "{}", store.calls());
    assert!(recovered.try_recv().is_err());

    store.turns(Behaviour::Good);
    let up = now();
    assert_eq!(recovered.recv().await, Some(identity("store")));
    assert!(now() - up < seconds(7), "{:?}", now() - up);
    assert_eq!(crowd(&handle, 5000).await, 0);
    assert!(metrics.encode().unwrap().contains(&open_line(0)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_swallows_calls_is_found_again_as_soon() {
    let store = Store::default();
    let (engine, handle) = alone(&store, Limits::default()).await;
    let mut recovered = engine.recovered();
    store.turns(Behaviour::Hangs);
    assert_eq!(crowd(&handle, 100).await, 100);
    tokio::time::sleep(seconds(60)).await;
    store.turns(Behaviour::Good);
    let up = now();
    recovered.recv().await.unwrap();
    // Some probes still hang, each up to its deadline.
    assert!(now() - up < seconds(7), "{:?}", now() - up);
}

#[tokio::test(start_paused = true)]
async fn a_find_is_refused_and_found_again_like_a_read() {
    let store = Store::default();
    let (engine, handle) = alone(&store, Limits::default()).await;
    let mut recovered = engine.recovered();
    store.turns(Behaviour::Down("down"));
    for _ in 0..10 {
        assert_eq!(handle.find(&Find::default(), Asker::usual(now())).await.unwrap_err().to_string(), "down");
    }
    assert_eq!(store.0.finds.load(Ordering::SeqCst), 5);
    store.turns(Behaviour::Good);
    recovered.recv().await.unwrap();
    assert_eq!(handle.find(&Find::default(), Asker::usual(now())).await.unwrap().values.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retired_store_is_not_probed() {
    let store = Store::default();
    let (engine, handle) = alone(&store, Limits::default()).await;
    store.turns(Behaviour::Down("down"));
    crowd(&handle, 10).await;
    engine.retire(|_| true);
    let calls = store.calls();
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(store.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn one_stores_trouble_takes_only_its_own_turns() {
    let (dead, good) = (Store::default(), Store::default());
    dead.turns(Behaviour::Hangs);
    let (engine, _) = engine(Limits::default());
    let (dead_handle, good_handle) = (open(&engine, "dead", &dead).await, open(&engine, "good", &good).await);
    let asking = dead_handle.clone();
    let stuck = tokio::spawn(async move { crowd(&asking, 500).await });
    tokio::time::sleep(seconds(1)).await;
    let start = now();
    assert_eq!(crowd(&good_handle, 64).await, 0);
    assert!(now() - start < seconds(1));
    assert_eq!(stuck.await.unwrap(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_says_when_to_come_back_is_left_alone_until_then() {
    let store = Store::default();
    let (_engine, handle) = alone(&store, Limits { in_flight: 1, ..Limits::default() }).await;
    store.turns(Behaviour::Throttles(Some(seconds(20))));
    let start = now();
    // The first is throttled; those that wait behind it are refused with it.
    let names: Vec<String> = (0..10).map(|n| format!("{n}")).collect();
    let references: Vec<_> = names.iter().map(|name| reference(name)).collect();
    for answer in join_all(references.iter().map(|reference| handle.value(reference, Asker::usual(start)))).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Throttled);
    }
    assert_eq!(store.calls(), 1);
    tokio::time::sleep(seconds(5)).await;
    let error = handle.value(&reference("a"), Asker::usual(now())).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.retry_when()), ("slow down", Retry::After(seconds(15))));
    store.turns(Behaviour::Good);
    tokio::time::sleep(seconds(15)).await;
    assert_eq!(get(&handle, "a", now()).await.as_deref(), Ok("v"));
    assert_eq!(store.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_store_gets_half_as_many_calls_at_a_time_and_then_more_again() {
    let store = Store::default();
    let (_engine, handle) = alone(&store, Limits { in_flight: 16, ..Limits::default() }).await;
    let most = async |keys: usize| {
        store.0.most_at_a_time.store(0, Ordering::SeqCst);
        let names: Vec<String> = (0..keys).map(|n| format!("{n}")).collect();
        let asked = now();
        join_all(names.iter().map(|name| get(&handle, name, asked))).await;
        tokio::time::sleep(seconds(1)).await;
        store.0.most_at_a_time.load(Ordering::SeqCst)
    };
    assert_eq!(most(100).await, 16);
    store.turns(Behaviour::Throttles(None));
    most(16).await;
    store.turns(Behaviour::Good);
    assert_eq!(most(8).await, 8);
    assert_eq!(most(1000).await, 16);
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_moment_go_together_and_an_idle_store_answers_at_once() {
    let store = Store::with(|store| store.batch = 20);
    let (engine, metrics) = engine(Limits::default());
    let handle = open(&engine, "store", &store).await;
    let start = now();
    get(&handle, "idle", start).await.unwrap();
    assert_eq!(now() - start, Duration::from_millis(100));

    let names: Vec<String> = (0..105).map(|n| format!("{n}")).collect();
    let asked = now();
    let values = join_all(names.iter().map(|name| get(&handle, name, asked))).await;
    assert!(values.iter().all(Result::is_ok));
    // Four calls at a time.
    assert_eq!(*store.0.calls.lock().unwrap(), [1, 20, 20, 20, 20, 20, 5]);
    assert_eq!(now() - asked, Duration::from_millis(200));
    assert!(metrics.encode().unwrap().contains(r#"external_secrets_batched_reads_total{provider="Test"} 105"#));
}

#[tokio::test(start_paused = true)]
async fn reads_wait_for_those_that_follow_them_but_no_longer_than_a_second() {
    const EACH: u64 = 30;
    // How many come, whether the last one says that others follow, which calls are made, after how many ms the last answer.
    let cases: &[(u64, bool, &[usize], u64)] = &[
        (45, false, &[20, 20, 5], 44 * EACH + 100),
        (19, false, &[19], 18 * EACH + 100),
        (5, true, &[5], 1100),
        (1, false, &[1], 100),
        (1, true, &[1], 1100),
    ];
    for &(reads, more, calls, took) in cases {
        let store = Store::with(|store| store.batch = 20);
        let (_engine, handle) = alone(&store, Limits::default()).await;
        let start = now();
        let work = (0..reads).map(|n| {
            let handle = &handle;
            async move {
                tokio::time::sleep(Duration::from_millis(n * EACH)).await;
                let followed = more || n + 1 < reads;
                handle.value(&reference(&n.to_string()), Asker { followed, ..Asker::usual(now()) }).await.unwrap();
            }
        });
        join_all(work).await;
        assert_eq!(*store.0.calls.lock().unwrap(), calls, "{reads} {more}");
        assert_eq!(now() - start, Duration::from_millis(took), "{reads} {more}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_that_can_not_go_together_do_not_wait_behind_those_that_can() {
    let store = Store::with(|store| store.batch = 20);
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let references: Vec<_> = (0..60)
        .map(|n| {
            let mut reference = reference(&format!("{n}"));
            reference.read.version = (n % 2 == 0).then(|| "1".to_owned());
            reference
        })
        .collect();
    let asked = now();
    join_all(references.iter().map(|reference| handle.value(reference, Asker::usual(asked)))).await;
    // 30 alone, 30 in two calls.
    assert_eq!(store.calls(), 32);
    assert_eq!(store.0.most_at_a_time.load(Ordering::SeqCst), 32);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_costs_neither_permit_nor_key() {
    for batch in [1, 20] {
        let store = Store::with(|store| store.batch = batch);
        let (_engine, handle) = alone(&store, Limits { in_flight: 2, ..Limits::default() }).await;
        store.turns(Behaviour::Panics);
        let names: Vec<String> = (0..10).map(|n| format!("{n}")).collect();
        let asked = now();
        for answer in join_all(names.iter().map(|name| get(&handle, name, asked))).await {
            assert!(answer.unwrap_err().contains("this is a bug"));
        }
        store.turns(Behaviour::Good);
        for answer in join_all(names.iter().map(|name| get(&handle, name, asked))).await {
            assert_eq!(answer.as_deref(), Ok("v"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_goes_away_breaks_nobodys_read() {
    let store = Store::default();
    let (_engine, handle) = alone(&store, Limits { in_flight: 1, ..Limits::default() }).await;
    let asked = now();
    let impatient = |key| tokio::time::timeout(Duration::from_millis(10), get(&handle, key, asked));
    // Both leave: one during its read, one in the queue.
    let (a, b) = tokio::join!(impatient("a"), impatient("b"));
    assert!(a.is_err() && b.is_err());
    let (a, b) = tokio::join!(get(&handle, "a", asked), get(&handle, "b", asked));
    assert_eq!((a.as_deref(), b.as_deref()), (Ok("v"), Ok("v")));
    assert_eq!(store.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn askers_share_one_attempt_to_open_with_its_failure() {
    let (engine, _) = engine(Limits::default());
    let attempts = Arc::new(AtomicUsize::new(0));
    let open = |works: bool| {
        let attempts = attempts.clone();
        move || async move {
            attempts.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(seconds(10)).await;
            match works {
                true => Ok(Box::new(Store::default()) as Box<dyn Provider>),
                false => Err(Error::new(ErrorKind::Unavailable, "Open", "down")),
            }
        }
    };
    let store = identity("store");
    let start = now();
    let opened = join_all((0..100).map(|_| engine.handle(&store, open(false)))).await;
    assert!(opened.iter().all(Result::is_err));
    assert_eq!((now() - start, attempts.load(Ordering::SeqCst)), (seconds(10), 1));

    // The one that opens it goes away.
    assert!(tokio::time::timeout(seconds(1), engine.handle(&store, open(true))).await.is_err());
    assert!(engine.handle(&store, open(false)).await.is_ok());
    assert_eq!(attempts.load(Ordering::SeqCst), 2);

    let stuck = || async { std::future::pending().await };
    let error = engine.handle(&identity("stuck"), stuck).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn identical_finds_are_one_and_only_a_few_run_at_a_time() {
    let store = Store::default();
    let (engine, metrics) = engine(Limits::default());
    let handle = open(&engine, "store", &store).await;
    let wished = |n: usize| Find { name: Some(format!("{}", n % 10)), ..Find::default() };
    let wished: Vec<Find> = (0..20).map(wished).collect();
    let asked = now();
    for _ in 0..2 {
        for answer in join_all(wished.iter().map(|find| handle.find(find, Asker::usual(asked)))).await {
            let found = answer.unwrap();
            assert_eq!((found.values.len(), found.convert_first), (1, true));
        }
    }
    assert_eq!((store.calls(), store.0.most_at_a_time.load(Ordering::SeqCst)), (10, 4));
    let calls = r#"externalsecret_provider_api_calls_count{call="List",provider="Test",status="success"} 10"#;
    assert!(metrics.encode().unwrap().contains(calls));
}

#[tokio::test(start_paused = true)]
async fn a_find_that_does_not_end_is_given_up_with_a_hint() {
    let store = Store::default();
    store.turns(Behaviour::Hangs);
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let start = now();
    // Four run, the fifth waits, and all have the same deadline.
    let wished: Vec<Find> = (0..5).map(|n| Find { name: Some(format!("{n}")), ..Find::default() }).collect();
    for answer in join_all(wished.iter().map(|find| handle.find(find, Asker::usual(start)))).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = "find did not end within 120 s; narrow spec.dataFrom[].find";
        assert!(error.to_string().starts_with(text), "{error}");
    }
    assert_eq!(now() - start, seconds(120));
}

#[tokio::test]
async fn a_provider_says_what_a_missing_key_is_to_a_single_value() {
    let store = Store::default();
    store.turns(Behaviour::Missing);
    let (_engine, handle) = alone(&store, Limits::default()).await;
    let mut reference = reference("k");
    reference.property = Some("p".to_owned());
    assert_eq!(handle.value(&reference, Asker::usual(now())).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(handle.map(&reference, Asker::usual(now())).await.unwrap_err().kind(), ErrorKind::NotFound);
    let ReadKey { key, version: _, metadata: _ } = reference.read;
    assert_eq!(key, "k");
}
