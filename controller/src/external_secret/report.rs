//! Tells how a reconcile ended: one status write if anything changed, events on transitions, metrics. I/O.

use std::sync::Arc;

use api::{EntryFailure, ExternalSecret, ExternalSecretStatus};
use jiff::Timestamp;
use plan::brake;
use plan::event::Note;
use plan::status::{self, Verdict};
use telemetry::{Kind, ReadyStatus};

use super::gather::Live;
use super::next;
use crate::context::Context;
use crate::deletions;
use crate::events::Subject;
use crate::queue::Next;
use crate::status_write::{self, Stored};

/// What is to be told.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) notes: Vec<Note>,
    /// The Secret that holds the data now.
    pub(crate) binding: Option<String>,
    /// What failed, as far as it is an entry of the manifest; of no interest if the verdict is that it is done.
    pub(crate) failures: Vec<EntryFailure>,
}

impl Outcome {
    /// The same about a target that is no Secret.
    pub(crate) fn of_resource(self) -> Self {
        Self { verdict: self.verdict.of_resource(), ..self }
    }

    /// Nothing was written.
    pub(crate) fn unwritten(verdict: Verdict) -> Self {
        Self { verdict, notes: Vec::new(), binding: None, failures: Vec::new() }
    }
}

/// See the module.
pub(crate) async fn report(cx: &Arc<Context>, seen: &Live, outcome: Outcome, now: Timestamp) -> Next {
    let Outcome { verdict, notes, binding, failures } = outcome;
    let key = &seen.key;
    let failure = status::note(&verdict);
    let ready = if failure.is_some() { ReadyStatus::False } else { ReadyStatus::True };
    cx.metrics.ready(Kind::ExternalSecret, &key.name, &key.namespace, ready);
    if failure.is_some() {
        cx.metrics.sync_error(&key.name, &key.namespace);
    }
    let standing: Vec<Note> = notes.iter().filter(|note| !note.reason.is_deed()).cloned().collect();
    let skipped = status::skipped(&standing);
    let mut after = status::after(&seen.status, &verdict, binding.as_deref(), skipped, &seen.sync_version, now);
    after.paused = None;
    after.failures = match ready {
        ReadyStatus::True => Vec::new(),
        ReadyStatus::False => failures,
    };
    // How things stand is told once, and again when it changes: at each try it would only be noise. What an earlier
    // process told, the status knows.
    let told_before = status::tells(&seen.status, &after);
    let subject = || Subject::new("ExternalSecret", &seen.object.metadata, "external-secrets");
    for note in notes {
        let known = seen.memory.standing.as_ref().map_or(told_before, |told| told.contains(&note));
        if note.reason.is_deed() || !known {
            cx.events.tell(subject(), note, now);
        }
    }
    if let Some(note) = &failure
        && seen.memory.told.as_ref() != Some(note)
    {
        tracing::error!(namespace = key.namespace, name = key.name, error = note.message, "sync failed");
        if seen.memory.told.is_some() || !told_before {
            cx.events.tell(subject(), note.clone(), now);
        }
    }
    cx.world.remember(key, |memory| {
        memory.told = failure;
        match (&mut memory.standing, ready) {
            (present, ReadyStatus::True) => *present = Some(standing),
            // A try that fails may not have come to all entries.
            (Some(present), ReadyStatus::False) => {
                present.retain(|note| !standing.contains(note));
                present.extend(standing);
            }
            (None, ReadyStatus::False) if standing.is_empty() => {}
            (present @ None, ReadyStatus::False) => *present = Some(standing),
        }
        if ready == ReadyStatus::True {
            // Not what changed since this reconcile began: that may have been read before.
            memory.changes = memory.changes.saturating_sub(seen.memory.changes);
        }
    });
    if ready == ReadyStatus::True {
        deletions::settled(cx, key, brake::has_secret(&after));
    }
    if let Err(error) = write(cx, &seen.object, after).await {
        tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "status not written");
        return Next::Backoff;
    }
    next(&verdict, seen, now)
}

/// Puts a status on an object if that changes anything that the API server keeps, and takes in what it is now.
pub(super) async fn write(
    cx: &Context,
    object: &ExternalSecret,
    status: ExternalSecretStatus,
) -> Result<(), kube::Error> {
    let unset = ExternalSecretStatus::default();
    if !cx.world.pruned().differ(object.status.as_ref().unwrap_or(&unset), &status) {
        return Ok(());
    }
    // All fields are sent, also those that were dropped the last time: that is how it is noticed that the CRDs have
    // changed, without a request more.
    let Stored { metadata, status: stored } =
        status_write::put_and_read::<ExternalSecret>(&cx.client, &object.metadata, &status).await?;
    let stored: ExternalSecretStatus = serde_json::from_value(stored).unwrap_or_else(|_| status.clone());
    cx.world.learn_pruned(&status, &stored);
    let mut object = object.clone();
    object.metadata.resource_version = metadata.resource_version;
    object.status = Some(stored);
    cx.world.put_written(object);
    Ok(())
}
