//! What wakes a PushSecret: its own change, its source, its stores and what its template lies in.
//!
//! Deliberately not here: the watches (`ingest`), which call in here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use api::{PushSecret, StoreKind};
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use plan::data::StoreName;
use plan::event::{EventReason, Note};
use plan::{push, status};
use telemetry::{Kind, Lane, ReadyStatus};

use super::known::{Memory, is_held_by};
use super::subject;
use crate::clock;
use crate::context::Context;
use crate::dependencies::Dependant;
use crate::world::{Change, Key, StoreKey, StoreRecord};

/// A PushSecret exists in this version, if it can be read.
pub(crate) fn told(cx: &Arc<Context>, object: DeserializeGuard<PushSecret>) {
    match object {
        DeserializeGuard(Ok(object)) => seen(cx, object),
        DeserializeGuard(Err(unreadable)) => refuse(cx, &unreadable),
    }
}

/// These PushSecrets are all that there are.
pub(crate) fn listed(cx: &Arc<Context>, present: &HashSet<Key>) {
    for key in cx.pushes.absent(present) {
        gone(cx, &key);
    }
}

/// A PushSecret exists in this version.
pub(crate) fn seen(cx: &Arc<Context>, mut object: PushSecret) {
    object.metadata.managed_fields = None;
    let key = Key::of(&object.metadata);
    let before = cx.pushes.get(&key);
    let lane = first_lane(&object);
    match cx.pushes.put(object) {
        Change::New => cx.push_secrets.wake(key.clone(), lane),
        Change::Relevant => cx.push_secrets.wake(key.clone(), Lane::Asked),
        Change::Irrelevant => {}
    }
    wake_held_stores(cx, &key, before.as_deref(), cx.pushes.get(&key).as_deref());
}

/// A PushSecret is so by our own write.
pub(super) fn written(cx: &Context, object: PushSecret) {
    let key = Key::of(&object.metadata);
    let before = cx.pushes.get(&key);
    cx.pushes.put_written(object);
    wake_held_stores(cx, &key, before.as_deref(), cx.pushes.get(&key).as_deref());
}

fn first_lane(object: &PushSecret) -> Lane {
    let synced = object.status.as_ref().is_some_and(|status| status.synced_resource_version.is_some());
    if synced { Lane::Periodic } else { Lane::New }
}

/// A PushSecret is gone.
pub(crate) fn gone(cx: &Arc<Context>, key: &Key) {
    let before = cx.pushes.get(key);
    cx.pushes.remove(key);
    cx.push_secrets.wake(key.clone(), Lane::Asked);
    wake_held_stores(cx, key, before.as_deref(), None);
}

/// An object that can't be read is not acted on: what was pushed stays.
fn refuse(cx: &Arc<Context>, unreadable: &InvalidObject) {
    let InvalidObject { error, metadata } = unreadable;
    let key = Key::of(metadata);
    if !cx.pushes.put_unreadable(&key, error) {
        return;
    }
    tracing::error!(namespace = key.namespace, name = key.name, error, "unreadable PushSecret");
    if cx.tenure.holds(cx.tenure.bucket_of_push(&key)) {
        cx.metrics.ready(Kind::PushSecret, &key.name, &key.namespace, ReadyStatus::False);
        let note = Note::warning(EventReason::Errored, format!("the object cannot be read: {error}"));
        cx.events.tell(subject(metadata), note, clock::now());
    }
}

/// A store is kept for PushSecrets that are to delete what they pushed: it looks at that anew when one of them changes.
fn wake_held_stores(cx: &Context, key: &Key, before: Option<&PushSecret>, after: Option<&PushSecret>) {
    let holds =
        |push: Option<&PushSecret>, record: &StoreRecord| push.is_some_and(|push| is_held_by(record, key, push));
    for store in cx.world.stores(|record| holds(before, record) != holds(after, record)) {
        cx.stores.wake(store, Lane::Asked);
    }
}

/// The PushSecrets that have to do with a store, in one namespace or in all.
pub(crate) fn users(cx: &Context, store: &StoreKey, namespace: Option<&str>) -> Vec<Key> {
    let record = cx.world.store(store);
    let labels = record.and_then(|record| record.meta.labels.clone()).unwrap_or_default();
    let name = StoreName { kind: store.kind, name: store.name.clone() };
    cx.pushes.keys(|key, push| {
        let near = match store.kind {
            StoreKind::SecretStore => key.namespace == store.namespace,
            StoreKind::ClusterSecretStore => true,
        };
        near && namespace.is_none_or(|namespace| namespace == key.namespace) && push::concerns(push, &name, &labels)
    })
}

