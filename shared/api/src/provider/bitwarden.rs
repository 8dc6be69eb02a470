//! Settings of the provider `bitwardensecretsmanager`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Bitwarden Secrets Manager, through its SDK server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitwardenProvider {
    /// How to log in.
    pub auth: BitwardenAuth,
    /// Id of the organization.
    #[serde(rename = "organizationID")]
    pub organization_id: String,
    /// Id of the project.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// URL of Bitwarden's API. Without it the public one.
    #[serde(default, rename = "apiURL", skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// URL of the SDK server in the cluster.
    #[serde(default, rename = "bitwardenServerSDKURL", skip_serializing_if = "Option::is_none")]
    pub bitwarden_server_sdkurl: Option<String>,
    /// CA certificates of the SDK server in PEM, base64 encoded. Wins over `caProvider`; one of both is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where CA certificates of the SDK server are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// URL of Bitwarden's identity service. Without it the public one.
    #[serde(default, rename = "identityURL", skip_serializing_if = "Option::is_none")]
    pub identity_url: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitwardenAuth {
    /// With a machine account's token from a Secret.
    pub secret_ref: BitwardenSecretRef,
}

/// With a machine account's token from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitwardenSecretRef {
    /// The access token.
    pub credentials: SecretKeySelector,
}
