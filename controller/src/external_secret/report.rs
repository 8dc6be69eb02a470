//! Tells how a reconcile ended: one status write if anything changed, events on transitions, metrics. I/O.

use std::sync::Arc;

use api::{EntryFailure, ExternalSecret, ExternalSecretStatus};
use jiff::Timestamp;
use kube::Resource as _;
use kube::api::{PartialObjectMeta, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use plan::brake;
use plan::event::{EventReason, Note};
use plan::status::{self, Verdict};
use telemetry::{Kind, ReadyStatus};

use super::gather::Live;
use super::next;
use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::events::Subject;
use crate::queue::Next;
use crate::status_write;

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
    let subject = || Subject::new("ExternalSecret", &seen.object.metadata, "external-secrets");
    for note in notes {
        cx.events.tell(subject(), note, now);
    }
    // A failure is told once, and again when it changes: retries of the same one would only be noise.
    if let Some(note) = &failure
        && seen.memory.told.as_ref() != Some(note)
    {
        tracing::error!(namespace = key.namespace, name = key.name, error = note.message, "sync failed");
        cx.events.tell(subject(), note.clone(), now);
    }
    cx.world.remember(key, |memory| {
        memory.told = failure;
        if ready == ReadyStatus::True {
            // Not what changed since this reconcile began: that may have been read before.
            memory.changes = memory.changes.saturating_sub(seen.memory.changes);
        }
    });
    let mut after = status::after(&seen.status, &verdict, binding.as_deref(), &seen.sync_version, now);
    after.paused = None;
    after.failures = match ready {
        ReadyStatus::True => Vec::new(),
        ReadyStatus::False => failures,
    };
    if ready == ReadyStatus::True {
        deletions::settled(cx, key, brake::has_secret(&after));
    }
    if after != seen.status
        && let Err(error) = write(cx, &seen.object, after).await
    {
        tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "status not written");
        return Next::Backoff;
    }
    next(&verdict, seen, now)
}

/// Puts a status on an object, and takes in what it is now.
pub(super) async fn write(
    cx: &Context,
    object: &ExternalSecret,
    status: ExternalSecretStatus,
) -> Result<(), kube::Error> {
    let version = status_write::put::<ExternalSecret>(&cx.client, &object.metadata, &status).await?;
    let mut object = object.clone();
    object.metadata.resource_version = version;
    object.status = Some(status);
    cx.world.put_external_secret(object);
    Ok(())
}

/// Puts a condition on an object that can't even be read: it says which field is wrong, and stalls nobody else.
pub(crate) async fn refuse_unreadable(cx: Arc<Context>, unreadable: InvalidObject) {
    let InvalidObject { error, metadata } = unreadable;
    let now = clock::now();
    let detail = format!("the object cannot be read: {error}");
    tracing::error!(namespace = metadata.namespace, name = metadata.name, error = detail, "unreadable ExternalSecret");
    let mut conditions = Vec::new();
    let reason = status::Reason::SecretSyncedError.as_str();
    status::set(
        &mut conditions,
        status::ready("False", reason, "the object cannot be read", Some(detail.clone())),
        now,
    );
    cx.events.tell(
        Subject::new("ExternalSecret", &metadata, "external-secrets"),
        Note::warning(EventReason::UpdateFailed, detail),
        now,
    );
    let body = serde_json::json!({"status": {"conditions": conditions}});
    let url = ExternalSecret::url_path(&(), metadata.namespace.as_deref());
    let name = metadata.name.as_deref().unwrap_or_default();
    let request =
        kube::core::Request::new(url).patch_subresource("status", name, &PatchParams::default(), &Patch::Merge(body));
    let outcome = match request {
        Ok(request) => cx.client.request::<PartialObjectMeta<ExternalSecret>>(request).await.map(|_| ()),
        Err(error) => Err(kube::Error::BuildRequest(error)),
    };
    if let Err(error) = outcome {
        tracing::warn!(namespace = metadata.namespace, name, error = %error, "could not tell that the object cannot be read");
    }
}
