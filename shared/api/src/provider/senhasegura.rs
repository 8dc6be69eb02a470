//! Settings of the provider `senhasegura`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from senhasegura DevOps Secret Management.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenhaseguraProvider {
    /// The OAuth client to log in as.
    pub auth: SenhaseguraAuth,
    /// Module of senhasegura: `DSM`.
    pub module: String,
    /// URL of the server.
    pub url: String,
    /// Doesn't verify the server's certificate.
    #[serde(default)]
    pub ignore_ssl_certificate: bool,
}

/// The OAuth client to log in as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenhaseguraAuth {
    /// Id of the client.
    pub client_id: String,
    /// Secret of the client.
    pub client_secret_secret_ref: SecretKeySelector,
}
