//! Tells how a push ended: one status write if anything changed, an event if it is news, metrics. I/O.

use std::sync::Arc;

use api::{PushSecret, PushSecretStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::event::Note;
use plan::push::{self, Synced, Verdict};
use telemetry::{Kind, ReadyStatus};

use super::watch;
use crate::context::Context;
use crate::events::Subject;
use crate::status_write::{self, Stored};
use crate::world::Key;

/// The subject of events about a PushSecret.
pub(super) fn subject(meta: &ObjectMeta) -> Subject {
    Subject::new("PushSecret", meta, "pushsecret")
}

/// See the module. `did` says whether something was done at a provider; `notes` are told besides if the message is news.
pub(super) async fn report(
    cx: &Arc<Context>,
    object: &Arc<PushSecret>,
    verdict: &Verdict,
    synced: &Synced,
    tell: Tell<'_>,
    now: Timestamp,
) -> Result<Arc<PushSecret>, kube::Error> {
    let Tell { sync_version, did, standing } = tell;
    let Key { namespace, name } = Key::of(&object.metadata);
    let ready = match verdict {
        Verdict::Done(_) => ReadyStatus::True,
        Verdict::Failed { message: _, detail: _ } | Verdict::SourceDeleted => ReadyStatus::False,
    };
    cx.metrics.ready(Kind::PushSecret, &name, &namespace, ready);
    let before = object.status.clone().unwrap_or_default();
    let after = push::after(&before, verdict, synced, sync_version, now);
    let is_news = said(&before) != said(&after);
    if is_news {
        standing.into_iter().for_each(|note| cx.events.tell(subject(&object.metadata), note, now));
    }
    let note = push::note(verdict);
    if let (Verdict::Failed { message: _, detail: _ }, true) = (verdict, is_news) {
        tracing::error!(namespace, name, error = note.message, "push failed");
    }
    if is_news || (did && ready == ReadyStatus::True) {
        cx.events.tell(subject(&object.metadata), note, now);
    }
    write(cx, object, after).await
}

/// What goes with a verdict.
pub(super) struct Tell<'t> {
    pub(super) sync_version: &'t str,
    pub(super) did: bool,
    /// How things stand besides.
    pub(super) standing: Vec<Note>,
}

/// What the condition `Ready` says.
fn said(status: &PushSecretStatus) -> Option<(String, Option<String>, Option<String>)> {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
    Some((ready.status.clone(), ready.reason.clone(), ready.message.clone()))
}

/// Puts a status on an object if that changes anything that the API server keeps; answers the object as it is then.
pub(super) async fn write(
    cx: &Context,
    object: &Arc<PushSecret>,
    status: PushSecretStatus,
) -> Result<Arc<PushSecret>, kube::Error> {
    let kept = |status: &PushSecretStatus| {
        let mut kept = status.clone();
        if cx.pushes.drops_detail() {
            kept.conditions.iter_mut().for_each(|condition| condition.detail = None);
        }
        kept
    };
    if kept(object.status.as_ref().unwrap_or(&PushSecretStatus::default())) == kept(&status) {
        return Ok(object.clone());
    }
    let Stored { metadata, status: stored } =
        status_write::put_and_read::<PushSecret>(&cx.client, &object.metadata, &status).await?;
    let stored: PushSecretStatus = serde_json::from_value(stored).unwrap_or_else(|_| status.clone());
    let detail = |status: &PushSecretStatus| status.conditions.iter().any(|condition| condition.detail.is_some());
    if detail(&status) {
        cx.pushes.learn_dropped_detail(!detail(&stored));
    }
    let mut written = (**object).clone();
    written.metadata.resource_version = metadata.resource_version;
    written.status = Some(stored);
    watch::written(cx, written.clone());
    Ok(Arc::new(written))
}
