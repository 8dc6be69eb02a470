//! Which Secrets and ConfigMaps something was made of, and in which version: who must be told when one changes.
//!
//! Deliberately not here: the objects' contents, and what being told means (see `ingest`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use plan::template::SourceKind;

use crate::world::{Key, StoreKey};

/// A Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Input {
    pub(crate) kind: SourceKind,
    pub(crate) key: Key,
}

/// Who read it. In their order, stores come first, and what belongs to one store stands together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dependant {
    /// A store whose credentials or CA lie there.
    Store {
        /// Which store.
        key: StoreKey,
        /// The namespace whose own session was opened with it; none for the session that all its users share, or for the
        /// store's check.
        consumer: Option<String>,
    },
    /// An ExternalSecret whose template lies there.
    ExternalSecret(Key),
    /// A PushSecret whose template lies there.
    PushSecret(Key),
}

/// In which version something was read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    /// The read is under way: whatever is told of the object may have come too late for it.
    Unknown,
    /// None if the object wasn't there.
    Known(Option<String>),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    readers: HashMap<Input, BTreeMap<Dependant, Version>>,
    inputs: BTreeMap<Dependant, BTreeSet<Input>>,
}

impl Dependencies {
    /// Notes that `reader` is about to read `input`.
    pub(crate) fn announce(&mut self, reader: Dependant, input: Input) {
        self.put(reader, input, Version::Unknown);
    }

    /// Notes that `reader` looked for `input`, and in which version it found it.
    pub(crate) fn note(&mut self, reader: Dependant, input: Input, version: Option<String>) {
        self.put(reader, input, Version::Known(version));
    }

    fn put(&mut self, reader: Dependant, input: Input, version: Version) {
        self.inputs.entry(reader.clone()).or_default().insert(input.clone());
        self.readers.entry(input).or_default().insert(reader, version);
    }

    /// Forgets all that `reader` read.
    pub(crate) fn forget(&mut self, reader: &Dependant) {
        for input in self.inputs.remove(reader).into_iter().flatten() {
            if let Some(readers) = self.readers.get_mut(&input) {
                readers.remove(reader);
                if readers.is_empty() {
                    self.readers.remove(&input);
                }
            }
        }
    }

    /// Forgets all that was read for a store, on whosever behalf.
    pub(crate) fn forget_store(&mut self, store: &StoreKey) {
        let first = Dependant::Store { key: store.clone(), consumer: None };
        let of_store = |reader: &Dependant| matches!(reader, Dependant::Store { key, consumer: _ } if key == store);
        let readers: Vec<Dependant> =
            self.inputs.range(first..).map(|(reader, _)| reader.clone()).take_while(of_store).collect();
        readers.iter().for_each(|reader| self.forget(reader));
    }

    /// The stores that read something for sessions of this namespace alone.
    pub(crate) fn stores_for(&self, namespace: &str) -> Vec<StoreKey> {
        let stores = self.inputs.keys().map_while(|reader| match reader {
            Dependant::Store { key, consumer } => Some((key, consumer)),
            Dependant::ExternalSecret(_) | Dependant::PushSecret(_) => None,
        });
        stores.filter(|(_, consumer)| consumer.as_deref() == Some(namespace)).map(|(key, _)| key.clone()).collect()
    }

    /// Those that read `input` in another version than `version` (none: it is gone).
    pub(crate) fn outdated(&self, input: &Input, version: Option<&str>) -> Vec<Dependant> {
        let readers = self.readers.get(input).into_iter().flatten();
        let is_other = |read: &Version| match read {
            Version::Unknown => true,
            Version::Known(read) => read.as_deref() != version,
        };
        readers.filter(|(_, read)| is_other(read)).map(|(reader, _)| reader.clone()).collect()
    }

    /// Whether anybody read it.
    pub(crate) fn contains(&self, input: &Input) -> bool {
        self.readers.contains_key(input)
    }

    /// All that was read of one kind.
    pub(crate) fn of_kind(&self, kind: SourceKind) -> Vec<Input> {
        self.readers.keys().filter(|input| input.kind == kind).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(kind: SourceKind, name: &str) -> Input {
        Input { kind, key: Key { namespace: "shop".into(), name: name.into() } }
    }

    fn reader(name: &str) -> Dependant {
        Dependant::ExternalSecret(Key { namespace: "shop".into(), name: name.into() })
    }

    #[test]
    fn only_readers_of_another_version_are_outdated() {
        let (secret, map) = (input(SourceKind::Secret, "tls"), input(SourceKind::ConfigMap, "tls"));
        let mut known = Dependencies::default();
        known.note(reader("a"), secret.clone(), Some("1".into()));
        known.note(reader("b"), secret.clone(), None);
        known.note(reader("c"), map, Some("1".into()));
        assert_eq!(known.outdated(&secret, Some("1")), [reader("b")]);
        assert_eq!(known.outdated(&secret, Some("2")), [reader("a"), reader("b")]);
        assert_eq!(known.outdated(&secret, None), [reader("a")]);
    }

    #[test]
    fn what_is_being_read_is_outdated_by_whatever_is_told() {
        let secret = input(SourceKind::Secret, "tls");
        let mut known = Dependencies::default();
        known.note(reader("a"), secret.clone(), Some("1".into()));
        known.announce(reader("a"), secret.clone());
        for version in [Some("1"), Some("2"), None] {
            assert_eq!(known.outdated(&secret, version), [reader("a")], "{version:?}");
        }
        known.note(reader("a"), secret.clone(), None);
        assert_eq!(known.outdated(&secret, None), []);
    }

    #[test]
    fn a_store_is_forgotten_with_all_its_consumers() {
        let key = |name: &str| StoreKey {
            kind: api::StoreKind::ClusterSecretStore,
            namespace: String::new(),
            name: name.into(),
        };
        let of = |name: &str, consumer: Option<&str>| Dependant::Store {
            key: key(name),
            consumer: consumer.map(str::to_owned),
        };
        let mut known = Dependencies::default();
        let readers = [
            of("a", Some("shop")),
            of("b", None),
            of("b", Some("")),
            of("b", Some("shop")),
            of("c", None),
            of("c", Some("lab")),
            reader("b"),
        ];
        for reader in &readers {
            known.note(reader.clone(), input(SourceKind::Secret, "tls"), None);
        }
        assert_eq!(known.stores_for("shop"), [key("a"), key("b")]);
        known.forget_store(&key("b"));
        let kept = [readers[0].clone(), readers[4].clone(), readers[5].clone(), readers[6].clone()];
        assert_eq!(known.outdated(&input(SourceKind::Secret, "tls"), Some("1")), kept);
        assert_eq!(known.stores_for("shop"), [key("a")]);
    }

    #[test]
    fn a_reader_that_is_forgotten_leaves_no_trace() {
        let secret = input(SourceKind::Secret, "tls");
        let mut known = Dependencies::default();
        known.note(reader("a"), secret.clone(), None);
        known.note(reader("b"), secret.clone(), None);
        known.forget(&reader("a"));
        assert!(known.contains(&secret));
        known.forget(&reader("b"));
        assert!(!known.contains(&secret) && known.of_kind(SourceKind::Secret).is_empty());
    }
}
