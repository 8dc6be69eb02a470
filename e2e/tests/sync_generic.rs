//! Targets that are no Secret, on the real control plane: what is written, who deletes it, and what is told when the
//! manifest, the roles or the flag don't allow it.

use std::time::Duration;

use e2e::operator::Controller;
use e2e::testbed::{Parts, SOON, Suite, Testbed};
use e2e::{Result, wait};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

static SUITE: Suite = Suite::new(parts);
static PLAIN: Suite = Suite::new(|| Parts { backends: false, ..Parts::syncing() });

const SYNCED: &str = "True ResourceSynced: secret synced";

fn parts() -> Parts {
    let mut parts = Parts { backends: false, ..Parts::syncing() };
    parts.controller.get_or_insert_default().push("--unsafe-allow-generic-targets".to_owned());
    parts
}

/// A kind with a default, a schema and a status of its own; the controller may write it and ConfigMaps, and nothing else.
const CLUSTER: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.io}
spec:
  group: example.io
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
            spec:
              type: object
              x-kubernetes-preserve-unknown-fields: true
              properties:
                replicas: {type: integer, default: 1}
                pin: {type: string, pattern: '^[0-9]+$'}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: generic-targets}
rules:
  - apiGroups: ['']
    resources: [configmaps]
    verbs: [get, list, watch, create, update, delete]
  - apiGroups: [example.io]
    resources: [widgets]
    verbs: [get, list, watch, create, update, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: generic-targets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: generic-targets}
subjects: [{kind: ServiceAccount, name: external-secrets, namespace: external-secrets}]
";

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider:
    fake:
      data:
        - {key: user, value: ada}
        - {key: password, value: canary-7f3a}
";

const WIDGET: &str = "manifest: {apiVersion: example.io/v1, kind: Widget}";
const CONFIG_MAP: &str = "manifest: {apiVersion: v1, kind: ConfigMap}";

