//! Keeps a store for the PushSecrets that are to delete what they pushed to it: it has a finalizer for as long as there is
//! one. I/O, where that changes: one read of the store, one listing of PushSecrets before the finalizer goes, one patch.
//!
//! Deliberately not here: when a PushSecret holds a store ([`plan::store::is_held_by`]), and looking at the store anew when
//! one of them changes (`push_secret::watch`).

use std::sync::Arc;
use std::time::Duration;

use api::{ClusterSecretStore, PushSecret, SecretStore, StoreKind};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::core::DeserializeGuard;
use plan::event::{EventReason, Note};
use plan::store;

use super::subject;
use crate::context::Context;
use crate::lookup::api_text;
use crate::world::StoreRecord;

/// The reference's finalizer.
const FINALIZER: &str = "secretstore.externalsecrets.io/finalizer";
/// A store that a PushSecret holds is looked at again after this time at the latest: PushSecrets may not be watched.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How a store goes on.
pub(super) enum Deletion {
    /// Nothing of ours keeps it any more; this is what is known of it now.
    Free(Arc<StoreRecord>),
    /// A PushSecret holds it.
    Held,
    /// It is gone.
    Gone,
}

/// See the module. An error is one that is worth another try, and comes only of a store that is being deleted: others are
/// checked whatever becomes of their finalizer.
pub(super) async fn settle(
    cx: &Arc<Context>,
    record: Arc<StoreRecord>,
    now: Timestamp,
) -> Result<Deletion, kube::Error> {
    if record.meta.deletion_timestamp.is_some() {
        return release(cx, record, now).await;
    }
    let held = cx.pushes.holds(&record);
    if !cx.settings.push_secrets || held == is_on(&record.meta) {
        return Ok(Deletion::Free(record));
    }
    let kept = match record.key.kind {
        StoreKind::SecretStore => {
            let api = Api::namespaced(cx.client.clone(), &record.key.namespace);
            let pushing = Api::namespaced(cx.client.clone(), &record.key.namespace);
            keep_at::<SecretStore>(cx, &record, &api, &pushing, held).await
        }
        StoreKind::ClusterSecretStore => {
            let (api, pushing) = (Api::all(cx.client.clone()), Api::all(cx.client.clone()));
            keep_at::<ClusterSecretStore>(cx, &record, &api, &pushing, held).await
        }
    };
    Ok(Deletion::Free(kept.unwrap_or_else(|error| {
        not_released(&record, &error);
        record
    })))
}

/// Puts the finalizer on a live store, or takes it away if no PushSecret at all needs it: those that are known may not be
/// all yet.
async fn keep_at<K>(
    cx: &Arc<Context>,
    record: &Arc<StoreRecord>,
    api: &Api<K>,
    pushing: &Api<DeserializeGuard<PushSecret>>,
    held: bool,
) -> Result<Arc<StoreRecord>, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let found = api.get_metadata_opt(&record.key.name).await?;
    let Some(PartialObjectMeta { metadata, .. }) = found.filter(|it| it.metadata.uid == record.meta.uid) else {
        return Ok(record.clone());
    };
    let wanted = held || holder(record, &metadata, pushing).await?.is_some();
    if metadata.deletion_timestamp.is_some() || wanted == is_on(&metadata) {
        return Ok(record.clone());
    }
    let mut finalizers = others(&metadata);
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let patch = put(&metadata, &finalizers);
    let patched = api.patch_metadata(&record.key.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let mut next = (**record).clone();
    next.meta.finalizers = Some(finalizers);
    next.meta.resource_version = patched.metadata.resource_version;
    cx.world.put_store(next.clone());
    Ok(Arc::new(next))
}

/// What holds a store, in words.
async fn holder(
    record: &StoreRecord,
    metadata: &ObjectMeta,
    pushing: &Api<DeserializeGuard<PushSecret>>,
) -> Result<Option<String>, kube::Error> {
    let labels = metadata.labels.clone().unwrap_or_default();
    Ok(match pushing.list(&ListParams::default()).await {
        Ok(all) => all.items.into_iter().find_map(|DeserializeGuard(item)| match item {
            Ok(push) => {
                let holds = store::is_held_by(record.key.kind, &record.key.name, &labels, &push);
                holds.then(|| format!("{} uses it and has deletionPolicy Delete", name(&push.metadata)))
            }
            Err(unreadable) => Some(format!("{} may use it and cannot be read", name(&unreadable.metadata))),
        }),
        // There is no such kind in this cluster.
        Err(kube::Error::Api(status)) if status.is_not_found() => None,
        Err(kube::Error::Api(status)) => Some(format!("the PushSecrets cannot be listed: {}", status.message)),
        Err(error) => return Err(error),
    })
}

