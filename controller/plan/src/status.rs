//! The status of an ExternalSecret: what is reported, and whether anything changed that is worth a write.

use api::{Binding, Condition, ExternalSecretStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::event::{EventReason, Note};

/// Why an ExternalSecret is or isn't Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The Secret is as wished.
    SecretSynced,
    /// The provider has nothing and the Secret was deleted.
    SecretDeleted,
    /// creationPolicy Merge and there is no Secret to merge into.
    SecretMissing,
    /// It failed.
    SecretSyncedError,
    /// A target that is no Secret is as wished.
    ResourceSynced,
    /// As [`Reason::SecretDeleted`], of a target that is no Secret.
    ResourceDeleted,
    /// As [`Reason::SecretMissing`], of a target that is no Secret.
    ResourceMissing,
    /// As [`Reason::SecretSyncedError`], of a target that is no Secret.
    ResourceSyncedError,
}

impl Reason {
    /// The condition's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretSynced => "SecretSynced",
            Self::SecretDeleted => "SecretDeleted",
            Self::SecretMissing => "SecretMissing",
            Self::SecretSyncedError => "SecretSyncedError",
            Self::ResourceSynced => "ResourceSynced",
            Self::ResourceDeleted => "ResourceDeleted",
            Self::ResourceMissing => "ResourceMissing",
            Self::ResourceSyncedError => "ResourceSyncedError",
        }
    }
}

/// When the object is looked at again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// With backoff.
    Backoff,
    /// Only when something it depends on changes.
    OnChange,
}

/// How a reconcile ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Ready.
    Done {
        /// Why.
        reason: Reason,
        /// The condition's message.
        message: &'static str,
    },
    /// Not Ready; what was synced before stays.
    Failed {
        /// Why: the reason of a failure, for a Secret or for another target.
        reason: Reason,
        /// The condition's message.
        message: String,
        /// The full text: the event's message.
        text: String,
        /// The condition's detail.
        detail: String,
        /// When to try again.
        again: Again,
    },
}

impl Verdict {
    /// Ready.
    pub fn done(reason: Reason, message: &'static str) -> Self {
        Self::Done { reason, message }
    }

    /// Failed, and worth another try.
    pub fn failed(message: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(message, text, Again::Backoff)
    }

    /// Failed, and another try can't help before the object or its target changes.
    pub fn stuck(message: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(message, text, Again::OnChange)
    }

    fn of(message: impl Into<String>, text: impl Into<String>, again: Again) -> Self {
        let text = text.into();
        Self::Failed { reason: Reason::SecretSyncedError, message: message.into(), detail: text.clone(), text, again }
    }

    /// The same about a target that is no Secret: a failure's reason is `ResourceSyncedError`.
    #[must_use]
    pub fn of_resource(self) -> Self {
        match self {
            Self::Done { reason, message } => Self::Done { reason, message },
            Self::Failed { reason: _, message, text, detail, again } => {
                Self::Failed { reason: Reason::ResourceSyncedError, message, text, detail, again }
            }
        }
    }

    /// The same with a detail of its own, unless it is empty or the object is Ready.
    #[must_use]
    pub fn with_detail(self, more: impl Into<String>) -> Self {
        let more = more.into();
        match self {
            Self::Failed { reason, message, text, detail: _, again } if !more.is_empty() => {
                Self::Failed { reason, message, text, detail: more, again }
            }
            Self::Done { reason: _, message: _ }
            | Self::Failed { reason: _, message: _, text: _, detail: _, again: _ } => self,
        }
    }
}