async fn apply(bed: &Testbed, ns: &str, target: &str) -> Result {
    bed.apply(ns, CLUSTER).await?;
    bed.apply(ns, STORE).await?;
    let object = format!(
        "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es, namespace: $NS}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: fake}}
  target:
    name: made
{}
  data:
    - {{secretKey: user, remoteRef: {{key: user}}}}
    - {{secretKey: password, remoteRef: {{key: password}}}}
",
        target.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    bed.apply(ns, &object).await
}

fn objects(bed: &Testbed, ns: &str, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::namespaced_with(bed.cluster.client(), ns, &resource)
}

fn widgets(bed: &Testbed, ns: &str) -> Api<DynamicObject> {
    objects(bed, ns, "example.io", "Widget", "widgets")
}

fn config_maps(bed: &Testbed, ns: &str) -> Api<DynamicObject> {
    objects(bed, ns, "", "ConfigMap", "configmaps")
}

/// Waits until the object has this at a pointer.
async fn has(api: &Api<DynamicObject>, pointer: &str, wished: Value) -> Result<DynamicObject> {
    let what = format!("to have {wished} at {pointer}");
    wait::exists(api, "made", SOON, &what, |it| *wait::field(it, pointer) == wished).await
}

async fn gone(api: &Api<DynamicObject>) -> Result {
    wait::until(api, "made", Duration::from_secs(60), "to be gone", |it| it.is_none()).await?;
    Ok(())
}

async fn patch(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result {
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

fn external_secrets(bed: &Testbed, ns: &str) -> Result<Api<DynamicObject>> {
    bed.cluster.objects("ExternalSecret", Some(ns))
}

#[test]
fn a_config_map_is_made_repaired_and_collected() -> Result {
    SUITE.run("generic-map", async |bed, ns| {
        apply(bed, &ns, CONFIG_MAP).await?;
        let object = bed.says(&ns, "es", SYNCED).await?;
        assert_eq!(*wait::field(&object, "/status/binding"), Value::Null);
        assert_eq!(object.metadata.finalizers, None, "an owner reference does");
        assert_eq!(bed.event(&ns, "es", "Created").await?, "Normal Created: Created ConfigMap made");
        let maps = config_maps(bed, &ns);
        let values = json!({"user": "ada", "password": "canary-7f3a"});
        has(&maps, "/data", values.clone()).await?;

        // Edited, emptied, stripped of its label, deleted: it is as it was.
        patch(&maps, "made", json!({"data": {"user": "else"}})).await?;
        has(&maps, "/data", values.clone()).await?;
        assert_eq!(bed.event(&ns, "es", "Updated").await?, "Normal Updated: Updated ConfigMap made");
        patch(&maps, "made", json!({"data": null})).await?;
        has(&maps, "/data", values.clone()).await?;
        let label = "reconcile.external-secrets.io/managed";
        patch(&maps, "made", json!({"metadata": {"labels": {label: null}}})).await?;
        wait::exists(&maps, "made", SOON, "to be labelled", |it| {
            it.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(label))
        })
        .await?;
        maps.delete("made", &DeleteParams::default()).await?;
        has(&maps, "/data", values).await?;

        external_secrets(bed, &ns)?.delete("es", &DeleteParams::default()).await?;
        gone(&maps).await
    })
}

#[test]
fn a_custom_resource_is_written_by_paths_and_only_when_it_must_be() -> Result {
    SUITE.run("generic-widget", async |bed, ns| {
        let target = format!(
            "{WIDGET}
template:
  metadata: {{labels: {{app: shop}}}}
  templateFrom:
    - target: spec.auth
      literal: \"user: {{{{ .user }}}}\\npassword: {{{{ .password }}}}\"
    - target: spec.hosts[1].name
      literal: \"{{{{ .user }}}}.example.io\""
        );
        apply(bed, &ns, &target).await?;
        bed.says(&ns, "es", SYNCED).await?;
        let widgets = widgets(bed, &ns);
        let made = has(&widgets, "/spec/auth", json!({"user": "ada", "password": "canary-7f3a"})).await?;
        assert_eq!(*wait::field(&made, "/spec/hosts"), json!([null, {"name": "ada.example.io"}]));
        assert_eq!(*wait::field(&made, "/spec/replicas"), json!(1), "the API server's default");

        // Its status is none of our business, and a refresh writes nothing, although the default is in no manifest.
        widgets.patch_status("made", &PatchParams::default(), &Patch::Merge(json!({"status": {"phase": "Ready"}}))).await?;
        let before = widgets.get("made").await?;
        let objects = external_secrets(bed, &ns)?;
        let synced = |it: &DynamicObject| wait::field(it, "/status/syncedResourceVersion").clone();
        let first = synced(&objects.get("es").await?);
        patch(&objects, "es", json!({"metadata": {"annotations": {"force": "1"}}})).await?;
        wait::exists(&objects, "es", SOON, "to be refreshed", |it| synced(it) != first).await?;
        assert_eq!(widgets.get("made").await?.metadata.resource_version, before.metadata.resource_version);

        // Another template is another wish; the status stays.
        let more = json!({"spec": {"target": {"template": {"templateFrom": [{"target": "spec.auth", "literal": "user: {{ .user | upper }}"}]}}}});
        patch(&objects, "es", more).await?;
        let made = has(&widgets, "/spec/auth", json!({"user": "ADA"})).await?;
        assert_eq!(*wait::field(&made, "/status/phase"), json!("Ready"));
        patch(&widgets, "made", json!({"spec": {"replicas": 5, "auth": {"user": "eve"}}})).await?;
        has(&widgets, "/spec", json!({"auth": {"user": "ADA"}, "replicas": 1})).await?;
        Ok(())
    })
}

#[test]
fn merging_adds_to_an_object_that_somebody_else_made() -> Result {
    SUITE.run("generic-merge", async |bed, ns| {
        let target = format!(
            "{WIDGET}
creationPolicy: Merge
template:
  templateFrom:
    - target: spec.auth
      literal: \"user: {{{{ .user }}}}\""
        );
        apply(bed, &ns, &target).await?;
        bed.says(&ns, "es", "True ResourceMissing: resource will not be created due to CreationPolicy=Merge").await?;
        let widgets = widgets(bed, &ns);
        let theirs: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "made"},
            "spec": {"replicas": 3, "auth": {"kind": "basic"}},
        }))?;
        widgets.create(&Default::default(), &theirs).await?;
        patch(&external_secrets(bed, &ns)?, "es", json!({"metadata": {"labels": {"look": "again"}}})).await?;
        bed.says(&ns, "es", SYNCED).await?;
        let made = has(&widgets, "/spec", json!({"replicas": 3, "auth": {"kind": "basic", "user": "ada"}})).await?;
        assert_eq!(made.metadata.owner_references, None);
        external_secrets(bed, &ns)?.delete("es", &DeleteParams::default()).await?;
        wait::until(&external_secrets(bed, &ns)?, "es", SOON, "to be gone", |it| it.is_none()).await?;
        widgets.get("made").await?;
        Ok(())
    })
}

