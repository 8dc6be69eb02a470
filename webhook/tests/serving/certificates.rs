//! Certificates appear, heal, rotate, and readiness tells the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::FakeApi;
use certgen::{Bundle, Clock};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use webhook::run::Limits;

use crate::harness::*;

type Spoil = fn(&FakeApi);

#[tokio::test]
async fn from_nothing_it_becomes_ready_and_judges_under_every_name() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &["--dns-name=localhost,127.0.0.1,hook.example"]).await;
    eventually(SOON, || ready(&running)).await;
    for path in configurations() {
        let client = &api.get(&path).unwrap()["webhooks"][1]["clientConfig"];
        assert_eq!(client["service"], json!({"name": "hook", "namespace": "ns", "path": "/p"}));
        for name in [NAME, "hook.ns.svc.cluster.local", "hook", "localhost", "127.0.0.1", "hook.example"] {
            let mut stream = connect(running.webhook, &published(&api, &path), name).await.unwrap();
            let answer = exchange(&mut stream).await.unwrap();
            assert_eq!(
                answer["response"]["status"]["message"], "either data or dataFrom should be specified",
                "{name}"
            );
        }
    }
    assert_eq!(get(running.healthz.unwrap(), "/healthz").await.0, 200);
    let (_, metrics) = get(running.metrics.unwrap(), "/metrics").await;
    for part in [
        "external_secrets_webhook_certificate_expiration_timestamp_seconds{certificate=\"leaf\"}",
        "certificate=\"ca\",reason=\"absent\"} 1",
    ] {
        assert!(metrics.contains(part), "{metrics}");
    }
}

#[tokio::test]
async fn replicas_that_start_together_share_one_ca() {
    let api = FakeApi::default();
    install(&api);
    let replicas = futures::future::join_all((0..5).map(|_| run(&api, &[]))).await;
    for replica in &replicas {
        eventually(SOON, || ready(replica)).await;
        review(replica.webhook, &published(&api, &configurations()[0])).await.unwrap();
    }
    assert_eq!(stored_bundle(&api).certificates().len(), 1);
    assert_eq!(api.count("PATCH /api/v1/namespaces/ns/secrets"), 0, "nobody replaced what another one made");
}

#[tokio::test]
async fn it_is_not_ready_until_what_is_published_trusts_it() {
    let api = FakeApi::default();
    let running = run(&api, &[]).await;
    eventually(SOON, || async {
        let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
        if why.starts_with("no webhook configuration with the label") { Ok(()) } else { Err(why) }
    })
    .await;
    // An API server that refuses the publication: what is there is empty, then foreign.
    for _ in 0..2_000 {
        for path in configurations() {
            api.refuse_once("PATCH", &path, 403);
        }
    }
    install(&api);
    eventually(SOON, || async {
        let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
        if why.ends_with("caBundle is empty or unreadable\n") { Ok(()) } else { Err(why) }
    })
    .await;
    let foreign = FakeApi::default();
    install(&foreign);
    let other = run(&foreign, &[]).await;
    eventually(SOON, || ready(&other)).await;
    for path in configurations() {
        api.put(&path, foreign.get(&path).unwrap());
    }
    eventually(SOON, || async {
        let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
        if why.contains("doesn't trust the certificate that is served") { Ok(()) } else { Err(why) }
    })
    .await;
    assert_eq!(get(running.healthz.unwrap(), "/healthz").await.0, 200, "it is alive all the same");
}

#[tokio::test]
async fn a_wiped_or_foreign_bundle_is_repaired() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &[]).await;
    eventually(SOON, || ready(&running)).await;
    let path = &configurations()[1];
    let good = published(&api, path);
    for spoiled in [Value::Null, json!(STANDARD.encode("garbage"))] {
        let mut configuration = api.get(path).unwrap();
        configuration["webhooks"][1]["clientConfig"]["caBundle"] = spoiled;
        api.put(path, configuration);
        let took = eventually(SOON, || async {
            if published(&api, path) == good { Ok(()) } else { Err("still spoiled".into()) }
        })
        .await;
        assert!(took < Duration::from_secs(2), "took {took:?}");
        eventually(SOON, || ready(&running)).await;
    }
    assert_eq!(api.count("POST /api/v1/namespaces/ns/secrets"), 1, "the CA stayed");
}

