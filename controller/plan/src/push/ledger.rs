//! What lies at the providers because of a PushSecret: `status.syncedPushSecrets`, from one pass to the next.
//!
//! It decides what is deleted with `deletionPolicy: Delete`, so an entry gets in only when what lies at its place is ours:
//! after a push, or before the first one to a place where nothing was ([`Ledger::announce`]), so that a process that dies
//! between the push and the status forgets nothing.

use std::collections::{BTreeMap, BTreeSet};

use api::PushSecretData;
use provider::Place;
use serde_json::Value;

use super::{entry_key, place, status_key};
use crate::data::StoreName;

/// `status.syncedPushSecrets`: `<kind>/<store>` to `<remote key>[/<property>]` to the entry.
pub type Synced = BTreeMap<String, BTreeMap<String, PushSecretData>>;

/// Where entries are wanted, store by store, by [`status_key`].
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The places of all entries of each store that is written to.
    pub places: BTreeMap<String, BTreeSet<Place>>,
    /// Stores that the spec still names or selects although they aren't written to now: what lies there stays.
    pub spared: BTreeSet<String>,
}

/// A recorded entry that nobody wants any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Obsolete {
    /// The store's key in the status.
    pub store: String,
    /// The entry's key there.
    pub key: String,
    /// Where it lies.
    pub place: Place,
    /// The entry's settings for the provider, which may say more of where that is.
    pub metadata: Option<Value>,
    /// Whether something is to be deleted at the provider. Not if what is pushed now has the same remote key in another
    /// form (the whole secret and not a property, or the other way round): the deletion would take that.
    pub deletes: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    recorded: Synced,
    /// Pushed, but another place that is still to be cleaned up stands under the key.
    waiting: Vec<(String, PushSecretData)>,
}

impl Ledger {
    /// As the status has it.
    pub fn new(recorded: Synced) -> Self {
        Self { recorded, waiting: Vec::new() }
    }

    /// What the status is to say.
    pub fn synced(&self) -> &Synced {
        &self.recorded
    }

    /// Whether what lies at the entry's place is known to be ours.
    pub fn knows(&self, store: &StoreName, data: &PushSecretData) -> bool {
        self.at(&status_key(store), data).is_some_and(|known| place(known) == place(data))
    }

    /// The entry is about to be pushed to a place where nothing is. Answers whether the status must say so first.
    pub fn announce(&mut self, store: &StoreName, data: &PushSecretData) -> bool {
        let store = status_key(store);
        if self.at(&store, data).is_some() {
            return false;
        }
        self.put(&store, data);
        true
    }

    /// What was announced has certainly not been pushed.
    pub fn withdraw(&mut self, store: &StoreName, data: &PushSecretData) {
        if self.knows(store, data) {
            self.remove(&status_key(store), &entry_key(&place(data)));
        }
    }

    /// The entry was pushed.
    pub fn pushed(&mut self, store: &StoreName, data: &PushSecretData) {
        let store = status_key(store);
        if self.at(&store, data).is_none_or(|known| place(known) == place(data)) {
            self.put(&store, data);
        } else {
            self.waiting.push((store, data.clone()));
        }
    }

    /// The recorded entries that nobody wants any more, in order. A store in neither list of `wishes` is no longer in the
    /// spec.
    pub fn obsolete(&self, wishes: &Wishes) -> Vec<Obsolete> {
        let mut found = Vec::new();
        for (store, entries) in self.recorded.iter().filter(|(store, _)| !wishes.spared.contains(*store)) {
            let wanted = wishes.places.get(store);
            for (key, data) in entries {
                let place = place(data);
                if wanted.is_some_and(|wanted| wanted.contains(&place)) {
                    continue;
                }
                let in_other_form =
                    |other: &Place| other.key == place.key && other.property.is_some() != place.property.is_some();
                let deletes = !wanted.is_some_and(|wanted| wanted.iter().any(in_other_form));
                let metadata = data.metadata.clone();
                found.push(Obsolete { store: store.clone(), key: key.clone(), place, metadata, deletes });
            }
        }
        found
    }

    /// The entry lies there no more, or isn't ours to delete.
    pub fn gone(&mut self, obsolete: &Obsolete) {
        self.remove(&obsolete.store, &obsolete.key);
    }

    /// Nothing is obsolete any more.
    pub fn finish(&mut self) {
        for (store, data) in std::mem::take(&mut self.waiting) {
            self.put(&store, &data);
        }
    }

    fn at(&self, store: &str, data: &PushSecretData) -> Option<&PushSecretData> {
        self.recorded.get(store)?.get(&entry_key(&place(data)))
    }

