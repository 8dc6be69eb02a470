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

/// Who read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dependant {
    /// A store whose credentials or CA lie there.
    Store(StoreKey),
    /// An ExternalSecret whose template lies there.
    ExternalSecret(Key),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// Each reader with the version that it read (none: the object wasn't there).
    readers: HashMap<Input, BTreeMap<Dependant, Option<String>>>,
    inputs: HashMap<Dependant, BTreeSet<Input>>,
}

impl Dependencies {
    /// Notes that `reader` looked for `input`, and in which version it found it.
    pub(crate) fn note(&mut self, reader: Dependant, input: Input, version: Option<String>) {
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

    /// Those that read `input` in another version than `version` (none: it is gone).
    pub(crate) fn outdated(&self, input: &Input, version: Option<&str>) -> Vec<Dependant> {
        let readers = self.readers.get(input).into_iter().flatten();
        readers.filter(|(_, read)| read.as_deref() != version).map(|(reader, _)| reader.clone()).collect()
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
