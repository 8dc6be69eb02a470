//! What was deleted of each store's Secrets lately, and what waits: the state behind `plan::brake`.
//!
//! [`Deletions`] is plain data that is handed the time. What waits is also told by the objects' statuses, so that a
//! restart releases nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use api::{DeletionPolicy, ExternalSecret};
use plan::brake::{self, Brake, Load, WINDOW};
use plan::data::{self, StoreName};

use crate::clock;
use crate::context::Context;
use crate::external_secret::{Outcome, pause_asked, store_key, store_keys};
use crate::ingest::stores::dependants;
use crate::world::{Key, StoreKey};

/// See the module.
#[derive(Default)]
pub(crate) struct Deletions {
    stores: Mutex<HashMap<StoreKey, Account>>,
}

/// The users of a store as their statuses tell them.
#[derive(Clone, Debug, Default)]
struct Users {
    with_secret: HashSet<Key>,
    held: HashSet<Key>,
}

#[derive(Default)]
struct Account {
    users: Users,
    /// Counting looks at every object, so it isn't done at each of a thousand deletions.
    counted: Option<Instant>,
    deleted: HashMap<Key, Instant>,
}

impl Account {
    fn bring_up_to(&mut self, now: Instant, count: impl Fn() -> Users) {
        let recent = |then: Instant| now.saturating_duration_since(then) < WINDOW;
        self.deleted.retain(|_, then| recent(*then));
        if !self.counted.is_some_and(recent) {
            let Users { with_secret, held } = count();
            self.users.with_secret = with_secret;
            self.users.held.extend(held);
            self.counted = Some(now);
        }
    }

    fn load(&self) -> Load {
        let gone = self.deleted.keys().filter(|key| !self.users.with_secret.contains(*key)).count();
        Load { secrets: self.users.with_secret.len() + gone, deleted: self.deleted.len(), held: self.users.held.len() }
    }
}

impl Deletions {
    /// Notes the deletion of `key`'s Secret, or that it waits: then answers the place of the store that holds it back.
    fn ask(
        &self,
        key: &Key,
        stores: &[StoreKey],
        brake: Brake,
        now: Instant,
        count: impl Fn(&StoreKey) -> Users,
    ) -> Option<usize> {
        let mut accounts = self.lock();
        let mut holding = None;
        for (place, store) in stores.iter().enumerate() {
            let account = accounts.entry(store.clone()).or_default();
            account.bring_up_to(now, || count(store));
            // One that was let through is still let through when the API server had it tried again.
            if !account.deleted.contains_key(key) && brake.holds(account.load()) {
                account.users.held.insert(key.clone());
                holding = holding.or(Some(place));
            }
        }
        if holding.is_none() {
            for store in stores {
                if let Some(account) = accounts.get_mut(store) {
                    account.deleted.insert(key.clone(), now);
                }
            }
        }
        holding
    }

    /// `key` doesn't wait any more; with a Secret, its deletion counts no more either. Answers the stores that held it.
    fn settled(&self, key: &Key, has_secret: bool) -> Vec<StoreKey> {
        self.free(key, has_secret, |_| true)
    }

    /// `key` reads from `stores` alone: it waits for no other one any more. Answers those that held it.
    fn moved(&self, key: &Key, stores: &[StoreKey]) -> Vec<StoreKey> {
        self.free(key, false, |store| !stores.contains(store))
    }

    fn free(&self, key: &Key, has_secret: bool, concerned: impl Fn(&StoreKey) -> bool) -> Vec<StoreKey> {
        let mut freed = Vec::new();
        for (store, account) in self.lock().iter_mut().filter(|(store, _)| concerned(store)) {
            if has_secret {
                account.deleted.remove(key);
            }
            if account.users.held.remove(key) {
                freed.push(store.clone());
            }
        }
        freed
    }

