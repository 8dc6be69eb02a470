//! Secrets of a real API server, with the rights that the documentation names and no more.

use api::StoreKind;
use e2e::shared::Shared;
use e2e::{Cluster, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use provider::{Pushed, Removed};
use serde_json::json;

use super::store::{Store, metadata, refused, value, whole};

static CLUSTER: Shared<Cluster> = Shared::new();

const RIGHTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: pusher, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pusher, namespace: $NS}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, create, update, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pusher, namespace: $NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pusher}
subjects: [{kind: ServiceAccount, name: pusher, namespace: $NS}]
";

fn with(case: impl AsyncFnOnce(&'static Cluster, String, Store) -> Result) -> Result {
    CLUSTER.run(Cluster::start, async |cluster| {
        let namespace = cluster.namespace("push").await?;
        cluster.apply_yaml(&RIGHTS.replace("$NS", &namespace)).await?;
        let token = cluster.service_account_token(&namespace, "pusher").await?;
        let spec = json!({"kubernetes": {"server": {"url": cluster.server(), "caBundle": cluster.ca()},
            "remoteNamespace": namespace, "auth": {"token": {"bearerToken": {"name": "token", "key": "k"}}}}});
        let store = Store::open(spec, None, &token, StoreKind::SecretStore).await?;
        case(cluster, namespace, store).await
    })
}

#[test]
fn a_secret_gets_a_version_only_where_something_changed() -> Result {
    with(async |cluster, namespace, store| {
        let secrets = cluster.secrets(&namespace);
        let push = || whole(&[("user", "u"), ("password", "canary")], "app");
        assert!(!store.exists("app", None).await.unwrap());
        assert_eq!(store.push(push()).await.unwrap(), Pushed::Written);
        let first = secrets.get("app").await?;
        assert_eq!((first.type_.as_deref(), first.data.clone().unwrap_or_default().len()), (Some("Opaque"), 2));
        store.calls();
        assert_eq!(store.push(push()).await.unwrap(), Pushed::Unchanged);
        assert_eq!(store.calls(), [("GetSecret", 1)]);
        assert_eq!(secrets.get("app").await?.metadata.resource_version, first.metadata.resource_version);

        // What somebody else has set stays.
        let theirs = json!({"metadata": {"finalizers": ["example.org/keep"], "labels": {"theirs": "1"}}});
        secrets.patch("app", &PatchParams::default(), &Patch::Merge(theirs)).await?;
        let spec = json!({"labels": {"ours": "1"}});
        assert_eq!(store.push(metadata(value("3", "app", Some("more")), spec)).await.unwrap(), Pushed::Written);
        assert_eq!(store.calls(), [("GetSecret", 1), ("UpdateSecret", 1)]);
        let held = secrets.get("app").await?;
        assert_eq!(held.data.unwrap_or_default().len(), 3);
        assert_eq!(held.metadata.finalizers, Some(vec!["example.org/keep".to_owned()]));
        let labels = held.metadata.labels.unwrap_or_default();
        assert_eq!(labels, [("ours", "1"), ("theirs", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        secrets.patch("app", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await?;

        for property in ["user", "password"] {
            assert_eq!(store.delete("app", Some(property)).await.unwrap(), Removed::Deleted);
        }
        assert_eq!(store.read("app").await.unwrap(), r#"{"more":"3"}"#);
        assert_eq!(store.delete("app", Some("more")).await.unwrap(), Removed::Deleted);
        assert!(secrets.get_opt("app").await?.is_none());
        assert_eq!(store.delete("app", None).await.unwrap(), Removed::Absent);
        Ok(())
    })
}

#[test]
fn what_the_api_server_refuses_is_explained() -> Result {
    with(async |cluster, namespace, store| {
        let secrets = cluster.secrets(&namespace);
        let immutable: Secret = serde_json::from_value(json!({"metadata": {"name": "fixed"}, "immutable": true,
            "stringData": {"a": "1"}}))?;
        secrets.create(&PostParams::default(), &immutable).await?;
        let text = "answered 422: the API server takes no such Secret";
        refused(store.push(value("canary", "fixed", Some("a"))).await, text);
        let bad = metadata(value("canary", "new", Some("a")), json!({"labels": {"a": "not a label"}}));
        refused(store.push(bad).await, text);

        let denied =
            store.push(metadata(value("canary", "new", Some("a")), json!({"remoteNamespace": "default"}))).await;
        refused(denied, "remoteNamespace override is only supported with ClusterSecretStore");
        let token = cluster.service_account_token(&namespace, "pusher").await?;
        let spec = json!({"kubernetes": {"server": {"url": cluster.server(), "caBundle": cluster.ca()},
            "remoteNamespace": namespace, "auth": {"token": {"bearerToken": {"name": "token", "key": "k"}}}}});
        let wide = Store::open(spec, None, &token, StoreKind::ClusterSecretStore).await?;
        let elsewhere = metadata(value("canary", "new", Some("a")), json!({"remoteNamespace": "default"}));
        let error = wide.push(elsewhere).await.unwrap_err();
        assert_eq!(error.kind(), provider::ErrorKind::AccessDenied, "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        Ok(())
    })
}
