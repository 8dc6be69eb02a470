//! Tells what a look came to: one status write if anything changed, a line in the log, metrics, and the events that the
//! reference has. I/O.

use std::sync::Arc;

use api::ClusterPushSecret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::GetParams;
use kube::core::Request;
use plan::event::{EventReason, Note};
use plan::fan_out::outcome::{NO_NAMESPACES, Outcome};
use serde_json::Value;
use telemetry::ReadyStatus;

use super::declared::{DeclarationKind, Declared};
use super::shelf::Sight;
use crate::clock;
use crate::context::Context;
use crate::events::Subject;
use crate::lookup::api_text;
use crate::queue::Next;
use crate::status_write;

/// See the module. Answers whether it was told.
pub(super) async fn report<D: Declared>(cx: &Arc<Context>, name: &str, outcome: &Outcome) -> bool {
    ready::<D>(cx, name, outcome);
    // As it is by now: its finalizer may have been taken away.
    let Sight::Known(object) = D::shelf(&cx.fan_out).sight(name) else { return true };
    let before = object.status().cloned().unwrap_or_default();
    let after = D::tell(outcome, &before, object.child_name(), clock::now());
    if after == before {
        return true;
    }
    tell::<D>(cx, object.metadata(), name, outcome);
    match status_write::put::<D>(&cx.client, object.metadata(), &after).await {
        Ok(version) => {
            let mut next = object.with_status(after);
            next.meta_mut().resource_version = version;
            D::shelf(&cx.fan_out).put_written(next);
            true
        }
        Err(error) => not_written(D::KIND, name, &error),
    }
}

/// Tells that a declaration can't be read, and why. Its children stay as they are.
pub(super) async fn unreadable<D: Declared>(cx: &Arc<Context>, meta: &ObjectMeta, why: &str) -> Next {
    let name = meta.name.as_deref().unwrap_or_default();
    let outcome = Outcome::Unreadable(format!("the object cannot be read: {why}"));
    ready::<D>(cx, name, &outcome);
    let told = match live::<D>(cx, name).await {
        Ok(live) => {
            let meta: ObjectMeta = serde_json::from_value(live["metadata"].clone()).unwrap_or_default();
            let before: D::Status = serde_json::from_value(live["status"].clone()).unwrap_or_default();
            let after = D::tell(&outcome, &before, "", clock::now());
            if after == before {
                return Next::OnChange;
            }
            tell::<D>(cx, &meta, name, &outcome);
            status_write::put::<D>(&cx.client, &meta, &after).await.map(|_| ())
        }
        Err(error) => Err(error),
    };
    match told {
        Ok(()) => Next::OnChange,
        Err(error) => {
            not_written(D::KIND, name, &error);
            Next::Backoff
        }
    }
}

fn ready<D: Declared>(cx: &Context, name: &str, outcome: &Outcome) {
    let status = if outcome.is_ready() { ReadyStatus::True } else { ReadyStatus::False };
    cx.metrics.ready(D::METRIC, name, "", status);
}

/// Tells what is news in it.
fn tell<D: Declared>(cx: &Context, meta: &ObjectMeta, name: &str, outcome: &Outcome) {
    let text = match outcome {
        Outcome::Done(namespaces) => {
            let failed = namespaces.failed.len();
            if let Some((namespace, reason)) = namespaces.failed.first_key_value() {
                tracing::warn!(
                    kind = D::KIND,
                    name,
                    failed,
                    namespace,
                    reason,
                    "some namespaces failed; this is the first"
                );
            } else {
                let provisioned = namespaces.provisioned.len();
                tracing::debug!(kind = D::KIND, name, provisioned, "all namespaces have it");
            }
            return;
        }
        Outcome::Unknown(text) => {
            tracing::error!(kind = D::KIND, name, error = text, "the namespaces can't be selected");
            NO_NAMESPACES.to_owned()
        }
        Outcome::Unreadable(text) => {
            tracing::error!(kind = D::KIND, name, error = text, "unreadable");
            text.clone()
        }
    };
    match D::WHICH {
        // The reference has no events about these.
        DeclarationKind::ExternalSecret => {}
        DeclarationKind::PushSecret => {
            let subject = Subject::new(ClusterPushSecret::KIND, meta, "external-secrets-controller");
            cx.events.tell(subject, Note::warning(EventReason::Errored, text), clock::now());
        }
    }
}

/// The object as the API server has it.
async fn live<D: Declared>(cx: &Context, name: &str) -> Result<Value, kube::Error> {
    let request = Request::new(D::url_path(&(), None)).get(name, &GetParams::default());
    cx.client.request(request.map_err(kube::Error::BuildRequest)?).await
}

fn not_written(kind: &str, name: &str, error: &kube::Error) -> bool {
    let error = api_text(error);
    tracing::debug!(kind, name, error, "conflict detected or status refused, will retry");
    false
}
