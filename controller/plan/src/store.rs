//! The state of a store: what its check means for its condition, and who may use it.

use std::collections::BTreeMap;

use api::{
    ClusterSecretStoreCondition, Condition, PushSecret, PushSecretDeletionPolicy, PushSecretStoreRef,
    SecretStoreStatus, StoreKind,
};
use jiff::Timestamp;
use provider::{Capabilities, Error, Validation};
use serde_json::Value;

use crate::event::{EventReason, Note};
use crate::{label_selector, status};

/// What checking a store brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Its `refreshInterval` can't be read, and why.
    BadInterval(String),
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
    /// Whether nothing was found wrong: only then its provider's maintenance is spoken of.
    pub valid: bool,
}

/// The status of a store after it was checked.
pub fn verdict(previous: &SecretStoreStatus, checked: &Checked, now: Timestamp) -> StoreVerdict {
    let mut next = previous.clone();
    let (condition, note, ready, failed) = match checked {
        Checked::BadInterval(text) => {
            refused(EventReason::InvalidStoreConfiguration, "invalid refreshInterval", text.clone())
        }
        Checked::NotOpened(error) => {
            refused(EventReason::InvalidProviderConfig, "unable to create client", error.to_string())
        }
        Checked::Opened(Validation::Failed(error), _) => {
            refused(EventReason::InvalidProviderConfig, "unable to validate store", error.to_string())
        }
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
    let valid = matches!(checked, Checked::Opened(Validation::Ready | Validation::Unknown(None), _));
    StoreVerdict { status: next, note, ready, failed, valid }
}

/// What the log says of a check that failed, in the reference's words, which users search it for.
pub fn logged(checked: &Checked) -> Option<String> {
    match checked {
        Checked::BadInterval(text) => Some(text.clone()),
        Checked::NotOpened(error) => Some(format!("could not get provider client: {error}")),
        Checked::Opened(Validation::Failed(error), _) => Some(format!("could not validate provider: {error}")),
        Checked::Opened(Validation::Unknown(_) | Validation::Ready, _) => None,
    }
}

fn refused(reason: EventReason, message: &str, detail: String) -> (Condition, Note, bool, bool) {
    (status::ready("False", reason.as_str(), message, Some(detail.clone())), Note::warning(reason, detail), false, true)
}

/// Whether the status says that the store is ready.
pub fn is_ready(status: Option<&SecretStoreStatus>) -> bool {
    status.is_some_and(|status| status::ready_is("True", &status.conditions))
}

/// Whether somebody has checked the store at all, whatever came of it.
pub fn is_checked(status: Option<&SecretStoreStatus>) -> bool {
    status.is_some_and(|status| ["True", "False"].iter().any(|said| status::ready_is(said, &status.conditions)))
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
        if let Some(selector) = namespace_selector {
            let selected = label_selector::selects(selector, labels).map_err(|error| {
                let shown = label_selector::shown(selector);
                format!("failed to convert label selector into selector {shown}: {error}")
            })?;
            if selected {
                return Ok(true);
            }
        }
        if namespaces.iter().any(|name| name == namespace) {
            return Ok(true);
        }
        for pattern in namespace_regexes {
            let regexp = goregexp::compile(pattern.as_bytes())
                .map_err(|error| format!("failed to compile regex {pattern}: {error}"))?;
            if regexp.is_match(namespace.as_bytes()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a PushSecret keeps a store from being deleted, as the reference has it: it deletes what it pushed, and it
/// pushed to the store or names or selects it. The namespace of a SecretStore must have been looked at before.
pub fn is_held_by(kind: StoreKind, name: &str, labels: &BTreeMap<String, String>, push: &PushSecret) -> bool {
    if push.spec.deletion_policy != PushSecretDeletionPolicy::Delete {
        return false;
    }
    let pushed = push
        .status
        .as_ref()
        .is_some_and(|status| status.synced_push_secrets.contains_key(&format!("{}/{name}", kind.as_str())));
    pushed
        || push.spec.secret_store_refs.iter().any(|reference| {
            let PushSecretStoreRef { name: named, label_selector, kind: wanted } = reference;
            // A selector that can't be used selects nothing.
            let selected = || label_selector.as_ref().is_some_and(|it| label_selector::selects(it, labels) == Ok(true));
            *wanted == kind && (named.as_deref() == Some(name) || selected())
        })
}

/// The conditions of a store that can't be read, with `Ready` saying why; none if it says so already. Conditions are
/// taken and given as JSON, as nothing is known of an object that can't be read.
pub fn unreadable(conditions: &Value, detail: &str, now: Timestamp) -> Option<Value> {
    let all = conditions.as_array().map(Vec::as_slice).unwrap_or_default();
    let (own, mut rest): (Vec<Value>, Vec<Value>) = all.iter().cloned().partition(|entry| entry["type"] == "Ready");
    let mut known: Vec<Condition> = own.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    let before = known.clone();
    let reason = EventReason::InvalidStoreConfiguration.as_str();
    status::set(&mut known, status::ready("False", reason, "the object cannot be read", Some(detail.to_owned())), now);
    if known == before {
        return None;
    }
    rest.extend(known.iter().filter_map(|entry| serde_json::to_value(entry).ok()));
    Some(Value::Array(rest))
}

#[cfg(test)]
mod tests {
    use provider::ErrorKind;

    use super::*;

    fn error() -> Error {
        Error::new(ErrorKind::Unavailable, "Validate", "cannot reach http://127.0.0.1:1: connection refused")
    }

    #[test]
    fn a_failed_check_is_logged_in_the_references_words() {
        let text = "cannot reach http://127.0.0.1:1: connection refused";
        let opened = |validation| Checked::Opened(validation, Capabilities::ReadOnly);
        let cases = [
            (Checked::NotOpened(error()), Some(format!("could not get provider client: {text}"))),
            (opened(Validation::Failed(error())), Some(format!("could not validate provider: {text}"))),
            (opened(Validation::Unknown(Some(error()))), None),
            (opened(Validation::Ready), None),
        ];
        for (checked, want) in cases {
            assert_eq!(logged(&checked), want, "{checked:?}");
        }
    }

    #[test]
    fn each_outcome_has_its_condition() {
        let cases = [
            (Checked::BadInterval("why".into()), "False", "InvalidStoreConfiguration", "invalid refreshInterval", None),
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
    #[test]
    fn conditions_that_cannot_be_used_are_told_in_the_references_words() {
        let cases = [
            (
                r#"[{"namespaceRegexes": ["("]}]"#,
                "failed to compile regex (: error parsing regexp: missing closing ): `(`",
            ),
            (
                r#"[{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "is"}]}}]"#,
                r#"failed to convert label selector into selector &LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:team,Operator:is,Values:[],},},}: "is" is not a valid label selector operator"#,
            ),
        ];
        for (conditions, want) in cases {
            let conditions: Vec<ClusterSecretStoreCondition> = serde_json::from_str(conditions).unwrap();
            assert_eq!(allows(&conditions, "shop", &BTreeMap::new()), Err(want.to_owned()));
        }
    }

    #[test]
    fn a_store_is_held_by_push_secrets_that_delete_what_they_pushed_to_it() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let cluster = StoreKind::ClusterSecretStore;
        let cases = [
            ("Delete", r#"[{"name": "vault", "kind": "SecretStore"}]"#, "{}", StoreKind::SecretStore, true),
            ("Delete", r#"[{"name": "vault", "kind": "SecretStore"}]"#, "{}", cluster, false),
            ("Delete", r#"[{"name": "other", "kind": "SecretStore"}]"#, "{}", StoreKind::SecretStore, false),
            (
                "Delete",
                r#"[{"labelSelector": {"matchLabels": {"team": "a"}}, "kind": "ClusterSecretStore"}]"#,
                "{}",
                cluster,
                true,
            ),
            (
                "Delete",
                r#"[{"labelSelector": {"matchLabels": {"team": "b"}}, "kind": "ClusterSecretStore"}]"#,
                "{}",
                cluster,
                false,
            ),
            (
                "Delete",
                r#"[{"labelSelector": {"matchExpressions": [{"key": "team", "operator": "is"}]}, "kind": "SecretStore"}]"#,
                "{}",
                StoreKind::SecretStore,
                false,
            ),
            ("Delete", "[]", r#"{"SecretStore/vault": {}}"#, StoreKind::SecretStore, true),
            ("Delete", "[]", r#"{"SecretStore/vault": {}}"#, cluster, false),
            (
                "None",
                r#"[{"name": "vault", "kind": "SecretStore"}]"#,
                r#"{"SecretStore/vault": {}}"#,
                StoreKind::SecretStore,
                false,
            ),
        ];
        for (policy, references, synced, kind, want) in cases {
            let text = format!(
                r#"{{"metadata": {{"name": "out"}}, "spec": {{"deletionPolicy": "{policy}", "secretStoreRefs": {references}, "selector": {{}}}}, "status": {{"syncedPushSecrets": {synced}}}}}"#
            );
            let push: PushSecret = serde_json::from_str(&text).unwrap();
            assert_eq!(is_held_by(kind, "vault", &labels, &push), want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_once_and_other_conditions_stay() {
        let other = serde_json::json!({"type": "Other", "status": {"odd": 1}});
        let first = unreadable(&serde_json::json!([other]), "why", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(first[0], other);
        assert_eq!(
            first[1],
            serde_json::json!({
                "type": "Ready", "status": "False", "reason": "InvalidStoreConfiguration",
                "message": "the object cannot be read", "detail": "why", "lastTransitionTime": "1970-01-01T00:00:00Z",
            })
        );
        assert_eq!(unreadable(&first, "why", Timestamp::UNIX_EPOCH), None);
        assert!(unreadable(&first, "why else", Timestamp::UNIX_EPOCH).is_some());
        assert!(unreadable(&Value::Null, "why", Timestamp::UNIX_EPOCH).is_some());
    }
}
