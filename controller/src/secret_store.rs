//! Checks one SecretStore or ClusterSecretStore and tells whether it works.

use std::sync::Arc;
use std::time::Duration;

use api::{ClusterSecretStore, GoDuration, ProviderSpec, SecretStore, SecretStoreSpec, SecretStoreStatus, StoreKind};
use kube::core::error_boundary::InvalidObject;
use plan::event::{EventReason, Note};
use plan::store::{self, Checked, StoreVerdict};
use provider::{Error, ErrorKind};
use telemetry::{Kind, ReadyStatus};

use crate::clock;
use crate::context::Context;
use crate::dispatch::Slot;
use crate::events::Subject;
use crate::external_secret::open;
use crate::ingest::store_checked;
use crate::queue::Next;
use crate::status_write;
use crate::world::{StoreCheck, StoreKey, StoreRecord};

/// On a store: no events about the state of its provider's maintenance.
pub(crate) const IGNORE_MAINTENANCE: &str = "external-secrets.io/ignore-maintenance-checks";

/// Brings one store's condition to what a check of it says.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &StoreKey, slot: &Slot) -> Next {
    let now = clock::now();
    let Some(record) = cx.world.store(key) else {
        cx.metrics.forget(kind(key), &key.name, &key.namespace);
        return Next::OnChange;
    };
    let ours = cx.settings.checks(key.kind) && cx.settings.handles(&record.spec);
    if !ours || record.meta.deletion_timestamp.is_some() {
        return Next::OnChange;
    }
    let interval = match interval(&record.spec, cx.settings.store_interval) {
        Ok(interval) => interval,
        // It worked before this was written into it, and still does: its users are left alone.
        Err(text) if store::is_ready(record.status.as_ref()) => {
            tracing::error!(
                kind = key.kind.as_str(),
                namespace = key.namespace,
                name = key.name,
                error = text,
                "store not checked"
            );
            let generation = record.meta.generation.unwrap_or_default();
            cx.world.put_check(key, StoreCheck { generation, ready: true });
            store_checked(cx, key, true);
            return Next::Backoff;
        }
        Err(text) => {
            let checked = Checked::NotOpened(Error::new(
                ErrorKind::Invalid,
                "Validate",
                format!("invalid refreshInterval: {text}"),
            ));
            return report(cx, &record, &checked, now).await.unwrap_or(Next::Backoff);
        }
    };
    let checked = slot.given_up(check(cx, &record)).await; // I/O, a failure is a value
    match report(cx, &record, &checked, now).await {
        // I/O
        Some(next) => next,
        None => Next::After(interval),
    }
}

async fn check(cx: &Arc<Context>, record: &StoreRecord) -> Checked {
    match open(cx, record, None).await {
        Ok(handle) => Checked::Opened(handle.validate().await, handle.capabilities()),
        Err(error) => Checked::NotOpened(error),
    }
}

/// Tells the outcome; answers how to go on unless all is well.
async fn report(cx: &Arc<Context>, record: &StoreRecord, checked: &Checked, now: jiff::Timestamp) -> Option<Next> {
    let key = &record.key;
    let before = record.status.clone().unwrap_or_default();
    let StoreVerdict { status, note, ready, failed } = store::verdict(&before, checked, now);
    let state = if ready { ReadyStatus::True } else { ReadyStatus::False };
    cx.metrics.ready(kind(key), &key.name, &key.namespace, state);
    let generation = record.meta.generation.unwrap_or_default();
    let earlier = cx.world.put_check(key, StoreCheck { generation, ready });
    let changed = status.conditions != before.conditions;
    if failed {
        tracing::error!(
            kind = key.kind.as_str(),
            namespace = key.namespace,
            name = key.name,
            error = note.message,
            "store check failed"
        );
        // The next try opens it anew, with credentials as they are then.
        cx.retire(key);
    }
    if changed {
        tell(cx, record, note, now);
    }
    let written = if status == before { Ok(()) } else { write(cx, record, status).await };
    let first = earlier.is_none_or(|earlier| earlier.generation != generation);
    let became_ready = ready && earlier.is_some_and(|earlier| !earlier.ready);
    if first || became_ready {
        store_checked(cx, key, ready);
    }
    match written {
        Ok(()) if failed => Some(Next::Backoff),
        Ok(()) => None,
        Err(error) => {
            tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "store status not written");
            Some(Next::Backoff)
        }
    }
}

