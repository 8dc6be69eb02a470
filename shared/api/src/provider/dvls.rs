//! Settings of the provider `dvls`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Devolutions Server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsProvider {
    /// How to log in.
    pub auth: DvlsAuth,
    /// URL of the server.
    pub server_url: String,
    /// Allows a server URL without TLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Name or UUID of the vault. Without it keys begin with the vault's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsAuth {
    /// With an application's id and secret.
    pub secret_ref: DvlsSecretRef,
}

/// With an application's id and secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsSecretRef {
    /// Id of the application.
    pub app_id: SecretKeySelector,
    /// Secret of the application.
    pub app_secret: SecretKeySelector,
}