    fn held(&self, store: &StoreKey) -> usize {
        self.lock().get(store).map_or(0, |account| account.users.held.len())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreKey, Account>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the Secret of `object` must not be deleted now although its provider has nothing: then what is to be told.
pub(crate) fn hold(cx: &Context, object: &ExternalSecret) -> Option<Outcome> {
    let brake = cx.settings.deletion_brake?;
    if brake::is_allowed(&object.metadata) {
        return None;
    }
    let key = Key::of(&object.metadata);
    let mut names = data::stores(&object.spec);
    names.retain(|name| {
        let record = cx.world.store(&store_key(name, &key.namespace));
        !record.is_some_and(|record| brake::is_allowed(&record.meta))
    });
    let stores: Vec<StoreKey> = names.iter().map(|name| store_key(name, &key.namespace)).collect();
    let holding = cx.deletions.ask(&key, &stores, brake, clock::instant(), |store| users(cx, store));
    stores.iter().for_each(|store| measure(cx, store));
    let (verdict, entry) = brake.verdict(names.get(holding?)?);
    Some(Outcome { failures: vec![entry], ..Outcome::unwritten(verdict) })
}

/// The object is about to be worked on: what it waited for at a store that it doesn't read from any more is over.
pub(crate) fn moved(cx: &Context, object: &ExternalSecret) {
    if cx.settings.deletion_brake.is_none() {
        return;
    }
    let key = Key::of(&object.metadata);
    let stores = store_keys(&object.spec, &key.namespace);
    for store in cx.deletions.moved(&key, &stores) {
        measure(cx, &store);
    }
}

/// The object waits no more: it is as its manifest says, it is gone, or nothing is done for it now.
pub(crate) fn settled(cx: &Context, key: &Key, has_secret: bool) {
    for store in cx.deletions.settled(key, has_secret) {
        measure(cx, &store);
    }
}

fn users(cx: &Context, store: &StoreKey) -> Users {
    let mut users = Users::default();
    let name = StoreName { kind: store.kind, name: store.name.clone() };
    for key in dependants(cx, store) {
        let Some(object) = cx.world.external_secret(&key) else { continue };
        let status = object.status.clone().unwrap_or_default();
        // The status of one that stands still is from before.
        let waits = brake::is_held(&status, &name) && !stands_still(cx, &key, &object);
        if waits {
            users.held.insert(key.clone());
        }
        if brake::has_secret(&status) {
            users.with_secret.insert(key);
        }
    }
    users
}

/// Whether nothing is done for the object, so that it doesn't wait either.
fn stands_still(cx: &Context, key: &Key, object: &ExternalSecret) -> bool {
    let foreign = |name: &StoreName| {
        let record = cx.world.store(&store_key(name, &key.namespace));
        record.is_some_and(|record| !cx.settings.handles(&record.spec))
    };
    object.metadata.deletion_timestamp.is_some()
        || object.spec.target.deletion_policy != DeletionPolicy::Delete
        || cx.world.is_unreadable(key)
        || pause_asked(cx, object).is_some()
        || cx.settings.ignores(&object.spec)
        || data::stores(&object.spec).iter().any(foreign)
}

/// The store is gone, or another process's: what is known of its deletions counts no more, and is counted anew if it
/// comes back.
pub(crate) fn forget(cx: &Context, store: &StoreKey) {
    if cx.deletions.lock().remove(store).is_some() {
        cx.metrics.forget_deletions_held(store.kind.as_str(), &store.name, &store.namespace);
    }
}

fn measure(cx: &Context, store: &StoreKey) {
    cx.metrics.deletions_held(store.kind.as_str(), &store.name, &store.namespace, cx.deletions.held(store));
}

#[cfg(test)]
mod tests {
    use api::StoreKind;

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "shop".into(), name: name.into() }
    }

    fn store() -> [StoreKey; 1] {
        [StoreKey { kind: StoreKind::SecretStore, namespace: "shop".into(), name: "vault".into() }]
    }

    fn brake() -> Brake {
        Brake { share: "50%".parse().unwrap(), least: 1 }
    }

    /// Four users with a Secret each, and none waits.
    fn four(_: &StoreKey) -> Users {
        Users { with_secret: ["a", "b", "c", "d"].map(key).into(), held: HashSet::new() }
    }

    #[test]
    fn what_waits_holds_all_until_it_is_settled() {
        let (deletions, start) = (Deletions::default(), Instant::now());
        let ask = |name: &str, now| deletions.ask(&key(name), &store(), brake(), now, four).is_some();
        assert_eq!(["a", "b", "a", "c", "d"].map(|name| ask(name, start)), [false, false, false, true, true]);
        let later = start + WINDOW * 2;
        assert!(ask("c", later), "time alone releases nothing");
        deletions.settled(&key("c"), true);
        assert!(ask("d", later), "the other one still waits");
        deletions.settled(&key("d"), true);
        assert_eq!(["c", "d", "a"].map(|name| ask(name, later)), [false, false, true]);
    }

    #[test]
    fn a_key_that_came_back_counts_no_more() {
        let (deletions, start) = (Deletions::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(deletions.ask(&key("a"), &store(), brake(), start, four), None);
            deletions.settled(&key("a"), true);
        }
        assert_eq!(deletions.lock()[&store()[0]].load(), Load { secrets: 4, deleted: 0, held: 0 });
    }

    #[test]
    fn a_restart_releases_nothing() {
        let waiting = |_: &StoreKey| Users { held: [key("c")].into(), ..four(&store()[0]) };
        let deletions = Deletions::default();
        assert_eq!(deletions.ask(&key("d"), &store(), brake(), Instant::now(), waiting), Some(0));
    }

    /// It was another process's meanwhile, which left some waiting.
    #[tokio::test]
    async fn a_store_that_comes_back_is_counted_anew() {
        let cx = crate::fixtures::context(&[]);
        let [vault] = store();
        let now = Instant::now();
        let ask = |name: &str, count: &dyn Fn(&StoreKey) -> Users| {
            cx.deletions.ask(&key(name), &store(), brake(), now, count).is_some()
        };
        assert!(!ask("a", &four));
        forget(&cx, &vault);
        let waiting = |_: &StoreKey| Users { held: [key("c")].into(), ..four(&vault) };
        assert!(ask("d", &waiting));
    }
}