fn wake(cx: &Context, keys: Vec<Key>) {
    cx.push_secrets.wake_all(keys.into_iter().map(|key| (key, Lane::Asked)));
}

fn is_failing(push: &PushSecret) -> bool {
    let conditions = push.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    !status::ready_is("True", conditions)
}

fn failing(cx: &Context, keys: Vec<Key>) -> Vec<Key> {
    keys.into_iter().filter(|key| cx.pushes.get(key).is_some_and(|push| is_failing(&push))).collect()
}

/// Something that these objects push by, or what they push, is another: they push at once.
pub(crate) fn try_again(cx: &Context, keys: Vec<Key>) {
    for key in &keys {
        cx.pushes.remember(key, |memory| memory.changes = memory.changes.saturating_add(1));
    }
    wake(cx, keys);
}

/// A store came, goes, or has other labels or annotations.
pub(crate) fn store_seen(cx: &Context, store: &StoreKey) {
    wake(cx, users(cx, store, None));
}

/// A store has another spec or other credentials.
pub(crate) fn store_changed(cx: &Context, store: &StoreKey) {
    try_again(cx, users(cx, store, None));
}

/// A store has other credentials for these namespaces alone.
pub(crate) fn consumers_changed(cx: &Context, store: &StoreKey, consumers: &BTreeSet<String>) {
    for consumer in consumers {
        try_again(cx, users(cx, store, Some(consumer)));
    }
}

/// A store was checked: whoever failed tries again.
pub(crate) fn store_checked(cx: &Context, store: &StoreKey) {
    wake(cx, failing(cx, users(cx, store, None)));
}

/// A store can be reached again, by the session of one namespace or by that of all (empty).
pub(crate) fn store_recovered(cx: &Context, store: &StoreKey, consumer: &str) {
    let namespace = (!consumer.is_empty()).then_some(consumer);
    wake(cx, failing(cx, users(cx, store, namespace)));
}

/// New labels may let a namespace use a ClusterSecretStore.
pub(crate) fn namespace_changed(cx: &Context, namespace: &str) {
    wake(cx, cx.pushes.keys(|key, push| key.namespace == namespace && is_failing(push)));
}

/// A Secret came, changed or went. Answers whether anybody pushes it.
pub(crate) fn source_seen(cx: &Context, secret: &Key, labels: Option<&BTreeMap<String, String>>) -> bool {
    let pushing = cx.pushes.of_source(secret, labels);
    let is_source = !pushing.is_empty();
    wake(cx, pushing);
    is_source
}

/// A full listing of Secrets is in: sources that aren't in it are gone.
pub(crate) fn sources_listed(cx: &Context, present: &HashSet<Key>) {
    wake(cx, cx.pushes.without_source(present));
}

/// These buckets are ours from now on.
pub(crate) fn gained(cx: &Context, buckets: &[u16]) {
    let mine = cx.pushes.keys(|key, _| buckets.contains(&cx.tenure.bucket_of_push(key)));
    for key in &mine {
        // Another process may have pushed since.
        cx.pushes.remember(key, |memory| *memory = Memory::default());
    }
    let lane = |key: Key| cx.pushes.get(&key).map(|push| (key, first_lane(&push)));
    cx.push_secrets.wake_all(mine.into_iter().filter_map(lane));
}

/// These buckets are another process's from now on, which has the series of what is in them.
pub(crate) fn lost(cx: &Context, buckets: &[u16]) {
    for Key { namespace, name } in cx.pushes.keys(|key, _| buckets.contains(&cx.tenure.bucket_of_push(key))) {
        cx.metrics.disown(Kind::PushSecret, &name, &namespace);
    }
}

/// An object is gone: nothing is known of it any more.
pub(super) fn forget(cx: &Context, key: &Key) {
    cx.world.depends_on_nothing(&Dependant::PushSecret(key.clone()));
    cx.metrics.forget(Kind::PushSecret, &key.name, &key.namespace);
    cx.release_consumer(&key.namespace);
}

/// What an object's metadata says of the store whose users count together: its first.
pub(crate) fn group_of(cx: &Context, key: &Key) -> Option<StoreKey> {
    let push = cx.pushes.get(key)?;
    let reference = push.spec.secret_store_refs.first()?;
    let namespace = match reference.kind {
        StoreKind::SecretStore => key.namespace.clone(),
        StoreKind::ClusterSecretStore => String::new(),
    };
    Some(StoreKey { kind: reference.kind, namespace, name: reference.name.clone()? })
}
