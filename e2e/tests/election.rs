//! Several controllers on one cluster: one leads, and who leads no more writes nothing. Who wrote what and when is read from
//! the API server's audit log; each controller has a service account of its own for that.

use std::time::Duration;

use e2e::controlplane::Entry;
use e2e::operator::{Controller, NAMESPACE as OPERATOR};
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Result, wait};
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use serde_json::json;

const OBJECTS: usize = 20;
/// As short as a machine that does much else allows.
const QUICK: [&str; 4] = [
    "--enable-leader-election=true",
    "--leader-election-lease-duration=6s",
    "--leader-election-renew-deadline=4s",
    "--leader-election-retry-period=500ms",
];
/// The lease duration of [`QUICK`], and what starting to write takes.
const EXPIRED: Duration = Duration::from_secs(6 + 6);

/// A store of the fake provider whose value is `value`, and objects that read it.
async fn apply_store(cluster: &Cluster, namespace: &str, value: &str) -> Result {
    let data = json!([{"key": "k", "value": value, "version": "1"}]);
    let store = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "fake", "namespace": namespace}, "spec": {"provider": {"fake": {"data": data}}},
    });
    cluster.apply_json(store).await?;
    Ok(())
}

async fn apply_object(cluster: &Cluster, namespace: &str, name: &str) -> Result {
    let object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": {"name": "fake"},
            "data": [{"secretKey": "k", "remoteRef": {"key": "k", "version": "1"}}],
        },
    });
    cluster.apply_json(object).await?;
    Ok(())
}

async fn prepare(cluster: &Cluster, prefix: &str) -> Result<String> {
    cluster.install().await?;
    let namespace = cluster.namespace(prefix).await?;
    apply_store(cluster, &namespace, "first").await?;
    for number in 0..OBJECTS {
        apply_object(cluster, &namespace, &format!("es-{number}")).await?;
    }
    Ok(namespace)
}

async fn all_have(cluster: &Cluster, namespace: &str, value: &str, within: Duration) -> Result {
    for number in 0..OBJECTS {
        has(cluster, namespace, &format!("es-{number}"), value, within).await?;
    }
    Ok(())
}

async fn has(cluster: &Cluster, namespace: &str, name: &str, value: &str, within: Duration) -> Result {
    let wished = |secret: &_| wait::secret_text(secret, "k").as_deref() == Some(value);
    wait::exists(&cluster.secrets(namespace), name, within, &format!("to be {value:?}"), wished).await?;
    Ok(())
}

/// What this controller wrote, successfully or not.
fn writes<'a>(log: &'a [Entry], account: &str) -> Vec<&'a Entry> {
    let user = format!("system:serviceaccount:{OPERATOR}:{account}");
    log.iter().filter(|entry| entry.user == user && entry.writes()).collect()
}

fn times(entries: &[&Entry]) -> Result<Vec<Timestamp>> {
    let mut times = entries.iter().map(|entry| Ok(entry.at.parse()?)).collect::<Result<Vec<Timestamp>>>()?;
    times.sort();
    Ok(times)
}

/// The writes of `before` all came before the first of `after`; answers when that was.
fn took_turns(cluster: &Cluster, before: &str, after: &str) -> Result<Timestamp> {
    let log = cluster.audit()?;
    let last = times(&writes(&log, before))?.last().copied().context("the first leader wrote nothing")?;
    let first = times(&writes(&log, after))?.first().copied().context("the second leader wrote nothing")?;
    assert!(last < first, "{before} wrote at {last}, after {after} began at {first}");
    Ok(first)
}

#[expect(clippy::disallowed_methods, reason = "compared with the audit log's times")]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn is_ready(controller: &Controller) -> Result {
    let ready = async {
        while e2e::http_get(controller.ready_url()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, ready).await.context("a standby is ready")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_end_hands_over_at_once() -> Result {
    let cluster = Cluster::audited().await?;
    let namespace = prepare(&cluster, "handover").await?;
    let first = Controller::spawn_as(&cluster, "first", &["--enable-leader-election=true"]).await?;
    all_have(&cluster, &namespace, "first", SOON).await?;
    let second = Controller::spawn_as(&cluster, "second", &["--enable-leader-election=true"]).await?;
    is_ready(&second).await?;
    let name = ["name=\"external-secrets-controller\""];
    let leads = async |controller: &Controller| controller.metric("leader_election_master_status", &name).await;
    assert_eq!((leads(&first).await?, leads(&second).await?), (1.0, 0.0));
    assert_eq!(writes(&cluster.audit()?, "second"), Vec::<&Entry>::new(), "a standby writes nothing");

    // There is work under way and waiting when the signal comes.
    apply_store(&cluster, &namespace, "second").await?;
    let told = now();
    let status = first.stop(SOON).await?;
    assert!(status.success(), "{status}");
    apply_object(&cluster, &namespace, "new").await?;
    has(&cluster, &namespace, "new", "second", SOON).await?;
    all_have(&cluster, &namespace, "second", SOON).await?;
    let began = took_turns(&cluster, "first", "second")?;
    // The lease would last for fifteen seconds.
    let took = began.duration_since(told);
    println!("from SIGTERM to the first write of the next leader: {took:#}");
    assert!(took < SignedDuration::from_secs(2), "the hand-over took {took}");
    assert_eq!(leads(&second).await?, 1.0);

    // The new leader made nothing twice.
    let log = cluster.audit()?;
    let created = log.iter().filter(|entry| {
        entry.namespace == namespace && entry.resource == "secrets" && entry.verb == "create" && entry.code == 201
    });
    assert_eq!(created.count(), OBJECTS + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_or_stands_still_is_replaced_and_writes_no_more() -> Result {
    let cluster = Cluster::audited().await?;
    let namespace = prepare(&cluster, "deposed").await?;
    let mut first = Controller::spawn_as(&cluster, "first", &QUICK).await?;
    all_have(&cluster, &namespace, "first", SOON).await?;
    let second = Controller::spawn_as(&cluster, "second", &QUICK).await?;
    is_ready(&second).await?;

    // Killed in the middle of its work.
    apply_store(&cluster, &namespace, "second").await?;
    first.signal(Signal::KILL)?;
    first.ended(SOON).await?;
    all_have(&cluster, &namespace, "second", EXPIRED + SOON).await?;
    apply_object(&cluster, &namespace, "new").await?;
    has(&cluster, &namespace, "new", "second", SOON).await?;
    took_turns(&cluster, "first", "second")?;

    // Stopped in the middle of its work, and woken when somebody else leads.
    let mut stopped = second;
    let third = Controller::spawn_as(&cluster, "third", &QUICK).await?;
    is_ready(&third).await?;
    apply_store(&cluster, &namespace, "third").await?;
    stopped.signal(Signal::STOP)?;
    all_have(&cluster, &namespace, "third", EXPIRED + SOON).await?;
    apply_object(&cluster, &namespace, "newer").await?;
    has(&cluster, &namespace, "newer", "third", SOON).await?;
    stopped.signal(Signal::CONT)?;
    // It has much to do when it wakes.
    apply_store(&cluster, &namespace, "fourth").await?;
    let status = stopped.ended(SOON).await.context(stopped.log_tail(20))?;
    assert_eq!(status.code(), Some(1), "{}", stopped.log_tail(20));
    assert!(stopped.log().contains("leadership lost"), "{}", stopped.log_tail(20));
    all_have(&cluster, &namespace, "fourth", SOON).await?;
    took_turns(&cluster, "second", "third")?;
    Ok(())
}
