//! The webhook stands the loss of a replica, under its own restricted role. How its certificates heal is
//! `webhook_faults.rs`, that no request fails meanwhile is `webhook_flow.rs`.

use e2e::operator::{NAMESPACE, Webhook};
use e2e::testbed::{Parts, SOON, Suite};
use e2e::{Context, Result, cluster};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

fn parts() -> Parts {
    Parts { backends: false, controller: None, webhooks: 2 }
}

static SUITE: Suite = Suite::new(parts);

#[test]
fn the_loss_of_one_of_two_replicas_is_not_noticed() -> Result {
    SUITE.run("lost", async |bed, ns| {
        Webhook::judges_soon(&bed.cluster, &ns, SOON).await?;
        let webhook = bed.webhook.as_ref().context("no webhook")?;
        for number in 0..40 {
            if number == 10 {
                webhook.kill(0);
            }
            Webhook::judges_soon(&bed.cluster, &ns, SOON).await.context(format!("request {number}"))?;
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
