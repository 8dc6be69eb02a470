//! What a look at all namespaces came to, and the status that tells it.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    ClusterExternalSecretCondition, ClusterExternalSecretStatus, ClusterPushSecretStatus, Condition, NamespaceFailure,
};
use jiff::Timestamp;

use crate::status;

const FAILED: &str = "one or more namespaces failed";
/// The condition of a ClusterPushSecret whose namespaces can't be told, and its event.
pub const NO_NAMESPACES: &str = "failed to get target Namespaces";

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every namespace that is selected was looked at.
    Done(Namespaces),
    /// Which namespaces are selected can't be told, for this reason.
    Unknown(String),
    /// The declaration itself can't be read, for this reason.
    Unreadable(String),
}

/// How it went in which namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Those that have the child.
    pub provisioned: BTreeSet<String>,
    /// Those that haven't, or where something of ours could not be deleted, and why.
    pub failed: BTreeMap<String, String>,
}

impl Outcome {
    /// Whether all is well.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Done(Namespaces { provisioned: _, failed }) => failed.is_empty(),
            Self::Unknown(_) | Self::Unreadable(_) => false,
        }
    }

    /// The message of the condition.
    fn message(&self) -> Option<&str> {
        match self {
            Self::Unreadable(text) => Some(text),
            Self::Done(_) | Self::Unknown(_) => (!self.is_ready()).then_some(FAILED),
        }
    }

    /// The status of a ClusterExternalSecret whose children bear this name.
    pub fn external(&self, before: &ClusterExternalSecretStatus, name: &str) -> ClusterExternalSecretStatus {
        let ClusterExternalSecretStatus { external_secret_name, failed_namespaces, provisioned_namespaces, conditions } =
            before.clone();
        let mut conditions = conditions;
        conditions.retain(|condition| condition.type_ != "Ready");
        conditions.push(ClusterExternalSecretCondition {
            type_: "Ready".into(),
            status: self.status().into(),
            message: self.message().map(str::to_owned),
        });
        let (failed, provisioned, name) = match self {
            Self::Done(namespaces) => (namespaces.failures(), namespaces.names(), Some(name.to_owned())),
            Self::Unknown(text) => {
                let unknown = NamespaceFailure { namespace: "unknown".into(), reason: Some(text.clone()) };
                (vec![unknown], provisioned_namespaces, Some(name.to_owned()))
            }
            Self::Unreadable(_) => (failed_namespaces, provisioned_namespaces, external_secret_name),
        };
        ClusterExternalSecretStatus {
            external_secret_name: name,
            failed_namespaces: failed,
            provisioned_namespaces: provisioned,
            conditions,
        }
    }

    /// The status of a ClusterPushSecret whose children bear this name.
    pub fn push(&self, before: &ClusterPushSecretStatus, name: &str, now: Timestamp) -> ClusterPushSecretStatus {
        let ClusterPushSecretStatus { push_secret_name, failed_namespaces, provisioned_namespaces, mut conditions } =
            before.clone();
        let plain = |reason: Option<&str>, message: Option<&str>| Condition {
            type_: "Ready".into(),
            status: self.status().into(),
            reason: reason.map(str::to_owned),
            message: message.map(str::to_owned),
            detail: None,
            last_transition_time: None,
        };
        let (failed, provisioned, name) = match self {
            Self::Done(namespaces) => {
                conditions.retain(|condition| condition.type_ != "Ready");
                // Without a time, as in the reference.
                conditions.push(plain(None, self.message()));
                (namespaces.failures(), namespaces.names(), Some(name.to_owned()))
            }
            Self::Unknown(_) => {
                status::set(&mut conditions, plain(Some("Errored"), Some(NO_NAMESPACES)), now);
                (failed_namespaces, provisioned_namespaces, Some(name.to_owned()))
            }
            Self::Unreadable(text) => {
                status::set(&mut conditions, plain(Some("Errored"), Some(text)), now);
                (failed_namespaces, provisioned_namespaces, push_secret_name)
            }
        };
        ClusterPushSecretStatus {
            push_secret_name: name,
            failed_namespaces: failed,
            provisioned_namespaces: provisioned,
            conditions,
        }
    }

    fn status(&self) -> &'static str {
        if self.is_ready() { "True" } else { "False" }
    }
}

