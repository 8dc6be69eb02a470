//! What a push's metadata asks of a secret beside its value, and how values are joined. Pure.

use std::collections::{BTreeMap, BTreeSet};

use api::AwsDeletion;
use provider::{Beside, BesideKind, Error, ErrorKind, Push};
use secret::SecretBytes;
use serde::Deserialize;

use super::super::tags;
use crate::cluster::is_name;
use crate::push_metadata;

const PUSH: &str = "PushSecret";
const DELETE: &str = "DeleteSecret";
const DESCRIPTION: &str = "secret 'managed-by:external-secrets'";
const UNRESOLVED: &str = "failed to resolve resource policy";
const KEY: &str = "alias/aws/secretsmanager";

/// `metadata.spec`, checked.
#[derive(Debug, PartialEq)]
pub(super) struct Desired {
    /// Without the mark; `None`: tags stay as they are.
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) description: String,
    pub(super) as_text: bool,
    pub(super) key: String,
    /// `None`: the secret shall have no policy.
    pub(super) policy: Option<Policy>,
    /// `None`: replicas stay as they are.
    pub(super) regions: Option<BTreeSet<String>>,
}

/// Where a resource policy is.
#[derive(Debug, PartialEq)]
pub(super) struct Policy {
    pub(super) block_public: Option<bool>,
    pub(super) source: Beside,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    tags: Option<BTreeMap<String, String>>,
    description: Option<String>,
    secret_push_format: Option<String>,
    kms_key_id: Option<String>,
    resource_policy: Option<PolicySpec>,
    replication_locations: Option<BTreeSet<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct PolicySpec {
    block_public_policy: Option<bool>,
    policy_source_ref: Option<SourceSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SourceSpec {
    kind: String,
    name: String,
    key: String,
}

fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

impl Desired {
    pub(super) fn of(push: &Push) -> Result<Self, Error> {
        let failed = |error: Error| error.context("failed to parse push secret metadata");
        let Spec { tags, description, secret_push_format, kms_key_id, resource_policy, replication_locations } =
            push_metadata::spec(push.metadata.as_ref(), PUSH).map_err(failed)?;
        let tags = tags.filter(|tags| !tags.is_empty());
        tags.iter().try_for_each(|tags| tags::checked(tags, PUSH)).map_err(failed)?;
        let as_text = match secret_push_format.as_deref().unwrap_or_default() {
            "" | "binary" => false,
            "string" => true,
            other => {
                let text = format!("invalid secret push format: {other}; use binary or string");
                return Err(failed(invalid(PUSH, text)));
            }
        };
        let or = |given: Option<String>, default: &str| {
            given.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            tags,
            description: or(description, DESCRIPTION),
            as_text,
            key: or(kms_key_id, KEY),
            policy: resource_policy.map(policy).transpose().map_err(failed)?,
            regions: replication_locations,
        })
    }

    pub(super) fn all_tags(&self) -> BTreeMap<String, String> {
        tags::marked(self.tags.as_ref().unwrap_or(&BTreeMap::new()))
    }
}

fn policy(spec: PolicySpec) -> Result<Policy, Error> {
    let PolicySpec { block_public_policy, policy_source_ref } = spec;
    let Some(SourceSpec { kind, name, key }) = policy_source_ref else {
        return Err(invalid(PUSH, "spec.resourcePolicy.policySourceRef must be set"));
    };
    let kind = match kind.as_str() {
        "ConfigMap" => BesideKind::ConfigMap,
        "Secret" => BesideKind::Secret,
        _ => {
            let text = format!("unsupported PolicySourceRef kind: {kind} (must be ConfigMap or Secret)");
            return Err(invalid(PUSH, text));
        }
    };
    if name.is_empty() || key.is_empty() {
        return Err(invalid(PUSH, "spec.resourcePolicy.policySourceRef: name and key must be set"));
    }
    if !is_name(&name) {
        let text =
            format!("spec.resourcePolicy.policySourceRef.name can't be the name of a {}: {name:?}", kind.as_str());
        return Err(invalid(PUSH, text));
    }
    let source = Beside { kind, name, key, purpose: UNRESOLVED };
    Ok(Policy { block_public: block_public_policy, source })
}

/// The text of a policy; nothing if it is blank.
pub(super) fn policy_text(policy: &Policy, beside: Option<&SecretBytes>) -> Result<String, Error> {
    let Policy { block_public: _, source: Beside { kind, name, key, purpose } } = policy;
    let said = |text: String| invalid(PUSH, format!("{purpose}: {text}"));
    let bytes = beside.ok_or_else(|| said(format!("key {key} of {} {name} was not read", kind.as_str())))?;
    let text = bytes.expose_str().filter(|text| text.trim_ascii().is_empty() || gojson::valid(text.as_bytes()));
    let not_json = || invalid(PUSH, "failed to unmarshal desired resource policy: it is not JSON");
    let text = text.ok_or_else(not_json)?;
    Ok(if text.trim_ascii().is_empty() { String::new() } else { text.to_owned() })
}

/// The value that is to be there: the pushed one, or what was there with the property set to it.
pub(super) fn wished(held: Option<&SecretBytes>, push: &Push) -> Result<SecretBytes, Error> {
    let value = push.value().map_err(|error| error.context("failed to extract secret data"))?;
    let Some(property) = &push.place.property else { return Ok(value) };
    let held = held.map(SecretBytes::expose).unwrap_or_default();
    gojson::set(held, property, value.expose()).map(SecretBytes::new).map_err(|error| match error {
        gojson::SetError::NotJson => {
            let text = "PushSecret for aws secrets manager with a pushSecretData property requires a json secret";
            invalid(PUSH, text)
        }
        error => invalid(PUSH, format!("property {}: {error}", gojson::quote(property))),
    })
}

/// Whether the value is there already. What a property changed is compared as JSON: another spelling is no change.
pub(super) fn is_same(held: &SecretBytes, wished: &SecretBytes, property: Option<&String>) -> bool {
    held == wished || (property.is_some() && gojson::equal(held.expose(), wished.expose()))
}

/// Checks the store's settings of deletion.
pub(super) fn deletion(settings: &AwsDeletion) -> Result<(bool, Option<i64>), Error> {
    let AwsDeletion { force_delete_without_recovery: force, recovery_window_in_days } = *settings;
    let days = recovery_window_in_days.filter(|days| *days != 0);
    let bad = |text: &str| Err(invalid(DELETE, format!("invalid DeleteSecretInput: {text}")));
    match days {
        Some(days) if !(7..=30).contains(&days) => bad("RecoveryWindowInDays must be between 7 and 30 days"),
        Some(_) if force => bad("ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays"),
        days => Ok((force, days)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use provider::{Place, Source};
    use serde_json::{Value, json};

    use super::*;

    fn push(property: Option<&str>, spec: Value) -> Push {
        let data = [("k".to_owned(), SecretBytes::from("v"))].into();
        let metadata = json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata",
            "spec": spec});
        Push {
            source: Arc::new(Source { data, ..Source::default() }),
            secret_key: Some("k".to_owned()),
            place: Place { key: "remote".to_owned(), property: property.map(str::to_owned) },
            metadata: Some(metadata),
        }
    }

    #[test]
    fn metadata_is_checked_field_by_field() {
        let policy = |source: Value| json!({"resourcePolicy": {"policySourceRef": source}});
        let cases = [
            (json!({}), None),
            (json!({"secretPushFormat": "string", "tags": {"a": "b"}, "replicationLocations": ["eu-west-2"]}), None),
            (policy(json!({"kind": "ConfigMap", "name": "n", "key": "k"})), None),
            (json!({"secretPushFormat": "hex"}), Some("invalid secret push format: hex")),
            (json!({"tags": {"managed-by": "me"}}), Some("Cannot specify a 'managed-by' tag")),
            (json!({"tags": {"a": 1}}), Some("invalid type: integer `1`, expected a string")),
            (json!({"kmsKeyID": "k"}), Some("unknown field `kmsKeyID`, expected one of ")),
            (json!({"resourcePolicy": {}}), Some("spec.resourcePolicy.policySourceRef must be set")),
            (json!({"resourcePolicy": {"policy": {}}}), Some("unknown field `policy`, expected ")),
            (policy(json!({"kind": "Pod", "name": "n", "key": "k"})), Some("unsupported PolicySourceRef kind: Pod")),
            (policy(json!({"kind": "Secret", "name": "n"})), Some("name and key must be set")),
            (
                policy(json!({"kind": "Secret", "name": "../a", "key": "k"})),
                Some("policySourceRef.name can't be the name"),
            ),
        ];
        for (spec, want) in cases {
            match (Desired::of(&push(None, spec.clone())), want) {
                (Ok(_), None) => {}
                (Err(error), Some(text)) => {
                    assert!(error.to_string().starts_with("failed to parse push secret metadata: "), "{error}");
                    assert!(error.to_string().contains(text), "{spec}: {error}");
                }
                (got, want) => panic!("{spec}: {got:?}, not {want:?}"),
            }
        }
        let plain = Desired::of(&push(None, json!(null))).unwrap();
        assert_eq!((plain.description.as_str(), plain.key.as_str()), (DESCRIPTION, KEY));
        assert!(!plain.as_text && plain.tags.is_none() && plain.regions.is_none());
        let all = json!({"managed-by": "external-secrets"});
        assert_eq!(json!(plain.all_tags()), all);
    }

    #[test]
    fn a_property_is_set_in_what_is_there() {
        let needs_json = "PushSecret for aws secrets manager with a pushSecretData property requires a json secret";
        let cases = [
            (None, None, Ok("v"), false),
            (Some("v"), None, Ok("v"), true),
            (Some("canary"), None, Ok("v"), false),
            (None, Some("p"), Ok(r#"{"p":"v"}"#), false),
            (Some(""), Some("p.q"), Ok(r#"{"p":{"q":"v"}}"#), false),
            (Some(r#"{"a":1}"#), Some("p"), Ok(r#"{"a":1,"p":"v"}"#), false),
            (Some(r#"{"p":"v"}"#), Some("p"), Ok(r#"{"p":"v"}"#), true),
            (Some(r#"{"p":"\u0076"}"#), Some("p"), Ok(r#"{"p":"v"}"#), true),
            (Some("canary"), Some("p"), Err(needs_json), false),
            (Some("{}"), Some("p@q"), Err("property \"p@q\": '@' in it must be written with a backslash"), false),
        ];
        for (held, property, want, same) in cases {
            let (held, push) = (held.map(SecretBytes::from), push(property, json!({})));
            match (wished(held.as_ref(), &push), want) {
                (Ok(got), Ok(want)) => {
                    assert_eq!(got.expose_str(), Some(want));
                    let unchanged = held.is_some_and(|held| is_same(&held, &got, push.place.property.as_ref()));
                    assert_eq!(unchanged, same, "{want}");
                }
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{held:?} {property:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn deletion_is_at_once_or_after_a_week_to_a_month() {
        let range = Err("invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days");
        let both = Err("invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays");
        let cases = [
            (false, None, Ok((false, None))),
            (true, None, Ok((true, None))),
            (true, Some(0), Ok((true, None))),
            (false, Some(7), Ok((false, Some(7)))),
            (false, Some(30), Ok((false, Some(30)))),
            (false, Some(6), range),
            (false, Some(31), range),
            (true, Some(7), both),
        ];
        for (force_delete_without_recovery, recovery_window_in_days, want) in cases {
            let got = deletion(&AwsDeletion { force_delete_without_recovery, recovery_window_in_days });
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned));
        }
    }
}
