//! The watches of stores, and what a store's change or check means for those that use it.
//!
//! Deliberately not here: the check itself (`secret_store`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use api::{ClusterSecretStore, SecretStore, StoreKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::core::DeserializeGuard;
use plan::store;
use telemetry::Lane;
use tokio::sync::watch::Sender;

use super::{Scope, Told, first_lane_of, follow, namespaced, try_again};
use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::push_secret;
use crate::secret_store;
use crate::world::{Change, Key, Memory, Ready, StoreKey, StoreRecord};

pub(super) async fn secret_stores(cx: Arc<Context>, listed: Sender<bool>, scope: Scope) {
    let api: Api<DeserializeGuard<SecretStore>> = namespaced(&cx, &scope);
    stores(&cx, api, listed, StoreKind::SecretStore, StoreRecord::of_secret_store).await;
}

pub(super) async fn cluster_secret_stores(cx: Arc<Context>, listed: Sender<bool>) {
    let api: Api<DeserializeGuard<ClusterSecretStore>> = Api::all(cx.client.clone());
    stores(&cx, api, listed, StoreKind::ClusterSecretStore, StoreRecord::of_cluster_secret_store).await;
}

async fn stores<K>(
    cx: &Arc<Context>,
    api: Api<DeserializeGuard<K>>,
    listed: Sender<bool>,
    kind: StoreKind,
    record: impl Fn(K) -> StoreRecord,
) where
    K: kube::Resource + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
{
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object: DeserializeGuard(Ok(object)), listing } => {
            let record = record(object);
            if listing {
                present.insert(record.key.clone());
            }
            take_in(cx, record);
        }
        Told::Present { object: DeserializeGuard(Err(unreadable)), listing } => {
            // What was known of it stays, and so do its users. It must not stall the others.
            if listing {
                present.insert(key_of(kind, &unreadable.metadata));
            }
            tokio::spawn(secret_store::refuse_unreadable(cx, kind, unreadable));
        }
        Told::Gone(object) => gone(cx, &key_of(kind, kube::Resource::meta(&object))),
        Told::Listed => {
            for key in cx.world.retain_stores(kind, &present) {
                gone(cx, &key);
            }
            present = HashSet::new();
        }
    })
    .await;
}

fn key_of(kind: StoreKind, meta: &ObjectMeta) -> StoreKey {
    let Key { namespace, name } = Key::of(meta);
    StoreKey { kind, namespace, name }
}

/// A store was seen in this version.
pub(crate) fn take_in(cx: &Arc<Context>, record: StoreRecord) {
    let key = record.key.clone();
    let before = cx.world.store(&key);
    let freed = before.as_ref().is_some_and(|before| before.meta.annotations != record.meta.annotations);
    let said =
        |record: &StoreRecord| (store::is_checked(record.status.as_ref()), store::is_ready(record.status.as_ref()));
    let (checked, ready) = said(&record);
    let labelled = before.as_ref().is_none_or(|before| before.meta.labels != record.meta.labels);
    let told = before.is_some_and(|before| said(&before) != (checked, ready));
    let change = cx.world.put_store(record);
    if freed {
        // Whatever stood still because of an annotation goes on, or stands still now.
        cx.external_secrets.wake_all(dependants(cx, &key).into_iter().map(|user| (user, Lane::Asked)));
    }
    if freed || labelled {
        push_secret::store_seen(cx, &key);
    }
    match change {
        Change::New => cx.stores.wake(key.clone(), Lane::New),
        Change::Relevant => store_changed(cx, &key),
        Change::Irrelevant => {}
    }
    if told && !is_checked_here(cx, &key) {
        // What another process's check says; our own is told of at once.
        store_checked(cx, &key, ready, clock::instant());
    }
}

/// A store's spec changed, or a credential that all its users share: its sessions are over, it is checked again, and those that use it
/// are tried again at once.
pub(super) fn store_changed(cx: &Arc<Context>, key: &StoreKey) {
    // Whoever opens it anew notes anew what it reads.
    cx.world.store_depends_on_nothing(key);
    cx.retire(key);
    push_secret::store_changed(cx, key);
    let users = dependants(cx, key);
    if is_checked_here(cx, key) {
        // The check wakes them.
        users.iter().for_each(|user| cx.world.remember(user, Memory::changed));
    } else {
        try_again(cx, users);
    }
    cx.world.forget_check(key);
    cx.stores.wake(key.clone(), Lane::Asked);
}

/// Whether this process checks the store, and wakes its users after that.
fn is_checked_here(cx: &Context, key: &StoreKey) -> bool {
    cx.settings.checks(key.kind) && cx.tenure.holds(cx.tenure.bucket_of_store(key)) && cx.world.obstacle(key).is_none()
}

/// A store isn't there any more.
pub(crate) fn gone(cx: &Arc<Context>, key: &StoreKey) {
    push_secret::store_seen(cx, key);
    cx.world.remove_store(key);
    deletions::forget(cx, key);
    cx.retire(key);
    cx.stores.wake(key.clone(), Lane::Asked);
    store_checked(cx, key, false, clock::instant());
}

/// The ExternalSecrets that read from a store.
pub(crate) fn dependants(cx: &Context, store: &StoreKey) -> Vec<Key> {
    cx.world.external_secrets(|_, brief| brief.stores().contains(store))
}

/// Wakes the users of a store after its check: those that wait for it or failed, and, once it is ready, those that its
/// change concerns. A store that isn't ready leaves what is in sync alone. `since` is when the outcome was known: what some
/// of them have read from then on serves the others.
pub(crate) fn store_checked(cx: &Arc<Context>, store: &StoreKey, ready: bool, since: Instant) {
    let lane_of = |key: Key| {
        let (in_sync, first) = cx.world.about(&key, |brief| (brief.ready == Ready::True, first_lane_of(brief)))?;
        let asked = !in_sync || (ready && cx.world.memory(&key).changes > 0);
        Some((key, first.min(if asked { Lane::Asked } else { Lane::Periodic })))
    };
    let users: Vec<(Key, Lane)> = dependants(cx, store).into_iter().filter_map(lane_of).collect();
    cx.external_secrets.wake_all_for(users, since);
    push_secret::store_checked(cx, store);
}
