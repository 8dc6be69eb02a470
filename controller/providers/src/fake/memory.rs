//! What was pushed to stores of `fake`, for as long as the process lives: one map for all of them, since a store is opened
//! anew at each change of its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::StoreKind;
use secret::SecretBytes;

use crate::StoreIdentity;

/// The most bytes of all pushed keys and values together.
const MAX_BYTES: usize = 16 << 20;

/// The pushed values of all fake stores. Clones share them.
#[derive(Clone, Default)]
pub struct FakeMemory(Arc<Mutex<BTreeMap<Name, SecretBytes>>>);

/// A store's kind, namespace and name, and a remote key.
type Name = (&'static str, String, String, String);

impl fmt::Debug for FakeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeMemory({} values)", self.lock().len())
    }
}

impl FakeMemory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, SecretBytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of one store. A ClusterSecretStore has one, whoever uses it.
    pub(super) fn of_store(&self, store: &StoreIdentity) -> Pushed {
        let StoreIdentity { kind, name, namespace } = store;
        let namespace = match kind {
            StoreKind::SecretStore => namespace.clone().unwrap_or_default(),
            StoreKind::ClusterSecretStore => String::new(),
        };
        Pushed { memory: self.clone(), kind: kind.as_str(), namespace, store: name.clone() }
    }
}

/// What was pushed to one store.
pub(super) struct Pushed {
    memory: FakeMemory,
    kind: &'static str,
    namespace: String,
    store: String,
}

impl Pushed {
    fn name(&self, key: &str) -> Name {
        (self.kind, self.namespace.clone(), self.store.clone(), key.to_owned())
    }

    pub(super) fn get(&self, key: &str) -> Option<SecretBytes> {
        self.memory.lock().get(&self.name(key)).cloned()
    }

    pub(super) fn all(&self) -> BTreeMap<String, SecretBytes> {
        let first = self.name("");
        let memory = self.memory.lock();
        let here = memory
            .range(first.clone()..)
            .take_while(|((kind, namespace, store, _), _)| (*kind, namespace, store) == (first.0, &first.1, &first.2));
        here.map(|((.., key), value)| (key.clone(), value.clone())).collect()
    }

    /// Whether there was room for it.
    #[must_use]
    pub(super) fn put(&self, key: &str, value: SecretBytes) -> bool {
        let name = self.name(key);
        let mut memory = self.memory.lock();
        let others = memory.iter().filter(|(held, _)| **held != name);
        let held: usize = others.map(|((.., key), value)| key.len() + value.len()).sum();
        let fits = held + key.len() + value.len() <= MAX_BYTES;
        if fits {
            memory.insert(name, value);
        }
        fits
    }

    pub(super) fn remove(&self, key: &str) -> bool {
        self.memory.lock().remove(&self.name(key)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_kept_apart_and_together_bounded() {
        let memory = FakeMemory::default();
        let store = |kind, namespace: &str, name: &str| {
            let namespace = Some(namespace.to_owned());
            memory.of_store(&StoreIdentity { kind, name: name.to_owned(), namespace })
        };
        let shop = store(StoreKind::SecretStore, "shop", "fake");
        assert!(shop.put("k", "shop".into()));
        assert!(store(StoreKind::ClusterSecretStore, "shop", "fake").put("k", "cluster".into()));
        let cases = [
            (StoreKind::SecretStore, "shop", "fake", Some("shop")),
            (StoreKind::SecretStore, "lab", "fake", None),
            (StoreKind::SecretStore, "shop", "other", None),
            (StoreKind::ClusterSecretStore, "lab", "fake", Some("cluster")),
        ];
        for (kind, namespace, name, want) in cases {
            let store = store(kind, namespace, name);
            let got = store.get("k");
            assert_eq!(got.as_ref().and_then(SecretBytes::expose_str), want, "{kind:?} {namespace} {name}");
            assert_eq!(store.all().len(), usize::from(want.is_some()), "{kind:?} {namespace} {name}");
        }
        assert!(!shop.put("large", vec![0; MAX_BYTES].into()));
        assert!(shop.remove("k") && !shop.remove("k"));
        assert_eq!(format!("{memory:?}"), "FakeMemory(1 values)");
    }
}
