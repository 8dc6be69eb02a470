//! Reconciles one ExternalSecret. Decisions live in `plan`; this file only orders the steps.

mod apply;
mod deletion;
mod fetch;
mod gather;
mod report;
mod templates;

use std::sync::Arc;
use std::time::Duration;

use plan::refresh::{self, Due};
use plan::status::{Again, Verdict};
use provider::Retry;

pub(crate) use fetch::open;
pub(crate) use gather::store_key;
pub(crate) use report::refuse_unreadable;

use crate::clock;
use crate::context::Context;
use crate::queue::Next;
use crate::world::Key;

/// Brings one ExternalSecret's Secret to what its spec says.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &Key) -> Next {
    let now = clock::now();
    let seen = match gather::gather(cx, key).await {
        // I/O
        Ok(gather::Seen::Gone) => return Next::OnChange,
        Ok(gather::Seen::Deleted(object)) => return deletion::release(cx, &object).await, // I/O
        Ok(gather::Seen::Foreign) => return Next::OnChange,
        Ok(gather::Seen::StorePending) => return Next::OnChange,
        Ok(gather::Seen::Live(seen)) => *seen,
        Err(error) => return unreachable_api(key, &error),
    };
    cx.metrics.sync_call(&key.name, &key.namespace);
    if let Some(refusal) = seen.refusal() {
        let verdict = Verdict::stuck(refusal.clone(), refusal);
        return report::report(cx, &seen, report::Outcome::unwritten(verdict), now).await; // I/O
    }
    match refresh::due(&seen.refresh_input(), now) {
        Due::Now(_) => {}
        Due::Wait if seen.forced => {}
        Due::Wait => return seen.next_wakeup(now),
    }
    let answers = fetch::fetch(cx, &seen).await; // I/O, a failure is a value
    let assembled = match templates::assemble(cx, &seen, answers, now).await {
        // pure
        Ok(assembled) => assembled,
        Err(failure) => {
            let after = failure.cause.as_ref().map(provider::Error::retry_when);
            let verdict = Verdict::failed("could not get secret data from provider", failure.text);
            let next = report::report(cx, &seen, report::Outcome::unwritten(verdict), now).await; // I/O
            return match after {
                Some(Retry::After(wait)) => Next::FailedFor(wait),
                Some(Retry::Backoff) | None => next,
            };
        }
    };
    let rendered = templates::render(cx, &seen, &assembled.data, now).await; // I/O for what it is read from, then pure
    match apply::apply(cx, &seen, assembled, rendered).await {
        // I/O
        Ok(outcome) => report::report(cx, &seen, outcome, now).await, // I/O
        // Somebody else wrote the Secret in the meantime: what was read is stale, nothing is to be reported.
        Err(apply::Raced) => Next::After(Duration::from_millis(200)),
    }
}

/// What follows from how a reconcile ended.
fn next(verdict: &Verdict, seen: &gather::Live, now: jiff::Timestamp) -> Next {
    match verdict {
        Verdict::Done { reason: _, message: _ } => seen.next_after_sync(now),
        Verdict::Failed { message: _, text: _, detail: _, again: Again::Backoff } => Next::Backoff,
        Verdict::Failed { message: _, text: _, detail: _, again: Again::OnChange } => Next::OnChange,
    }
}

fn unreachable_api(key: &Key, error: &kube::Error) -> Next {
    tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "could not read what the ExternalSecret needs");
    Next::Backoff
}
