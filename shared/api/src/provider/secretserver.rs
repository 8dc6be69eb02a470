//! Settings of the provider `secretserver`.

use crate::schema::shape;
use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Delinea Secret Server and the Delinea Platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.token) || (has(self.username) && has(self.password))",
    "message": "either token, or both username and password, must be set",
}]))]
pub struct SecretServerProvider {
    /// URL of the server.
    #[serde(rename = "serverURL")]
    pub server_url: String,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Domain of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The user's password: `value` or `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretServerRef>,
    /// An access token, in place of user and password: `value` or `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretServerRef>,
    /// Name of the user: `value` or `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretServerRef>,
}

/// A value, here or in a Secret: exactly one of both.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.value) != has(self.secretRef)",
    "message": "exactly one of value or secretRef must be set",
}]))]
pub struct SecretServerRef {
    /// Where the value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself. It is readable to whoever can read the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::non_empty")]
    pub value: Option<String>,
}

impl std::fmt::Debug for SecretServerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, secret_ref } = self;
        let hidden = value.as_ref().map(|_| "…");
        f.debug_struct("SecretServerRef").field("value", &hidden).field("secret_ref", secret_ref).finish()
    }
}
