//! What becomes of a PushSecret's values over their life: pushed, changed, read back, cleaned up, and not lost by a crash.

use std::time::{Duration, Instant};

use api::PushSecret;
use e2e::operator::Controller;
use e2e::testbed::{Parts, SOON, Suite, Testbed};
use e2e::{Context, Error, Result, wait};
use http::Method;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rustix::process::Signal;
use serde_json::{Value, json};

static SUITE: Suite = Suite::new(Parts::syncing);

/// What goes out "at once" may take this long, on two cores that do much else.
const AT_ONCE: Duration = Duration::from_secs(5);
/// A source must be away for ten seconds before what was pushed of it goes.
const AFTER_PATIENCE: Duration = Duration::from_secs(30);

const STORE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: vault-token, namespace: $NS}
stringData: {token: root}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: $NS}
spec:
  provider:
    vault:
      server: $VAULT
      path: secret
      auth: {tokenSecretRef: {name: vault-token, key: token}}
";

const PUSH: &str = "
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: $NS}
stringData: {password: one}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: out, namespace: $NS}
spec:
  deletionPolicy: Delete
  secretStoreRefs: [{name: vault}]
  selector: {secret: {name: db}}
  data: [{match: {secretKey: password, remoteRef: {remoteKey: $NS/db, property: password}}}]
";

const SYNCED: &str = "True Synced: PushSecret synced successfully";

fn pushes(bed: &Testbed, namespace: &str) -> Api<PushSecret> {
    Api::namespaced(bed.cluster.client(), namespace)
}

/// `STATUS REASON: MESSAGE` of the condition `Ready`.
fn says(push: &PushSecret) -> Option<String> {
    let ready = push.status.as_ref()?.conditions.iter().find(|it| it.type_ == "Ready")?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(format!("{} {}: {}", ready.status, text(&ready.reason), text(&ready.message)))
}

async fn reads(bed: &Testbed, namespace: &str, name: &str, wished: &str) -> Result<PushSecret> {
    let what = format!("to say {wished:?}");
    wait::exists(&pushes(bed, namespace), name, SOON, &what, |it| says(it).as_deref() == Some(wished)).await
}

/// Data and version of a remote secret; none if there is none.
async fn remote(bed: &Testbed, key: &str) -> Option<(Value, u64)> {
    let found = bed.openbao().ok()?.call(Method::GET, &format!("secret/data/{key}"), Value::Null).await.ok()?;
    let data = found["data"]["data"].clone();
    let version = found["data"]["metadata"]["version"].as_u64()?;
    (!data.is_null()).then_some((data, version))
}

/// Waits until a remote secret is as wished.
async fn until(bed: &Testbed, key: &str, within: Duration, wished: impl Fn(Option<&Value>) -> bool) -> Result<u64> {
    let start = Instant::now();
    loop {
        let found = remote(bed, key).await;
        if wished(found.as_ref().map(|(data, _)| data)) {
            return Ok(found.map_or(0, |(_, version)| version));
        }
        if start.elapsed() > within {
            return Err(Error::new(format!("{key} is {found:?} after {within:?}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_secret_goes_out_follows_its_source_and_is_cleaned_up() -> Result {
    SUITE.run("push", async |bed, ns| {
        bed.apply(&ns, STORE).await?;
        bed.apply(&ns, PUSH).await?;
        reads(bed, &ns, "out", SYNCED).await?;
        let key = format!("{ns}/db");
        let password = |value: &'static str| move |data: Option<&Value>| data == Some(&json!({ "password": value }));
        assert_eq!(until(bed, &key, SOON, password("one")).await?, 1);
        bed.event(&ns, "out", "Normal Synced: PushSecret synced successfully").await?;

        let secrets = bed.cluster.secrets(&ns);
        let edit = |value: &str| Patch::Merge(json!({"stringData": {"password": value}}));
        secrets.patch("db", &PatchParams::default(), &edit("two")).await?;
        assert_eq!(until(bed, &key, AT_ONCE, password("two")).await?, 2);
        // What changes nothing writes nothing.
        let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "new"}}}));
        pushes(bed, &ns).patch("out", &PatchParams::default(), &note).await?;
        secrets.patch("db", &PatchParams::default(), &note).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(until(bed, &key, SOON, password("two")).await?, 2);

        secrets.delete("db", &DeleteParams::default()).await?;
        until(bed, &key, AFTER_PATIENCE, |data| data.is_none()).await?;
        let gone = "False SourceDeleted: source secret deleted; provider secrets cleaned up";
        reads(bed, &ns, "out", gone).await?;
        bed.cluster.write_secret(&ns, "db", &[("password", "three")]).await?;
        until(bed, &key, AT_ONCE, password("three")).await?;
        reads(bed, &ns, "out", SYNCED).await?;

        // The store stays until what was pushed to it is gone.
        let store = bed.cluster.objects("SecretStore", Some(&ns))?;
        store.delete("vault", &DeleteParams::default()).await?;
        bed.event(&ns, "vault", "Warning StoreInUse: not deleted: PushSecret").await?;
        pushes(bed, &ns).delete("out", &DeleteParams::default()).await?;
        wait::until(&pushes(bed, &ns), "out", SOON, "to be gone", |it| it.is_none()).await?;
        until(bed, &key, AT_ONCE, |data| data.is_none()).await?;
        wait::until(&store, "vault", SOON, "to be gone", |it| it.is_none()).await?;
        Ok(())
    })
}

