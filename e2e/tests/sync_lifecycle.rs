//! What happens to a Secret over its life: made, kept, repaired, rotated, retried, collected.

use std::time::{Duration, Instant};

use e2e::testbed::{Parts, Suite, Testbed};
use e2e::{Context, Result, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

/// What is repaired or retried "at once" may take this long, on two cores that do much else.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Kubernetes' garbage collector learns of new kinds every 30 s, and the cluster is newer than that.
const COLLECTED: Duration = Duration::from_secs(60);

const FAKE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider:
    fake:
      data: [{key: foo, value: value1}, {key: bar, value: value2}]
";

const PAIR: &str = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: pair
  namespace: $NS
  labels: {team: blue}
  annotations: {note: kept}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: fake}
  data:
    - {secretKey: foo, remoteRef: {key: foo}}
    - {secretKey: bar, remoteRef: {key: bar}}
";

async fn pair(bed: &Testbed, namespace: &str) -> Result<Secret> {
    bed.apply(namespace, FAKE).await?;
    bed.apply(namespace, PAIR).await?;
    bed.synced(namespace, "pair").await?;
    Ok(bed.cluster.secrets(namespace).get("pair").await?)
}

#[test]
fn a_synced_secret_carries_the_reference_s_marks() -> Result {
    SUITE.run("marks", async |bed, ns| {
        let secret = pair(bed, &ns).await?;
        let object = bed.synced(&ns, "pair").await?;
        let meta = secret.metadata;
        let labels = meta.labels.unwrap_or_default();
        assert_eq!(labels["reconcile.external-secrets.io/managed"], "true");
        assert_eq!(labels["reconcile.external-secrets.io/created-by"].len(), 56, "a SHA3-224 in hex");
        assert_eq!(labels["team"], "blue");
        let annotations = meta.annotations.unwrap_or_default();
        // The published vector for {foo: value1, bar: value2}: a running cluster's Secrets must stay valid.
        let hash = "1bed8bcbcb4547ffe19a19cd47d9078e84aa6598266d86b99f992d64";
        assert_eq!(annotations["reconcile.external-secrets.io/data-hash"], hash);
        assert_eq!(annotations["note"], "kept");
        let owner = meta.owner_references.unwrap_or_default().pop().context("no owner")?;
        assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("ExternalSecret", "pair"));
        assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
        let manager = meta.managed_fields.unwrap_or_default().pop().and_then(|it| it.manager);
        assert_eq!(manager.as_deref(), Some("externalsecrets.external-secrets.io/pair"));

        let status = |pointer: &str| wait::field(&object, pointer).as_str().unwrap_or_default().to_owned();
        assert_eq!(status("/status/binding/name"), "pair");
        assert!(
            status("/status/syncedResourceVersion").starts_with("1-"),
            "{}",
            status("/status/syncedResourceVersion")
        );
        assert!(status("/status/refreshTime").ends_with('Z'), "{}", status("/status/refreshTime"));
        bed.event(&ns, "pair", "Normal Created: secret created").await?;
        Ok(())
    })
}

#[test]
fn a_deleted_secret_is_back_at_once() -> Result {
    SUITE.run("deleted", async |bed, ns| {
        let before = pair(bed, &ns).await?.metadata.uid;
        let secrets = bed.cluster.secrets(&ns);
        secrets.delete("pair", &DeleteParams::default()).await?;
        wait::exists(&secrets, "pair", AT_ONCE, "to be back", |it| it.metadata.uid != before).await?;
        Ok(())
    })
}

#[test]
fn an_edited_secret_is_repaired_at_once() -> Result {
    SUITE.run("edited", async |bed, ns| {
        pair(bed, &ns).await?;
        let secrets = bed.cluster.secrets(&ns);
        let edit = json!({"stringData": {"foo": "forged", "extra": "smuggled"}});
        secrets.patch("pair", &PatchParams::default(), &Patch::Merge(&edit)).await?;
        wait::exists(&secrets, "pair", AT_ONCE, "to be repaired", |it| {
            let keys = it.data.as_ref().map_or(0, |it| it.len());
            keys == 2 && wait::secret_text(it, "foo").as_deref() == Some("value1")
        })
        .await?;
        bed.event(&ns, "pair", "Normal Updated: secret updated").await?;
        Ok(())
    })
}