#[tokio::test]
async fn a_deleted_or_broken_secret_is_replaced_with_overlap_and_no_connection_is_closed() {
    let api = FakeApi::default();
    install(&api);
    // The settling time is a tenth of the leaf's life.
    let running = run(&api, &["--cert-lifetime=5s", "--ca-lifetime=1h"]).await;
    eventually(SOON, || ready(&running)).await;
    let mut open = connect(running.webhook, &published(&api, &configurations()[0]), NAME).await.unwrap();
    exchange(&mut open).await.unwrap();
    let broken = |api: &FakeApi| {
        let mut secret = api.get(SECRET).unwrap();
        secret["data"]["ca.key"] = json!(STANDARD.encode("garbage"));
        api.put(SECRET, secret);
    };
    let delete = |api: &FakeApi| api.delete(SECRET);
    let spoil: [(&str, Spoil); 2] = [("deleted", delete), ("broken", broken)];
    for (what, spoil) in spoil {
        let before = stored_bundle(&api).certificates()[0].clone();
        spoil(&api);
        eventually(SOON, || async {
            if api.get(SECRET).is_none() {
                return Err("no Secret".into());
            }
            let bundle = stored_bundle(&api);
            let all_published = configurations().iter().all(|c| published(&api, c) == bundle.pem().as_bytes());
            if bundle.certificates()[0] != before && bundle.contains(&before) && all_published {
                Ok(())
            } else {
                Err("not replaced".into())
            }
        })
        .await;
        // At every moment what is published is enough for a new connection.
        review(running.webhook, &published(&api, &configurations()[2])).await.unwrap();
        let only_new = Bundle::overlapping(
            &stored_bundle(&api).certificates()[0],
            [],
            jiff::Timestamp::UNIX_EPOCH,
            Duration::ZERO,
        )
        .pem();
        eventually(SOON, || async { review(running.webhook, only_new.as_bytes()).await.map(drop) }).await;
        exchange(&mut open).await.unwrap_or_else(|why| panic!("{what}: the open connection broke: {why}"));
        eventually(SOON, || ready(&running)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_and_leaf_rotate_under_load_without_a_failure() {
    let api = FakeApi::default();
    install(&api);
    let flags = ["--ca-lifetime=9s", "--cert-lifetime=6s"];
    let replicas = [run(&api, &flags).await, run(&api, &flags).await];
    for replica in &replicas {
        eventually(SOON, || ready(replica)).await;
    }
    let first = stored_bundle(&api).certificates()[0].clone();
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = replicas
        .iter()
        .map(|r| r.webhook)
        .map(|address| {
            let (api, stop, served) = (api.clone(), stop.clone(), served.clone());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    for path in configurations() {
                        // An API server is always a little behind with what it read.
                        let bundle = published(&api, &path);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        match review(address, &bundle).await {
                            Ok(_) => served.fetch_add(1, Ordering::Relaxed),
                            Err(why) => {
                                failures.push(why);
                                0
                            }
                        };
                    }
                }
                failures
            })
        })
        .collect();
    // Two new CAs later.
    let second = async {
        let mut seen = vec![first];
        while seen.len() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = stored_bundle(&api).certificates()[0].clone();
            if !seen.contains(&now) {
                seen.push(now)
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), second).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Vec::<String>::new());
    }
    assert!(served.load(Ordering::Relaxed) > 50, "{served:?}");
}

#[tokio::test]
async fn it_says_not_ready_before_it_stops_answering() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &[]).await;
    eventually(SOON, || ready(&running)).await;
    let (webhook, healthz) = (running.webhook, running.healthz.unwrap());
    let bundle = published(&api, &configurations()[0]);
    let mut open = connect(webhook, &bundle, NAME).await.unwrap();
    exchange(&mut open).await.unwrap();
    let stopping = tokio::spawn(running.stop(Duration::from_secs(1)));
    eventually(SOON, || async {
        if get(healthz, "/readyz").await == (503, "shutting down\n".into()) { Ok(()) } else { Err("ready".into()) }
    })
    .await;
    review(webhook, &bundle).await.unwrap();
    exchange(&mut open).await.unwrap();
    stopping.await.unwrap();
    assert!(TcpStream::connect(webhook).await.is_err(), "the port is closed");
}

/// Replicas whose clocks are an hour behind, right, and an hour ahead, in every order in which they may come.
#[tokio::test]
async fn replicas_whose_clocks_are_an_hour_off_agree_on_one_ca_that_all_trust() {
    for order in [[-3600, 0, 3600], [3600, 0, -3600], [0, 3600, -3600], [3600, -3600, 0]] {
        let api = FakeApi::default();
        install(&api);
        let mut replicas = Vec::new();
        for skew in order {
            let right = Clock::system();
            let clock = Clock::from_fn(move || right.now() + jiff::SignedDuration::from_secs(skew));
            let replica = run_with(&api, &[], clock, Limits::default()).await;
            eventually(SOON, || ready(&replica)).await;
            replicas.push(replica);
        }
        let settled = stored_bundle(&api);
        for replica in &replicas {
            eventually(SOON, || ready(replica)).await;
            for path in configurations() {
                assert_eq!(published(&api, &path), settled.pem().as_bytes(), "{order:?}");
                review(replica.webhook, &published(&api, &path)).await.unwrap();
            }
        }
        assert_eq!(stored_bundle(&api), settled, "{order:?}: nobody goes on replacing it");
    }
}

#[tokio::test]
async fn a_clock_that_is_put_right_by_years_heals() {
    let api = FakeApi::default();
    install(&api);
    let years = Arc::new(AtomicUsize::new(3));
    let (right, shown) = (Clock::system(), years.clone());
    let clock = Clock::from_fn(move || {
        let years = i64::try_from(shown.load(Ordering::Relaxed)).unwrap();
        right.now() + jiff::SignedDuration::from_hours(years * 365 * 24)
    });
    let running = run_with(&api, &["--check-interval=1s"], clock, Limits::default()).await;
    eventually(SOON, || async {
        if configurations().iter().all(|c| !published(&api, c).is_empty()) { Ok(()) } else { Err("nothing".into()) }
    })
    .await;
    assert!(ready(&running).await.is_err(), "what it serves isn't valid yet, and it says so");
    years.store(0, Ordering::Relaxed);
    eventually(SOON, || ready(&running)).await;
    review(running.webhook, &published(&api, &configurations()[0])).await.unwrap();
}

#[tokio::test]
async fn what_stops_lets_go_of_its_connections_with_the_next_answer() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &[]).await;
    eventually(SOON, || ready(&running)).await;
    let bundle = published(&api, &configurations()[0]);
    let mut open = connect(running.webhook, &bundle, NAME).await.unwrap();
    exchange(&mut open).await.unwrap();
    let stopping = tokio::spawn(running.stop(Duration::from_secs(2)));
    tokio::task::yield_now().await;
    exchange(&mut open).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(1), open.read_to_end(&mut rest)).await;
    assert_eq!((ended.unwrap().unwrap(), rest.len()), (0, 0), "closed before the delay is over");
    stopping.await.unwrap();
}
