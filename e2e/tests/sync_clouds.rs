//! The providers whose servers can't be had, through the whole operator: each against a stub made from its vendor's API
//! description.
//!
//! The stubs are those of the providers' own conformance suite; what each call looks like is checked there.

#[cfg(test)]
#[path = "../../controller/providers/tests/support/mod.rs"]
#[expect(dead_code, reason = "the conformance suite, which it is made for, uses all of it")]
mod support;

use std::collections::BTreeMap;

use e2e::operator::Controller;
use e2e::testbed::{Parts, SOON, Testbed};
use e2e::{Result, wait};
use futures::future::try_join_all;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::Stub;
use support::backends::{Backend, DATA, WORD};

const CLOUDS: [(&str, Backend); 5] = [
    ("azurekv", Backend::AzureKv),
    ("gcpsm", Backend::GcpSm),
    ("onepassword", Backend::OnePassword),
    ("ibm", Backend::Ibm),
    ("akeyless", Backend::Akeyless),
];
const PUSHED: &str = "True Synced: PushSecret synced successfully";

/// One provider, its stub and a namespace of its own.
struct Cloud {
    name: &'static str,
    backend: Backend,
    stub: Stub,
    namespace: String,
}

impl Cloud {
    fn pushes(&self) -> bool {
        self.backend != Backend::Ibm
    }

    /// The credentials' Secret and the store.
    async fn declare(&self, bed: &Testbed) -> Result {
        let opening = self.backend.opening(&self.stub.url());
        self.credentials(bed, &opening.lookup.secrets).await?;
        let store = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "store", "namespace": self.namespace},
            "spec": {"provider": opening.spec},
        });
        bed.cluster.apply_json(store).await.map(drop)
    }

    async fn credentials(&self, bed: &Testbed, all: &BTreeMap<&'static str, String>) -> Result {
        let keys: Vec<(&str, &str)> =
            all.iter().filter_map(|(name, value)| Some((name.strip_prefix("creds/")?, value.as_str()))).collect();
        bed.cluster.write_secret(&self.namespace, "creds", &keys).await
    }

    /// An ExternalSecret with this `spec` below the store.
    async fn external_secret(&self, bed: &Testbed, name: &str, spec: Value) -> Result {
        let mut whole = json!({"secretStoreRef": {"name": "store"}, "refreshInterval": "1h"});
        for (key, value) in spec.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        let object = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": whole,
        });
        bed.cluster.apply_json(object).await.map(drop)
    }

    async fn force(&self, bed: &Testbed, name: &str, why: &str) -> Result<DynamicObject> {
        let patch = json!({"metadata": {"annotations": {"force-sync": why}}});
        let api = bed.cluster.objects("ExternalSecret", Some(&self.namespace))?;
        Ok(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?)
    }

    async fn delivers(&self, bed: &Testbed, name: &str, wished: &[(&str, &str)]) -> Result {
        bed.synced(&self.namespace, name).await?;
        let wished = wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(bed.values(&self.namespace, name).await?, wished, "{} {name}", self.name);
        Ok(())
    }
}