#[test]
fn a_rotated_value_arrives_after_the_interval() -> Result {
    SUITE.run("rotated", async |bed, ns| {
        bed.moto()?.create("rotated", "before").await?;
        bed.apply(
            &ns,
            "
apiVersion: v1
kind: Secret
metadata: {name: aws, namespace: $NS}
stringData: {id: test, secret: test}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: $NS}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: often, namespace: $NS}
spec:
  refreshInterval: 1s
  secretStoreRef: {name: aws}
  data: [{secretKey: k, remoteRef: {key: rotated}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: seldom, namespace: $NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws}
  data: [{secretKey: k, remoteRef: {key: rotated}}]
",
        )
        .await?;
        bed.synced(&ns, "often").await?;
        bed.synced(&ns, "seldom").await?;
        bed.moto()?.rotate("rotated", "after").await?;
        let arrived = |it: &Secret| wait::secret_text(it, "k").as_deref() == Some("after");
        wait::exists(&bed.cluster.secrets(&ns), "often", Duration::from_secs(5), "to be rotated", arrived).await?;
        assert_eq!(bed.values(&ns, "seldom").await?["k"], "before", "not due for an hour");

        // Any label or annotation asks for a refresh now.
        let ask = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        objects.patch("seldom", &PatchParams::default(), &Patch::Merge(&ask)).await?;
        wait::exists(&bed.cluster.secrets(&ns), "seldom", AT_ONCE, "to be refreshed", arrived).await?;
        Ok(())
    })
}

#[test]
fn a_changed_spec_is_synced_at_once() -> Result {
    SUITE.run("changed", async |bed, ns| {
        pair(bed, &ns).await?;
        let yaml =
            PAIR.replace("- {secretKey: bar, remoteRef: {key: bar}}", "- {secretKey: renamed, remoteRef: {key: bar}}");
        bed.apply(&ns, &yaml).await?;
        wait::exists(&bed.cluster.secrets(&ns), "pair", AT_ONCE, "to follow its spec", |it| {
            let keys: Vec<&String> = it.data.iter().flatten().map(|it| it.0).collect();
            keys == ["foo", "renamed"]
        })
        .await?;
        Ok(())
    })
}

#[test]
fn a_renamed_target_leaves_no_orphan() -> Result {
    SUITE.run("renamed", async |bed, ns| {
        pair(bed, &ns).await?;
        bed.apply(&ns, &PAIR.replace("refreshInterval: 1h", "refreshInterval: 1h\n  target: {name: moved}")).await?;
        let secrets = bed.cluster.secrets(&ns);
        wait::exists(&secrets, "moved", AT_ONCE, "to be made", |_| true).await?;
        wait::until(&secrets, "pair", AT_ONCE, "to be deleted", |it| it.is_none()).await?;
        Ok(())
    })
}

#[test]
fn a_deleted_external_secret_takes_its_secret_along() -> Result {
    SUITE.run("collected", async |bed, ns| {
        pair(bed, &ns).await?;
        bed.cluster.objects("ExternalSecret", Some(&ns))?.delete("pair", &DeleteParams::default()).await?;
        wait::until(&bed.cluster.secrets(&ns), "pair", COLLECTED, "to be collected", |it| it.is_none()).await?;
        Ok(())
    })
}

