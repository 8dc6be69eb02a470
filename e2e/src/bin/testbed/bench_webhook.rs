//! `make bench-webhook`: how many reviews of an ExternalSecret one webhook answers a second, how fast, and in how much
//! memory.
//!
//! The load goes straight to the webhook's port over TLS, as an API server's does, with connections that stay open. It
//! shares the machine with the webhook: only ratios within one run, and CPU time, are worth much. The load itself is `load`.

use std::time::Duration;

use e2e::operator::{Usage, Webhook};
use e2e::testbed::{Parts, Testbed};
use e2e::{Context, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::load::{Load, Run, Target};
use crate::say;

const PATH: &str = "/validate-external-secrets-io-v1-externalsecret";

/// How much, and over how many connections.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How many reviews in all, at least.
    #[arg(long, default_value_t = 1_000_000)]
    reviews: u64,
    /// Connections of each measured round.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    connections: Vec<u16>,
    /// Seconds of a round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What makes the load: wrk, or our own, which needs nothing. Default: wrk if it is installed.
    #[arg(long)]
    load: Option<Load>,
}

/// Measures each number of connections, and the memory before and after all reviews.
pub(crate) async fn run(options: &Options) -> Result {
    let load = options.load.unwrap_or_else(Load::installed);
    let bed = Testbed::start(&Parts { backends: false, controller: None, webhooks: 1 }, say::step).await?;
    let webhook = bed.webhook.as_ref().context("no webhook")?;
    let target = Target {
        address: webhook.address(0)?,
        path: PATH,
        body: review().to_string(),
        ca: ca_bundle(&bed).await?,
        folder: bed.cluster.folder().to_owned(),
    };
    target.check().await.context("the review that is measured")?;
    say::heading(&format!("ExternalSecret reviews of {} bytes over TLS, load by {load}", target.body.len()));
    let start = webhook.usage(0)?;
    memory("memory before", start);
    say::line("connections    reviews/s       p50       p99   CPU a review   failed");
    let seconds = Duration::from_secs(options.seconds);
    let mut total = 0;
    for connections in &options.connections {
        total += measure(load, &target, webhook, *connections, seconds).await?;
    }
    if total < options.reviews {
        say::step(&format!("{total} reviews so far; going on with 16 connections"));
    }
    while total < options.reviews {
        total += load.run(&target, 16, seconds).await?.reviews;
    }
    memory(&format!("memory after {total} reviews"), webhook.usage(0)?);
    Ok(())
}

async fn measure(load: Load, target: &Target, webhook: &Webhook, connections: u16, seconds: Duration) -> Result<u64> {
    let before = webhook.usage(0)?.cpu;
    let Run { reviews, failed, took, p50, p99 } = load.run(target, connections, seconds).await?;
    let cpu = webhook.usage(0)?.cpu - before;
    let ms = |it: Duration| format!("{:.2} ms", it.as_secs_f64() * 1e3);
    say::line(&format!(
        "{connections:>11} {:>12.0} {:>9} {:>9} {:>11.1} µs {failed:>8}",
        reviews as f64 / took.as_secs_f64(),
        ms(p50),
        ms(p99),
        cpu.as_secs_f64() * 1e6 / reviews.max(1) as f64,
    ));
    Ok(reviews)
}

fn memory(what: &str, usage: Usage) {
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    say::line(&format!("{what}: {:.1} MiB resident, {:.1} MiB at most", mib(usage.resident), mib(usage.peak)));
}

/// The authority that the webhook has published.
async fn ca_bundle(bed: &Testbed) -> Result<Vec<u8>> {
    let all: Api<ValidatingWebhookConfiguration> = Api::all(bed.cluster.client());
    let configurations = all.list(&ListParams::default()).await?.items;
    let mut hooks = configurations.into_iter().flat_map(|it| it.webhooks.unwrap_or_default());
    Ok(hooks.find_map(|it| it.client_config.ca_bundle).context("no caBundle is published")?.0)
}

/// A review as an API server sends it for a mid-sized ExternalSecret that was applied server-side.
fn review() -> Value {
    let kind = json!({"group": "external-secrets.io", "version": "v1", "kind": "ExternalSecret"});
    let resource = json!({"group": "external-secrets.io", "version": "v1", "resource": "externalsecrets"});
    let data: Vec<Value> = ["username", "password", "host"]
        .into_iter()
        .map(|key| {
            json!({"secretKey": key, "remoteRef": {
                "key": "apps/shop/database", "property": key, "conversionStrategy": "Default",
                "decodingStrategy": "None", "metadataPolicy": "None", "nullBytePolicy": "Ignore"}})
        })
        .collect();
    let object = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {
            "name": "database", "namespace": "shop", "uid": "5f0ac8b1-9d5c-4a1e-8d2f-7f3e0c4b6a19", "generation": 1,
            "creationTimestamp": "2025-06-01T12:00:00Z",
            "labels": {"app.kubernetes.io/name": "shop", "app.kubernetes.io/managed-by": "argocd"},
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:external-secrets.io/ExternalSecret:shop/database"},
            "managedFields": [{
                "manager": "argocd-controller", "operation": "Apply", "apiVersion": "external-secrets.io/v1",
                "time": "2025-06-01T12:00:00Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}, "f:annotations": {}},
                    "f:spec": {"f:data": {}, "f:refreshInterval": {}, "f:secretStoreRef": {}, "f:target": {}}},
            }],
        },
        "spec": {
            "refreshInterval": "1h0m0s", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
            "target": {
                "name": "database", "creationPolicy": "Owner", "deletionPolicy": "Retain",
                "template": {"engineVersion": "v2", "mergePolicy": "Replace", "type": "Opaque", "data": {
                    "url": "postgres://{{ .username }}:{{ .password }}@{{ .host }}:5432/shop?sslmode=verify-full"}},
            },
            "data": data,
        },
    });
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource, "requestKind": kind,
            "requestResource": resource, "name": "database", "namespace": "shop", "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:argocd:argocd-application-controller",
                "uid": "0b0fd8a2-6d2b-4e4d-9c0c-2b9c1a3d5e7f",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:argocd", "system:authenticated"],
            },
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions", "fieldManager": "argocd-controller"},
        },
    })
}
