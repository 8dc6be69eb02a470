//! One declaration for many namespaces, with Kubernetes' own garbage collection and namespace deletion.

use std::time::Duration;

use e2e::testbed::{Parts, Suite, Testbed};
use e2e::{Context, Result, wait};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

static SUITE: Suite = Suite::new(|| Parts { backends: false, ..Parts::syncing() });

const SOON: Duration = Duration::from_secs(30);
/// Kubernetes' garbage collector learns of new kinds every 30 s, and the cluster is newer than that.
const COLLECTED: Duration = Duration::from_secs(90);

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: shared}
spec: {provider: {fake: {data: [{key: password, value: s3cret}]}}}
";

const DECLARED: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: $NS}
spec:
  externalSecretName: wanted
  namespaceSelectors: [{matchLabels: {for: $NS}}]
  externalSecretSpec:
    secretStoreRef: {name: shared, kind: ClusterSecretStore}
    data: [{secretKey: password, remoteRef: {key: password}}]
";

struct Stage<'a> {
    bed: &'a Testbed,
    /// Also the name of the declaration.
    ns: String,
    declared: Api<DynamicObject>,
    namespaces: Api<Namespace>,
}

impl<'a> Stage<'a> {
    async fn new(bed: &'a Testbed, ns: String) -> Result<Self> {
        bed.apply(&ns, STORE).await?;
        let declared = bed.cluster.objects("ClusterExternalSecret", None)?;
        Ok(Self { bed, declared, namespaces: Api::all(bed.cluster.client()), ns })
    }

    /// Waits until the status tells these namespaces.
    async fn told(&self, provisioned: Value, failed: Value) -> Result<()> {
        let told = |object: &DynamicObject| {
            let field = |name: &str| wait::field(object, &format!("/status/{name}")).clone();
            let list = |value: Value| if value.is_null() { json!([]) } else { value };
            list(field("provisionedNamespaces")) == provisioned && list(field("failedNamespaces")) == failed
        };
        let what = format!("to tell {provisioned} and {failed}");
        wait::exists(&self.declared, &self.ns, SOON, &what, told).await.map(|_| ())
    }

    async fn patch(&self, spec: Value) -> Result {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.declared.patch(&self.ns, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn label(&self, namespace: &str, value: Value) -> Result {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"for": value}}}));
        self.namespaces.patch(namespace, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Secret> {
        let secrets = self.bed.cluster.secrets(namespace);
        wait::exists(&secrets, name, SOON, "to be there", |it| it.metadata.deletion_timestamp.is_none()).await
    }

    async fn gone<K>(&self, api: &Api<K>, name: &str) -> Result
    where
        K: kube::Resource + Clone + std::fmt::Debug + Send + serde::Serialize + serde::de::DeserializeOwned + 'static,
    {
        wait::until(api, name, COLLECTED, "to be gone", |it| it.is_none()).await.map(|_| ())
    }

    async fn end(&self) -> Result {
        self.declared.delete(&self.ns, &DeleteParams::default()).await?;
        self.gone(&self.declared, &self.ns).await
    }
}

#[test]
fn namespaces_come_change_and_end() -> Result {
    SUITE.run("fanout", async |bed, ns| {
        let stage = Stage::new(bed, ns.clone()).await?;
        let other = bed.cluster.namespace("fanout-other").await?;
        stage.label(&ns, json!(ns)).await?;
        bed.apply(&ns, DECLARED).await?;
        stage.told(json!([ns]), json!([])).await?;
        stage.secret(&ns, "wanted").await?;
        let object = stage.declared.get(&ns).await?;
        assert_eq!(object.data["status"]["conditions"], json!([{"type": "Ready", "status": "True"}]));
        assert_eq!(object.metadata.finalizers, None, "nothing of ours hangs on it");

        stage.label(&other, json!(ns)).await?;
        let mut both = [ns.clone(), other.clone()];
        both.sort();
        stage.told(json!(both), json!([])).await?;
        stage.secret(&other, "wanted").await?;
        let found = stage.namespaces.get(&other).await?;
        assert_eq!(found.metadata.finalizers, None, "nor on namespaces");

        // No longer selected: the child goes, and its Secret with it.
        stage.label(&other, Value::Null).await?;
        stage.told(json!([ns]), json!([])).await?;
        stage.gone(&bed.cluster.secrets(&other), "wanted").await?;

        // One that ends does so, with whatever the reference left on it.
        stage.label(&other, json!(ns)).await?;
        stage.told(json!(both), json!([])).await?;
        let held = json!({"metadata": {"finalizers": [format!("externalsecrets.external-secrets.io/ces-{ns}")]}});
        stage.namespaces.patch(&other, &PatchParams::default(), &Patch::Merge(held)).await?;
        stage.namespaces.delete(&other, &DeleteParams::default()).await?;
        stage.gone(&stage.namespaces, &other).await?;
        stage.told(json!([ns]), json!([])).await?;

        // Kubernetes deletes the children of a declaration that is deleted.
        stage.end().await?;
        stage.gone(&bed.cluster.objects("ExternalSecret", Some(&ns))?, "wanted").await?;
        stage.gone(&bed.cluster.secrets(&ns), "wanted").await
    })
}