#[test]
fn what_is_read_back_is_not_pushed_for_ever() -> Result {
    SUITE.run("loop", async |bed, ns| {
        let key = format!("{ns}/db");
        bed.openbao()?.write(&key, json!({"password": "v"})).await?;
        bed.apply(&ns, STORE).await?;
        let back = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: back, namespace: $NS}
spec:
  refreshInterval: 1s
  secretStoreRef: {name: vault}
  target: {name: db, template: {data: {password: '{{ .password }}x'}}}
  data: [{secretKey: password, remoteRef: {key: $NS/db, property: password}}]
---
";
        bed.apply(&ns, back).await?;
        bed.synced(&ns, "back").await?;
        let (_, push) = PUSH.split_once("---").context("two documents")?;
        bed.apply(&ns, push).await?;
        let text = format!(
            "{SYNCED}. Not pushed back: remote key \"{key}\" of SecretStore \"vault\", which ExternalSecret \"back\" reads into \
             Secret \"db\""
        );
        reads(bed, &ns, "out", &text).await?;
        bed.event(&ns, "out", "Warning NotPushedBack").await?;
        // Several refreshes.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(remote(bed, &key).await, Some((json!({"password": "v"}), 1)));
        assert_eq!(bed.values(&ns, "db").await?["password"], "vx");
        Ok(())
    })
}

/// How many are pushed while the controller is killed.
const OBJECTS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_controller_loses_and_doubles_nothing() -> Result {
    let mut bed = Testbed::start(&Parts::syncing(), |_| ()).await?;
    let ns = bed.cluster.namespace("killed").await?;
    bed.apply(&ns, STORE).await?;
    bed.cluster.write_secret(&ns, "db", &[("password", "one")]).await?;
    let (_, push) = PUSH.split_once("---").context("two documents")?;
    for number in 0..OBJECTS {
        let yaml =
            push.replace("name: out", &format!("name: out-{number}")).replace("$NS/db", &format!("$NS/{number}"));
        bed.apply(&ns, &yaml).await?;
        if number == OBJECTS / 2 {
            until(&bed, &format!("{ns}/0"), SOON, |data| data.is_some()).await?;
            let mut first = bed.controller.take().context("no controller")?;
            first.signal(Signal::KILL)?;
            first.ended(SOON).await?;
        }
    }
    bed.controller = Some(Controller::spawn(&bed.cluster, &["--loglevel=debug"], &[]).await?);
    for number in 0..OBJECTS {
        reads(&bed, &ns, &format!("out-{number}"), SYNCED).await?;
        assert_eq!(until(&bed, &format!("{ns}/{number}"), SOON, |data| data.is_some()).await?, 1, "{number}");
        pushes(&bed, &ns).delete(&format!("out-{number}"), &DeleteParams::default()).await?;
    }
    for number in 0..OBJECTS {
        until(&bed, &format!("{ns}/{number}"), SOON, |data| data.is_none()).await?;
    }
    Ok(())
}