async fn release(cx: &Arc<Context>, record: Arc<StoreRecord>, now: Timestamp) -> Result<Deletion, kube::Error> {
    if !is_on(&record.meta) {
        return Ok(Deletion::Free(record));
    }
    match record.key.kind {
        StoreKind::SecretStore => {
            let api = Api::namespaced(cx.client.clone(), &record.key.namespace);
            let pushing = Api::namespaced(cx.client.clone(), &record.key.namespace);
            release_at::<SecretStore>(cx, record, &api, &pushing, now).await
        }
        StoreKind::ClusterSecretStore => {
            let (api, pushing) = (Api::all(cx.client.clone()), Api::all(cx.client.clone()));
            release_at::<ClusterSecretStore>(cx, record, &api, &pushing, now).await
        }
    }
}

async fn release_at<K>(
    cx: &Arc<Context>,
    record: Arc<StoreRecord>,
    api: &Api<K>,
    pushing: &Api<DeserializeGuard<PushSecret>>,
    now: Timestamp,
) -> Result<Deletion, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    // In the version that is patched below.
    let Some(PartialObjectMeta { metadata, .. }) = api.get_metadata_opt(&record.key.name).await? else {
        return Ok(Deletion::Gone);
    };
    if metadata.uid != record.meta.uid || metadata.deletion_timestamp.is_none() || !is_on(&metadata) {
        return Ok(Deletion::Free(record));
    }
    if let Some(why) = holder(&record, &metadata, pushing).await? {
        held(cx, &record, &why, now);
        return Ok(Deletion::Held);
    }
    match api
        .patch_metadata(&record.key.name, &PatchParams::default(), &Patch::Merge(&put(&metadata, &others(&metadata))))
        .await
    {
        Ok(patched) => {
            tracing::info!(
                kind = record.key.kind.as_str(),
                namespace = record.key.namespace,
                name = record.key.name,
                finalizer = FINALIZER,
                "a finalizer that no PushSecret needs was taken away from a store that is being deleted"
            );
            let rest = others(&metadata);
            if rest.is_empty() {
                return Ok(Deletion::Gone);
            }
            let mut next = (*record).clone();
            next.meta.finalizers = Some(rest);
            next.meta.resource_version = patched.metadata.resource_version;
            cx.world.put_store(next.clone());
            Ok(Deletion::Free(Arc::new(next)))
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Deletion::Gone),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            held(cx, &record, &format!("the finalizer cannot be taken away: {}", status.message), now);
            Ok(Deletion::Held)
        }
        Err(error) => Err(error),
    }
}

/// Tells what holds a store; again only when that changes.
fn held(cx: &Context, record: &StoreRecord, why: &str, now: Timestamp) {
    if !cx.world.put_held(&record.key, why) {
        return;
    }
    tracing::warn!(
        kind = record.key.kind.as_str(),
        namespace = record.key.namespace,
        name = record.key.name,
        finalizer = FINALIZER,
        why,
        "a store is not deleted"
    );
    let idle = if cx.settings.push_secrets { "" } else { "; this controller does not act on PushSecrets" };
    let text = format!(
        "not deleted: {why}. The finalizer {FINALIZER} stays until no PushSecret with deletionPolicy Delete uses the store{idle}"
    );
    cx.events.tell(subject(record), Note::warning(EventReason::StoreInUse, text), now);
}

fn is_on(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

fn others(meta: &ObjectMeta) -> Vec<String> {
    meta.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).cloned().collect()
}

/// Of the very version that was read.
fn put(meta: &ObjectMeta, finalizers: &[String]) -> serde_json::Value {
    serde_json::json!({"metadata": {
        "finalizers": finalizers, "resourceVersion": meta.resource_version, "uid": meta.uid,
    }})
}

fn name(meta: &ObjectMeta) -> String {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("PushSecret {}/{}", text(&meta.namespace), text(&meta.name))
}

/// Whatever is worth no further words: the API server's own where it answered.
pub(super) fn not_released(record: &StoreRecord, error: &kube::Error) {
    tracing::warn!(
        kind = record.key.kind.as_str(),
        namespace = record.key.namespace,
        name = record.key.name,
        error = api_text(error),
        "could not look whether a store's finalizer can go"
    );
}
