//! The stores of a PushSecret: found, permitted, opened. I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{ClusterSecretStore, PushSecret, PushSecretStoreRef, StoreKind};
use engine::Handle;
use futures::future::join_all;
use kube::Api;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use plan::data::StoreName;
use plan::label_selector;
use plan::push::{Target, status_key};
use provider::Error;

use crate::context::Context;
use crate::external_secret::{known, open, permitted, store_key, store_record};
use crate::world::{Key, StoreKey, StoreRecord};

/// The stores that a spec names and selects.
#[derive(Default)]
pub(super) struct Stores {
    /// Those to push to, each once, in the order of the manifest.
    pub(super) targets: Vec<Target>,
    /// Why others can't be had.
    pub(super) failures: Vec<String>,
    /// Those that are left alone, as the status names them: of another controller class, or being deleted.
    pub(super) spared: BTreeSet<String>,
    /// One on which somebody asked for a pause.
    pub(super) paused: Option<StoreName>,
}

/// See the module.
pub(super) async fn resolve(cx: &Arc<Context>, push: &PushSecret) -> Result<Stores, kube::Error> {
    let namespace = Key::of(&push.metadata).namespace;
    let mut stores = Stores::default();
    let mut records: Vec<(StoreName, Arc<StoreRecord>)> = Vec::new();
    for reference in &push.spec.secret_store_refs {
        match found(cx, &namespace, reference).await? {
            Ok(found) => records.extend(found),
            Err(why) => stores.failures.push(why),
        }
    }
    for (store, record) in records {
        if stores.targets.iter().any(|known| known.store == store) {
            continue;
        }
        if plan::pause::is_asked(record.meta.annotations.as_ref()) {
            stores.paused = Some(store.clone());
        }
        if record.meta.deletion_timestamp.is_some() || !cx.settings.handles(&record.spec) {
            stores.spared.insert(status_key(&store));
            continue;
        }
        stores.targets.push(Target { store, labels: record.meta.labels.clone().unwrap_or_default() });
    }
    Ok(stores)
}

/// The stores of one reference; what the reference says if there are none.
async fn found(
    cx: &Arc<Context>,
    namespace: &str,
    reference: &PushSecretStoreRef,
) -> Result<Result<Vec<(StoreName, Arc<StoreRecord>)>, String>, kube::Error> {
    let PushSecretStoreRef { name, label_selector, kind } = reference;
    if let Some(selector) = label_selector {
        if let Err(why) = label_selector::selects(selector, &BTreeMap::new()) {
            return Ok(Err(format!("could not convert labels: {why}")));
        }
        let selected = |record: &StoreRecord| {
            let labels = record.meta.labels.clone().unwrap_or_default();
            let near = match kind {
                StoreKind::SecretStore => record.key.namespace == namespace,
                StoreKind::ClusterSecretStore => true,
            };
            record.key.kind == *kind && near && label_selector::selects(selector, &labels) == Ok(true)
        };
        take_in_unwatched(cx, *kind).await?;
        let mut keys = cx.world.stores(selected);
        keys.sort_unstable();
        let named = |key: StoreKey| Some((StoreName { kind: *kind, name: key.name.clone() }, cx.world.store(&key)?));
        return Ok(Ok(keys.into_iter().filter_map(named).collect()));
    }
    let Some(name) = name.clone().filter(|name| !name.is_empty()) else {
        return Ok(Err("refStore Name must be provided".to_owned()));
    };
    let name = StoreName { kind: *kind, name };
    store_record(cx, &store_key(&name, namespace)).await?;
    Ok(known(cx, namespace, &name).map(|record| vec![(name, record)]).map_err(|error| error.to_string()))
}

/// Without their watch, ClusterSecretStores are listed when a selector asks for them.
async fn take_in_unwatched(cx: &Arc<Context>, kind: StoreKind) -> Result<(), kube::Error> {
    if kind == StoreKind::SecretStore || cx.settings.cluster_stores {
        return Ok(());
    }
    let api: Api<DeserializeGuard<ClusterSecretStore>> = Api::all(cx.client.clone());
    for DeserializeGuard(store) in api.list(&ListParams::default()).await?.items {
        if let Ok(store) = store {
            cx.world.put_store(StoreRecord::of_cluster_secret_store(store));
        }
    }
    Ok(())
}

/// The open stores, in the order of `targets`; a failure is a value.
pub(super) async fn open_all(
    cx: &Arc<Context>,
    namespace: &str,
    targets: &[StoreName],
) -> Vec<Result<Arc<Handle>, Error>> {
    join_all(targets.iter().map(|store| open_one(cx, namespace, store))).await
}

/// The open store behind a name, if an object of the namespace may use it.
pub(super) async fn open_one(cx: &Arc<Context>, namespace: &str, store: &StoreName) -> Result<Arc<Handle>, Error> {
    let record = permitted(cx, namespace, store).await?;
    open(cx, &record, Some(namespace)).await
}
