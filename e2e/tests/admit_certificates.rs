//! The webhook looks after its own certificates and stands the loss of a replica, under its own restricted role.

use std::time::Duration;

use e2e::operator::{NAMESPACE, Webhook};
use e2e::testbed::{Parts, SOON, Suite, Testbed};
use e2e::{Context, Result, cluster, wait};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

fn parts() -> Parts {
    Parts { backends: false, controller: None, webhooks: 2 }
}

static SUITE: Suite = Suite::new(parts);

/// Asks for a verdict on a bad object: the webhook's own words, or an error if it wasn't reached.
async fn judged(bed: &Testbed, namespace: &str) -> Result {
    let bad = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "es", "namespace": namespace}, "spec": {"secretStoreRef": {"name": "s"}},
    });
    let refusal = bed.cluster.create(bad).await?.err().context("a bad object was accepted")?.to_string();
    if refusal.contains("either data or dataFrom should be specified") {
        return Ok(());
    }
    Err(e2e::Error::new(format!("the webhook didn't judge: {refusal}")))
}

async fn judged_soon(bed: &Testbed, namespace: &str) -> Result {
    let from = std::time::Instant::now();
    loop {
        match judged(bed, namespace).await {
            Err(error) if from.elapsed() > SOON => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(()) => return Ok(()),
        }
    }
}

#[test]
fn a_wiped_ca_bundle_is_repaired() -> Result {
    SUITE.run("wiped", async |bed, ns| {
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(bed.cluster.client());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(bed.cluster.client());
        let name = "externalsecret-validate";
        let before = validating.get(name).await?;
        let hooks = before.webhooks.unwrap_or_default().len();
        for foreign in [json!(null), json!("bm90IGEgY2VydGlmaWNhdGU=")] {
            let wipe: Vec<_> = (0..hooks)
                .map(|hook| json!({"op": "replace", "path": format!("/webhooks/{hook}/clientConfig/caBundle"), "value": foreign}))
                .collect();
            let patch: Patch<()> = Patch::Json(serde_json::from_value(json!(wipe))?);
            // Nonsense is refused by the API server itself; an empty bundle is what a careless apply leaves.
            if let Err(refused) = validating.patch(name, &PatchParams::default(), &patch).await {
                assert!(foreign.is_string(), "{refused}");
                continue;
            }
            wait::exists(&validating, name, Duration::from_secs(5), "to be repaired", |it| {
                it.webhooks.iter().flatten().all(|hook| hook.client_config.ca_bundle.as_ref().is_some_and(|it| !it.0.is_empty()))
            })
            .await?;
        }
        assert!(!mutating.list(&ListParams::default()).await?.items.is_empty());
        judged_soon(bed, &ns).await
    })
}

#[test]
fn a_deleted_authority_is_made_anew_and_trusted() -> Result {
    SUITE.run("deleted", async |bed, ns| {
        let secrets: Api<Secret> = Api::namespaced(bed.cluster.client(), NAMESPACE);
        let before = secrets.get(Webhook::SECRET).await?.metadata.uid;
        secrets.delete(Webhook::SECRET, &DeleteParams::default()).await?;
        wait::exists(&secrets, Webhook::SECRET, Duration::from_secs(10), "to be made anew", |it| {
            it.metadata.uid != before && it.data.as_ref().is_some_and(|it| it.contains_key("ca.crt"))
        })
        .await?;
        judged_soon(bed, &ns).await?;
        let webhook = bed.webhook.as_ref().context("no webhook")?;
        webhook.ready(SOON).await
    })
}

#[test]
fn the_loss_of_one_of_two_replicas_is_not_noticed() -> Result {
    SUITE.run("lost", async |bed, ns| {
        judged_soon(bed, &ns).await?;
        let webhook = bed.webhook.as_ref().context("no webhook")?;
        for number in 0..40 {
            if number == 10 {
                webhook.kill(0);
            }
            judged_soon(bed, &ns).await.context(format!("request {number}"))?;
        }
        Ok(())
    })
}

#[test]
fn the_webhook_s_account_reads_no_secret_but_its_own() -> Result {
    SUITE.run("restricted", async |bed, ns| {
        bed.cluster.write_secret(&ns, "private", &[("k", "v")]).await?;
        let kubeconfig = bed.cluster.service_account_kubeconfig(NAMESPACE, Webhook::ACCOUNT).await?;
        let client = cluster::client_of(&kubeconfig).await?;
        let own: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        own.get_opt(Webhook::SECRET).await.context("its own Secret")?;
        let forbidden = |result: kube::Result<()>| match result {
            Err(kube::Error::Api(status)) => status.code == 403,
            _ => false,
        };
        let foreign: Api<Secret> = Api::namespaced(client.clone(), &ns);
        assert!(forbidden(foreign.get("private").await.map(|_| ())), "reads a foreign Secret");
        let all: Api<Secret> = Api::all(client.clone());
        assert!(forbidden(all.list(&ListParams::default()).await.map(|_| ())), "lists all Secrets");
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(client);
        let gone = validating.delete("externalsecret-validate", &DeleteParams::default()).await;
        assert!(forbidden(gone.map(|_| ())), "deletes webhook configurations");
        Ok(())
    })
}
