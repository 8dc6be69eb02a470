//! Checks one SecretStore or ClusterSecretStore and tells whether it works. One that is being deleted is checked like any
//! other, as its users still read from it.

mod finalizer;
#[cfg(test)]
mod scenario;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use api::{ClusterSecretStore, GoDuration, ProviderSpec, SecretStore, SecretStoreSpec, SecretStoreStatus, StoreKind};
use plan::event::{EventReason, Note};
use plan::store::{self, Checked, StoreVerdict};
use provider::{ErrorKind, Validation};
use telemetry::{Kind, ReadyStatus};

use crate::clock;
use crate::context::Context;
use crate::dispatch::Slot;
use crate::events::Subject;
use crate::external_secret::open;
use crate::ingest::stores::store_checked;
use crate::queue::Next;
use crate::status_write;
use crate::world::{StoreCheck, StoreKey, StoreRecord};
use finalizer::Deletion;
pub(crate) use unreadable::{OBSTACLE, refuse_unreadable};

/// On a store: no events about the state of its provider's maintenance.
pub(crate) const IGNORE_MAINTENANCE: &str = "external-secrets.io/ignore-maintenance-checks";

/// A store that can't be reached is checked again after this: one check a store is little, and all its users wait for it.
const UNREACHABLE: Duration = Duration::from_secs(5);

/// Brings one store's condition to what a check of it says, if that is this process's to do.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &StoreKey, slot: &Slot) -> Next {
    // Whoever gets its bucket looks at it then.
    let bucket = cx.tenure.bucket_of_store(key);
    cx.tenure.within(bucket, attempt(cx, key, clock::now(), slot)).await.unwrap_or(Next::OnChange)
}

/// As [`reconcile`], at a time of one's own choice and with nobody else about.
#[cfg(test)]
async fn reconcile_at(cx: &Arc<Context>, key: &StoreKey, now: jiff::Timestamp) -> Next {
    attempt(cx, key, now, &Slot::unlimited()).await
}

async fn attempt(cx: &Arc<Context>, key: &StoreKey, now: jiff::Timestamp, slot: &Slot) -> Next {
    let Some(mut record) = cx.world.store(key) else {
        cx.metrics.forget(kind_of(key), &key.name, &key.namespace);
        return Next::OnChange;
    };
    let ours = cx.settings.checks(key.kind) && cx.settings.handles(&record.spec);
    // Of one that can't be read any more only an old version is known.
    if !ours || cx.world.obstacle(key).is_some() {
        return Next::OnChange;
    }
    let mut longest = Duration::MAX;
    record = match finalizer::settle(cx, record.clone(), now).await {
        // I/O, where it changes
        Ok(Deletion::Free(record)) => record,
        Ok(Deletion::Held) => {
            longest = finalizer::LOOK_AGAIN;
            record
        }
        Ok(Deletion::Gone) => return Next::OnChange,
        Err(error) => {
            finalizer::not_released(&record, &error);
            return Next::Backoff;
        }
    };
    let (checked, good, bad) = match interval(&record.spec, cx.settings.store_interval) {
        Ok(interval) => {
            let checked = slot.given_up(check(cx, &record)).await; // I/O, a failure is a value
            (checked, Next::After(interval.min(longest)), Next::Backoff)
        }
        Err(text) => {
            let text = format!("invalid refreshInterval: {text}");
            // Nothing but a change of its spec, or the end of what holds it, makes anything of it.
            let next = if longest == Duration::MAX { Next::OnChange } else { Next::After(longest) };
            if store::is_ready(record.status.as_ref()) {
                unchecked(cx, &record, text, now);
                return next;
            }
            (Checked::BadInterval(text), next, next)
        }
    };
    match report(cx, &record, &checked, now).await {
        // I/O
        Told::Well => good,
        Told::Failed => bad,
        Told::Unreachable => Next::After(UNREACHABLE),
        Told::NotWritten => Next::Backoff,
    }
}