impl Namespaces {
    fn failures(&self) -> Vec<NamespaceFailure> {
        let failure = |(namespace, reason): (&String, &String)| NamespaceFailure {
            namespace: namespace.clone(),
            reason: Some(reason.clone()),
        };
        self.failed.iter().map(failure).collect()
    }

    fn names(&self) -> Vec<String> {
        self.provisioned.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn done(provisioned: &[&str], failed: &[(&str, &str)]) -> Outcome {
        Outcome::Done(Namespaces {
            provisioned: provisioned.iter().map(|name| (*name).to_owned()).collect(),
            failed: failed.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect(),
        })
    }

    fn now() -> Timestamp {
        "2026-01-05T12:00:00.5Z".parse().unwrap()
    }

    #[test]
    fn the_status_of_a_cluster_external_secret_is_the_references() {
        let before = json!({
            "externalSecretName": "old", "provisionedNamespaces": ["x"],
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}],
        });
        let before: ClusterExternalSecretStatus = serde_json::from_value(before).unwrap();
        let other = json!({"type": "Other", "status": "True"});
        let failed = json!({"type": "Ready", "status": "False", "message": "one or more namespaces failed"});
        let cases: [(Outcome, Value); 4] = [
            (
                done(&["b", "a"], &[]),
                json!({"externalSecretName": "n", "provisionedNamespaces": ["a", "b"], "conditions": [other, {"type": "Ready", "status": "True"}]}),
            ),
            (
                done(&["a"], &[("d", "two"), ("c", "one")]),
                json!({
                    "externalSecretName": "n", "provisionedNamespaces": ["a"], "conditions": [other, failed],
                    "failedNamespaces": [{"namespace": "c", "reason": "one"}, {"namespace": "d", "reason": "two"}],
                }),
            ),
            (
                Outcome::Unknown("why".into()),
                json!({
                    "externalSecretName": "n", "provisionedNamespaces": ["x"], "conditions": [other, failed],
                    "failedNamespaces": [{"namespace": "unknown", "reason": "why"}],
                }),
            ),
            (
                Outcome::Unreadable("why".into()),
                json!({
                    "externalSecretName": "old", "provisionedNamespaces": ["x"],
                    "conditions": [other, {"type": "Ready", "status": "False", "message": "why"}],
                }),
            ),
        ];
        for (outcome, want) in cases {
            let got = outcome.external(&before, "n");
            assert_eq!(serde_json::to_value(&got).unwrap(), want);
            assert_eq!(serde_json::to_value(outcome.external(&got, "n")).unwrap(), want, "nothing more to say");
        }
    }

    #[test]
    fn the_status_of_a_cluster_push_secret_is_the_references() {
        let timed = |message: &str| {
            let time = "2026-01-05T12:00:00Z";
            json!({"type": "Ready", "status": "False", "reason": "Errored", "message": message, "lastTransitionTime": time})
        };
        let cases: [(Outcome, Value); 4] = [
            (
                done(&["a"], &[]),
                json!({"pushSecretName": "n", "provisionedNamespaces": ["a"], "conditions": [{"type": "Ready", "status": "True"}]}),
            ),
            (
                done(&[], &[("c", "one")]),
                json!({
                    "pushSecretName": "n", "failedNamespaces": [{"namespace": "c", "reason": "one"}],
                    "conditions": [{"type": "Ready", "status": "False", "message": "one or more namespaces failed"}],
                }),
            ),
            (Outcome::Unknown("why".into()), json!({"pushSecretName": "n", "conditions": [timed(NO_NAMESPACES)]})),
            (Outcome::Unreadable("why".into()), json!({"conditions": [timed("why")]})),
        ];
        for (outcome, want) in cases {
            let got = outcome.push(&ClusterPushSecretStatus::default(), "n", now());
            assert_eq!(serde_json::to_value(&got).unwrap(), want);
        }
    }
}