/// The user's story: team A's ExternalSecret was there first.
#[test]
fn a_collision_is_told_and_heals_by_itself() -> Result {
    SUITE.run("abc-namespace", async |bed, ns| {
        let stage = Stage::new(bed, ns.clone()).await?;
        stage.label(&ns, json!(ns)).await?;
        let by_hand = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: wanted, namespace: $NS}
spec:
  secretStoreRef: {name: shared, kind: ClusterSecretStore}
  target: {name: datadog-api-key}
  data: [{secretKey: password, remoteRef: {key: password}}]
";
        bed.apply(&ns, by_hand).await?;
        let before = bed.synced(&ns, "wanted").await?;
        bed.apply(&ns, DECLARED).await?;
        let reason = json!([{"namespace": ns, "reason": "external secret already exists in namespace"}]);
        stage.told(json!([]), reason).await?;
        let says = wait::condition(&stage.declared.get(&ns).await?, "Ready").context("no condition")?;
        assert_eq!(says.text(), "False : one or more namespaces failed");
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        let now = objects.get("wanted").await?;
        assert_eq!((now.metadata.uid, now.metadata.generation), (before.metadata.uid, before.metadata.generation));
        stage.secret(&ns, "datadog-api-key").await?;

        objects.delete("wanted", &DeleteParams::default()).await?;
        stage.told(json!([ns]), json!([])).await?;
        stage.secret(&ns, "wanted").await?;
        stage.end().await
    })
}

#[test]
fn a_renamed_child_hands_its_secret_over() -> Result {
    SUITE.run("rename", async |bed, ns| {
        let stage = Stage::new(bed, ns.clone()).await?;
        stage.label(&ns, json!(ns)).await?;
        bed.apply(&ns, DECLARED).await?;
        stage.patch(json!({"externalSecretSpec": {"target": {"name": "kept"}}})).await?;
        let before = stage.secret(&ns, "kept").await?;
        bed.synced(&ns, "wanted").await?;
        stage.patch(json!({"externalSecretName": "renamed"})).await?;
        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        stage.gone(&objects, "wanted").await?;
        let after = bed.synced(&ns, "renamed").await?;
        stage.told(json!([ns]), json!([])).await?;
        let now = bed.cluster.secrets(&ns).get("kept").await?;
        assert_eq!(now.metadata.uid, before.metadata.uid, "the very Secret that was there");
        let owners: Vec<String> = now.metadata.owner_references.into_iter().flatten().map(|it| it.uid).collect();
        assert_eq!(owners, [after.metadata.uid.unwrap_or_default()]);
        stage.end().await
    })
}

#[test]
fn what_the_reference_left_keeps_nothing_from_ending() -> Result {
    SUITE.run("takeover", async |bed, ns| {
        let stage = Stage::new(bed, ns.clone()).await?;
        stage.label(&ns, json!(ns)).await?;
        let gone = bed.cluster.namespace("takeover-gone").await?;
        let held = |names: &[&str]| {
            let of = |name: &&str| format!("externalsecrets.external-secrets.io/ces-{name}");
            Patch::Merge(json!({"metadata": {"finalizers": names.iter().map(of).collect::<Vec<_>>()}}))
        };
        stage.namespaces.patch(&ns, &PatchParams::default(), &held(&[&ns, "never-was"])).await?;
        stage.namespaces.patch(&gone, &PatchParams::default(), &held(&["never-was"])).await?;
        let yaml = DECLARED.replace(
            "metadata: {name: $NS}",
            "metadata: {name: $NS, finalizers: [externalsecrets.external-secrets.io/clusterexternalsecret-cleanup]}",
        );
        bed.apply(&ns, &yaml).await?;
        stage.told(json!([ns]), json!([])).await?;
        for namespace in [&ns, &gone] {
            let freed = |it: &Namespace| it.metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
            wait::exists(&stage.namespaces, namespace, SOON, "to be free", freed).await?;
        }
        let relieved = |it: &DynamicObject| it.metadata.finalizers.is_none();
        wait::exists(&stage.declared, &ns, SOON, "to be free", relieved).await?;
        stage.namespaces.delete(&gone, &DeleteParams::default()).await?;
        stage.gone(&stage.namespaces, &gone).await?;
        stage.end().await
    })
}

#[test]
fn a_cluster_push_secret_keeps_push_secrets() -> Result {
    SUITE.run("push", async |bed, ns| {
        let stage = Stage::new(bed, ns.clone()).await?;
        stage.label(&ns, json!(ns)).await?;
        let client = bed.cluster.client();
        let declared: Api<api::ClusterPushSecret> = Api::all(client.clone());
        let spec = json!({
            "namespaceSelectors": [{"matchLabels": {"for": ns}}],
            "pushSecretSpec": {
                "secretStoreRefs": [{"name": "shared", "kind": "ClusterSecretStore"}],
                "selector": {"secret": {"name": "source"}},
            },
        });
        let object = json!({"metadata": {"name": ns}, "spec": spec});
        declared.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        let ready = |it: &api::ClusterPushSecret| {
            it.status.as_ref().is_some_and(|status| status.provisioned_namespaces == [ns.clone()])
        };
        let told = wait::exists(&declared, &ns, SOON, "to have its PushSecret", ready).await?;
        let conditions = serde_json::to_value(told.status.unwrap_or_default().conditions)?;
        assert_eq!(conditions, json!([{"type": "Ready", "status": "True"}]));
        let resource = ApiResource::erase::<api::PushSecret>(&());
        let children: Api<DynamicObject> = Api::namespaced_with(client, &ns, &resource);
        let made = children.get(&ns).await?;
        assert_eq!(made.metadata.owner_references.map(|owners| owners.len()), Some(1));
        declared.delete(&ns, &DeleteParams::default()).await?;
        stage.gone(&children, &ns).await
    })
}
