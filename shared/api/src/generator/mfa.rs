//! MFA: a one-time password from a shared secret.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::schema::shape;
use crate::selector::SecretKeySelector;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes one-time passwords (TOTP) from a shared secret.
    Mfa = "generators.external-secrets.io" / "v1alpha1" / ("MFA"),
    "mfas", NamespaceResourceScope, MfaSpec, NoStatus
}

/// The secret and the form of the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaSpec {
    /// Where the shared secret is, in base32.
    pub secret: SecretKeySelector,
    /// Number of digits. Without it 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub length: Option<i64>,
    /// Seconds that a password lasts. Without it 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub time_period: Option<i64>,
    /// Hash function: `sha1` (as without it), `sha256` or `sha512`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The time that the password is for, for tests. Without it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub when: Option<Time>,
}