    fn put(&mut self, store: &str, data: &PushSecretData) {
        self.recorded.entry(store.to_owned()).or_default().insert(entry_key(&place(data)), data.clone());
    }

    fn remove(&mut self, store: &str, key: &str) {
        if let Some(entries) = self.recorded.get_mut(store) {
            entries.remove(key);
            if entries.is_empty() {
                self.recorded.remove(store);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use api::StoreKind;
    use serde_json::json;

    use super::*;

    fn store() -> StoreName {
        StoreName { kind: StoreKind::SecretStore, name: "vault".to_owned() }
    }

    /// `key` or `key+property`.
    fn data(place: &str) -> PushSecretData {
        let (key, property) = place.split_once('+').map_or((place, None), |(key, property)| (key, Some(property)));
        serde_json::from_value(json!({"match": {"remoteRef": {"remoteKey": key, "property": property}}})).unwrap()
    }

    fn ledger(places: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        places.iter().for_each(|place| ledger.pushed(&store(), &data(place)));
        ledger
    }

    fn wishes(places: &[&str]) -> Wishes {
        let places = places.iter().map(|it| place(&data(it))).collect();
        Wishes { places: [("SecretStore/vault".to_owned(), places)].into(), spared: BTreeSet::new() }
    }

    fn shown(ledger: &Ledger) -> Vec<String> {
        let entries = ledger.synced().values().flatten();
        let shown = |(key, data): (&String, &PushSecretData)| {
            let Place { key: remote, property } = place(data);
            format!("{key}: {remote}{}", property.map(|property| format!("+{property}")).unwrap_or_default())
        };
        entries.map(shown).collect()
    }

    #[test]
    fn only_what_is_wanted_no_more_is_obsolete() {
        // Recorded, wanted, deleted, forgotten without a deletion.
        type Places = &'static [&'static str];
        let cases: &[(Places, Places, Places, Places)] = &[
            (&["a", "b"], &["b"], &["a"], &[]),
            (&["a+x", "a+y"], &["a+y"], &["a+x"], &[]),
            (&["a", "a+x"], &["a", "a+x"], &[], &[]),
            // They share a key in the status and are two places.
            (&["a+b"], &["a/b"], &["a+b"], &[]),
            (&["a/b"], &["a+b"], &["a/b"], &[]),
            // The deletion of one form would take the other.
            (&["a"], &["a+x"], &[], &["a"]),
            (&["a+x"], &["a"], &[], &["a+x"]),
        ];
        for (recorded, wanted, deleted, forgotten) in cases {
            let found = ledger(recorded).obsolete(&wishes(wanted));
            let places = |deletes: bool| {
                let those = found.iter().filter(|it| it.deletes == deletes);
                those.map(|it| it.place.clone()).collect::<Vec<_>>()
            };
            let want = |places: &[&str]| places.iter().map(|it| place(&data(it))).collect::<Vec<_>>();
            assert_eq!((places(true), places(false)), (want(deleted), want(forgotten)), "{recorded:?} {wanted:?}");
        }
    }

    #[test]
    fn a_store_that_left_the_spec_is_cleaned_up_and_one_that_is_out_of_order_is_spared() {
        let ledger = ledger(&["a"]);
        assert_eq!(ledger.obsolete(&Wishes::default()).len(), 1);
        let spared = Wishes { spared: ["SecretStore/vault".to_owned()].into(), ..Wishes::default() };
        assert_eq!(ledger.obsolete(&spared), []);
    }

    #[test]
    fn an_entry_never_hides_another_place_that_is_still_to_be_cleaned_up() {
        let mut ledger = ledger(&["a+b"]);
        assert!(!ledger.knows(&store(), &data("a/b")));
        assert!(!ledger.announce(&store(), &data("a/b")), "its key is taken");
        ledger.pushed(&store(), &data("a/b"));
        assert_eq!(shown(&ledger), ["a/b: a+b"]);
        let obsolete = ledger.obsolete(&wishes(&["a/b"]));
        obsolete.iter().for_each(|it| ledger.gone(it));
        ledger.finish();
        assert_eq!(shown(&ledger), ["a/b: a/b"]);
    }

    #[test]
    fn what_was_announced_and_not_pushed_is_withdrawn() {
        let mut ledger = ledger(&["a"]);
        assert!(ledger.announce(&store(), &data("b")));
        assert!(!ledger.announce(&store(), &data("a")), "it is known");
        assert_eq!(shown(&ledger), ["a: a", "b: b"]);
        ledger.withdraw(&store(), &data("b"));
        assert_eq!(shown(&ledger), ["a: a"]);
    }
}
