//! Settings of the provider `barbican`.

use crate::selector::{SecretKeySelector, ValueOrSecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from OpenStack Barbican.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarbicanProvider {
    /// User and password for Keystone.
    pub auth: BarbicanAuth,
    /// URL of Keystone.
    #[serde(default, rename = "authURL", skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// Domain of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// Region of the Barbican endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Project that owns the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
}

/// User and password for Keystone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarbicanAuth {
    /// The password.
    pub password: BarbicanPassword,
    /// Name of the user: `value` or `secretRef`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub username: ValueOrSecretRef,
}

/// The password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarbicanPassword {
    /// Where the password is.
    pub secret_ref: SecretKeySelector,
}
