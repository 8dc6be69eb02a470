//! Settings of the provider `passbolt`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Passbolt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassboltProvider {
    /// How to log in and decrypt.
    pub auth: PassboltAuth,
    /// URL of the server; must be `https`.
    pub host: String,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
}

/// How to log in and decrypt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassboltAuth {
    /// Passphrase of the private key.
    pub password_secret_ref: SecretKeySelector,
    /// The user's private OpenPGP key, armored.
    pub private_key_secret_ref: SecretKeySelector,
}
