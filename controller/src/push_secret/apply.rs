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

use super::{report, stores};
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
    /// Whether each failure has a cause.
    pub(super) unexplained: bool,
    /// Whether anything was written.
    pub(super) wrote: bool,
    /// What certainly wasn't written.
    pub(super) refused: HashSet<(String, Place)>,
}

impl Applied {
    fn failed(&mut self, text: String, cause: Option<Error>) {
        self.failures.push(text);
        match cause {
            Some(cause) => self.causes.push(cause),
            None => self.unexplained = true,
        }
    }
}

/// One entry on its way.
struct Entry<'w> {
    store: &'w StoreName,
    wanted: &'w Wanted,
    push: &'w Push,
    handle: Arc<Handle>,
    deed: Deed,
}

/// The entries of each store, or why it has none.
pub(super) type Work = Vec<(StoreName, Result<Vec<Wanted>, String>)>;

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
    let namespace = Key::of(&object.metadata).namespace;
    let mut failures: Vec<(usize, usize, String, Option<Error>)> = Vec::new();
    let mut entries: Vec<(usize, usize, Entry<'_>)> = Vec::new();
    let names: Vec<StoreName> = work.iter().map(|(store, _)| store.clone()).collect();
    let handles = slot.given_up(stores::open_all(cx, &namespace, &names)).await;
    for (place, ((store, wanted), handle)) in work.iter().zip(handles).enumerate() {
        let handle = match handle {
            Ok(handle) => handle,
            Err(error) => {
                let text = format!("could not get secrets client for store {}: {error}", store.name);
                failures.push((place, 0, text, Some(error)));
                continue;
            }
        };
        match wanted {
            Err(why) => failures.push((place, 0, why.clone(), None)),
            Ok(all) => {
                for (number, wanted) in all.iter().enumerate() {
                    match &wanted.push {
                        Err(why) => failures.push((place, number, why.clone(), None)),
                        Ok(push) => {
                            let entry = Entry { store, wanted, push, handle: handle.clone(), deed: Deed::Push };
                            entries.push((place, number, entry));
                        }
                    }
                }
            }
        }
    }
    let looks = entries.iter().map(|(_, _, entry)| look(&object.spec, entry, ledger, refused)).collect::<Vec<_>>();
    let looked = slot.given_up(few_at_a_time(looks)).await;
    let mut announced = false;
    for ((place, number, entry), (deed, cause)) in entries.iter_mut().zip(looked) {
        match &deed {
            Deed::Announce => announced |= ledger.announce(entry.store, &entry.wanted.data),
            Deed::Refuse(why) => failures.push((*place, *number, why.clone(), cause)),
            Deed::Push | Deed::Leave => {}
        }
        entry.deed = deed;
    }
    let mut object = object;
    if announced {
        // Before anything of it is written: whoever comes after this process knows what to clean up.
        let before = object.status.clone().unwrap_or_default();
        let status = PushSecretStatus { synced_push_secrets: ledger.synced().clone(), ..before };
        object = report::write(cx, &object, status).await?;
    }
    entries.retain(|(_, _, entry)| matches!(entry.deed, Deed::Push | Deed::Announce));
    let pushes = entries.iter().map(|(_, _, Entry { store: _, wanted: _, push, handle, deed: _ })| {
        let (handle, push) = (handle.clone(), (*push).clone());
        async move { handle.push(push).await }
    });
    let pushed = slot.given_up(few_at_a_time(pushes.collect::<Vec<_>>())).await;
    let mut applied = Applied::default();
    for ((place, number, entry), pushed) in entries.iter().zip(pushed) {
        let Entry { store, wanted, push, handle: _, deed } = entry;
        match pushed {
            Ok(pushed) => {
                applied.wrote |= pushed == Pushed::Written;
                ledger.pushed(store, &wanted.data);
            }
            Err(error) => {
                let is_certain = push::is_certain(error.kind());
                if is_certain {
                    applied.refused.insert((status_key(store), push.place.clone()));
                }
                if is_certain && *deed == Deed::Announce {
                    ledger.withdraw(store, &wanted.data);
                }
                // The reference names the key of the Secret, and nothing for the whole of it.
                let key = push.secret_key.as_ref().unwrap_or(&push.place.key);
                let text = format!("could not write remote ref {key} to target secretstore {}: {error}", store.name);
                failures.push((*place, *number, text, Some(error)));
            }
        }
    }
    failures.sort_by_key(|(place, number, _, _)| (*place, *number));
    failures.into_iter().for_each(|(_, _, text, cause)| applied.failed(text, cause));
    Ok((object, applied))
}

/// What is to be done with an entry, after a look at its place where one is needed.
fn look(
    spec: &PushSecretSpec,
    entry: &Entry<'_>,
    ledger: &Ledger,
    refused: &HashSet<(String, Place)>,
) -> impl Future<Output = (Deed, Option<Error>)> + Send + use<> {
    let known = ledger.knows(entry.store, &entry.wanted.data);
    let place = entry.push.place.clone();
    let was_refused = refused.contains(&(status_key(entry.store), place.clone()));
    let (update, deletion) = (spec.update_policy, spec.deletion_policy);
    let handle = push::asks_first(update, deletion, known, was_refused).then(|| entry.handle.clone());
    async move {
        let exists = match handle {
            Some(handle) => Some(handle.exists(place).await),
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
