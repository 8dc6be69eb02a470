//! What is known of the cluster: compact records fed by the watches, and what the controller remembers of each object.
//!
//! Lives here: lookups and indexes; the records are in `records`. Deliberately not here: any I/O, and any decision.

mod kept;
mod records;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use api::{ExternalSecret, ExternalSecretStatus, StoreKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::status::Pruned;
use plan::template::SourceKind;

use crate::dependencies::{Dependant, Dependencies, Input};
use crate::turns::Turns;
use kept::Kept;

pub(crate) use kept::{Brief, Ready};
pub(crate) use records::{Key, Memory, SecretSeen, StoreCheck, StoreKey, StoreRecord, Verified};

/// An ExternalSecret whose last version can't be read.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable {
    uid: Option<String>,
    /// It is being deleted.
    ends: bool,
    /// Why, once somebody set out to tell it.
    told: Option<String>,
}

#[derive(Default)]
struct Inner {
    external_secrets: HashMap<Key, Kept>,
    memories: HashMap<Key, Memory>,
    unreadable: HashMap<Key, Unreadable>,
    pruned: Pruned,
    /// Target Secret to the ExternalSecrets that name it: nearly always one.
    targets: HashMap<Key, Vec<String>>,
    stores: HashMap<StoreKey, Arc<StoreRecord>>,
    checks: HashMap<StoreKey, StoreCheck>,
    /// Stores that can't be got although they may exist, and why.
    obstacles: HashMap<StoreKey, String>,
    /// Stores that are being deleted and held, and by what.
    held: HashMap<StoreKey, String>,
    secrets: HashMap<Key, SecretSeen>,
    namespaces: HashMap<String, Arc<BTreeMap<String, String>>>,
    dependencies: Dependencies,
}

/// See the module.
#[derive(Default)]
pub(crate) struct World {
    inner: RwLock<Inner>,
    /// Of objects with an unneeded finalizer.
    pub(crate) turns: Turns,
}

/// What a watched ExternalSecret's new version means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It wasn't known.
    New,
    /// Something that a reconcile looks at changed.
    Relevant,
    /// Only its status, or nothing.
    Irrelevant,
}

impl World {
    pub(crate) fn external_secret(&self, key: &Key) -> Option<Arc<ExternalSecret>> {
        self.read().external_secrets.get(key).and_then(Kept::object)
    }

    /// What `ask` wants to know of an ExternalSecret, which needn't be unpacked for that.
    pub(crate) fn about<T>(&self, key: &Key, ask: impl FnOnce(&Brief) -> T) -> Option<T> {
        self.read().external_secrets.get(key).map(|kept| ask(&kept.brief))
    }

    /// Whether there is such an ExternalSecret.
    pub(crate) fn exists(&self, key: &Key) -> bool {
        self.read().external_secrets.contains_key(key)
    }

    /// Takes in a version of an ExternalSecret that the API server told of, unless a newer one is known. Of another
    /// object that had the name before, nothing is kept.
    pub(crate) fn put_external_secret(&self, object: ExternalSecret) -> Change {
        let key = Key::of(&object.metadata);
        let mut inner = self.write();
        let mended = inner.unreadable.remove(&key).is_some();
        let mut before = inner.object(&key);
        if before.as_ref().is_some_and(|before| before.metadata.uid != object.metadata.uid) {
            inner.forget(&key);
            before = None;
        }
        match inner.put(key, before.as_deref(), object) {
            Change::Irrelevant if mended => Change::Relevant,
            change => change,
        }
    }

    /// Takes in what became of an ExternalSecret by our own write, unless it is gone in the meantime, another one has its
    /// name, or a newer version is known.
    pub(crate) fn put_written(&self, object: ExternalSecret) {
        let key = Key::of(&object.metadata);
        let mut inner = self.write();
        let before = inner.object(&key);
        if before.as_ref().is_some_and(|known| known.metadata.uid == object.metadata.uid) {
            inner.put(key, before.as_deref(), object);
        }
    }

