//! The PushSecrets that the watch told of, what this process remembers of each, and which Secrets they push.
//!
//! A Secret that nobody pushes leaves no trace here. Deliberately not here: any I/O, and what a change means (`watch`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use api::{PushSecret, StoreKind};
use plan::{label_selector, store};
use provider::Place;
use secret::SecretMap;

use crate::world::{Change, Key, StoreKey, StoreRecord, is_older, is_relevant};

/// What is remembered of one PushSecret from one reconcile to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The sources as they were last pushed: name to a digest. None before the first look of this process.
    pub(super) pushed: Option<BTreeMap<String, String>>,
    /// How often something that it depends on changed since it was last in step.
    pub(super) changes: u32,
    /// Entries that the last try certainly didn't write, by store.
    pub(super) refused: HashSet<(String, Place)>,
    /// Since when a source that was pushed isn't there any more.
    pub(super) missing_since: Option<Instant>,
    /// What a generator made, until it has been pushed everywhere: the next try must not make anew what one store has
    /// got already. With the object's sync version.
    pub(super) generated: Option<(String, Arc<SecretMap>)>,
}

#[derive(Default)]
struct Inner {
    objects: HashMap<Key, Arc<PushSecret>>,
    memories: HashMap<Key, Memory>,
    /// Secret to the names of the PushSecrets that name it.
    naming: HashMap<Key, BTreeSet<String>>,
    /// Namespace to the names of the PushSecrets that select Secrets by label.
    selecting: HashMap<String, BTreeSet<String>>,
    /// Those that can't be read, and why.
    unreadable: HashMap<Key, String>,
    /// Whether the API server is known to drop `conditions[].detail`, as it does under the reference's CRD.
    drops_detail: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Pushes {
    inner: RwLock<Inner>,
}

impl Pushes {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<PushSecret>> {
        self.read().objects.get(key).cloned()
    }

    /// Takes in a version that the API server told of, unless a newer one is known.
    pub(super) fn put(&self, object: PushSecret) -> Change {
        let key = Key::of(&object.metadata);
        let mut inner = self.write();
        let before = inner.objects.get(&key).cloned();
        let change = match before.as_deref() {
            Some(before) if is_older(&object.metadata, &before.metadata) => return Change::Irrelevant,
            Some(before) if before.metadata.uid == object.metadata.uid => {
                if is_relevant(&before.metadata, &object.metadata) { Change::Relevant } else { Change::Irrelevant }
            }
            Some(_) | None => Change::New,
        };
        match change {
            // Another object of that name.
            Change::New => inner.forget(&key),
            Change::Relevant | Change::Irrelevant => inner.unlink(&key),
        }
        inner.unreadable.remove(&key);
        inner.link(&key, &object);
        inner.objects.insert(key, Arc::new(object));
        change
    }

    /// Takes in what became of an object by our own write, unless it is gone or another in the meantime.
    pub(super) fn put_written(&self, object: PushSecret) {
        let known = self.get(&Key::of(&object.metadata));
        if known.is_some_and(|known| known.metadata.uid == object.metadata.uid) {
            self.put(object);
        }
    }

    pub(super) fn remove(&self, key: &Key) {
        let mut inner = self.write();
        inner.forget(key);
        inner.unreadable.remove(key);
    }

    /// An object can't be read, for this reason: it isn't acted on. Answers whether that is news.
    pub(super) fn put_unreadable(&self, key: &Key, why: &str) -> bool {
        let mut inner = self.write();
        inner.forget(key);
        inner.unreadable.insert(key.clone(), why.to_owned()).as_deref() != Some(why)
    }

