//! The finalizer of a PushSecret with `deletionPolicy: Delete`, and its end. I/O.

use std::sync::Arc;

use api::{PushSecret, PushSecretDeletionPolicy, PushSecretStatus};
use jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use plan::push::{self, Ledger, Synced, Verdict, Wishes};

use super::report::{self, Tell};
use super::{cleanup, retry, sync_version, watch};
use crate::context::Context;
use crate::dispatch::Slot;
use crate::queue::Next;
use crate::world::Key;

/// The reference's finalizer.
const FINALIZER: &str = "pushsecret.externalsecrets.io/finalizer";

fn is_on(object: &PushSecret) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Puts the finalizer on a live object that is to delete what it pushed, and takes it from any other.
pub(super) async fn settle(cx: &Context, object: Arc<PushSecret>) -> Result<Arc<PushSecret>, kube::Error> {
    let mut finalizers: Vec<String> = object.metadata.finalizers.clone().unwrap_or_default();
    match (object.spec.deletion_policy, is_on(&object)) {
        (PushSecretDeletionPolicy::Delete, true) | (PushSecretDeletionPolicy::None, false) => return Ok(object),
        (PushSecretDeletionPolicy::Delete, false) => finalizers.push(FINALIZER.to_owned()),
        (PushSecretDeletionPolicy::None, true) => finalizers.retain(|finalizer| finalizer != FINALIZER),
    }
    put(cx, &object, finalizers).await
}

/// Lets an object go that is being deleted, once what it pushed is deleted where that is its policy. A pause doesn't
/// hold that up.
pub(super) async fn release(cx: &Arc<Context>, object: Arc<PushSecret>, now: Timestamp, slot: &Slot) -> Next {
    if !is_on(&object) {
        return Next::OnChange;
    }
    let key = Key::of(&object.metadata);
    if object.spec.deletion_policy == PushSecretDeletionPolicy::Delete {
        let synced = object.status.as_ref().map(|status| status.synced_push_secrets.clone()).unwrap_or_default();
        if is_anothers(cx, &key.namespace, &synced) {
            return Next::OnChange;
        }
        let mut ledger = Ledger::new(synced);
        let all = ledger.obsolete(&Wishes::default());
        let cleaned = cleanup::clean(cx, &key.namespace, &mut ledger, all, slot).await;
        cleaned.notes.iter().for_each(|note| cx.events.tell(report::subject(&object.metadata), note.clone(), now));
        if !cleaned.failures.is_empty() {
            let message = push::not_deleted(&cleaned.failures);
            let hint = format!("to let the object go all the same, take the finalizer {FINALIZER} away");
            let verdict = Verdict::Failed { message, detail: Some(hint) };
            let tell = Tell { sync_version: &sync_version(&object), did: cleaned.deleted, standing: Vec::new() };
            let told = report::report(cx, &object, &verdict, ledger.synced(), tell, now).await;
            if let Err(error) = told {
                tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "status not written");
            }
            return match retry(&cleaned.causes, false) {
                // Nothing but a change of a store helps; but a finalizer mustn't hang on a wake that gets lost.
                Next::OnChange => Next::Backoff,
                next => next,
            };
        }
    }
    let mut finalizers: Vec<String> = object.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    match put(cx, &object, finalizers).await {
        Ok(_) => Next::OnChange,
        Err(kube::Error::Api(status)) if status.is_not_found() => Next::OnChange,
        Err(error) => {
            tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not finish the deletion");
            Next::Backoff
        }
    }
}

/// Whether all that was pushed lies in stores of another controller class: it is that controller's to delete.
fn is_anothers(cx: &Context, namespace: &str, synced: &Synced) -> bool {
    let foreign = |key: &String| {
        let store =
            push::name_of(key).and_then(|name| cx.world.store(&crate::external_secret::store_key(&name, namespace)));
        store.is_some_and(|record| !cx.settings.handles(&record.spec))
    };
    !synced.is_empty() && synced.keys().all(foreign)
}

/// Of the very version that is handed in; answers the object as it is then.
async fn put(cx: &Context, object: &PushSecret, finalizers: Vec<String>) -> Result<Arc<PushSecret>, kube::Error> {
    let meta = &object.metadata;
    let patch = serde_json::json!({"metadata": {
        "finalizers": finalizers, "resourceVersion": meta.resource_version, "uid": meta.uid,
    }});
    let api: Api<PushSecret> = Api::namespaced(cx.client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let name = meta.name.as_deref().unwrap_or_default();
    let patched = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let mut written = object.clone();
    written.metadata.resource_version = patched.metadata.resource_version;
    written.metadata.finalizers = (!finalizers.is_empty()).then_some(finalizers);
    // Known before the watch tells: our own patch must not wake the object again.
    watch::written(cx, written.clone());
    Ok(Arc::new(written))
}

/// All that was pushed, deleted because the source is gone.
pub(super) async fn without_source(
    cx: &Arc<Context>,
    object: Arc<PushSecret>,
    version: &str,
    now: Timestamp,
    slot: &Slot,
) -> Next {
    let key = Key::of(&object.metadata);
    let before: PushSecretStatus = object.status.clone().unwrap_or_default();
    let mut ledger = Ledger::new(before.synced_push_secrets);
    let all = ledger.obsolete(&Wishes::default());
    let cleaned = cleanup::clean(cx, &key.namespace, &mut ledger, all, slot).await;
    cleaned.notes.iter().for_each(|note| cx.events.tell(report::subject(&object.metadata), note.clone(), now));
    let (verdict, next) = if cleaned.failures.is_empty() {
        (Verdict::SourceDeleted, Next::OnChange)
    } else {
        let text = cleaned.failures.join("; ");
        (Verdict::failed(format!("failed to cleanup provider secrets: {text}")), Next::Backoff)
    };
    let tell = Tell { sync_version: version, did: cleaned.deleted, standing: Vec::new() };
    match report::report(cx, &object, &verdict, ledger.synced(), tell, now).await {
        Ok(_) => next,
        Err(error) => {
            tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "status not written");
            Next::Backoff
        }
    }
}
