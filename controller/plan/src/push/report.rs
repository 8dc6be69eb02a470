//! The status of a PushSecret, and what is told of it as an event.

use std::collections::BTreeSet;

use api::{PushSecretStatus, PushSecretUpdatePolicy};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Echo, Synced};
use crate::event::{EventReason, Note};
use crate::status;

/// So many failures are told …
const MOST: usize = 10;
/// … each in so many bytes.
const LENGTH: usize = 512;

/// Why a PushSecret is or isn't Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All was pushed.
    Synced,
    /// Something failed.
    Errored,
    /// The source Secret is gone, and with it what was pushed.
    SourceDeleted,
}

impl Reason {
    /// The condition's and the event's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::Errored => "Errored",
            Self::SourceDeleted => "SourceDeleted",
        }
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All was pushed; the condition's message.
    Done(String),
    /// Something failed.
    Failed {
        /// The condition's message.
        message: String,
        /// What the reference keeps to its log: the condition's detail.
        detail: Option<String>,
    },
    /// The source Secret is gone, and with it what was pushed.
    SourceDeleted,
}

impl Verdict {
    /// Something failed, and the message says all there is to say.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), detail: None }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Done(_) => Reason::Synced,
            Self::Failed { message: _, detail: _ } => Reason::Errored,
            Self::SourceDeleted => Reason::SourceDeleted,
        }
    }
}

const SOURCE_DELETED: &str = "source secret deleted; provider secrets cleaned up";

/// What a PushSecret says that is in sync, the reference's text and what wasn't pushed back.
pub fn done_message(policy: PushSecretUpdatePolicy, echoes: &BTreeSet<Echo>) -> String {
    let mut text = "PushSecret synced successfully".to_owned();
    match policy {
        PushSecretUpdatePolicy::IfNotExists => text.push_str(". Existing secrets in providers unchanged."),
        PushSecretUpdatePolicy::Replace => {}
    }
    if !echoes.is_empty() {
        let told: Vec<String> = echoes.iter().map(ToString::to_string).collect();
        let dot = if text.ends_with('.') { "" } else { "." };
        text.push_str(&format!("{dot} Not pushed back: {}", bounded(&told)));
    }
    text
}

/// What failed in one try, each with the reference's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Stores that can't be had.
    pub stores: Vec<String>,
    /// What couldn't be pushed.
    pub pushes: Vec<String>,
}

impl Failures {
    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        let Self { stores, pushes } = self;
        stores.is_empty() && pushes.is_empty()
    }

    /// The condition's message: bounded, in the order of the manifest.
    pub fn message(&self) -> String {
        let Self { stores, pushes } = self;
        let mut parts = Vec::new();
        if !stores.is_empty() {
            parts.push(bounded(stores));
        }
        if !pushes.is_empty() {
            parts.push(format!("set secret failed: {}", bounded(pushes)));
        }
        parts.join("; ")
    }
}

/// What could not be deleted: the condition's message.
pub fn not_deleted(failures: &[String]) -> String {
    format!("Failed to Delete Secrets from Provider: {}", bounded(failures))
}

fn bounded(texts: &[String]) -> String {
    let cut = |text: &String| {
        if text.len() <= LENGTH {
            return text.clone();
        }
        format!("{}…", &text[..text.floor_char_boundary(LENGTH)])
    };
    let mut shown: Vec<String> = texts.iter().take(MOST).map(cut).collect();
    if texts.len() > MOST {
        shown.push(format!("and {} more", texts.len() - MOST));
    }
    shown.join("; ")
}

/// The status after a try that began at `now`. `synced` is what lies at the providers.
pub fn after(
    previous: &PushSecretStatus,
    verdict: &Verdict,
    synced: &Synced,
    sync_version: &str,
    now: Timestamp,
) -> PushSecretStatus {
    let mut next = PushSecretStatus { synced_push_secrets: synced.clone(), ..previous.clone() };
    let reason = verdict.reason().as_str();
    let condition = match verdict {
        Verdict::Done(message) => {
            next.refresh_time = Some(Time(Timestamp::from_second(now.as_second()).unwrap_or(now)));
            next.synced_resource_version = Some(sync_version.to_owned());
            status::ready("True", reason, message, None)
        }
        Verdict::Failed { message, detail } => status::ready("False", reason, message, detail.clone()),
        Verdict::SourceDeleted => status::ready("False", reason, SOURCE_DELETED, None),
    };
    status::set(&mut next.conditions, condition, now);
    next
}

