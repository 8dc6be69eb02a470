//! Writes the entries to their stores: looks where that must be, records, pushes. I/O; a failure is a value.
//!
//! Deliberately not here: what happens to which entry (`plan::push`), and deleting (`cleanup`).

use std::collections::HashSet;
use std::sync::Arc;

use api::{PushSecret, PushSecretSpec, PushSecretStatus};
use engine::Handle;
use futures::StreamExt as _;
use plan::data::StoreName;
use plan::push::{self, Deed, Ledger, Wanted, status_key};
use provider::{Error, Place, Push, Pushed};

use super::{beside, report, stores};
use crate::context::Context;
use crate::dispatch::Slot;
use crate::world::Key;

const AT_A_TIME: usize = 8;

/// What came of it.
#[derive(Default)]
pub(super) struct Applied {
    /// With the reference's texts, in the order of the manifest.
    pub(super) failures: Vec<String>,
    /// The causes of those that have one.
    pub(super) causes: Vec<Error>,
    /// Whether some have none.
    pub(super) unexplained: bool,
    /// Whether anything was written.
    pub(super) wrote: bool,
    /// What certainly wasn't written.
    pub(super) refused: HashSet<(String, Place)>,
}

/// The entries of each store, or why it has none.
pub(super) type Work = Vec<(StoreName, Result<Vec<Wanted>, String>)>;

/// Of which store, and which of its entries.
type Number = (usize, usize);

/// One entry on its way.
struct Entry<'w> {
    number: Number,
    store: &'w StoreName,
    wanted: &'w Wanted,
    push: &'w Push,
    handle: Arc<Handle>,
    deed: Deed,
}

/// What failed so far.
#[derive(Default)]
struct Failed(Vec<(Number, String, Option<Error>)>);

impl Failed {
    fn put(&mut self, number: Number, text: String, cause: Option<Error>) {
        self.0.push((number, text, cause));
    }

    fn told(mut self, applied: &mut Applied) {
        self.0.sort_by_key(|(number, _, _)| *number);
        for (_, text, cause) in self.0 {
            applied.failures.push(text);
            applied.unexplained |= cause.is_none();
            applied.causes.extend(cause);
        }
    }
}

/// See the module. Answers also the object as it is then: its status may have been written. An error is that of the API
/// server; nothing was pushed.
pub(super) async fn apply(
    cx: &Arc<Context>,
    object: Arc<PushSecret>,
    work: &Work,
    ledger: &mut Ledger,
    refused: &HashSet<(String, Place)>,
    slot: &Slot,
) -> Result<(Arc<PushSecret>, Applied), kube::Error> {
    let mut object = object;
    let key = Key::of(&object.metadata);
    let mut failed = Failed::default();
    let names: Vec<StoreName> = work.iter().map(|(store, _)| store.clone()).collect();
    let handles = slot.given_up(stores::open_all(cx, &key.namespace, &names)).await;
    let mut entries = entries(work, handles, &mut failed);
    let looks = entries.iter().map(|entry| look(&object.spec, entry, ledger, refused));
    let looked = slot.given_up(few_at_a_time(looks.collect())).await;
    if decided(&mut entries, looked, ledger, &mut failed) {
        // Before anything of it is written: whoever comes after this process knows what to clean up.
        let before = object.status.clone().unwrap_or_default();
        let status = PushSecretStatus { synced_push_secrets: ledger.synced().clone(), ..before };
        object = report::write(cx, &object, status).await?;
    }
    entries.retain(|entry| matches!(entry.deed, Deed::Push | Deed::Announce));
    // As with templates: a generator isn't asked anew because another text is to go along.
    let followed = object.spec.selector.generator_ref.is_none();
    let pushes = entries.iter().map(|entry| push_one(cx, &key, followed, entry.handle.clone(), entry.push.clone()));
    let pushed = slot.given_up(few_at_a_time(pushes.collect())).await;
    let mut applied = Applied::default();
    for (entry, pushed) in entries.iter().zip(pushed) {
        record(entry, pushed, ledger, &mut failed, &mut applied);
    }
    failed.told(&mut applied);
    Ok((object, applied))
}

async fn push_one(cx: &Context, key: &Key, followed: bool, handle: Arc<Handle>, push: Push) -> Result<Pushed, Error> {
    let beside = match handle.beside(&push)? {
        None => None,
        Some(beside) => Some(beside::read(cx, key, followed, &beside).await?),
    };
    handle.push_with(push, beside).await
}

