//! Settings of the provider `nebiusmysterybox`.

use crate::selector::{CaSecretRef, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Nebius MysteryBox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NebiusProvider {
    /// Domain of the API, with its port.
    pub api_domain: String,
    /// How to log in: one of the methods.
    pub auth: NebiusAuth,
    /// CA certificates for the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaSecretRef>,
}

/// How to log in: one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)",
    "message": "either serviceAccountCredsSecretRef or tokenSecretRef must be set",
}]))]
pub struct NebiusAuth {
    /// Credentials of a service account, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_creds_secret_ref: Option<SecretKeySelector>,
    /// An access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
}