    /// An ExternalSecret's version can't be read, for this reason: what is known of it isn't acted on any more, until a
    /// version comes that can be. Answers whether that is news.
    pub(crate) fn put_unreadable(&self, meta: &ObjectMeta, reason: &str) -> bool {
        let key = Key::of(meta);
        let mut inner = self.write();
        if inner.object(&key).is_some_and(|before| before.metadata.uid != meta.uid) {
            inner.forget(&key);
        }
        let ends = meta.deletion_timestamp.is_some();
        let now = Unreadable { uid: meta.uid.clone(), ends, told: Some(reason.to_owned()) };
        if inner.unreadable.get(&key) == Some(&now) {
            return false;
        }
        inner.unreadable.insert(key, now);
        true
    }

    /// Why it can't be read could not be told: the next event of it is news again.
    pub(crate) fn unreadable_untold(&self, key: &Key) {
        if let Some(unreadable) = self.write().unreadable.get_mut(key) {
            unreadable.told = None;
        }
    }

    pub(crate) fn is_unreadable(&self, key: &Key) -> bool {
        self.read().unreadable.contains_key(key)
    }

    /// What the API server is known not to keep of a status.
    pub(crate) fn pruned(&self) -> Pruned {
        self.read().pruned
    }

    /// A status was sent, and this is what was stored.
    pub(crate) fn learn_pruned(&self, sent: &ExternalSecretStatus, stored: &ExternalSecretStatus) {
        let before = self.pruned();
        if before.after(sent, stored) != before {
            let mut inner = self.write();
            inner.pruned = inner.pruned.after(sent, stored);
            tracing::info!(pruned = ?inner.pruned, "status fields that the API server does not keep");
        }
    }

    pub(crate) fn remove_external_secret(&self, key: &Key) {
        let mut inner = self.write();
        inner.unreadable.remove(key);
        inner.forget(key);
    }

    /// The keys of all ExternalSecrets that `wanted` picks.
    pub(crate) fn external_secrets(&self, wanted: impl Fn(&Key, &Brief) -> bool) -> Vec<Key> {
        let inner = self.read();
        let wanted = inner.external_secrets.iter().filter(|(key, kept)| wanted(key, &kept.brief));
        wanted.map(|(key, _)| key.clone()).collect()
    }

    /// Forgets ExternalSecrets that a full listing no longer had; answers which.
    pub(crate) fn retain_external_secrets(&self, listed: &HashSet<Key>) -> Vec<Key> {
        let gone: HashSet<Key> = {
            let inner = self.read();
            let known = inner.external_secrets.keys().chain(inner.unreadable.keys());
            known.filter(|key| !listed.contains(key)).cloned().collect()
        };
        gone.iter().for_each(|key| self.remove_external_secret(key));
        gone.into_iter().collect()
    }