/// The entries that can be pushed, of the stores that could be opened.
fn entries<'w>(work: &'w Work, handles: Vec<Result<Arc<Handle>, Error>>, failed: &mut Failed) -> Vec<Entry<'w>> {
    let mut entries = Vec::new();
    for (place, ((store, wanted), handle)) in work.iter().zip(handles).enumerate() {
        let all = match (handle, wanted) {
            (Ok(handle), Ok(all)) => all.iter().map(move |wanted| (handle.clone(), wanted)),
            (Err(error), _) => {
                let text = format!("could not get secrets client for store {}: {error}", store.name);
                failed.put((place, 0), text, Some(error));
                continue;
            }
            (Ok(_), Err(why)) => {
                failed.put((place, 0), why.clone(), None);
                continue;
            }
        };
        for (number, (handle, wanted)) in all.enumerate() {
            let number = (place, number);
            match &wanted.push {
                Ok(push) => entries.push(Entry { number, store, wanted, push, handle, deed: Deed::Push }),
                Err(why) => failed.put(number, why.clone(), None),
            }
        }
    }
    entries
}

/// Takes in what is to be done with each entry. Answers whether the status must tell of some first.
fn decided(
    entries: &mut [Entry<'_>],
    looked: Vec<(Deed, Option<Error>)>,
    ledger: &mut Ledger,
    failed: &mut Failed,
) -> bool {
    let mut announced = false;
    for (entry, (deed, cause)) in entries.iter_mut().zip(looked) {
        match &deed {
            Deed::Announce => announced |= ledger.announce(entry.store, &entry.wanted.data),
            Deed::Refuse(why) => failed.put(entry.number, why.clone(), cause),
            Deed::Push | Deed::Leave => {}
        }
        entry.deed = deed;
    }
    announced
}

/// Takes in what became of an entry.
fn record(
    entry: &Entry<'_>,
    pushed: Result<Pushed, Error>,
    ledger: &mut Ledger,
    failed: &mut Failed,
    applied: &mut Applied,
) {
    let Entry { number, store, wanted, push, handle: _, deed } = entry;
    let error = match pushed {
        Ok(pushed) => {
            applied.wrote |= pushed == Pushed::Written;
            return ledger.pushed(store, &wanted.data);
        }
        Err(error) => error,
    };
    if push::is_certain(error.kind()) {
        applied.refused.insert((status_key(store), push.place.clone()));
        if *deed == Deed::Announce {
            ledger.withdraw(store, &wanted.data);
        }
    }
    // The reference names the key of the Secret, and nothing for the whole of it.
    let key = push.secret_key.as_ref().unwrap_or(&push.place.key);
    let text = format!("could not write remote ref {key} to target secretstore {}: {error}", store.name);
    failed.put(*number, text, Some(error));
}

/// What is to be done with an entry, after a look at its place where one is needed.
fn look(
    spec: &PushSecretSpec,
    entry: &Entry<'_>,
    ledger: &Ledger,
    refused: &HashSet<(String, Place)>,
) -> impl Future<Output = (Deed, Option<Error>)> + Send + use<> {
    let known = ledger.knows(entry.store, &entry.wanted.data);
    let (place, metadata) = (entry.push.place.clone(), entry.push.metadata.clone());
    let was_refused = refused.contains(&(status_key(entry.store), place.clone()));
    let (update, deletion) = (spec.update_policy, spec.deletion_policy);
    let handle = push::asks_first(update, deletion, known, was_refused).then(|| entry.handle.clone());
    async move {
        let exists = match handle {
            Some(handle) => Some(handle.exists(place, metadata).await),
            None => None,
        };
        let cause = exists.as_ref().and_then(|exists| exists.as_ref().err()).cloned();
        let exists = exists.map(|exists| exists.map_err(|error| error.to_string()));
        (push::deed(update, deletion, known, was_refused, exists), cause)
    }
}

/// So many entries of one object at a time: each has its deadline from when it begins, so that a slow store gets to the last
/// of hundreds too. The answers are in order.
pub(super) async fn few_at_a_time<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    futures::stream::iter(work).buffered(AT_A_TIME).collect().await
}
