//! Settings of the provider `fortanix`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Fortanix Data Security Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FortanixProvider {
    /// The API key of an app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<FortanixSecretRef>,
    /// URL of the API. Without it `https://sdkms.fortanix.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

/// The API key of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FortanixSecretRef {
    /// Where the API key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}
