//! Several controllers that share the stores: whoever comes or goes, every object stays in sync and nothing is written twice
//! for one change. Who wrote what is read from the API server's audit log; each controller has a service account of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::controlplane::Entry;
use e2e::operator::{Controller, NAMESPACE as OPERATOR};
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Error, Result, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

/// So many that each replica has some, wherever chance puts them.
const STORES: usize = 24;
const OBJECTS_EACH: usize = 2;
const PASSWORDS: usize = 6;
const SHARDS: f64 = 16.0;
/// As short as a machine that does much else allows.
const SHARED: [&str; 4] = [
    "--shards=16",
    "--leader-election-lease-duration=6s",
    "--leader-election-renew-deadline=4s",
    "--leader-election-retry-period=500ms",
];
/// The lease duration of [`SHARED`], and what starting to write takes.
const EXPIRED: Duration = Duration::from_secs(6 + 20);

async fn write_stores(cluster: &Cluster, namespace: &str, value: &str) -> Result {
    for number in 0..STORES {
        let data = json!([{"key": "k", "value": value, "version": "1"}]);
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": format!("fake-{number}"), "namespace": namespace},
            "spec": {"provider": {"fake": {"data": data}}},
        });
        cluster.apply_json(store).await?;
    }
    Ok(())
}

async fn write_objects(cluster: &Cluster, namespace: &str) -> Result {
    let object = async |name: String, spec: Value| {
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        cluster.apply_json(object).await.map(|_| ())
    };
    for name in synced() {
        let store = name.split_once('.').map(|(store, _)| store).unwrap_or_default();
        let data = json!([{"secretKey": "k", "remoteRef": {"key": "k", "version": "1"}}]);
        object(name.clone(), json!({"refreshInterval": "1h", "secretStoreRef": {"name": store}, "data": data})).await?;
    }
    let generator = json!({
        "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Password",
        "metadata": {"name": "password", "namespace": namespace},
        "spec": {"length": 20, "digits": 3, "symbols": 0, "noUpper": false, "allowRepeat": true},
    });
    cluster.apply_json(generator).await?;
    for name in passwords() {
        let reference =
            json!({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Password", "name": "password"});
        let from = json!([{"sourceRef": {"generatorRef": reference}}]);
        object(name, json!({"refreshInterval": "1h", "dataFrom": from})).await?;
    }
    Ok(())
}

/// Objects that read from a store, named after it.
fn synced() -> Vec<String> {
    (0..STORES).flat_map(|store| (0..OBJECTS_EACH).map(move |number| format!("fake-{store}.{number}"))).collect()
}

/// Objects whose value is another one each time it is made.
fn passwords() -> Vec<String> {
    (0..PASSWORDS).map(|number| format!("password-{number}")).collect()
}

async fn all_have(cluster: &Cluster, namespace: &str, value: &str, within: Duration) -> Result {
    for name in synced() {
        let wished = |secret: &_| wait::secret_text(secret, "k").as_deref() == Some(value);
        wait::exists(&cluster.secrets(namespace), &name, within, &format!("to be {value:?}"), wished).await?;
    }
    Ok(())
}

/// Waits until the replicas hold all buckets, none less than its share.
async fn shared_by(replicas: &[&Controller], shards: f64, within: Duration) -> Result {
    let least = shards - (replicas.len() - 1) as f64 * (shards / replicas.len() as f64).ceil();
    let mut last = Vec::new();
    let settled = async {
        loop {
            last.clear();
            for replica in replicas {
                last.push(replica.metric("external_secrets_buckets_held", &[]).await.unwrap_or_default());
            }
            if last.iter().sum::<f64>() == shards && last.iter().all(|held| *held >= least) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let outcome = tokio::time::timeout(within, settled).await;
    outcome.map_err(|_| Error::new(format!("buckets are not shared evenly but as {last:?}")))
}

/// Successful writes of Secrets of the namespace since an entry, by Secret and verb; and who made them.
fn writes<'a>(log: &'a [Entry], namespace: &str) -> (BTreeMap<(&'a str, &'a str), usize>, BTreeSet<&'a str>) {
    let (mut counts, mut writers) = (BTreeMap::new(), BTreeSet::new());
    for entry in log {
        let ok = (200..300).contains(&entry.code) && entry.resource == "secrets" && entry.namespace == namespace;
        if let Some(account) = entry.user.strip_prefix(&format!("system:serviceaccount:{OPERATOR}:"))
            && ok
            && entry.writes()
        {
            *counts.entry((entry.name.as_str(), entry.verb.as_str())).or_default() += 1;
            writers.insert(account);
        }
    }
    (counts, writers)
}

fn once_each<'a>(names: &'a [String], verb: &'a str) -> BTreeMap<(&'a str, &'a str), usize> {
    names.iter().map(|name| ((name.as_str(), verb), 1)).collect()
}

/// After a change of all stores every Secret was updated exactly once since `seen`, and no password was made anew; answers
/// by whom. The last writes of a replica that was `killed` may have been made though nobody was left to hear of it: the log
/// tells no success of them.
async fn changed_once(
    cluster: &Cluster,
    namespace: &str,
    seen: usize,
    killed: Option<&str>,
) -> Result<BTreeSet<String>> {
    // Whatever a replica might still do has had its time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = cluster.audit()?;
    let (mut counts, writers) = writes(&log[seen..], namespace);
    for entry in &log[seen..] {
        let unheard = killed.is_some_and(|killed| entry.user.ends_with(&format!(":{killed}")));
        if unheard && entry.resource == "secrets" && entry.namespace == namespace && entry.verb == "update" {
            counts.entry((entry.name.as_str(), entry.verb.as_str())).or_insert(1);
        }
    }
    assert_eq!(counts, once_each(&synced(), "update"));
    Ok(writers.into_iter().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work_and_write_nothing_twice() -> Result {
    let cluster = Cluster::audited().await?;
    cluster.install().await?;
    let namespace = cluster.namespace("shards").await?;
    write_stores(&cluster, &namespace, "1").await?;
    write_objects(&cluster, &namespace).await?;
    let replica = async |name| Controller::spawn_as(&cluster, name, &SHARED).await;

    let first = replica("first").await?;
    all_have(&cluster, &namespace, "1", SOON).await?;
    for name in passwords() {
        wait::exists(&cluster.secrets(&namespace), &name, SOON, "to be made", |_| true).await?;
    }
    shared_by(&[&first], SHARDS, SOON).await?;

    // Two more come.
    let (mut second, third) = (replica("second").await?, replica("third").await?);
    shared_by(&[&first, &second, &third], SHARDS, EXPIRED).await?;
    let log = cluster.audit()?;
    let everything = [synced(), passwords()].concat();
    assert_eq!(writes(&log, &namespace).0, once_each(&everything, "create"), "moving a bucket writes nothing");

    let seen = log.len();
    write_stores(&cluster, &namespace, "2").await?;
    all_have(&cluster, &namespace, "2", SOON).await?;
    let writers = changed_once(&cluster, &namespace, seen, None).await?;
    assert_eq!(writers.len(), 3, "all take part: {writers:?}");

    // One is killed while it works.
    let seen = cluster.audit()?.len();
    write_stores(&cluster, &namespace, "3").await?;
    second.signal(Signal::KILL)?;
    second.ended(SOON).await?;
    all_have(&cluster, &namespace, "3", EXPIRED + SOON).await?;
    shared_by(&[&first, &third], SHARDS, EXPIRED).await?;
    changed_once(&cluster, &namespace, seen, Some("second")).await?;

    // One is told to end while it works.
    let seen = cluster.audit()?.len();
    write_stores(&cluster, &namespace, "4").await?;
    let status = third.stop(SOON).await?;
    assert!(status.success(), "{status}");
    all_have(&cluster, &namespace, "4", SOON).await?;
    shared_by(&[&first], SHARDS, SOON).await?;
    changed_once(&cluster, &namespace, seen, None).await?;

    // A replica that counts otherwise must not work beside it.
    let mut other = Controller::spawn_as(&cluster, "other", &[&["--shards=8"], &SHARED[1..]].concat()).await?;
    let status = other.ended(EXPIRED + SOON).await?;
    assert_eq!(status.code(), Some(1));
    other.log().contains("--shards=8 but").then_some(()).context(other.log_tail(5))
}