    /// The keys of all that `wanted` picks, in order.
    pub(super) fn keys(&self, wanted: impl Fn(&Key, &PushSecret) -> bool) -> Vec<Key> {
        let inner = self.read();
        let picked = inner.objects.iter().filter(|(key, object)| wanted(key, object));
        let mut keys: Vec<Key> = picked.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// Those that a full listing no longer had.
    pub(super) fn absent(&self, present: &HashSet<Key>) -> Vec<Key> {
        let inner = self.read();
        let known = inner.objects.keys().chain(inner.unreadable.keys());
        known.filter(|key| !present.contains(*key)).cloned().collect()
    }

    /// The PushSecrets that push a Secret, or pushed it when it was last looked at.
    pub(super) fn of_source(&self, secret: &Key, labels: Option<&BTreeMap<String, String>>) -> Vec<Key> {
        let inner = self.read();
        let none = BTreeMap::new();
        let labels = labels.unwrap_or(&none);
        let selects = |name: &&String| {
            let key = Key { namespace: secret.namespace.clone(), name: (*name).clone() };
            let pushed = inner.memories.get(&key).and_then(|memory| memory.pushed.as_ref());
            let selector = inner.objects.get(&key).and_then(|it| it.spec.selector.secret.as_ref()?.selector.as_ref());
            pushed.is_some_and(|pushed| pushed.contains_key(&secret.name))
                || selector.is_some_and(|selector| label_selector::selects(selector, labels) == Ok(true))
        };
        let naming = inner.naming.get(secret).into_iter().flatten();
        let selecting = inner.selecting.get(&secret.namespace).into_iter().flatten().filter(selects);
        let names: BTreeSet<&String> = naming.chain(selecting).collect();
        names.into_iter().map(|name| Key { namespace: secret.namespace.clone(), name: name.clone() }).collect()
    }

    /// The PushSecrets one of whose sources isn't among `present`.
    pub(super) fn without_source(&self, present: &HashSet<Key>) -> Vec<Key> {
        let inner = self.read();
        let absent =
            |key: &Key, name: &String| !present.contains(&Key { namespace: key.namespace.clone(), name: name.clone() });
        let named = inner.naming.iter().filter(|(secret, _)| !present.contains(*secret));
        let named = named.flat_map(|(secret, names)| {
            names.iter().map(|name| Key { namespace: secret.namespace.clone(), name: name.clone() })
        });
        let lost = inner.memories.iter().filter(|(key, memory)| {
            memory.pushed.as_ref().is_some_and(|pushed| pushed.keys().any(|name| absent(key, name)))
        });
        let keys: BTreeSet<Key> = named.chain(lost.map(|(key, _)| key.clone())).collect();
        keys.into_iter().collect()
    }

    /// Whether one of them is to delete what it pushed, or will push, to a store.
    pub(crate) fn holds(&self, record: &StoreRecord) -> bool {
        let inner = self.read();
        inner.objects.iter().any(|(key, push)| is_held_by(record, key, push))
    }

    pub(super) fn memory(&self, key: &Key) -> Memory {
        self.read().memories.get(key).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of an object that still exists.
    pub(super) fn remember(&self, key: &Key, change: impl FnOnce(&mut Memory)) {
        let mut inner = self.write();
        if inner.objects.contains_key(key) {
            change(inner.memories.entry(key.clone()).or_default());
        }
    }

    pub(super) fn drops_detail(&self) -> bool {
        self.read().drops_detail
    }

    pub(super) fn learn_dropped_detail(&self, dropped: bool) {
        self.write().drops_detail = dropped;
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, key: &Key) {
        self.unlink(key);
        self.objects.remove(key);
        self.memories.remove(key);
    }

    fn link(&mut self, key: &Key, object: &PushSecret) {
        let Some(source) = &object.spec.selector.secret else { return };
        if let Some(name) = source.name.as_ref().filter(|name| !name.is_empty()) {
            let secret = Key { namespace: key.namespace.clone(), name: name.clone() };
            self.naming.entry(secret).or_default().insert(key.name.clone());
        } else if source.selector.is_some() {
            self.selecting.entry(key.namespace.clone()).or_default().insert(key.name.clone());
        }
    }

    fn unlink(&mut self, key: &Key) {
        let Some(source) = self.objects.get(key).and_then(|it| it.spec.selector.secret.clone()) else { return };
        if let Some(name) = source.name {
            let secret = Key { namespace: key.namespace.clone(), name };
            take(&mut self.naming, &secret, &key.name);
        }
        take(&mut self.selecting, &key.namespace, &key.name);
    }
}

/// Whether a PushSecret is to delete what it pushed, or will push, to a store.
pub(super) fn is_held_by(record: &StoreRecord, key: &Key, push: &PushSecret) -> bool {
    let StoreKey { kind, namespace, name } = &record.key;
    let near = match kind {
        StoreKind::SecretStore => *namespace == key.namespace,
        StoreKind::ClusterSecretStore => true,
    };
    let labels = record.meta.labels.clone().unwrap_or_default();
    near && store::is_held_by(*kind, name, &labels, push)
}

fn take<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<String>>, key: &K, name: &str) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn push(name: &str, version: &str, selector: Value) -> PushSecret {
        let spec = json!({"secretStoreRefs": [], "selector": selector});
        let metadata = json!({"name": name, "namespace": "shop", "uid": name, "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_secret_leads_to_those_that_push_it_and_a_foreign_one_to_nobody() {
        let known = Pushes::default();
        known.put(push("named", "1", json!({"secret": {"name": "db"}})));
        known.put(push("labelled", "1", json!({"secret": {"selector": {"matchLabels": {"push": "yes"}}}})));
        let labels = BTreeMap::from([("push".to_owned(), "yes".to_owned())]);
        let names = |secret: &Key, labels: Option<&BTreeMap<String, String>>| {
            known.of_source(secret, labels).into_iter().map(|key| key.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&key("shop", "db"), None), ["named"]);
        assert_eq!(names(&key("shop", "db"), Some(&labels)), ["labelled", "named"]);
        assert_eq!(names(&key("shop", "other"), None), [""; 0]);
        assert_eq!(names(&key("lab", "db"), Some(&labels)), [""; 0]);
        // One that lost its label is still looked at by whoever pushed it.
        known.remember(&key("shop", "labelled"), |memory| memory.pushed = Some([("was".into(), "x".into())].into()));
        assert_eq!(names(&key("shop", "was"), None), ["labelled"]);
        let present = HashSet::from([key("shop", "db")]);
        assert_eq!(known.without_source(&present), [key("shop", "labelled")]);
        known.put(push("named", "2", json!({"secret": {"name": "other"}})));
        assert_eq!(names(&key("shop", "db"), None), [""; 0]);
        known.remove(&key("shop", "named"));
        known.remove(&key("shop", "labelled"));
        let inner = known.read();
        assert!(inner.naming.is_empty() && inner.selecting.is_empty() && inner.memories.is_empty());
    }
}
