//! A Vault that is sealed for a while: nothing is lost, everybody is told, and all is well after it is unsealed.

use std::time::Duration;

use e2e::testbed::{Parts, Suite};
use e2e::{Result, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

#[test]
fn a_sealed_vault_loses_nothing_and_is_used_again_once_unsealed() -> Result {
    SUITE.run("sealed", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write("sealed/app", json!({"user": "ada"})).await?;
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
  refreshInterval: 1
  provider:
    vault:
      server: $VAULT
      path: secret
      auth: {tokenSecretRef: {name: vault-token, key: token}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider: {fake: {data: [{key: k, value: v}]}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  refreshInterval: 1s
  secretStoreRef: {name: vault}
  dataFrom: [{extract: {key: sealed/app}}]
",
        )
        .await?;
        bed.synced(&ns, "es").await?;
        let before = bed.cluster.secrets(&ns).get("es").await?;

        openbao.seal().await?;
        bed.store_says(&ns, "vault", "False InvalidProviderConfig: unable to validate store").await?;
        bed.says(&ns, "es", "False SecretSyncedError: could not get secret data from provider").await?;
        let during = bed.cluster.secrets(&ns).get("es").await?;
        assert_eq!(during.metadata.resource_version, before.metadata.resource_version, "the last good Secret stays");
        bed.apply(
            &ns,
            "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: unconcerned, namespace: $NS}
spec:
  secretStoreRef: {name: fake}
  data: [{secretKey: k, remoteRef: {key: k}}]
",
        )
        .await?;
        bed.synced(&ns, "unconcerned").await?;

        openbao.unseal().await?;
        openbao.write("sealed/app", json!({"user": "bob"})).await?;
        // Retries back off by themselves; a user who can't wait touches the store.
        let touch = json!({"spec": {"refreshInterval": 2}});
        let stores = bed.cluster.objects("SecretStore", Some(&ns))?;
        stores.patch("vault", &PatchParams::default(), &Patch::Merge(&touch)).await?;
        wait::exists(&bed.cluster.secrets(&ns), "es", Duration::from_secs(20), "to be fresh", |it| {
            wait::secret_text(it, "user").as_deref() == Some("bob")
        })
        .await?;
        bed.synced(&ns, "es").await?;
        Ok(())
    })
}
