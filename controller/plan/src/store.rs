//! The state of a store: what its check means for its condition, and who may use it.

use std::collections::BTreeMap;

use api::{ClusterSecretStoreCondition, Condition, SecretStoreStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use provider::{Capabilities, Error, Validation};

use crate::event::{EventReason, Note};
use crate::status;

/// What checking a store brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// No client could be made from its settings.
    NotOpened(Error),
    /// It was opened and asked.
    Opened(Validation, Capabilities),
}

/// What is reported of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreVerdict {
    /// The status to write.
    pub status: SecretStoreStatus,
    /// The event, told on a change only.
    pub note: Note,
    /// Whether ExternalSecrets may use it.
    pub ready: bool,
    /// Whether another try is due with backoff rather than at the interval.
    pub failed: bool,
}

/// The status of a store after it was checked.
pub fn verdict(previous: &SecretStoreStatus, checked: &Checked, now: Timestamp) -> StoreVerdict {
    let mut next = previous.clone();
    let (condition, note, ready, failed) = match checked {
        Checked::NotOpened(error) => refused("unable to create client", error.to_string()),
        Checked::Opened(Validation::Failed(error), _) => refused("unable to validate store", error.to_string()),
        Checked::Opened(Validation::Unknown(Some(error)), _) => (
            status::ready(
                "True",
                "ValidationUnknown",
                "could not determine validation status",
                Some(error.to_string()),
            ),
            Note::warning(EventReason::ValidationUnknown, error.to_string()),
            true,
            false,
        ),
        Checked::Opened(Validation::Ready | Validation::Unknown(None), capabilities) => {
            next.capabilities = Some(capabilities.as_str().to_owned());
            (
                status::ready("True", "Valid", "store validated", None),
                Note::normal(EventReason::Valid, "store validated"),
                true,
                false,
            )
        }
    };
    status::set(&mut next.conditions, condition, now);
    StoreVerdict { status: next, note, ready, failed }
}

fn refused(message: &str, detail: String) -> (Condition, Note, bool, bool) {
    (
        status::ready("False", "InvalidProviderConfig", message, Some(detail.clone())),
        Note::warning(EventReason::InvalidProviderConfig, detail),
        false,
        true,
    )
}

/// Whether the status says that the store is ready.
pub fn is_ready(status: Option<&SecretStoreStatus>) -> bool {
    status.is_some_and(|status| status::ready_is("True", &status.conditions))
}

/// Whether a ClusterSecretStore with these `conditions` may be used from a namespace. No condition allows every
/// namespace; otherwise one that matches is enough, and an empty entry matches nothing.
///
/// # Errors
/// A regular expression or selector that can't be used, with the reference's text.
pub fn allows(
    conditions: &[ClusterSecretStoreCondition],
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<bool, String> {
    if conditions.is_empty() {
        return Ok(true);
    }
    for condition in conditions {
        let ClusterSecretStoreCondition { namespace_selector, namespaces, namespace_regexes } = condition;
        if namespace_selector.as_ref().is_some_and(|selector| selects(selector, labels)) {
            return Ok(true);
        }
        if namespaces.iter().any(|name| name == namespace) {
            return Ok(true);
        }
        for pattern in namespace_regexes {
            let regexp = goregexp::compile(pattern.as_bytes())
                .map_err(|_| format!("failed to compile namespace regex {pattern}"))?;
            if regexp.is_match(namespace.as_bytes()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A label selector as Kubernetes reads it; an empty one selects everything, an unknown operator nothing.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    exact
        && selector.match_expressions.iter().flatten().all(|rule| {
            let value = labels.get(&rule.key);
            let listed = value.is_some_and(|value| rule.values.iter().flatten().any(|candidate| candidate == value));
            match rule.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use provider::ErrorKind;

    use super::*;

    fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "Validate", "cannot reach http://127.0.0.1:1: connection refused")
    }

    #[test]
    fn each_outcome_has_its_condition() {
        let cases = [
            (Checked::NotOpened(error()), "False", "InvalidProviderConfig", "unable to create client", None),
            (
                Checked::Opened(Validation::Failed(error()), Capabilities::ReadWrite),
                "False",
                "InvalidProviderConfig",
                "unable to validate store",
                None,
            ),
            (
                Checked::Opened(Validation::Unknown(Some(error())), Capabilities::ReadWrite),
                "True",
                "ValidationUnknown",
                "could not determine validation status",
                None,
            ),
            (
                Checked::Opened(Validation::Unknown(None), Capabilities::ReadOnly),
                "True",
                "Valid",
                "store validated",
                Some("ReadOnly"),
            ),
            (
                Checked::Opened(Validation::Ready, Capabilities::ReadWrite),
                "True",
                "Valid",
                "store validated",
                Some("ReadWrite"),
            ),
        ];
        for (checked, status, reason, message, capabilities) in cases {
            let got = verdict(&SecretStoreStatus::default(), &checked, Timestamp::UNIX_EPOCH).status;
            let condition = &got.conditions[0];
            assert_eq!(
                (
                    condition.status.as_str(),
                    condition.reason.as_deref(),
                    condition.message.as_deref(),
                    got.capabilities.as_deref()
                ),
                (status, Some(reason), Some(message), capabilities),
                "{checked:?}"
            );
        }
    }

    #[test]
    fn one_matching_condition_is_enough() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let cases: &[(&str, bool)] = &[
            ("[]", true),
            ("[{}]", false),
            (r#"[{"namespaces": ["shop"]}]"#, true),
            (r#"[{"namespaces": ["other"]}]"#, false),
            (r#"[{"namespaceRegexes": ["^sh"]}]"#, true),
            (r#"[{"namespaceRegexes": ["ho"]}]"#, true),
            (r#"[{"namespaceSelector": {"matchLabels": {"team": "a"}}}]"#, true),
            (r#"[{"namespaceSelector": {"matchLabels": {"team": "b"}}}]"#, false),
            (r#"[{"namespaceSelector": {}}]"#, true),
            (
                r#"[{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}}]"#,
                false,
            ),
            (
                r#"[{"namespaces": ["other"]}, {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}]"#,
                true,
            ),
        ];
        for (conditions, want) in cases {
            let conditions: Vec<ClusterSecretStoreCondition> = serde_json::from_str(conditions).unwrap();
            assert_eq!(allows(&conditions, "shop", &labels), Ok(*want), "{conditions:?}");
        }
    }
}