#[test]
fn the_deletion_policy_reaches_targets_that_nobody_owns() -> Result {
    SUITE.run("generic-delete", async |bed, ns| {
        let target = format!("{CONFIG_MAP}\ncreationPolicy: Orphan\ndeletionPolicy: Delete");
        apply(bed, &ns, &target).await?;
        let object = bed.says(&ns, "es", SYNCED).await?;
        let finalizer = "externalsecrets.external-secrets.io/externalsecret-cleanup".to_owned();
        assert_eq!(object.metadata.finalizers, Some(vec![finalizer]));
        let maps = config_maps(bed, &ns);
        assert_eq!(maps.get("made").await?.metadata.owner_references, None);
        let objects = external_secrets(bed, &ns)?;
        objects.delete("es", &DeleteParams::default()).await?;
        wait::until(&objects, "es", SOON, "to be gone", |it| it.is_none()).await?;
        gone(&maps).await?;
        assert_eq!(bed.event(&ns, "es", "Deleted").await?, "Normal Deleted: Deleted ConfigMap made");

        // The provider has nothing any more.
        apply(bed, &ns, &format!("{CONFIG_MAP}\ncreationPolicy: Owner\ndeletionPolicy: Delete")).await?;
        bed.says(&ns, "es", SYNCED).await?;
        bed.apply(&ns, &STORE.replace("key: user", "key: other").replace("key: password", "key: another")).await?;
        bed.says(&ns, "es", "True ResourceDeleted: secret deleted due to DeletionPolicy=Delete").await?;
        gone(&maps).await
    })
}

#[test]
fn what_cannot_be_written_is_told_in_the_condition() -> Result {
    SUITE.run("generic-broken", async |bed, ns| {
        let kind = |api_version: &str, kind: &str| format!("manifest: {{apiVersion: {api_version}, kind: {kind}}}");
        let literal = |target: &str, text: &str| {
            format!("{WIDGET}\ntemplate:\n  templateFrom:\n    - {{target: \"{target}\", literal: \"{text}\"}}")
        };
        let unread = "False ResourceSyncedError: could not get target resource";
        let unmade = "False ResourceSyncedError: could not apply template to manifest";
        let unwritten = "False ResourceSyncedError: could not update secret";
        let cases = [
            (
                kind("example.io/v1", "Gadget"),
                unread,
                r#"no matches for kind "Gadget" in version "example.io/v1""#,
                "kubectl api-resources",
            ),
            (
                kind("v1", "Namespace"),
                "False SecretSyncedError: invalid generic target",
                "Namespace of v1 is cluster-scoped",
                "namespace",
            ),
            (
                kind("v1", "LimitRange"),
                unread,
                "limitranges \"made\" is forbidden",
                "role must allow get, list, watch, create, update and delete on limitranges",
            ),
            (
                literal("spec[0]", "a: b"),
                unmade,
                "failed to set path spec[0]: expected array at index 0 but found map",
                "spec.target.template.templateFrom[0].literal",
            ),
            (
                literal("spec.pin", "{{ .password }}"),
                unwritten,
                "failed to create target resource: Widget.example.io \"made\" is invalid: spec.pin: Invalid value",
                "spec.pin",
            ),
        ];
        for (target, ready, event, detail) in cases {
            apply(bed, &ns, &target).await?;
            let object = bed.says(&ns, "es", ready).await?;
            let told = bed.event(&ns, "es", event).await?;
            let said = wait::field(&object, "/status/conditions/0/detail").as_str().unwrap_or_default().to_owned();
            assert!(said.contains(detail), "{said}");
            assert!(!said.contains("canary") && !told.contains("canary"), "{said} {told}");
            let objects = external_secrets(bed, &ns)?;
            objects.delete("es", &DeleteParams::default()).await?;
            wait::until(&objects, "es", SOON, "to be gone", |it| it.is_none()).await?;
        }
        assert!(!bed.controller().map(Controller::log)?.contains("canary-7f3a"));
        Ok(())
    })
}

#[test]
fn without_the_flag_nothing_is_written() -> Result {
    PLAIN.run("generic-off", async |bed, ns| {
        apply(bed, &ns, &format!("{CONFIG_MAP}\ncreationPolicy: Orphan\ndeletionPolicy: Delete")).await?;
        let object = bed.says(&ns, "es", "False SecretSyncedError: invalid generic target").await?;
        let why = "generic targets are disabled. Enable with --unsafe-allow-generic-targets flag";
        assert_eq!(bed.event(&ns, "es", "generic").await?, format!("Warning UpdateFailed: {why}"));
        assert_eq!(object.metadata.finalizers, None);
        assert!(config_maps(bed, &ns).get_opt("made").await?.is_none());
        Ok(())
    })
}
