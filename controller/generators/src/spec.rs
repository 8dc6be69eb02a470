//! From an object that was read to the spec of a generator; a ClusterGenerator counts as the generator that it holds.

use api::generator::{FakeSpec, MfaSpec, PasswordSpec, SshKeySpec, UuidSpec};
use provider::{Error, Retry};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Kind, Wanted, invalid};

/// The spec of a generator.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Fixed values.
    Fake(FakeSpec),
    /// One-time passwords.
    Mfa(MfaSpec),
    /// Random passwords.
    Password(PasswordSpec),
    /// Pairs of SSH keys.
    SshKey(SshKeySpec),
    /// Random UUIDs.
    Uuid(UuidSpec),
    /// A kind that this build hasn't.
    Absent {
        /// Which.
        kind: Kind,
        /// The class of the controller that is to handle it, if it names one.
        controller: Option<String>,
    },
}

impl Spec {
    /// Reads the `spec` of the object that was wanted.
    ///
    /// # Errors
    /// `Invalid`: a field has the wrong type; or, not to be retried, a ClusterGenerator's kind and content don't match.
    pub fn read(wanted: Wanted, spec: Value) -> Result<Self, Error> {
        match wanted {
            Wanted::Namespaced(kind) => Self::of(kind, spec),
            Wanted::Cluster => {
                let name = spec["kind"].as_str().unwrap_or_default();
                let Some(kind) = Kind::of(name) else {
                    return Err(terminal(format!("invalid ClusterGenerator: unknown kind {name}")));
                };
                match spec["generator"].get(kind.cluster_field()) {
                    Some(held) if !held.is_null() => Self::of(kind, held.clone()),
                    Some(_) | None => {
                        let text = format!("when kind is {name}, {name}Spec must be set");
                        Err(terminal(format!("invalid ClusterGenerator: {text}")))
                    }
                }
            }
        }
    }

    fn of(kind: Kind, spec: Value) -> Result<Self, Error> {
        Ok(match kind {
            Kind::Fake => Self::Fake(parse(spec)?),
            Kind::Mfa => Self::Mfa(parse(spec)?),
            Kind::Password => Self::Password(parse(spec)?),
            Kind::SshKey => Self::SshKey(parse(spec)?),
            Kind::Uuid => Self::Uuid(parse(spec)?),
            Kind::BeyondtrustDynamicSecret | Kind::VaultDynamicSecret => {
                Self::Absent { kind, controller: spec["controller"].as_str().map(str::to_owned) }
            }
            Kind::AcrAccessToken
            | Kind::CloudsmithAccessToken
            | Kind::EcrAuthorizationToken
            | Kind::GcrAccessToken
            | Kind::GithubAccessToken
            | Kind::GitlabDeployToken
            | Kind::Grafana
            | Kind::QuayAccessToken
            | Kind::StsSessionToken
            | Kind::Webhook => Self::Absent { kind, controller: None },
        })
    }

    /// The class of the controller that is to handle it. None and empty mean any.
    pub fn controller(&self) -> Option<&str> {
        match self {
            Self::Fake(FakeSpec { controller, data: _ }) => controller.as_deref(),
            Self::Absent { kind: _, controller } => controller.as_deref(),
            Self::Mfa(_) | Self::Password(_) | Self::SshKey(_) | Self::Uuid(_) => None,
        }
    }
}

/// Absent and `null` read as the empty spec. The error names the field and shows no value: those of a Fake may be secret.
fn parse<T: DeserializeOwned>(spec: Value) -> Result<T, Error> {
    let spec = if spec.is_null() { Value::Object(Map::new()) } else { spec };
    serde_path_to_error::deserialize(spec).map_err(|error| {
        invalid(format!("unable to parse spec: spec.{} has the wrong type or is missing", error.path()))
    })
}

/// An error that no other try can mend.
pub(crate) fn terminal(text: String) -> Error {
    invalid(format!("terminal error: {text}")).retry(Retry::Never)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_generator_counts_as_what_it_holds() {
        let held = |spec| Spec::read(Wanted::Cluster, spec).map_err(|error| error.to_string());
        let uuid = Ok(Spec::Uuid(UuidSpec::default()));
        let unset = |kind: &str| {
            Err(format!("terminal error: invalid ClusterGenerator: when kind is {kind}, {kind}Spec must be set"))
        };
        let rows = [
            (json!({"kind": "UUID", "generator": {"uuidSpec": {}}}), uuid),
            (json!({"kind": "UUID", "generator": {"passwordSpec": {}}}), unset("UUID")),
            (json!({"kind": "MFA", "generator": {"mfaSpec": null}}), unset("MFA")),
            (json!({"kind": "SSHKey"}), unset("SSHKey")),
            (
                json!({"kind": "Cat", "generator": {"uuidSpec": {}}}),
                Err("terminal error: invalid ClusterGenerator: unknown kind Cat".to_owned()),
            ),
            (
                json!({"kind": "Webhook", "generator": {"webhookSpec": {"url": "http://a"}}}),
                Ok(Spec::Absent { kind: Kind::Webhook, controller: None }),
            ),
        ];
        for (spec, wished) in rows {
            assert_eq!(held(spec.clone()), wished, "{spec}");
        }
    }

    #[test]
    fn only_some_kinds_know_a_controller_class() {
        let rows = [
            (Kind::Fake, json!({"controller": "other"}), Some("other")),
            (Kind::VaultDynamicSecret, json!({"controller": "other", "path": "p"}), Some("other")),
            (Kind::BeyondtrustDynamicSecret, json!({"controller": "other"}), Some("other")),
            (Kind::Password, json!({"controller": "other"}), None),
            (Kind::Grafana, json!({"controller": "other"}), None),
            (Kind::Fake, Value::Null, None),
        ];
        for (kind, spec, wished) in rows {
            assert_eq!(Spec::read(Wanted::Namespaced(kind), spec).unwrap().controller(), wished, "{kind:?}");
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_and_its_value_is_not_shown() {
        let error = Spec::read(Wanted::Namespaced(Kind::Fake), json!({"data": {"a": 7654321}})).unwrap_err();
        assert_eq!(error.to_string(), "unable to parse spec: spec.data.a has the wrong type or is missing");
        assert_eq!(error.retry_when(), Retry::Backoff);
    }
}
