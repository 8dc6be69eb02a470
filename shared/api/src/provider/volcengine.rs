//! Settings of the provider `volcengine`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Volcengine KMS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolcengineProvider {
    /// Region of the service.
    pub region: String,
    /// Credentials. Without any, the federated identity of the controller's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<VolcengineAuth>,
}

/// Credentials. Without any, the federated identity of the controller's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolcengineAuth {
    /// Static credentials from Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<VolcengineSecretRef>,
}

/// Static credentials from Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolcengineSecretRef {
    /// Id of the access key.
    #[serde(rename = "accessKeyID")]
    pub access_key_id: SecretKeySelector,
    /// The secret access key.
    pub secret_access_key: SecretKeySelector,
    /// The session token, for temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKeySelector>,
}
