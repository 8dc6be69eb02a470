//! No admission fails while certificates are exchanged and replicas come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use certgen::Bundle;
use e2e::operator::{NAMESPACE, Webhook};
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Result, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Between two creates: 50 a second.
const BEAT: Duration = Duration::from_millis(20);

/// Creates that were asked for, and what refused ones were told.
#[derive(Default)]
struct Flow {
    stop: AtomicBool,
    asked: AtomicUsize,
    slowest: AtomicUsize,
}

impl Flow {
    /// Creates good objects until it is stopped; none is kept (a dry run passes through admission like any other).
    async fn run(self: Arc<Self>, cluster: &Cluster, namespace: String) -> Result<Vec<String>> {
        let objects = cluster.objects("ExternalSecret", Some(&namespace))?;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        while !self.stop.load(Ordering::Relaxed) {
            beat.tick().await;
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let object: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "metadata": {"name": format!("flow-{number}"), "namespace": namespace},
                "spec": {"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "k", "remoteRef": {"key": "k"}}]},
            }))?;
            let (objects, this) = (objects.clone(), self.clone());
            under_way.spawn(async move {
                let begun = Instant::now();
                let params = PostParams { dry_run: true, ..PostParams::default() };
                let created = objects.create(&params, &object).await;
                let took = usize::try_from(begun.elapsed().as_millis()).unwrap_or(usize::MAX);
                this.slowest.fetch_max(took, Ordering::Relaxed);
                created.err().map(|error| format!("create {number}: {error}"))
            });
        }
        Ok(under_way.join_all().await.into_iter().flatten().collect())
    }
}

async fn signing(cluster: &Cluster) -> Option<Vec<u8>> {
    let secret = cluster.secrets(NAMESPACE).get(Webhook::SECRET).await.ok()?;
    of_secret(&secret)
}

fn of_secret(secret: &Secret) -> Option<Vec<u8>> {
    let bundle = Bundle::parse(&secret.data.as_ref()?.get("ca.crt")?.0).ok()?;
    Some(bundle.certificates().first()?.to_vec())
}

/// Waits for another CA than the one that signs now.
async fn another(cluster: &Cluster, before: &[u8]) -> Result {
    wait::exists(&cluster.secrets(NAMESPACE), Webhook::SECRET, Duration::from_secs(60), "to hold another CA", |it| {
        of_secret(it).is_some_and(|ca| ca != before)
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_create_fails_while_cas_rotate_the_secret_is_lost_and_replicas_are_replaced() -> Result {
    let cluster = Cluster::start().await?;
    cluster.install().await?;
    // A leaf is renewed every 8 s, a CA every 16 s; a new one settles for 1.2 s.
    let flags = ["--ca-lifetime=24s", "--cert-lifetime=12s", "--shutdown-delay=1s"];
    let webhook = Webhook::spawn(&cluster, 2, &flags).await?;
    let namespace = cluster.namespace("flow").await?;
    Webhook::judges_soon(&cluster, &namespace, SOON).await?;

    let flow = Arc::new(Flow::default());
    let incidents = async {
        let begun = Instant::now();
        let step = |what: &str| {
            println!("{:>6} ms, {:>5} asked: {what}", begun.elapsed().as_millis(), flow.asked.load(Ordering::Relaxed))
        };
        step("waiting for a rotation of the CA");
        another(&cluster, &signing(&cluster).await.context("no CA")?).await?;
        step("rotated; rolling restart");
        for number in 0..2 {
            webhook.retire(number, SOON).await?;
            webhook.start(number)?;
            webhook.ready(SOON).await?;
            webhook.route_to_running();
            step("a replica was replaced");
        }
        let before = signing(&cluster).await.context("no CA")?;
        cluster.secrets(NAMESPACE).delete(Webhook::SECRET, &DeleteParams::default()).await?;
        step("the Secret is deleted");
        another(&cluster, &before).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = signing(&cluster).await.context("no CA")?;
        let spoil: Patch<serde_json::Value> = Patch::Merge(json!({"stringData": {"ca.key": "garbage"}}));
        cluster.secrets(NAMESPACE).patch(Webhook::SECRET, &PatchParams::default(), &spoil).await?;
        step("the Secret is spoilt");
        another(&cluster, &before).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = signing(&cluster).await.context("no CA")?;
        step("waiting for another rotation of the CA");
        another(&cluster, &before).await?;
        // Until the new CA's leaves are served.
        tokio::time::sleep(Duration::from_secs(3)).await;
        step("done");
        Ok::<_, e2e::Error>(())
    };
    let (failures, incidents) = tokio::join!(flow.clone().run(&cluster, namespace), async {
        let outcome = incidents.await;
        flow.stop.store(true, Ordering::Relaxed);
        outcome
    });
    incidents?;
    webhook.alive()?;
    let (failures, asked) = (failures?, flow.asked.load(Ordering::Relaxed));
    println!("{asked} creates, {} failed, slowest {} ms", failures.len(), flow.slowest.load(Ordering::Relaxed));
    assert_eq!(failures, Vec::<String>::new(), "of {asked}");
    assert!(asked > 500, "{asked} are no flow");
    Ok(())
}
