//! Settings of the provider `onboardbase`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Onboardbase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["apiHost", "auth", "environment", "project"]))]
pub struct OnboardbaseProvider {
    /// URL of the API.
    #[serde(default = "default::api_host")]
    pub api_host: String,
    /// How to log in and decrypt.
    pub auth: OnboardbaseAuth,
    /// Name of the environment.
    #[serde(default = "default::environment")]
    pub environment: String,
    /// Name of the project.
    #[serde(default = "default::project")]
    pub project: String,
}

/// How to log in and decrypt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardbaseAuth {
    /// The API key.
    pub api_key_ref: SecretKeySelector,
    /// The passcode that decrypts values. Must be in the same Secret as the API key.
    pub passcode_ref: SecretKeySelector,
}

/// Defaults of fields.
mod default {
    pub(super) fn api_host() -> String {
        "https://public.onboardbase.com/api/v1/".to_owned()
    }

    pub(super) fn environment() -> String {
        "development".to_owned()
    }

    pub(super) fn project() -> String {
        "development".to_owned()
    }
}
