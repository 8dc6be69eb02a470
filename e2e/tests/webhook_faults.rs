//! The webhook heals its certificates by itself, whatever befell them: under its own role, on a real API server.
//!
//! One cluster, one case at a time: all of them spoil the same Secret and the same configurations. Each prints how long
//! healing took; the bounds leave room for a machine that does much else.

use std::sync::OnceLock;
use std::time::Duration;

use certgen::{Bundle, Lifetimes, Names, authority, fresh_key};
use e2e::operator::{Controller, NAMESPACE, Webhook};
use e2e::shared::Shared;
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Result, wait};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

static CLUSTER: Shared<Cluster> = Shared::new();
static TURN: OnceLock<Mutex<()>> = OnceLock::new();

async fn turn() -> MutexGuard<'static, ()> {
    TURN.get_or_init(Mutex::default).lock().await
}

/// Runs a case alone, with nothing left of the others' certificates but what the configurations publish.
fn run(name: &str, case: impl AsyncFnOnce(&'static Cluster, String) -> Result) -> Result {
    let start = async || {
        let cluster = Cluster::start().await?;
        cluster.install().await?;
        Ok(cluster)
    };
    CLUSTER.run(start, async |cluster| {
        let namespace = cluster.namespace(name).await?;
        let _alone = turn().await;
        secrets(cluster).delete(Webhook::SECRET, &DeleteParams::default()).await.map(drop).unwrap_or_default();
        case(cluster, namespace).await
    })
}

fn secrets(cluster: &Cluster) -> Api<Secret> {
    cluster.secrets(NAMESPACE)
}

#[expect(clippy::print_stdout, reason = "figures of a test")]
fn told(what: &str, took: Duration) {
    println!("{what}: {} ms", took.as_millis());
}

async fn stored(cluster: &Cluster) -> Result<Bundle> {
    let secret = secrets(cluster).get(Webhook::SECRET).await?;
    let ca = secret.data.unwrap_or_default().remove("ca.crt").context("the Secret holds no CA")?;
    Bundle::parse(&ca.0).context("the Secret's CA")
}

fn signing(bundle: &Bundle) -> Result<String> {
    let first = bundle.certificates().first().context("an empty bundle")?;
    Ok(Bundle::overlapping(first, [], Timestamp::UNIX_EPOCH, Duration::ZERO).pem())
}

/// Waits for a CA that signs and isn't this one.
async fn replaced(cluster: &Cluster, before: &Bundle, within: Duration) -> Result<Bundle> {
    let old = before.certificates().first().cloned();
    let usable = |secret: &Secret| {
        let ca = secret.data.as_ref().and_then(|data| data.get("ca.crt"));
        ca.and_then(|ca| Bundle::parse(&ca.0).ok()).is_some_and(|bundle| bundle.certificates().first() != old.as_ref())
    };
    wait::exists(&secrets(cluster), Webhook::SECRET, within, "to hold another CA", usable).await?;
    stored(cluster).await
}

/// Not applied, or else the manifests' empty Secret would take the data away when they are.
async fn write(cluster: &Cluster, data: Value) -> Result {
    let (api, metadata) = (secrets(cluster), json!({"name": Webhook::SECRET, "namespace": NAMESPACE}));
    let mut secret: Secret = serde_json::from_value(json!({"metadata": metadata, "data": data}))?;
    let before = api.get_opt(Webhook::SECRET).await?;
    secret.metadata.resource_version = before.and_then(|it| it.metadata.resource_version);
    match secret.metadata.resource_version {
        Some(_) => api.replace(Webhook::SECRET, &PostParams::default(), &secret).await?,
        None => api.create(&PostParams::default(), &secret).await?,
    };
    Ok(())
}

async fn change(cluster: &Cluster, data: Value) -> Result {
    let patch = json!({ "data": data });
    secrets(cluster).patch(Webhook::SECRET, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

fn encoded(bytes: &[u8]) -> Value {
    json!(ByteString(bytes.to_vec()))
}

#[test]
fn from_exec_to_a_judged_object() -> Result {
    run("first", async |cluster, ns| {
        let webhook = Webhook::installed(cluster, 1, &[]).await?;
        let begun = Instant::now();
        webhook.start(0)?;
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        told("from exec to a judged object, CA issued and published on the way", begun.elapsed());
        webhook.ready(SOON).await?;
        println!("resident: {} KiB", webhook.usage(0)?.resident / 1024);
        webhook.retire(0, SOON).await?;
        let begun = Instant::now();
        webhook.start(0)?;
        webhook.route_to_running();
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        told("the same with a CA in place", begun.elapsed());
        Ok(())
    })
}

#[test]
fn five_replicas_that_start_together_share_one_ca() -> Result {
    run("five", async |cluster, ns| {
        let webhook = Webhook::installed(cluster, 5, &[]).await?;
        let begun = Instant::now();
        for number in 0..5 {
            webhook.start(number)?;
        }
        webhook.ready(SOON).await?;
        told("five replicas ready", begun.elapsed());
        assert_eq!(stored(cluster).await?.certificates().len(), 1, "nobody replaced what another one made");
        for _ in 0..10 {
            Webhook::judges(cluster, &ns).await?;
        }
        Ok(())
    })
}

#[test]
fn a_secret_that_is_lost_or_spoiled_is_made_good() -> Result {
    run("spoiled", async |cluster, ns| {
        let webhook = Webhook::spawn(cluster, 2, &[]).await?;
        let others = authority::replace(fresh_key()?, &[], now(), &Lifetimes::default())?;
        let spoilt = [
            ("emptied", json!({"ca.crt": null, "ca.key": null, "tls.crt": null, "tls.key": null})),
            ("with a certificate that is garbage", json!({"ca.crt": encoded(b"garbage")})),
            ("with a key that is garbage", json!({"ca.key": encoded(&[0xff, 0, 1])})),
            ("with another CA's key", json!({"ca.key": encoded(others.ca.key_pem().expose())})),
        ];
        for (what, data) in spoilt {
            let before = stored(cluster).await?;
            let begun = Instant::now();
            change(cluster, data).await.context(what)?;
            let after = replaced(cluster, &before, SOON).await.context(what)?;
            told(&format!("the Secret {what}: a new CA"), begun.elapsed());
            webhook.publishes(cluster, &after.pem(), SOON).await.context(what)?;
            told(&format!("the Secret {what}: published"), begun.elapsed());
            Webhook::judges(cluster, &ns).await.context(what)?;
        }
        let before = stored(cluster).await?;
        let begun = Instant::now();
        secrets(cluster).delete(Webhook::SECRET, &DeleteParams::default()).await?;
        let after = replaced(cluster, &before, SOON).await?;
        told("the Secret deleted: a new CA", begun.elapsed());
        assert!(after.contains(&before.certificates()[0]), "the old CA overlaps");
        Webhook::judges(cluster, &ns).await?;
        webhook.ready(SOON).await
    })
}

#[test]
fn what_is_published_is_repaired_in_every_configuration() -> Result {
    run("published", async |cluster, ns| {
        let webhook = Webhook::spawn(cluster, 2, &[]).await?;
        let good = stored(cluster).await?.pem();
        let others = authority::replace(fresh_key()?, &[], now(), &Lifetimes::default())?;
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(cluster.client());
        for (what, bundle) in [("wiped", Value::Null), ("foreign", encoded(others.bundle.pem().as_bytes()))] {
            let patch = |hooks: usize| -> Result<Patch<()>> {
                let operations: Vec<Value> = (0..hooks)
                    .map(|hook| json!({"op": "replace", "path": format!("/webhooks/{hook}/clientConfig/caBundle"), "value": bundle}))
                    .collect();
                Ok(Patch::Json(serde_json::from_value(json!(operations))?))
            };
            let params = PatchParams::default();
            validating.patch("secretstore-validate", &params, &patch(2)?).await?;
            validating.patch("externalsecret-validate", &params, &patch(1)?).await?;
            let begun = Instant::now();
            mutating.patch("externalsecret-mutate", &params, &patch(1)?).await?;
            webhook.publishes(cluster, &good, SOON).await?;
            told(&format!("bundles {what}: repaired"), begun.elapsed());
            Webhook::judges_soon(cluster, &ns, SOON).await?;
        }
        validating.delete("externalsecret-validate", &DeleteParams::default()).await?;
        mutating.delete("externalsecret-mutate", &DeleteParams::default()).await?;
        wait::until(&mutating, "externalsecret-mutate", SOON, "to be gone", |it| it.is_none()).await?;
        webhook.install(cluster).await?;
        let begun = Instant::now();
        webhook.publishes(cluster, &good, SOON).await?;
        told("configurations deleted and applied again: published", begun.elapsed());
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        assert_eq!(stored(cluster).await?.pem(), good, "the CA stayed");
        webhook.ready(SOON).await
    })
}

#[test]
fn a_ca_that_ended_while_everything_was_down_is_replaced_at_once() -> Result {
    run("expired", async |cluster, ns| {
        let names = Names::for_service(Webhook::SECRET, NAMESPACE, &[])?;
        let long_ago = Timestamp::from_second(now().as_second() - 400 * 86_400)?;
        let expired = authority::replace(fresh_key()?, &[], long_ago, &Lifetimes::default())?;
        let old = authority::material(&expired, Some(&fresh_key()?), None, &names, long_ago)?;
        write(
            cluster,
            json!({
                "ca.crt": encoded(&old.ca_crt), "ca.key": encoded(old.ca_key.expose()),
                "tls.crt": encoded(&old.tls_crt), "tls.key": encoded(old.tls_key.expose()),
            }),
        )
        .await?;
        let webhook = Webhook::installed(cluster, 1, &[]).await?;
        let begun = Instant::now();
        webhook.start(0)?;
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        told("from exec with an expired CA to a judged object", begun.elapsed());
        assert_eq!(stored(cluster).await?.certificates().len(), 1, "the expired CA is published no more");
        Ok(())
    })
}

#[test]
fn a_replica_killed_between_storing_and_publishing_goes_on_where_it_was() -> Result {
    run("killed", async |cluster, ns| {
        let webhook = Webhook::spawn(cluster, 1, &[]).await?;
        let roles: Api<ClusterRole> = Api::all(cluster.client());
        let role = roles.get(Webhook::ACCOUNT).await?;
        let mut bound = role.clone();
        bound.metadata.managed_fields = None;
        bound.metadata.resource_version = None;
        for rule in bound.rules.iter_mut().flatten() {
            rule.verbs.retain(|verb| verb != "patch");
        }
        let rules = |role: &ClusterRole| Patch::Merge(json!({ "rules": role.rules }));
        roles.patch(Webhook::ACCOUNT, &PatchParams::default(), &rules(&bound)).await?;
        // The authorizer follows roles through a watch of its own.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = stored(cluster).await?;
        change(cluster, json!({"ca.key": encoded(b"garbage")})).await?;
        let after = replaced(cluster, &before, SOON).await?;
        webhook.kill(0);
        roles.patch(Webhook::ACCOUNT, &PatchParams::default(), &rules(&role)).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let begun = Instant::now();
        webhook.start(0)?;
        webhook.publishes(cluster, &after.pem(), SOON).await?;
        told("from the restart to both CAs published", begun.elapsed());
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        told("from the restart to a judged object", begun.elapsed());
        assert_eq!(signing(&stored(cluster).await?)?, signing(&after)?, "no third CA");
        Ok(())
    })
}

#[test]
fn a_replica_that_was_stopped_past_its_renewal_serves_a_new_certificate_when_it_goes_on() -> Result {
    run("stopped", async |cluster, ns| {
        let webhook = Webhook::spawn(cluster, 1, &["--cert-lifetime=6s"]).await?;
        webhook.signal(0, Signal::STOP)?;
        // Past the certificate's end, not only its renewal.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let begun = Instant::now();
        webhook.signal(0, Signal::CONT)?;
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        told("from SIGCONT to a judged object", begun.elapsed());
        webhook.ready(SOON).await
    })
}

/// What the reference's cert controller stored, with Go: an RSA CA of 2048 bits and PKCS#1 keys.
#[test]
fn the_rsa_certificates_of_the_reference_are_taken_over() -> Result {
    run("reference", async |cluster, ns| {
        let ca = include_bytes!("../../certgen/testdata/reference/ca.crt");
        write(
            cluster,
            json!({
                "ca.crt": encoded(ca),
                "ca.key": encoded(include_bytes!("../../certgen/testdata/reference/ca.key")),
                "tls.crt": encoded(include_bytes!("../../certgen/testdata/reference/tls.crt")),
                "tls.key": encoded(include_bytes!("../../certgen/testdata/reference/tls.key")),
            }),
        )
        .await?;
        // As the reference's chart starts it; the directory isn't mounted.
        let args = ["--cert-dir=/nowhere/certs", "--lookahead-interval=2160h"];
        let webhook = Webhook::installed(cluster, 2, &args).await?;
        let version = secrets(cluster).get(Webhook::SECRET).await?.metadata.resource_version;
        webhook.start(0)?;
        webhook.start(1)?;
        webhook.ready(SOON).await?;
        webhook.publishes(cluster, std::str::from_utf8(ca)?, SOON).await?;
        for _ in 0..10 {
            Webhook::judges(cluster, &ns).await?;
        }
        let after = secrets(cluster).get(Webhook::SECRET).await?.metadata.resource_version;
        assert_eq!(after, version, "the Secret wasn't written");
        Ok(())
    })
}

#[test]
fn while_no_webhook_answers_objects_are_refused_and_syncing_goes_on() -> Result {
    run("down", async |cluster, ns| {
        let webhook = Webhook::spawn(cluster, 2, &[]).await?;
        let _controller = Controller::spawn(cluster, &[], &[]).await?;
        let apply = async |yaml: &str| cluster.apply_yaml(&yaml.replace("$NS", &ns)).await.map(drop);
        apply(
            "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec: {provider: {fake: {data: [{key: k, value: v}]}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: fake}
  data: [{secretKey: k, remoteRef: {key: k}}]
",
        )
        .await?;
        let targets = cluster.secrets(&ns);
        let first = wait::exists(&targets, "es", SOON, "to be synced", |_| true).await?;
        webhook.kill(0);
        webhook.kill(1);
        let refused = Webhook::judges(cluster, &ns).await.err().context("an object was accepted")?.to_string();
        assert!(refused.contains("failed calling webhook"), "{refused}");
        targets.delete("es", &DeleteParams::default()).await?;
        wait::exists(&targets, "es", SOON, "to be synced again", |it| it.metadata.uid != first.metadata.uid).await?;
        webhook.start(0)?;
        Webhook::judges_soon(cluster, &ns, SOON).await?;
        Ok(())
    })
}

fn now() -> Timestamp {
    certgen::Clock::system().now()
}
