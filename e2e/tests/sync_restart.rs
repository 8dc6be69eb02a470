//! A controller that stops and starts again does no work twice.

use std::time::Duration;

use e2e::operator::Controller;
use e2e::testbed::{Parts, SOON, Testbed};
use e2e::{Context, Result, wait};
use kube::api::ListParams;
use serde_json::json;

const OBJECTS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_controller_reads_and_writes_only_what_is_due() -> Result {
    let mut bed = Testbed::start(&Parts::syncing(), |_| ()).await?;
    let ns = bed.cluster.namespace("restart").await?;
    bed.openbao()?.write("restart/app", json!({"user": "ada"})).await?;
    bed.apply(
        &ns,
        "
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
",
    )
    .await?;
    for number in 0..OBJECTS {
        let yaml = format!(
            "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es-{number}, namespace: $NS}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: vault}}
  dataFrom: [{{extract: {{key: restart/app}}}}]
"
        );
        bed.apply(&ns, &yaml).await?;
    }
    for number in 0..OBJECTS {
        bed.synced(&ns, &format!("es-{number}")).await?;
    }
    let first = bed.controller.take().context("no controller")?;
    let status = first.stop(Duration::from_secs(10)).await?;
    assert!(status.success(), "SIGTERM ends it cleanly: {status}");
    let before = versions(&bed, &ns).await?;

    // What changed while it was away is noticed; nothing else is touched.
    bed.cluster.secrets(&ns).delete("es-0", &Default::default()).await?;
    let second = Controller::spawn(&bed.cluster, &["--loglevel=debug"], &[]).await?;
    wait::exists(&bed.cluster.secrets(&ns), "es-0", SOON, "to be back", |_| true).await?;
    let labels = ["call=\"ReadSecretData\""];
    let read = second.metric("externalsecret_provider_api_calls_count", &labels).await?;
    assert!(read <= 2.0, "only the lost Secret's value is read, but there were {read} reads");
    let seen = second.metric("externalsecret_sync_calls_total", &[]).await?;
    assert!(seen >= 1.0, "it reconciles");
    let after = versions(&bed, &ns).await?;
    assert_eq!(after[1..], before[1..], "nothing but the lost Secret is written");
    Ok(())
}

async fn versions(bed: &Testbed, namespace: &str) -> Result<Vec<(String, Option<String>)>> {
    let secrets = bed.cluster.secrets(namespace).list(&ListParams::default()).await?;
    let mut all: Vec<_> = secrets
        .into_iter()
        .map(|it| (it.metadata.name.unwrap_or_default(), it.metadata.resource_version))
        .filter(|(name, _)| name.starts_with("es-"))
        .collect();
    all.sort();
    Ok(all)
}