fn tell(cx: &Context, record: &StoreRecord, note: Note, now: jiff::Timestamp) {
    let subject = || Subject::new(record.key.kind.as_str(), &record.meta, component(record.key.kind));
    cx.events.tell(subject(), note, now);
    let silenced = record.meta.annotations.as_ref().is_some_and(|notes| notes.contains_key(IGNORE_MAINTENANCE));
    let fake = matches!(providers::parse(record.spec.provider.as_ref(), &record.key.name), Ok(ProviderSpec::Fake(_)));
    if fake && !silenced {
        let text = "store isn't currently maintained. Please plan and prepare accordingly.";
        cx.events.tell(subject(), Note::warning(EventReason::StoreUnmaintained, text), now);
    }
}

/// Tells that a store can't even be read, and which field is wrong.
pub(crate) fn refuse_unreadable(cx: &Context, kind: StoreKind, unreadable: &InvalidObject) {
    let InvalidObject { error, metadata } = unreadable;
    let text = format!("the object cannot be read: {error}");
    tracing::error!(
        kind = kind.as_str(),
        namespace = metadata.namespace,
        name = metadata.name,
        error = text,
        "unreadable store"
    );
    let subject = Subject::new(kind.as_str(), metadata, component(kind));
    cx.events.tell(subject, Note::warning(EventReason::InvalidProviderConfig, text), clock::now());
}

fn component(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::SecretStore => "secret-store",
        StoreKind::ClusterSecretStore => "cluster-secret-store",
    }
}

async fn write(cx: &Context, record: &StoreRecord, status: SecretStoreStatus) -> Result<(), kube::Error> {
    let version = match record.key.kind {
        StoreKind::SecretStore => status_write::put::<SecretStore>(&cx.client, &record.meta, &status).await?,
        StoreKind::ClusterSecretStore => {
            status_write::put::<ClusterSecretStore>(&cx.client, &record.meta, &status).await?
        }
    };
    let mut next = record.clone();
    next.meta.resource_version = version;
    next.status = Some(status);
    cx.world.put_store(next);
    Ok(())
}

/// `spec.refreshInterval` if it is above zero, else the flag's.
fn interval(spec: &SecretStoreSpec, default: Duration) -> Result<Duration, String> {
    let Some(given) = &spec.refresh_interval else { return Ok(default) };
    let GoDuration(nanoseconds) = validate::refresh_interval(given)?;
    Ok(u64::try_from(nanoseconds).ok().filter(|nanoseconds| *nanoseconds > 0).map_or(default, Duration::from_nanos))
}

/// The kind as metrics name it.
pub(crate) fn kind(key: &StoreKey) -> Kind {
    match key.kind {
        StoreKind::SecretStore => Kind::SecretStore,
        StoreKind::ClusterSecretStore => Kind::ClusterSecretStore,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

    use super::*;

    #[test]
    fn the_interval_is_seconds_or_a_go_duration() {
        let default = Duration::from_secs(300);
        let cases = [
            (None, Ok(300)),
            (Some(IntOrString::Int(0)), Ok(300)),
            (Some(IntOrString::Int(60)), Ok(60)),
            (Some(IntOrString::String("1m30s".into())), Ok(90)),
            (Some(IntOrString::Int(-1)), Err(())),
            (Some(IntOrString::String("soon".into())), Err(())),
        ];
        for (given, want) in cases {
            let spec = SecretStoreSpec { refresh_interval: given.clone(), ..SecretStoreSpec::default() };
            assert_eq!(interval(&spec, default).map(|d| d.as_secs()).map_err(|_| ()), want, "{given:?}");
        }
    }
}
