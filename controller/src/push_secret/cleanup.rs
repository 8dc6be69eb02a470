//! Deletes what was pushed and is wanted no more. I/O; a failure is a value.

use std::sync::Arc;

use plan::data::StoreName;
use plan::event::{EventReason, Note};
use plan::push::{self, Ledger, Obsolete};
use provider::{Error, Removed};

use super::apply::few_at_a_time;
use super::stores;
use crate::context::Context;
use crate::dispatch::Slot;
use crate::external_secret::{store_key, store_record};

/// What came of it.
#[derive(Default)]
pub(super) struct Cleaned {
    /// What couldn't be deleted, in order.
    pub(super) failures: Vec<String>,
    pub(super) causes: Vec<Error>,
    /// What stays because it isn't ours.
    pub(super) notes: Vec<Note>,
    /// Whether anything was deleted.
    pub(super) deleted: bool,
}

/// Deletes `obsolete`, and takes out of the ledger what lies there no more. The stores needn't be in the spec any more,
/// but the object must still be allowed to use them.
pub(super) async fn clean(
    cx: &Arc<Context>,
    namespace: &str,
    ledger: &mut Ledger,
    obsolete: Vec<Obsolete>,
    slot: &Slot,
) -> Cleaned {
    let deletions = obsolete.iter().map(|entry| delete(cx.clone(), namespace.to_owned(), entry.clone()));
    let outcomes = slot.given_up(few_at_a_time(deletions.collect::<Vec<_>>())).await;
    let mut cleaned = Cleaned::default();
    for (entry, outcome) in obsolete.iter().zip(outcomes) {
        match outcome {
            Ok(removed) => {
                ledger.gone(entry);
                cleaned.deleted |= removed == Removed::Deleted;
                if removed == Removed::Foreign {
                    let Obsolete { store, key, place: _, metadata: _, deletes: _ } = entry;
                    let text =
                        format!("{key:?} in {store} is not deleted: it is not marked as managed by External Secrets");
                    cleaned.notes.push(Note::warning(EventReason::NotDeleted, text));
                }
            }
            Err(error) => {
                cleaned.failures.push(error.to_string());
                cleaned.causes.push(error);
            }
        }
    }
    // A store that can't be had says so once.
    cleaned.failures.dedup();
    cleaned
}

async fn delete(cx: Arc<Context>, namespace: String, entry: Obsolete) -> Result<Removed, Error> {
    let Obsolete { store, key, place, metadata, deletes } = entry;
    let Some(name) = push::name_of(&store).filter(|_| deletes) else { return Ok(Removed::Absent) };
    let handle = open(&cx, &namespace, &name).await;
    let handle = handle.map_err(|error| error.context(format!("could not get secrets client for store {store}")))?;
    handle.delete(place, metadata).await.map_err(|error| error.context(format!("{key} in {store}")))
}

async fn open(cx: &Arc<Context>, namespace: &str, name: &StoreName) -> Result<Arc<engine::Handle>, Error> {
    // Whatever the API server can't tell now, what is known of the store will do.
    if let Err(error) = store_record(cx, &store_key(name, namespace)).await {
        tracing::debug!(namespace, store = name.name, error = %error, "store not looked up");
    }
    stores::open_one(cx, namespace, name).await
}