/// The event of how it ended.
pub fn note(verdict: &Verdict) -> Note {
    match verdict {
        Verdict::Done(message) => Note::normal(EventReason::Synced, message.clone()),
        Verdict::Failed { message, detail: None } => Note::warning(EventReason::Errored, message.clone()),
        Verdict::Failed { message, detail: Some(detail) } => {
            Note::warning(EventReason::Errored, format!("{message}: {detail}"))
        }
        Verdict::SourceDeleted => Note::normal(EventReason::SourceDeleted, SOURCE_DELETED),
    }
}

/// Whether the status says that all was cleaned up because the source is gone.
pub fn is_source_deleted(status: &PushSecretStatus) -> bool {
    let reason = Some(Reason::SourceDeleted.as_str());
    status.conditions.iter().any(|it| it.type_ == "Ready" && it.reason.as_deref() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("could not write remote ref k{n} to target secretstore vault: no")).collect()
    }

    #[test]
    fn failures_are_told_in_order_and_bounded() {
        let stores = vec![r#"could not get SecretStore "a", not found"#.to_owned()];
        let both = Failures { stores, pushes: texts(1) };
        let want = "could not get SecretStore \"a\", not found; set secret failed: could not write remote ref k0 to target \
                    secretstore vault: no";
        assert_eq!(both.message(), want);
        let many = Failures { pushes: texts(12), ..Failures::default() }.message();
        assert!(many.ends_with("k9 to target secretstore vault: no; and 2 more"), "{many}");
        let long = Failures { pushes: vec!["é".repeat(1000)], ..Failures::default() }.message();
        assert_eq!(long, format!("set secret failed: {}…", "é".repeat(256)));
    }

    #[test]
    fn each_end_has_its_condition_and_event() {
        let echo = Echo {
            external_secret: "es".into(),
            secret: "db".into(),
            store_kind: "SecretStore",
            store: "vault".into(),
            remote_key: "app".into(),
        };
        let echoes = BTreeSet::from([echo]);
        let back = r#" Not pushed back: remote key "app" of SecretStore "vault", which ExternalSecret "es" reads into Secret "db""#;
        let (replace, once) = (PushSecretUpdatePolicy::Replace, PushSecretUpdatePolicy::IfNotExists);
        let synced = "PushSecret synced successfully";
        let unchanged = ". Existing secrets in providers unchanged.";
        let detail = Some("why".to_owned());
        let failed = Verdict::Failed { message: "could not get source secret".into(), detail };
        let cases = [
            (Verdict::Done(done_message(replace, &BTreeSet::new())), "True", "Synced", synced.to_owned()),
            (Verdict::Done(done_message(once, &BTreeSet::new())), "True", "Synced", format!("{synced}{unchanged}")),
            (Verdict::Done(done_message(replace, &echoes)), "True", "Synced", format!("{synced}.{back}")),
            (Verdict::Done(done_message(once, &echoes)), "True", "Synced", format!("{synced}{unchanged}{back}")),
            (failed, "False", "Errored", "could not get source secret".to_owned()),
            (Verdict::SourceDeleted, "False", "SourceDeleted", SOURCE_DELETED.to_owned()),
        ];
        for (verdict, ready, reason, message) in cases {
            let now = Timestamp::from_second(10).unwrap();
            let status = after(&PushSecretStatus::default(), &verdict, &Synced::new(), "1-a", now);
            let condition = &status.conditions[0];
            let shown = (condition.status.as_str(), condition.reason.as_deref(), condition.message.as_deref());
            assert_eq!(shown, (ready, Some(reason), Some(message.as_str())));
            assert_eq!(status.synced_resource_version.is_some(), ready == "True");
            assert_eq!(note(&verdict).reason.as_str(), reason);
            assert_eq!(is_source_deleted(&status), reason == "SourceDeleted");
        }
    }
}
