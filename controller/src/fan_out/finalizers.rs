//! Takes away what the reference leaves on ClusterExternalSecrets and on namespaces. Nothing of the kind is added here: children
//! go with their owner references, and no namespace waits for us. I/O: for each finalizer one read and one patch.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::children::WRITES;
use super::declared::Declared;
use crate::context::Context;
use crate::lookup::api_text;
use crate::queue::Next;

/// The reference's finalizer on a ClusterExternalSecret.
pub(super) const OWN: &str = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup";
/// What its finalizers on namespaces begin with; then comes the name of the ClusterExternalSecret.
const ON_NAMESPACE: &str = "externalsecrets.external-secrets.io/ces-";
/// Reads of a namespace that somebody else keeps writing.
const TRIES: usize = 3;

/// The names of the ClusterExternalSecrets for whose sake a namespace is held.
pub(crate) fn holders(meta: &ObjectMeta) -> Box<[Box<str>]> {
    let ours = meta.finalizers.iter().flatten().filter_map(|finalizer| finalizer.strip_prefix(ON_NAMESPACE));
    ours.map(Box::from).collect()
}

/// Takes both kinds away from a declaration that lives on. Answers whether nothing is left to do.
pub(super) async fn release<D: Declared>(cx: &Arc<Context>, name: &str, object: &Arc<D>) -> bool {
    let namespaces = release_namespaces::<D>(cx, name).await == Next::OnChange;
    let meta = object.metadata();
    // Once: two controllers that don't agree mustn't quarrel over it for ever.
    if !is_on::<D>(meta) || D::shelf(&cx.fan_out).is_relieved(name) {
        return namespaces;
    }
    match relieve::<D>(cx, meta).await {
        Ok(version) => {
            let mut next = (**object).clone();
            let left = without::<D>(meta);
            next.meta_mut().finalizers = (!left.is_empty()).then_some(left);
            next.meta_mut().resource_version = version;
            // Known before the watch tells: our own patch must not wake it again.
            D::shelf(&cx.fan_out).put_written(next);
            D::shelf(&cx.fan_out).relieve(name);
            namespaces
        }
        Err(error) => {
            refused(D::KIND, name, &error);
            false
        }
    }
}

/// Lets a declaration go that is being deleted. The garbage collector deletes its children.
pub(super) async fn let_go<D: Declared>(cx: &Arc<Context>, meta: &ObjectMeta) -> Next {
    let name = meta.name.as_deref().unwrap_or_default();
    let next = release_namespaces::<D>(cx, name).await;
    if next != Next::OnChange || !is_on::<D>(meta) {
        return next;
    }
    match relieve::<D>(cx, meta).await {
        Ok(_) => Next::OnChange,
        Err(kube::Error::Api(status)) if status.is_not_found() => Next::OnChange,
        Err(error) => {
            refused(D::KIND, name, &error);
            Next::Backoff
        }
    }
}

/// Frees every namespace that is held for the sake of a declaration, whether that still exists or not.
pub(super) async fn release_namespaces<D: Declared>(cx: &Arc<Context>, name: &str) -> Next {
    if D::FINALIZER.is_none() {
        return Next::OnChange;
    }
    let held = cx.world.namespaces_that(|seen| seen.holders.iter().any(|holder| **holder == *name));
    let finalizer = &format!("{ON_NAMESPACE}{name}");
    let freed = stream::iter(held).map(|namespace| async move { free(cx, &namespace, finalizer).await });
    let done: Vec<bool> = freed.buffer_unordered(WRITES).collect().await;
    if done.iter().all(|done| *done) { Next::OnChange } else { Next::Backoff }
}

async fn free(cx: &Context, namespace: &str, finalizer: &str) -> bool {
    for _ in 0..TRIES {
        match try_free(cx, namespace, finalizer).await {
            Ok(()) => return true,
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => {
                refused("Namespace", namespace, &error);
                return false;
            }
        }
    }
    false
}

async fn try_free(cx: &Context, namespace: &str, finalizer: &str) -> Result<(), kube::Error> {
    let api: Api<Namespace> = Api::all(cx.client.clone());
    let Some(found) = api.get_metadata_opt(namespace).await? else { return Ok(()) };
    let meta = found.metadata;
    let present = meta.finalizers.clone().unwrap_or_default();
    let left: Vec<&String> = present.iter().filter(|it| *it != finalizer).collect();
    if left.len() == present.len() {
        return Ok(());
    }
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": meta.resource_version, "uid": meta.uid}});
    match api.patch_metadata(namespace, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => {
            tracing::info!(namespace, finalizer, "a finalizer of another controller was taken away from a namespace");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_on<D: Declared>(meta: &ObjectMeta) -> bool {
    let mut present = meta.finalizers.iter().flatten();
    D::FINALIZER.is_some_and(|ours| present.any(|finalizer| finalizer == ours))
}

fn without<D: Declared>(meta: &ObjectMeta) -> Vec<String> {
    meta.finalizers.iter().flatten().filter(|finalizer| Some(finalizer.as_str()) != D::FINALIZER).cloned().collect()
}

/// Takes the finalizer away from the very version that is handed in; answers the new version.
async fn relieve<D: Declared>(cx: &Context, meta: &ObjectMeta) -> Result<Option<String>, kube::Error> {
    let left = without::<D>(meta);
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": meta.resource_version, "uid": meta.uid}});
    let api: Api<D> = Api::all(cx.client.clone());
    let name = meta.name.as_deref().unwrap_or_default();
    let patched = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(patched.metadata.resource_version)
}

fn refused(kind: &str, name: &str, error: &kube::Error) {
    tracing::warn!(
        kind,
        name,
        error = api_text(error),
        "could not take another controller's finalizer away; trying again"
    );
}
