//! What users get when something is wrong: the exact condition, an event that says why, and their last good Secret.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::testbed::{Parts, Suite, Testbed};
use e2e::{Result, wait};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

const FAILED: &str = "False SecretSyncedError: could not get secret data from provider";
const NOT_CREATED: &str = "False InvalidProviderConfig: unable to create client";
const NOT_VALIDATED: &str = "False InvalidProviderConfig: unable to validate store";

fn vault(server: &str, secret: &str, key: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: vault, namespace: $NS}}
spec:
  provider:
    vault:
      server: {server}
      path: secret
      auth: {{tokenSecretRef: {{name: {secret}, key: {key}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es, namespace: $NS}}
spec:
  secretStoreRef: {{name: vault}}
  data: [{{secretKey: k, remoteRef: {{key: faults/app, property: user}}}}]
"
    )
}

/// A store that can't work: its condition, a part of its event's text, and what its ExternalSecrets say.
async fn broken_store(bed: &Testbed, ns: &str, yaml: &str, condition: &str, event: &str) -> Result {
    bed.openbao()?.write("faults/app", json!({"user": "ada"})).await?;
    bed.cluster.write_secret(ns, "vault-token", &[("token", "mistyped")]).await?;
    bed.apply(ns, yaml).await?;
    bed.store_says(ns, "vault", condition).await?;
    let text = bed.event(ns, "vault", event).await?;
    assert!(text.starts_with("Warning InvalidProviderConfig: "), "{text}");
    bed.says(ns, "es", FAILED).await?;
    let wished = r#"error processing spec.data[0] (key: faults/app), err: SecretStore "vault" is not ready"#;
    assert_eq!(bed.event(ns, "es", "is not ready").await?, format!("Warning UpdateFailed: {wished}"));
    assert!(bed.cluster.secrets(ns).get_opt("es").await?.is_none());
    Ok(())
}

