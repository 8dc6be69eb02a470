//! Replicas over one API server in memory, in paused time.

use std::time::Duration;

use certgen::fake::FakeApi;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::fixtures;
use crate::tenure::Tenure;
use crate::tenure::fixtures::{TIMING, hanging};

const BUCKETS: u16 = 16;
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

struct Running {
    cx: Arc<Context>,
    ended: JoinHandle<Result<(), String>>,
}

fn start(api: &FakeApi, client: Client, me: &str, buckets: u16) -> Running {
    let (cx, _) = fixtures::under(api, fixtures::settings(), Tenure::vacant(buckets));
    let sharding = Sharding { group: "eso".into(), buckets, timing: TIMING };
    let ended = tokio::spawn({
        let (cx, me) = (cx.clone(), me.to_owned());
        async move { share(&cx, client, sharding, me).await }
    });
    Running { cx, ended }
}

fn replica(api: &FakeApi, me: &str) -> Running {
    start(api, api.client(), me, BUCKETS)
}

/// What it may work on now.
fn holds(replica: &Running) -> BTreeSet<u16> {
    let tenure = &replica.cx.tenure;
    (0..BUCKETS).filter(|bucket| tenure.permit() != Permit::No && tenure.holds(*bucket)).collect()
}

/// How long until the replicas hold all buckets in these amounts; no bucket has two holders on the way.
async fn shared(replicas: &[&Running], want: &[usize]) -> Duration {
    let began = Instant::now();
    loop {
        let held: Vec<BTreeSet<u16>> = replicas.iter().map(|replica| holds(replica)).collect();
        let mut counts: Vec<usize> = held.iter().map(BTreeSet::len).collect();
        let all: BTreeSet<u16> = held.iter().flatten().copied().collect();
        assert_eq!(all.len(), counts.iter().sum::<usize>(), "a bucket has two holders: {held:?}");
        counts.sort_unstable();
        if counts == want {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{counts:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn members(api: &FakeApi) -> usize {
    api.objects().keys().filter(|path| path.contains("eso-member-")).count()
}

#[tokio::test(start_paused = true)]
async fn replicas_that_come_and_go_share_the_buckets() {
    let api = FakeApi::default();
    let first = replica(&api, "first");
    shared(&[&first], &[16]).await;
    let (second, third) = (replica(&api, "second"), replica(&api, "third"));
    shared(&[&first, &second, &third], &[4, 6, 6]).await;

    // One that is told to end hands over at once.
    second.cx.tenure.end();
    let took = shared(&[&first, &second, &third], &[0, 8, 8]).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!((second.ended.await.unwrap(), members(&api)), (Ok(()), 2));

    // One that is gone is waited for, and buried.
    third.ended.abort();
    let took = shared(&[&first], &[16]).await;
    assert!((13..=19).contains(&took.as_secs()), "{took:?}");
    assert_eq!(members(&api), 1);

    let before = api.count("PUT");
    sleep(Duration::from_secs(60)).await;
    assert!((29..=31).contains(&(api.count("PUT") - before)), "nothing but the member's Lease is renewed");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_moves_only_when_its_work_has_ended() {
    let api = FakeApi::default();
    let first = replica(&api, "first");
    shared(&[&first], &[16]).await;
    // Work on every bucket that takes three seconds.
    let work: Vec<_> = (0..BUCKETS)
        .map(|bucket| {
            let cx = first.cx.clone();
            tokio::spawn(async move { cx.tenure.within(bucket, sleep(Duration::from_secs(3))).await.is_some() })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    let second = replica(&api, "second");
    let took = shared(&[&first, &second], &[8, 8]).await;
    assert!((2..=5).contains(&took.as_secs()), "{took:?}");
    for work in work {
        assert!(work.await.unwrap(), "the work was cut off");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_stops_before_its_buckets_are_taken_and_can_not_come_back() {
    let api = FakeApi::default();
    let (hang, client) = hanging(&api);
    let hanging = start(&api, client, "hanging", BUCKETS);
    let other = replica(&api, "other");
    shared(&[&hanging, &other], &[8, 8]).await;
    sleep(Duration::from_secs(30)).await;
    hang.send_replace(true);
    shared(&[&hanging, &other], &[0, 16]).await;
    hang.send_replace(false);
    let ended = hanging.ended.await.unwrap().unwrap_err();
    assert!(ended.starts_with("membership lost"), "{ended}");
    assert_eq!(members(&api), 1);
}

#[tokio::test(start_paused = true)]
async fn one_whose_lease_is_deleted_ends_at_once() {
    let api = FakeApi::default();
    let only = replica(&api, "only");
    shared(&[&only], &[16]).await;
    let lease = api.objects().into_keys().find(|path| path.contains("eso-member-")).unwrap();
    api.delete(&lease);
    let ended = timeout(Duration::from_millis(100), only.ended).await.unwrap().unwrap();
    assert_eq!(ended, Err("membership lost: somebody took the lease away".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn replicas_must_agree_on_the_number_of_buckets() {
    let api = FakeApi::default();
    let first = replica(&api, "first");
    shared(&[&first], &[16]).await;
    let other = start(&api, api.client(), "other", 8);
    let ended = other.ended.await.unwrap().unwrap_err();
    assert!(ended.contains("--shards=8 but first runs with --shards=16"), "{ended}");
    assert_eq!(holds(&first).len(), 16);

    // One that died with another number is only waited for.
    first.ended.abort();
    let next = start(&api, api.client(), "next", 8);
    timeout(Duration::from_secs(30), next.cx.tenure.held(0)).await.expect("it waits for ever");
}

#[tokio::test(start_paused = true)]
async fn the_leases_tell_whose_they_are() {
    let api = FakeApi::default();
    let only = replica(&api, "pod-1_uuid");
    shared(&[&only], &[16]).await;
    let bucket = api.get(&format!("{LEASES}/eso-bucket-3")).unwrap();
    assert_eq!(bucket["spec"]["holderIdentity"], "pod-1_uuid");
    assert_eq!(bucket["metadata"]["labels"], json!({GROUP: "eso"}));
}
