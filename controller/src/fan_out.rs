//! Keeps the children of ClusterExternalSecrets and ClusterPushSecrets: one child in each namespace that is selected.
//! Decisions live in `plan::fan_out`; this file only orders the steps.
//!
//! Deliberately not here: what a child itself leads to (`external_secret`).

mod appointments;
mod children;
mod declared;
pub(crate) mod finalizers;
mod report;
mod shelf;
#[cfg(test)]
mod tests;
pub(crate) mod watches;

use std::sync::Arc;
use std::time::Instant;

use api::{ClusterExternalSecret, ClusterPushSecret};
use plan::fan_out::outcome::Outcome;

pub(crate) use appointments::Appointments;
pub(crate) use declared::{DeclarationKey, DeclarationKind};
pub(crate) use shelf::FanOut;

use crate::context::Context;
use crate::queue::Next;
use children::Looked;
use declared::Declared;
use shelf::Sight;

/// Brings the children of one declaration to what it says, if that is this process's to do. `asked` is the trigger.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &DeclarationKey, asked: Instant) -> Next {
    let ours = async {
        match key.kind {
            DeclarationKind::ExternalSecret => attempt::<ClusterExternalSecret>(cx, &key.name, asked).await,
            DeclarationKind::PushSecret => attempt::<ClusterPushSecret>(cx, &key.name, asked).await,
        }
    };
    // Whoever gets its bucket looks at it then.
    cx.tenure.within(cx.tenure.bucket_of_declaration(key), ours).await.unwrap_or(Next::OnChange)
}

async fn attempt<D: Declared>(cx: &Arc<Context>, name: &str, asked: Instant) -> Next {
    match D::shelf(&cx.fan_out).sight(name) {
        Sight::Gone => {
            cx.metrics.forget(D::METRIC, name, "");
            cx.fan_out.appointments.forget(name);
            // What the reference left for it on namespaces is nobody's now.
            finalizers::release_namespaces::<D>(cx, name).await // I/O
        }
        Sight::Unreadable(meta, why) if meta.deletion_timestamp.is_none() => {
            report::unreadable::<D>(cx, &meta, &why).await // I/O
        }
        Sight::Unreadable(meta, _) => finalizers::let_go::<D>(cx, &meta).await, // I/O
        Sight::Known(object) if object.metadata().deletion_timestamp.is_some() => {
            finalizers::let_go::<D>(cx, object.metadata()).await // I/O
        }
        Sight::Known(object) => live(cx, name, object, asked).await,
    }
}

async fn live<D: Declared>(cx: &Arc<Context>, name: &str, object: Arc<D>, asked: Instant) -> Next {
    // Half a picture would have children deleted, or made twice. The listings wake it.
    if !D::can_decide(&cx.fan_out) {
        return Next::OnChange;
    }
    let released = finalizers::release::<D>(cx, name, &object).await; // I/O, once an object
    let (outcome, again) = match object.selection().check() {
        // pure
        Ok(()) => {
            let Looked { namespaces, again } = children::look(cx, &*object, asked).await; // I/O
            (Outcome::Done(namespaces), again)
        }
        // Nothing is deleted on account of a selector that says nothing.
        Err(text) => (Outcome::Unknown(text), false),
    };
    let told = report::report::<D>(cx, name, &outcome).await; // I/O
    match (released && told && !again, object.refresh()) {
        (false, _) => Next::Backoff,
        (true, Some(time)) => Next::After(time),
        (true, None) => Next::OnChange,
    }
}