#[test]
fn a_store_whose_secret_is_missing() -> Result {
    SUITE.run("no-secret", async |bed, ns| {
        let event = format!(r#"cannot get Kubernetes secret "missing" from namespace "{ns}""#);
        broken_store(bed, &ns, &vault("$VAULT", "missing", "token"), NOT_CREATED, &event).await
    })
}

#[test]
fn a_store_whose_secret_lacks_the_key() -> Result {
    SUITE.run("no-key", async |bed, ns| {
        let event = r#"cannot find secret data for key: "absent""#;
        broken_store(bed, &ns, &vault("$VAULT", "vault-token", "absent"), NOT_CREATED, event).await
    })
}

#[test]
fn a_store_with_a_wrong_token() -> Result {
    SUITE.run("wrong-token", async |bed, ns| {
        broken_store(bed, &ns, &vault("$VAULT", "vault-token", "token"), NOT_VALIDATED, "invalid vault credentials: ")
            .await
    })
}

#[test]
fn a_store_whose_backend_is_down() -> Result {
    SUITE.run("down", async |bed, ns| {
        let yaml = vault("http://127.0.0.1:9", "vault-token", "token");
        broken_store(bed, &ns, &yaml, NOT_VALIDATED, "127.0.0.1:9").await
    })
}

#[test]
fn a_store_of_no_two_or_unknown_providers_is_refused_by_the_schema() -> Result {
    SUITE.run("providers", async |bed, ns| {
        for (provider, part) in [
            (json!({}), "should have at least 1 properties"),
            (json!({"fake": {"data": []}, "vault": {"server": "http://127.0.0.1:9"}}), "must have at most 1 item"),
            (json!({"nosuch": {}}), "nosuch"),
        ] {
            let refusal = bed
                .cluster
                .apply_json(json!({
                    "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                    "metadata": {"name": "bad", "namespace": ns}, "spec": {"provider": provider},
                }))
                .await
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(refusal.contains(part), "{provider}: {refusal:?}");
        }
        Ok(())
    })
}

const AWS: &str = "
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
";

const VAULT: &str = "
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

#[test]
fn references_to_what_is_not_there_say_which() -> Result {
    SUITE.run("references", async |bed, ns| {
        bed.moto()?.create("faults/plain", "no JSON").await?;
        bed.openbao()?.write("faults/references", json!({"user": "ada"})).await?;
        bed.apply(&ns, AWS).await?;
        bed.apply(&ns, VAULT).await?;
        let rows = [
            (
                "aws-no-secret",
                "aws",
                "data: [{secretKey: k, remoteRef: {key: faults/absent}}]",
                "error processing spec.data[0] (key: faults/absent), err: Secret does not exist",
            ),
            (
                "aws-no-json",
                "aws",
                "data: [{secretKey: k, remoteRef: {key: faults/plain, property: user}}]",
                "error processing spec.data[0] (key: faults/plain), err: key user does not exist in secret faults/plain",
            ),
            (
                "aws-extract-no-json",
                "aws",
                "dataFrom: [{extract: {key: faults/plain}}]",
                "error processing spec.dataFrom[0].extract, err: unable to unmarshal secret faults/plain",
            ),
            (
                "vault-no-secret",
                "vault",
                "data: [{secretKey: k, remoteRef: {key: faults/absent, property: user}}]",
                "error processing spec.data[0] (key: faults/absent), err: Secret does not exist",
            ),
            (
                "vault-no-property",
                "vault",
                "data: [{secretKey: k, remoteRef: {key: faults/references, property: absent}}]",
                r#"error processing spec.data[0] (key: faults/references), err: cannot find secret data for key: "absent""#,
            ),
            (
                "second-entry",
                "vault",
                "data: [{secretKey: a, remoteRef: {key: faults/references, property: user}}, {secretKey: b, remoteRef: {key: nowhere}}]",
                "error processing spec.data[1] (key: nowhere), err: Secret does not exist",
            ),
            (
                "no-store",
                "absent",
                "data: [{secretKey: k, remoteRef: {key: faults/references, property: user}}]",
                r#"error processing spec.data[0] (key: faults/references), err: could not get SecretStore "absent", "#,
            ),
        ];
        for (name, store, spec, _) in rows {
            let head = format!("apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n");
            bed.apply(&ns, &format!("{head}spec:\n  secretStoreRef: {{name: {store}}}\n  {spec}\n")).await?;
        }
        // A good neighbour with the same store doesn't suffer.
        bed.apply(
            &ns,
            "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: good, namespace: $NS}
spec:
  secretStoreRef: {name: vault}
  data: [{secretKey: k, remoteRef: {key: faults/references, property: user}}]
",
        )
        .await?;
        for (name, _, _, event) in rows {
            bed.says(&ns, name, FAILED).await?;
            let text = bed.event(&ns, name, "error processing").await?;
            assert!(text.starts_with(&format!("Warning UpdateFailed: {event}")), "{name}: {text}");
        }
        bed.synced(&ns, "good").await?;
        Ok(())
    })
}

#[test]
fn the_last_good_secret_stays_when_its_source_is_gone() -> Result {
    SUITE.run("last-good", async |bed, ns| {
        bed.openbao()?.write("faults/last-good", json!({"user": "ada"})).await?;
        bed.apply(&ns, VAULT).await?;
        let yaml = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  refreshInterval: 1s
  secretStoreRef: {name: vault}
  dataFrom: [{extract: {key: faults/last-good}}]
";
        bed.apply(&ns, yaml).await?;
        bed.synced(&ns, "es").await?;
        let before = bed.cluster.secrets(&ns).get("es").await?;
        bed.openbao()?.delete("faults/last-good").await?;
        bed.says(&ns, "es", FAILED).await?;
        let after = bed.cluster.secrets(&ns).get("es").await?;
        assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
        assert_eq!(after.data, before.data);
        // And when the source is back, so is the sync, without anybody's help.
        bed.openbao()?.write("faults/last-good", json!({"user": "bob"})).await?;
        bed.synced(&ns, "es").await?;
        assert_eq!(bed.values(&ns, "es").await?["user"], "bob");
        Ok(())
    })
}

#[test]
fn status_does_not_churn_while_a_failure_lasts() -> Result {
    SUITE.run("churn", async |bed, ns| {
        bed.apply(&ns, AWS).await?;
        let yaml = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  secretStoreRef: {name: aws}
  data: [{secretKey: k, remoteRef: {key: faults/never-there}}]
";
        bed.apply(&ns, yaml).await?;
        let before = bed.says(&ns, "es", FAILED).await?.metadata.resource_version;
        let labels = [format!("namespace=\"{ns}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        for _ in 0..200 {
            if bed.controller()?.metric("externalsecret_sync_calls_error", &labels).await? >= 3.0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(bed.controller()?.metric("externalsecret_sync_calls_error", &labels).await? >= 3.0, "it is retried");
        let after = bed.cluster.objects("ExternalSecret", Some(&ns))?.get("es").await?.metadata.resource_version;
        assert_eq!(after, before, "a retry that ends the same writes nothing");
        Ok(())
    })
}

/// Values that must be found nowhere but in the Secrets that they belong in.
const CANARIES: [&str; 5] = [
    "canary-value-3f9ab1c2d4",
    "canary-json-77e0c55a19",
    "canary-token-b20d94e6f1",
    "canary-key-id-5d31fa8e02",
    "canary-access-key-8b6c11d7e4",
];

#[test]
fn no_value_is_told_to_anybody() -> Result {
    SUITE.run("canary", async |bed, ns| {
        let [value, in_json, token, key_id, access_key] = CANARIES;
        bed.moto()?.create("faults/canary", value).await?;
        bed.moto()?.create("faults/canary-broken", &format!("{{\"user\": \"{in_json}\", ")).await?;
        bed.openbao()?.write("faults/canary", json!({"user": in_json, "plain": value})).await?;
        bed.cluster.write_secret(&ns, "aws", &[("id", key_id), ("secret", access_key)]).await?;
        bed.cluster.write_secret(&ns, "wrong", &[("token", token)]).await?;
        let mut yaml = VAULT.to_owned() + "---" + &AWS[AWS.find("---").unwrap_or_default() + 3..];
        yaml += "---\n";
        yaml += &VAULT[VAULT.find("---").unwrap_or_default() + 3..]
            .replace("name: vault,", "name: wrong,")
            .replace("name: vault-token", "name: wrong");
        bed.apply(&ns, &yaml).await?;
        let rows = [
            ("good", "vault", "dataFrom: [{extract: {key: faults/canary}}]"),
            ("good-aws", "aws", "data: [{secretKey: k, remoteRef: {key: faults/canary}}]"),
            ("no-json", "aws", "data: [{secretKey: k, remoteRef: {key: faults/canary, property: user}}]"),
            ("broken-json", "aws", "dataFrom: [{extract: {key: faults/canary-broken}}]"),
            (
                "no-base64",
                "vault",
                "data: [{secretKey: k, remoteRef: {key: faults/canary, property: plain, decodingStrategy: Base64}}]",
            ),
            ("below-text", "vault", "dataFrom: [{extract: {key: faults/canary, property: plain}}]"),
            ("wrong-token", "wrong", "data: [{secretKey: k, remoteRef: {key: faults/canary, property: user}}]"),
        ];
        for (name, store, spec) in rows {
            let head = format!(
                "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n"
            );
            bed.apply(&ns, &format!("{head}spec:\n  secretStoreRef: {{name: {store}}}\n  {spec}\n")).await?;
        }
        for (name, _, _) in rows {
            let wished = if name.starts_with("good") { "True SecretSynced: secret synced" } else { FAILED };
            bed.says(&ns, name, wished).await?;
        }
        bed.store_says(&ns, "wrong", NOT_VALIDATED).await?;
        bed.event(&ns, "wrong", "Warning").await?;
        // A drift repair reads and compares whole Secrets.
        let edit = json!({"stringData": {"user": "edited"}});
        bed.cluster.secrets(&ns).patch("good", &PatchParams::default(), &Patch::Merge(&edit)).await?;
        wait::exists(&bed.cluster.secrets(&ns), "good", Duration::from_secs(10), "to be repaired", |it| {
            wait::secret_text(it, "user").as_deref() == Some(in_json)
        })
        .await?;

        let mut told = vec![("logs", bed.logs())];
        told.push(("metrics", e2e::http_get(bed.controller()?.metrics_url()).await?));
        let events: Api<Event> = Api::all(bed.cluster.client());
        told.push(("events", serde_json::to_string(&events.list(&ListParams::default()).await?.items)?));
        for kind in ["ExternalSecret", "SecretStore"] {
            let objects = bed.cluster.objects(kind, Some(&ns))?.list(&ListParams::default()).await?;
            told.push((kind, serde_json::to_string(&objects.items)?));
        }
        let secrets = bed.cluster.secrets(&ns).list(&ListParams::default()).await?;
        let metadata: Vec<_> =
            secrets.items.into_iter().map(|it| (it.metadata.labels, it.metadata.annotations)).collect();
        told.push(("Secrets' metadata", serde_json::to_string(&metadata)?));
        for (place, text) in &told {
            for canary in CANARIES {
                // The test itself stored credentials with `stringData`; that is not what is looked for.
                assert!(!text.contains(canary), "{place} tells {canary}");
                assert!(!text.contains(&BASE64_STANDARD.encode(canary)), "{place} tells {canary} in base64");
            }
        }
        assert!(told[0].1.contains(&ns), "the logs that were searched speak of this namespace");
        Ok(())
    })
}
