//! Reconciles one ExternalSecret. Decisions live in `plan`; this file only orders the steps.

mod apply;
#[cfg(test)]
mod crowd;
mod deletion;
mod fetch;
mod finalizer;
mod gather;
mod generate;
mod generic;
mod pause;
mod report;
#[cfg(test)]
mod safety;
#[cfg(test)]
pub(crate) mod scenario;
mod templates;
mod unreadable;

use std::sync::Arc;

use api::DeletionPolicy;
use engine::Asker;
use plan::refresh::{self, Due};
use plan::status::{Again, Verdict};
use provider::Retry;

pub(crate) use fetch::{known, open, permitted};
pub(crate) use gather::{store_key, store_keys, store_record};
pub(crate) use generate::generate_once;
pub(crate) use pause::asked as pause_asked;
pub(crate) use report::Outcome;
use templates::NoData;
pub(crate) use templates::{aside, env, gather_for};
pub(crate) use unreadable::refuse_unreadable;

use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::dispatch::Slot;
use crate::queue::Next;
use crate::world::{Key, StoreKey};

/// One try to bring an object in step.
pub(crate) struct Attempt {
    pub(crate) now: jiff::Timestamp,
    pub(crate) asker: Asker,
    pub(crate) slot: Slot,
}

/// Brings one ExternalSecret's Secret to what its spec says, if that is this process's to do.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &Key, asker: Asker, slot: Slot) -> Next {
    let ours = async {
        let next = attempt(cx, key, &Attempt { now: clock::now(), asker, slot }).await;
        finalizer::take_away(cx, key, next).await // I/O, once an object
    };
    match cx.world.about(key, |brief| cx.tenure.bucket_of_kept(key, brief)) {
        // Whoever gets its bucket looks at it then.
        Some(bucket) => cx.tenure.within(bucket, ours).await.unwrap_or(Next::OnChange),
        // It is gone: there is nothing to write, only to forget.
        None => ours.await,
    }
}

/// As [`reconcile`], at a time of one's own choice and with nobody else about.
#[cfg(test)]
async fn reconcile_at(cx: &Arc<Context>, key: &Key, now: jiff::Timestamp) -> Next {
    let asker = Asker::usual(clock::instant());
    attempt(cx, key, &Attempt { now, asker, slot: Slot::unlimited() }).await
}

/// The store that an object counts as a user of while only so many may use one at a time: its first.
pub(crate) fn group_of(cx: &Context, key: &Key) -> Option<StoreKey> {
    // What is being deleted asks no store.
    cx.world.about(key, |brief| brief.main_store().filter(|_| !brief.deleting).cloned())?
}

async fn attempt(cx: &Arc<Context>, key: &Key, attempt: &Attempt) -> Next {
    let now = attempt.now;
    let seen = match gather::gather(cx, key).await {
        // I/O
        Ok(gather::Seen::Gone) => {
            cx.generic_targets.release(key);
            cx.release_consumer(&key.namespace);
            deletions::settled(cx, key, false);
            return Next::OnChange;
        }
        Ok(gather::Seen::Deleted(object)) => {
            deletions::settled(cx, key, false);
            return deletion::release(cx, &object).await; // I/O
        }
        Ok(gather::Seen::Foreign | gather::Seen::Unreadable) => {
            deletions::settled(cx, key, false);
            return Next::OnChange;
        }
        Ok(gather::Seen::StorePending) => return Next::OnChange,
        Ok(gather::Seen::Paused(object, by)) => {
            deletions::settled(cx, key, false);
            return pause::stand_still(cx, &object, by.as_ref()).await; // I/O
        }
        Ok(gather::Seen::Live(seen)) => *seen,
        Err(error) => return unreachable_api(key, &error),
    };
    cx.metrics.sync_call(&key.name, &key.namespace);
    deletions::moved(cx, &seen.object);
    if seen.object.spec.target.deletion_policy != DeletionPolicy::Delete {
        // No deletion of its waits any more, whatever comes of the rest.
        deletions::settled(cx, key, false);
    }
    let due = refresh::due(&seen.refresh_input(), now);
    if (due != Due::Wait || seen.forced(now))
        && let Some(next) = gather::outdated(cx, &seen).await
    {
        // I/O, once an object and mandate
        return next;
    }
    if let Some(manifest) = seen.object.spec.target.manifest.clone() {
        return generic::reconcile(cx, seen, &manifest, attempt).await;
    }
    cx.generic_targets.release(key);
    match due {
        Due::Now(_) => {}
        Due::Wait if seen.forced(now) => {}
        Due::Wait => {
            apply::mark(cx, &seen).await; // I/O
            return pause::resumed(cx, &seen, seen.next_wakeup(now)).await; // I/O
        }
    }
    let Some(generators) = generate::read_all(cx, &seen.key.namespace, &seen.object.spec).await else {
        // I/O
        deletions::settled(cx, key, false);
        return Next::OnChange;
    };
    let answers = fetch::fetch(cx, &seen, &generators, attempt).await; // I/O, a failure is a value
    let assembled = match templates::assemble(cx, &seen, answers, now).await {
        // pure
        Ok(assembled) => assembled,
        Err(nothing) => {
            apply::mark(cx, &seen).await; // I/O
            return without_data(cx, &seen, nothing, now).await; // I/O
        }
    };
    let rendered = templates::render(cx, &seen, &assembled.data, now).await; // I/O for what it is read from, then pure
    match apply::apply(cx, &seen, assembled, rendered).await {
        // I/O
        Ok(outcome) => report::report(cx, &seen, outcome, now).await, // I/O
        // Somebody else keeps writing the Secret: what was read is stale, nothing is to be reported.
        Err(apply::Raced) => Next::Backoff,
    }
}

/// Reports that there is no data. A backend that said when to come back isn't asked before.
async fn without_data(cx: &Arc<Context>, seen: &gather::Live, nothing: NoData, now: jiff::Timestamp) -> Next {
    let NoData { failure, entries } = nothing;
    let after = failure.cause.as_ref().map(provider::Error::retry_when);
    let message = "could not get secret data from provider";
    let verdict = match after {
        Some(Retry::Never) => Verdict::stuck(message, failure.text),
        Some(Retry::Backoff | Retry::After(_)) | None => Verdict::failed(message, failure.text),
    };
    let verdict = if seen.object.spec.target.manifest.is_some() { verdict.of_resource() } else { verdict };
    let outcome = Outcome { failures: entries, ..Outcome::unwritten(verdict) };
    let next = report::report(cx, seen, outcome, now).await; // I/O
    match after {
        Some(Retry::After(wait)) => Next::FailedFor(wait),
        Some(Retry::Backoff | Retry::Never) | None => next,
    }
}

/// What follows from how a reconcile ended.
fn next(verdict: &Verdict, seen: &gather::Live, now: jiff::Timestamp) -> Next {
    match verdict {
        Verdict::Done { reason: _, message: _ } => seen.next_after_sync(now),
        Verdict::Failed { reason: _, message: _, text: _, detail: _, again: Again::Backoff } => Next::Backoff,
        Verdict::Failed { reason: _, message: _, text: _, detail: _, again: Again::OnChange } => Next::OnChange,
    }
}

fn unreachable_api(key: &Key, error: &kube::Error) -> Next {
    tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not read what the ExternalSecret needs");
    Next::Backoff
}
