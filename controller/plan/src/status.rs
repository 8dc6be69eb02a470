//! The status of an ExternalSecret: what is reported, and whether anything changed that is worth a write.

use api::{Binding, Condition, ExternalSecretStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::event::{EventReason, Note};
use crate::failures;

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

/// The status after `verdict`. `binding` is the target's name, set when a Secret was written, is as wished, or was to be
/// updated; a failure doesn't take it from the Secret that holds the data. `skipped` is the detail of a Ready object, as
/// [`skipped`] makes it.
pub fn after(
    previous: &ExternalSecretStatus,
    verdict: &Verdict,
    binding: Option<&str>,
    skipped: Option<String>,
    sync_version: &str,
    now: Timestamp,
) -> ExternalSecretStatus {
    let mut next = previous.clone();
    let binding = binding.map(|name| Binding { name: name.to_owned() });
    let condition = match verdict {
        Verdict::Done { reason, message } => {
            next.refresh_time = Some(seconds(now));
            next.synced_resource_version = Some(sync_version.to_owned());
            next.binding = binding.or(next.binding);
            ready("True", reason.as_str(), message, skipped)
        }
        Verdict::Failed { reason, message, text: _, detail, again: _ } => {
            next.binding = next.binding.or(binding);
            ready("False", reason.as_str(), message, Some(detail.clone()))
        }
    };
    set(&mut next.conditions, condition, now);
    next
}

/// The detail of an object that is Ready although entries were skipped, out of the notes about them; none without any.
pub fn skipped(notes: &[Note]) -> Option<String> {
    let first: Vec<&str> = notes.iter().take(failures::MOST).map(|note| note.message.as_str()).collect();
    match notes.len() - first.len() {
        _ if first.is_empty() => None,
        0 => Some(format!("skipped: {}", first.join("; "))),
        more => Some(format!("skipped: {}; and {more} more", first.join("; "))),
    }
}

/// Whether a status tells of this outcome already: with its `Ready` condition, detail included. Then its events were
/// told too, if by an earlier process. A status without details, as the reference writes it, never does.
pub fn tells(status: &ExternalSecretStatus, after: &ExternalSecretStatus) -> bool {
    let told = |status: &ExternalSecretStatus| {
        let condition = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
        let Condition { type_: _, status, reason, message, detail, last_transition_time: _ } = condition;
        Some((status.clone(), reason.clone(), message.clone(), detail.clone()?))
    };
    told(after).is_some_and(|after| told(status) == Some(after))
}

/// The fields that the reference's statuses don't have, and which of them the API server is known not to keep: under the
/// reference's CRDs all, under those of another version of ours maybe some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// `conditions[].detail`
    pub detail: bool,
    /// `failures`
    pub failures: bool,
    /// `paused`
    pub paused: bool,
}

impl Pruned {
    /// What is known once a status was `sent` and came back as `stored`. A field that wasn't sent teaches nothing.
    #[must_use]
    pub fn after(self, sent: &ExternalSecretStatus, stored: &ExternalSecretStatus) -> Self {
        let Self { detail, failures, paused } = self;
        let details = |status: &ExternalSecretStatus| {
            status.conditions.iter().map(|condition| condition.detail.clone()).collect::<Vec<_>>()
        };
        let sent_details = details(sent);
        Self {
            detail: if sent_details.iter().any(Option::is_some) { details(stored) != sent_details } else { detail },
            failures: if sent.failures.is_empty() { failures } else { stored.failures != sent.failures },
            paused: if sent.paused.is_some() { stored.paused != sent.paused } else { paused },
        }
    }

    /// Whether writing `after` over `before` changes anything that is kept.
    pub fn differ(self, before: &ExternalSecretStatus, after: &ExternalSecretStatus) -> bool {
        self.kept(before) != self.kept(after)
    }