/// A store worked before it was given an interval that can't be read, and still does: its users are left alone.
fn unchecked(cx: &Arc<Context>, record: &StoreRecord, text: String, now: jiff::Timestamp) {
    let StoreKey { kind, namespace, name } = &record.key;
    cx.metrics.ready(kind_of(&record.key), name, namespace, ReadyStatus::True);
    let generation = record.meta.generation.unwrap_or_default();
    let since = clock::instant();
    let earlier = cx.world.put_check(&record.key, StoreCheck { generation, ready: true });
    if earlier.is_none_or(|earlier| earlier.generation != generation) {
        tracing::error!(kind = kind.as_str(), namespace, name, error = text, "store not checked");
        cx.events.tell(subject(record), Note::warning(EventReason::InvalidStoreConfiguration, text), now);
        store_checked(cx, &record.key, true, since);
    }
}

async fn check(cx: &Arc<Context>, record: &StoreRecord) -> Checked {
    match open(cx, record, None).await {
        Ok(handle) => Checked::Opened(handle.validate().await, handle.capabilities()),
        Err(error) => Checked::NotOpened(error),
    }
}

/// How it went to tell the outcome of a check.
enum Told {
    Well,
    /// The check failed.
    Failed,
    /// It failed for want of an answer.
    Unreachable,
    /// The status could not be written.
    NotWritten,
}

async fn report(cx: &Arc<Context>, record: &StoreRecord, checked: &Checked, now: jiff::Timestamp) -> Told {
    let key = &record.key;
    let before = record.status.clone().unwrap_or_default();
    let StoreVerdict { status, note, ready, failed, valid } = store::verdict(&before, checked, now);
    let state = if ready { ReadyStatus::True } else { ReadyStatus::False };
    cx.metrics.ready(kind_of(key), &key.name, &key.namespace, state);
    let generation = record.meta.generation.unwrap_or_default();
    // From here on some of its users read from it, before they are woken.
    let since = clock::instant();
    let earlier = cx.world.put_check(key, StoreCheck { generation, ready });
    let first = earlier.is_none_or(|earlier| earlier.generation != generation);
    let changed = status.conditions != before.conditions;
    if failed {
        let (kind, namespace, name) = (key.kind.as_str(), &key.namespace, &key.name);
        let error = store::logged(checked);
        if changed {
            tracing::error!(kind, namespace, name, error, "store check failed");
        } else {
            tracing::debug!(kind, namespace, name, error, "store check failed again");
        }
        // The next try opens it anew, with credentials as they are then.
        cx.retire(key);
    }
    if changed {
        cx.events.tell(subject(record), note, now);
    }
    // Another provider may have come with a new spec, or with a new version of this program.
    if valid && (changed || first) && is_unmaintained(record) {
        let text = "store isn't currently maintained. Please plan and prepare accordingly.";
        cx.events.tell(subject(record), Note::warning(EventReason::StoreUnmaintained, text), now);
    }
    let written = if status == before { Ok(()) } else { write(cx, record, status).await };
    let became_ready = ready && earlier.is_some_and(|earlier| !earlier.ready);
    if first || became_ready {
        store_checked(cx, key, ready, since);
    }
    match written {
        Ok(()) if is_unreachable(checked) => Told::Unreachable,
        Ok(()) if failed => Told::Failed,
        Ok(()) => Told::Well,
        Err(error) => {
            tracing::debug!(namespace = key.namespace, name = key.name, error = %error, "store status not written");
            Told::NotWritten
        }
    }
}

/// Whether the store can't work for want of an answer, rather than by what was answered or is written in it.
fn is_unreachable(checked: &Checked) -> bool {
    match checked {
        Checked::NotOpened(error) | Checked::Opened(Validation::Failed(error), _) => {
            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
        }
        Checked::BadInterval(_) | Checked::Opened(Validation::Ready | Validation::Unknown(_), _) => false,
    }
}

/// Whether nobody looks after the store's provider, and its owner wants to hear of it. Of the reference's providers that
/// is the fake one alone, and none is deprecated.
fn is_unmaintained(record: &StoreRecord) -> bool {
    let silenced = record.meta.annotations.as_ref().is_some_and(|notes| notes.contains_key(IGNORE_MAINTENANCE));
    !silenced && matches!(providers::parse(record.spec.provider.as_ref(), &record.key.name), Ok(ProviderSpec::Fake(_)))
}

fn subject(record: &StoreRecord) -> Subject {
    Subject::new(record.key.kind.as_str(), &record.meta, component(record.key.kind))
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
pub(crate) fn kind_of(key: &StoreKey) -> Kind {
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