/// The status after `verdict`. `binding` is the target's name, set when a Secret was written or is as wished.
pub fn after(
    previous: &ExternalSecretStatus,
    verdict: &Verdict,
    binding: Option<&str>,
    sync_version: &str,
    now: Timestamp,
) -> ExternalSecretStatus {
    let mut next = previous.clone();
    let condition = match verdict {
        Verdict::Done { reason, message } => {
            next.refresh_time = Some(seconds(now));
            next.synced_resource_version = Some(sync_version.to_owned());
            if let Some(name) = binding {
                next.binding = Some(Binding { name: name.to_owned() });
            }
            ready("True", reason.as_str(), message, None)
        }
        Verdict::Failed { reason, message, text: _, detail, again: _ } => {
            ready("False", reason.as_str(), message, Some(detail.clone()))
        }
    };
    set(&mut next.conditions, condition, now);
    next
}

/// The event of a failure; `None` when Ready. Whoever reports it tells it once, not at each try.
pub fn note(verdict: &Verdict) -> Option<Note> {
    match verdict {
        Verdict::Done { reason: _, message: _ } => None,
        Verdict::Failed { reason: _, message: _, text, detail: _, again: _ } => {
            Some(Note::warning(EventReason::UpdateFailed, text.clone()))
        }
    }
}

/// A `Ready` condition without its time.
pub fn ready(status: &str, reason: &str, message: &str, detail: Option<String>) -> Condition {
    Condition {
        type_: "Ready".into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        detail,
        last_transition_time: None,
    }
}

/// Whether the condition `Ready` has this status.
pub fn ready_is(status: &str, conditions: &[Condition]) -> bool {
    conditions.iter().any(|entry| entry.type_ == "Ready" && entry.status == status)
}

/// Puts `condition` into the list: one entry for each type, a replaced one moves to the end, the transition time stays
/// while the status does, and an equal one changes nothing.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition, now: Timestamp) {
    let before = conditions.iter().position(|present| present.type_ == condition.type_);
    condition.last_transition_time = match before.map(|index| &conditions[index]) {
        Some(present) if present.status == condition.status && present.last_transition_time.is_some() => {
            present.last_transition_time.clone()
        }
        _ => Some(seconds(now)),
    };
    match before {
        Some(index) if conditions[index] == condition => {}
        Some(index) => {
            conditions.remove(index);
            conditions.push(condition);
        }
        None => conditions.push(condition),
    }
}

/// Kubernetes times have whole seconds.
fn seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_failure_keeps_the_refresh_time_and_the_synced_version() {
        let good = after(
            &ExternalSecretStatus::default(),
            &Verdict::done(Reason::SecretSynced, "secret synced"),
            Some("db"),
            "1-a",
            at(10),
        );
        let bad = after(&good, &Verdict::failed("could not get secret data from provider", "why"), None, "2-b", at(20));
        assert_eq!(bad.refresh_time, good.refresh_time);
        assert_eq!(bad.synced_resource_version, good.synced_resource_version);
        assert_eq!(bad.binding, good.binding);
        assert_eq!(bad.conditions[0].last_transition_time, Some(Time(at(20))));
    }

    #[test]
    fn a_target_that_is_no_secret_has_reasons_of_its_own() {
        let verdict = Verdict::failed("could not delete resource", "why").of_resource();
        let status = after(&ExternalSecretStatus::default(), &verdict, None, "1-a", at(10));
        let told = |status: &ExternalSecretStatus| status.conditions[0].clone();
        assert_eq!(told(&status).reason.as_deref(), Some("ResourceSyncedError"));
        assert_eq!(told(&status).detail.as_deref(), Some("why"));
        let status = after(&status, &verdict.with_detail("why, and what to do"), None, "1-a", at(10));
        assert_eq!(told(&status).detail.as_deref(), Some("why, and what to do"));
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let verdict = Verdict::failed("could not get secret data from provider", "first");
        let first = after(&ExternalSecretStatus::default(), &verdict, None, "1-a", at(10));
        let same = after(&first, &verdict, None, "1-a", at(20));
        assert_eq!(first, same);
        let other = after(&first, &Verdict::failed("could not update secret", "second"), None, "1-a", at(30));
        assert_eq!(other.conditions.len(), 1);
        assert_eq!(other.conditions[0].last_transition_time, Some(Time(at(10))));
    }
}