    fn kept(self, status: &ExternalSecretStatus) -> ExternalSecretStatus {
        let Self { detail, failures, paused } = self;
        let mut kept = status.clone();
        if detail {
            kept.conditions.iter_mut().for_each(|condition| condition.detail = None);
        }
        if failures {
            kept.failures = Vec::new();
        }
        if paused {
            kept.paused = None;
        }
        kept
    }
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
            None,
            "1-a",
            at(10),
        );
        let bad =
            after(&good, &Verdict::failed("could not get secret data from provider", "why"), None, None, "2-b", at(20));
        assert_eq!(bad.refresh_time, good.refresh_time);
        assert_eq!(bad.synced_resource_version, good.synced_resource_version);
        assert_eq!(bad.binding, good.binding);
        assert_eq!(bad.conditions[0].last_transition_time, Some(Time(at(20))));
    }

    #[test]
    fn a_target_that_is_no_secret_has_reasons_of_its_own() {
        let verdict = Verdict::failed("could not delete resource", "why").of_resource();
        let status = after(&ExternalSecretStatus::default(), &verdict, None, None, "1-a", at(10));
        let told = |status: &ExternalSecretStatus| status.conditions[0].clone();
        assert_eq!(told(&status).reason.as_deref(), Some("ResourceSyncedError"));
        assert_eq!(told(&status).detail.as_deref(), Some("why"));
        let status = after(&status, &verdict.with_detail("why, and what to do"), None, None, "1-a", at(10));
        assert_eq!(told(&status).detail.as_deref(), Some("why, and what to do"));
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let verdict = Verdict::failed("could not get secret data from provider", "first");
        let first = after(&ExternalSecretStatus::default(), &verdict, None, None, "1-a", at(10));
        let same = after(&first, &verdict, None, None, "1-a", at(20));
        assert_eq!(first, same);
        let other = after(&first, &Verdict::failed("could not update secret", "second"), None, None, "1-a", at(30));
        assert_eq!(other.conditions.len(), 1);
        assert_eq!(other.conditions[0].last_transition_time, Some(Time(at(10))));
    }

    #[test]
    fn a_failure_names_the_secret_only_if_no_other_holds_the_data() {
        let failed = Verdict::failed("could not update secret", "why");
        let bound = |status: &ExternalSecretStatus| status.binding.clone().map(|binding| binding.name);
        let none = ExternalSecretStatus::default();
        let first = after(&none, &failed, Some("db"), None, "1-a", at(10));
        assert_eq!(bound(&first).as_deref(), Some("db"));
        assert_eq!(bound(&after(&first, &failed, Some("new"), None, "2-a", at(20))).as_deref(), Some("db"));
        let done = Verdict::done(Reason::SecretSynced, "secret synced");
        let new = after(&first, &done, Some("new"), None, "2-a", at(20));
        assert_eq!(bound(&new).as_deref(), Some("new"));
        assert_eq!(bound(&after(&new, &done, None, None, "2-a", at(30))).as_deref(), Some("new"));
    }

    #[test]
    fn what_was_skipped_is_bounded() {
        let notes = |count: usize| {
            let note = |index| Note::normal(EventReason::MissingProviderSecret, format!("no {index}"));
            (0..count).map(note).collect::<Vec<_>>()
        };
        assert_eq!(skipped(&[]), None);
        assert_eq!(skipped(&notes(2)).as_deref(), Some("skipped: no 0; no 1"));
        let many = skipped(&notes(failures::MOST + 3)).unwrap();
        assert!(many.ends_with("; no 15; and 3 more"), "{many}");
    }

    #[test]
    fn a_status_tells_of_an_outcome_only_with_its_detail() {
        let failed = |text: &str| {
            let verdict = Verdict::failed("could not update secret", text);
            after(&ExternalSecretStatus::default(), &verdict, None, None, "1-a", at(10))
        };
        let done = after(
            &ExternalSecretStatus::default(),
            &Verdict::done(Reason::SecretSynced, "secret synced"),
            None,
            None,
            "1-a",
            at(10),
        );
        let mut bare = failed("a");
        bare.conditions[0].detail = None;
        let cases = [
            (failed("a"), failed("a"), true),
            (failed("a"), failed("b"), false),
            (bare.clone(), failed("a"), false),
            (bare.clone(), bare, false),
            (done.clone(), done, false),
            (ExternalSecretStatus::default(), failed("a"), false),
        ];
        for (before, after, want) in cases {
            assert_eq!(tells(&before, &after), want, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_the_api_server_drops_makes_no_difference() {
        let verdict = Verdict::failed("could not update secret", "why");
        let failed = after(&ExternalSecretStatus::default(), &verdict, None, None, "1-a", at(10));
        let sent = ExternalSecretStatus {
            failures: vec![api::EntryFailure { entry: "spec.data[0]".into(), ..Default::default() }],
            paused: Some("by a person".into()),
            ..failed
        };
        let all = Pruned { detail: true, failures: true, paused: true };
        let stored = all.kept(&sent);
        let none = Pruned::default();
        assert_eq!((none.differ(&stored, &sent), all.differ(&stored, &sent)), (true, false));
        assert_eq!(none.after(&sent, &stored), all);
        assert_eq!(
            none.after(&sent, &ExternalSecretStatus { paused: None, ..sent.clone() }),
            Pruned { paused: true, ..none }
        );
        // Nothing of it was sent; all of it was sent, and is kept now.
        assert_eq!(all.after(&stored, &stored), all);
        assert_eq!(all.after(&sent, &sent), none);
    }
}