async fn reads(bed: &Testbed, cloud: &Cloud) -> Result {
    let key = cloud.backend.key("app");
    let property = json!({"secretKey": "user", "remoteRef": {"key": key, "property": "user"}});
    cloud.external_secret(bed, "property", json!({"data": [property]})).await?;
    cloud.external_secret(bed, "extract", json!({"dataFrom": [{"extract": {"key": key}}]})).await?;
    cloud.delivers(bed, "property", &[("user", "u")]).await?;
    cloud
        .delivers(bed, "extract", &[("user", "u"), ("a.b", "exact"), ("doc", r#"{"a":{"b":"c"}}"#), ("word", WORD)])
        .await?;
    if cloud.backend.finds() {
        cloud
            .external_secret(bed, "find", json!({"dataFrom": [{"find": {"name": {"regexp": "^(app|user)$"}}}]}))
            .await?;
        // 1Password finds fields, all others whole secrets.
        let found = if cloud.backend == Backend::OnePassword { ("user", "u") } else { ("app", DATA) };
        cloud.delivers(bed, "find", &[found]).await?;
    }
    let store = bed.store_says(&cloud.namespace, "store", "True Valid: store validated").await?;
    let capabilities = if cloud.pushes() { "ReadWrite" } else { "ReadOnly" };
    assert_eq!(wait::field(&store, "/status/capabilities"), capabilities, "{}", cloud.name);
    Ok(())
}

/// What is pushed can be read, and is gone with its PushSecret; then the Secret that was made of it goes too.
async fn pushes(bed: &Testbed, cloud: &Cloud) -> Result {
    let ns = &cloud.namespace;
    bed.cluster.write_secret(ns, "source", &[("password", "p ✓")]).await?;
    // Azure takes whole values only, 1Password only fields.
    let property = if cloud.backend == Backend::AzureKv { "" } else { "password" };
    let entry = json!({"secretKey": "password", "remoteRef": {"remoteKey": "pushed", "property": property}});
    let push = json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": {"name": "out", "namespace": ns},
        "spec": {
            "deletionPolicy": "Delete", "secretStoreRefs": [{"name": "store"}],
            "selector": {"secret": {"name": "source"}}, "data": [{"match": entry}],
        },
    });
    bed.cluster.apply_json(push).await?;
    let objects = bed.cluster.objects("PushSecret", Some(ns))?;
    wait::ready_says(&objects, "out", SOON, PUSHED).await?;
    let back = json!({"secretKey": "password", "remoteRef": {"key": "pushed", "property": property}});
    cloud.external_secret(bed, "back", json!({"target": {"deletionPolicy": "Delete"}, "data": [back]})).await?;
    cloud.delivers(bed, "back", &[("password", "p ✓")]).await?;

    objects.delete("out", &DeleteParams::default()).await?;
    wait::until(&objects, "out", SOON, "to be gone", |it| it.is_none()).await?;
    cloud.force(bed, "back", "after the deletion").await?;
    wait::until(&bed.cluster.secrets(ns), "back", SOON, "to be gone", |it| it.is_none()).await?;
    Ok(())
}

/// Credentials that stop working are told, and take nothing away.
async fn is_locked_out(bed: &Testbed, cloud: &Cloud) -> Result {
    cloud.credentials(bed, &Backend::wrong_credentials(&cloud.stub.url()).secrets).await?;
    cloud.force(bed, "property", "with other credentials").await?;
    let objects = bed.cluster.objects("ExternalSecret", Some(&cloud.namespace))?;
    let refused = |it: &DynamicObject| wait::condition(it, "Ready").is_some_and(|it| it.status == "False");
    let told = wait::exists(&objects, "property", SOON, "to say that it failed", refused).await?;
    let condition = wait::condition(&told, "Ready").map(|it| it.text()).unwrap_or_default();
    assert_eq!(condition, "False SecretSyncedError: could not get secret data from provider", "{}", cloud.name);
    let failure = &told.data["status"]["failures"][0];
    // Whether the object's read or the store's own check met it first is chance.
    let reason = failure["reason"].as_str().unwrap_or_default();
    assert!(failure["kind"] == "Unauthenticated" || reason.contains("is not ready"), "{}: {failure}", cloud.name);
    assert_eq!(bed.values(&cloud.namespace, "property").await?["user"], "u", "{}", cloud.name);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clouds_are_read_pushed_to_and_never_taken_for_empty_when_they_refuse() -> Result {
    let mut bed = Testbed::start(&Parts { backends: false, controller: None, webhooks: 0 }, |_| ()).await?;
    let mut clouds = Vec::new();
    for (name, backend) in CLOUDS {
        let namespace = bed.cluster.namespace(name).await?;
        clouds.push(Cloud { name, backend, stub: backend.stub().await, namespace });
    }
    let google = clouds.iter().find(|it| it.backend == Backend::GcpSm).map(|it| it.stub.url()).unwrap_or_default();
    let env = [("GCP_SECRETMANAGER_ENDPOINT".to_owned(), google)];
    bed.controller = Some(Controller::spawn(&bed.cluster, &["--loglevel=debug", "--concurrent=4"], &env).await?);
    let bed = &bed;
    try_join_all(clouds.iter().map(async |cloud| {
        cloud.declare(bed).await?;
        reads(bed, cloud).await?;
        if cloud.pushes() {
            pushes(bed, cloud).await?;
        }
        is_locked_out(bed, cloud).await
    }))
    .await?;
    assert!(!bed.logs().contains("p ✓"), "a value in the log");
    Ok(())
}