/// Waits until retries of this ExternalSecret have backed off so far that the next one is not due for seconds.
async fn backed_off(bed: &Testbed, namespace: &str, name: &str) -> Result {
    let labels = [format!("name=\"{name}\""), format!("namespace=\"{namespace}\"")];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let from = Instant::now();
    while bed.controller()?.metric("externalsecret_sync_calls_error", &labels).await? < 4.0 {
        if from.elapsed() > Duration::from_secs(60) {
            return Err(e2e::Error::new(format!("{namespace}/{name} isn't retried")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

const FAILED: &str = "False SecretSyncedError: could not get secret data from provider";

#[test]
fn a_store_that_appears_or_is_mended_is_used_at_once() -> Result {
    SUITE.run("mended", async |bed, ns| {
        bed.apply(&ns, PAIR).await?;
        bed.says(&ns, "pair", FAILED).await?;
        bed.event(
            &ns,
            "pair",
            r#"Warning UpdateFailed: error processing spec.data[0] (key: foo), err: could not get SecretStore "fake""#,
        )
        .await?;
        backed_off(bed, &ns, "pair").await?;
        // It appears, but lacks a key.
        bed.apply(&ns, &FAKE.replace(", {key: bar, value: value2}", "")).await?;
        bed.event(&ns, "pair", "error processing spec.data[1] (key: bar), err: Secret does not exist").await?;
        backed_off(bed, &ns, "pair").await?;
        bed.apply(&ns, FAKE).await?;
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        wait::ready_says(&objects, "pair", AT_ONCE, "True SecretSynced: secret synced").await?;
        Ok(())
    })
}

#[test]
fn a_mended_credential_is_used_at_once() -> Result {
    SUITE.run("credential", async |bed, ns| {
        bed.openbao()?.write("credential/app", json!({"user": "ada"})).await?;
        bed.cluster.write_secret(&ns, "vault-token", &[("token", "mistyped")]).await?;
        bed.apply(
            &ns,
            "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: $NS}
spec:
  provider:
    vault:
      server: $VAULT
      path: secret
      auth: {tokenSecretRef: {name: vault-token, key: token}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  secretStoreRef: {name: vault}
  data: [{secretKey: k, remoteRef: {key: credential/app, property: user}}]
",
        )
        .await?;
        bed.store_says(&ns, "vault", "False InvalidProviderConfig: unable to validate store").await?;
        bed.event(&ns, "es", r#"SecretStore "vault" is not ready"#).await?;
        backed_off(bed, &ns, "es").await?;
        bed.cluster.write_secret(&ns, "vault-token", &[("token", "root")]).await?;
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        wait::ready_says(&objects, "es", AT_ONCE, "True SecretSynced: secret synced").await?;
        bed.store_says(&ns, "vault", "True Valid: store validated").await?;
        Ok(())
    })
}

#[test]
fn a_foreign_controller_class_is_left_alone() -> Result {
    SUITE.run("class", async |bed, ns| {
        // Each time, a neighbour that was applied later is done: the foreign one has been looked at by then.
        bed.apply(&ns, &FAKE.replace("spec:", "spec:\n  controller: somebody-else")).await?;
        pair(bed, &bed.cluster.namespace("class-neighbour").await?).await?;
        bed.apply(&ns, PAIR).await?;
        pair(bed, &bed.cluster.namespace("class-neighbour").await?).await?;
        let object = bed.cluster.objects("ExternalSecret", Some(&ns))?.get("pair").await?;
        assert!(wait::condition(&object, "Ready").is_none(), "{:?}", object.data);
        assert!(bed.cluster.secrets(&ns).get_opt("pair").await?.is_none());
        Ok(())
    })
}

#[test]
fn a_secret_of_another_owner_is_not_taken() -> Result {
    SUITE.run("owned", async |bed, ns| {
        pair(bed, &ns).await?;
        let rival = PAIR.replace("name: pair", "name: rival").replace("refreshInterval: 1h", "target: {name: pair}");
        bed.apply(&ns, &rival).await?;
        bed.says(&ns, "rival", "False SecretSyncedError: target is owned by another ExternalSecret").await?;
        let owner = bed.cluster.secrets(&ns).get("pair").await?.metadata.owner_references.unwrap_or_default();
        assert_eq!(owner.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["pair"]);
        Ok(())
    })
}