    pub(crate) fn memory(&self, key: &Key) -> Memory {
        self.read().memories.get(key).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of an ExternalSecret that still exists.
    pub(crate) fn remember(&self, key: &Key, change: impl FnOnce(&mut Memory)) {
        let mut inner = self.write();
        if inner.external_secrets.contains_key(key) {
            change(inner.memories.entry(key.clone()).or_default());
        }
    }

    /// The ExternalSecrets whose target is this Secret.
    pub(crate) fn targeting(&self, secret: &Key) -> Vec<Key> {
        let inner = self.read();
        let names = inner.targets.get(secret).into_iter().flatten();
        names.map(|name| Key { namespace: secret.namespace.clone(), name: name.clone() }).collect()
    }

    pub(crate) fn secret(&self, key: &Key) -> Option<SecretSeen> {
        self.read().secrets.get(key).cloned()
    }

    /// Notes a Secret; `None` forgets it. Answers what was known before.
    pub(crate) fn put_secret(&self, key: &Key, seen: Option<SecretSeen>) -> Option<SecretSeen> {
        let mut inner = self.write();
        match seen {
            Some(seen) => inner.secrets.insert(key.clone(), seen),
            None => inner.secrets.remove(key),
        }
    }

    /// Forgets Secrets that a full listing no longer had; answers which.
    pub(crate) fn retain_secrets(&self, listed: &HashSet<Key>) -> Vec<Key> {
        let mut inner = self.write();
        let gone: Vec<Key> = inner.secrets.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in &gone {
            inner.secrets.remove(key);
        }
        gone
    }

    /// Names of the namespace's Secrets that carry this owner label.
    pub(crate) fn owned_secrets(&self, namespace: &str, owner_label: &str) -> Vec<String> {
        let inner = self.read();
        let owned = inner
            .secrets
            .iter()
            .filter(|(key, seen)| key.namespace == namespace && seen.owner_label.as_deref() == Some(owner_label));
        owned.map(|(key, _)| key.name.clone()).collect()
    }

    /// The keys of all stores that `wanted` picks.
    pub(crate) fn stores(&self, wanted: impl Fn(&StoreRecord) -> bool) -> Vec<StoreKey> {
        self.read().stores.iter().filter(|(_, record)| wanted(record)).map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn store(&self, key: &StoreKey) -> Option<Arc<StoreRecord>> {
        self.read().stores.get(key).cloned()
    }

    /// Takes in a version of a store; answers what its change means.
    pub(crate) fn put_store(&self, record: StoreRecord) -> Change {
        let mut inner = self.write();
        let change = match inner.stores.get(&record.key) {
            None => Change::New,
            Some(before) if is_older(&record.meta, &before.meta) => return Change::Irrelevant,
            // Whatever it is that can be read again.
            Some(_) if inner.obstacles.contains_key(&record.key) => Change::Relevant,
            Some(before) if before.meta.uid != record.meta.uid || before.meta.generation != record.meta.generation => {
                Change::Relevant
            }
            Some(_) => Change::Irrelevant,
        };
        inner.obstacles.remove(&record.key);
        inner.stores.insert(record.key.clone(), Arc::new(record));
        change
    }

    pub(crate) fn remove_store(&self, key: &StoreKey) {
        let mut inner = self.write();
        inner.stores.remove(key);
        inner.checks.remove(key);
        inner.dependencies.forget_store(key);
        inner.obstacles.remove(key);
        inner.held.remove(key);
    }

    /// Forgets stores of `kind` that a full listing no longer had; answers which.
    pub(crate) fn retain_stores(&self, kind: StoreKind, listed: &HashSet<StoreKey>) -> Vec<StoreKey> {
        let inner = self.read();
        let known: HashSet<&StoreKey> = inner.stores.keys().chain(inner.obstacles.keys()).collect();
        let gone = known.into_iter().filter(|key| key.kind == kind && !listed.contains(key));
        let gone: Vec<StoreKey> = gone.cloned().collect();
        drop(inner);
        gone.iter().for_each(|key| self.remove_store(key));
        gone
    }

    pub(crate) fn check(&self, key: &StoreKey) -> Option<StoreCheck> {
        self.read().checks.get(key).copied()
    }

    /// Notes a check; answers the one before.
    pub(crate) fn put_check(&self, key: &StoreKey, check: StoreCheck) -> Option<StoreCheck> {
        self.write().checks.insert(key.clone(), check)
    }

    /// A store's last check counts no more.
    pub(crate) fn forget_check(&self, key: &StoreKey) {
        self.write().checks.remove(key);
    }

    /// Why a store can't be got although it may exist. One that could be got before is still known as it was then.
    pub(crate) fn obstacle(&self, key: &StoreKey) -> Option<String> {
        self.read().obstacles.get(key).cloned()
    }

    /// Notes why a store can't be got; answers whether that is news.
    pub(crate) fn put_obstacle(&self, key: &StoreKey, why: &str) -> bool {
        self.write().obstacles.insert(key.clone(), why.to_owned()).as_deref() != Some(why)
    }

    /// Notes what keeps a store from being deleted; answers whether that is news.
    pub(crate) fn put_held(&self, key: &StoreKey, why: &str) -> bool {
        self.write().held.insert(key.clone(), why.to_owned()).as_deref() != Some(why)
    }

    pub(crate) fn namespace_labels(&self, name: &str) -> Option<Arc<BTreeMap<String, String>>> {
        self.read().namespaces.get(name).cloned()
    }

    pub(crate) fn put_namespace(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        let mut inner = self.write();
        match labels {
            Some(labels) => inner.namespaces.insert(name.to_owned(), Arc::new(labels)),
            None => inner.namespaces.remove(name),
        };
    }

    /// Notes that `reader` is about to read a Secret or ConfigMap: a change from now on must find it.
    pub(crate) fn will_depend_on(&self, reader: Dependant, input: Input) {
        self.write().dependencies.announce(reader, input);
    }

    /// Notes that `reader` looked for a Secret or ConfigMap, and in which version it found it.
    pub(crate) fn depends_on(&self, reader: Dependant, input: Input, version: Option<String>) {
        self.write().dependencies.note(reader, input, version);
    }

    /// Forgets what `reader` depended on.
    pub(crate) fn depends_on_nothing(&self, reader: &Dependant) {
        self.write().dependencies.forget(reader);
    }

    /// Forgets what was read for a store, on whosever behalf.
    pub(crate) fn store_depends_on_nothing(&self, key: &StoreKey) {
        self.write().dependencies.forget_store(key);
    }

    /// The stores that read something for sessions of this namespace alone.
    pub(crate) fn stores_for(&self, namespace: &str) -> Vec<StoreKey> {
        self.read().dependencies.stores_for(namespace)
    }

    /// Those that read `input` in another version than `version` (none: it is gone).
    pub(crate) fn outdated_by(&self, input: &Input, version: Option<&str>) -> Vec<Dependant> {
        self.read().dependencies.outdated(input, version)
    }

    /// Every Secret or ConfigMap that something was made of.
    pub(crate) fn inputs(&self, kind: SourceKind) -> Vec<Input> {
        self.read().dependencies.of_kind(kind)
    }

    pub(crate) fn is_input(&self, input: &Input) -> bool {
        self.read().dependencies.contains(input)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn object(&self, key: &Key) -> Option<Arc<ExternalSecret>> {
        self.external_secrets.get(key).and_then(Kept::object)
    }

    /// `before` is what is known of it so far.
    fn put(&mut self, key: Key, before: Option<&ExternalSecret>, object: ExternalSecret) -> Change {
        if before.is_some_and(|before| is_older(&object.metadata, &before.metadata)) {
            return Change::Irrelevant;
        }
        let target = target_key(&object);
        if let Some(before) = before {
            let old_target = target_key(before);
            if old_target != target {
                self.unlink(&old_target, &key.name);
            }
        }
        let names = self.targets.entry(target).or_default();
        if !names.contains(&key.name) {
            names.push(key.name.clone());
            names.shrink_to_fit();
        }
        let change = match before {
            None => Change::New,
            Some(before) if is_relevant(&before.metadata, &object.metadata) => Change::Relevant,
            Some(_) => Change::Irrelevant,
        };
        self.external_secrets.insert(key, Kept::new(object));
        change
    }

    /// Forgets an ExternalSecret and all that was remembered of it.
    fn forget(&mut self, key: &Key) {
        if let Some(object) = self.external_secrets.remove(key).and_then(|kept| kept.object()) {
            self.unlink(&target_key(&object), &key.name);
        }
        self.memories.remove(key);
        self.dependencies.forget(&Dependant::ExternalSecret(key.clone()));
    }

    fn unlink(&mut self, target: &Key, name: &str) {
        if let Some(names) = self.targets.get_mut(target) {
            names.retain(|known| known != name);
            if names.is_empty() {
                self.targets.remove(target);
            }
        }
    }
}

/// The Secret that an ExternalSecret writes.
pub(crate) fn target_key(object: &ExternalSecret) -> Key {
    let Key { namespace, name } = Key::of(&object.metadata);
    Key { name: plan::target::name(&name, &object.spec).to_owned(), namespace }
}

/// Whether `candidate` is an earlier version than `known` of the same object. Versions that aren't numbers count as
/// newer, so that nothing is ever missed.
pub(crate) fn is_older(candidate: &ObjectMeta, known: &ObjectMeta) -> bool {
    let number = |meta: &ObjectMeta| meta.resource_version.as_deref().and_then(|text| text.parse::<u64>().ok());
    candidate.uid == known.uid && matches!((number(candidate), number(known)), (Some(new), Some(old)) if new < old)
}

pub(crate) fn is_relevant(before: &ObjectMeta, after: &ObjectMeta) -> bool {
    before.uid != after.uid
        || before.generation != after.generation
        || before.labels != after.labels
        || before.annotations != after.annotations
        || before.finalizers != after.finalizers
        || before.deletion_timestamp != after.deletion_timestamp
}
