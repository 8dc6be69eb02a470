//! Settings of the provider `scaleway`.

use crate::selector::ValueOrSecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Scaleway Secret Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalewayProvider {
    /// The access key: `value` or `secretRef`.
    pub access_key: ValueOrSecretRef,
    /// Id of the project.
    pub project_id: String,
    /// Region of the secrets, such as `fr-par`.
    pub region: String,
    /// The secret key: `value` or `secretRef`.
    pub secret_key: ValueOrSecretRef,
    /// URL of the API. Without it `https://api.scaleway.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}
