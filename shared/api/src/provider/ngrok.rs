//! Settings of the provider `ngrok`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Writes secrets of an ngrok vault. They can't be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NgrokProvider {
    /// How to log in: exactly one of the methods.
    pub auth: NgrokAuth,
    /// The vault that gets the secrets.
    pub vault: NgrokVault,
    /// URL of the API.
    #[serde(default = "default::api_url")]
    pub api_url: String,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct NgrokAuth {
    /// With an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<NgrokApiKey>,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NgrokApiKey {
    /// Where the API key is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

/// The vault that gets the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NgrokVault {
    /// Name of the vault.
    pub name: String,
}

/// Defaults of fields.
mod default {
    pub(super) fn api_url() -> String {
        "https://api.ngrok.com".to_owned()
    }
}
