//! Settings of the provider `beyondtrustworkloadcredentials`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from BeyondTrust Workload Credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadProvider {
    /// How to log in.
    pub auth: BeyondtrustWorkloadAuth,
    /// The server to ask.
    pub server: BeyondtrustWorkloadServer,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Folder of the secrets. Without it the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_path: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadAuth {
    /// With an API key.
    pub apikey: BeyondtrustWorkloadApiKey,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadApiKey {
    /// Where the API key is.
    pub token: SecretKeySelector,
}

/// The server to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadServer {
    /// URL of the API; must be `https`.
    pub api_url: String,
    /// Id of the site: a UUID of version 4.
    pub site_id: String,
}
