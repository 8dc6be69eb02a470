//! Settings of the provider `github`.

use crate::selector::SecretKeySelector;
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

wire_enum! {
    /// Which repositories see a new secret of the organization.
    GithubVisibility {
        /// All repositories.
        All = "all",
        /// Private and internal repositories.
        Private = "private",
    }
}

/// Writes secrets of GitHub Actions. They can't be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubProvider {
    /// Id of the GitHub App.
    #[serde(rename = "appID")]
    pub app_id: i64,
    /// How to log in as the app.
    pub auth: GithubAuth,
    /// Id of the app's installation.
    #[serde(rename = "installationID")]
    pub installation_id: i64,
    /// Organization or user.
    pub organization: String,
    /// Environment of the repository that gets the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Which repositories see a new secret of the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_secret_visibility: Option<GithubVisibility>,
    /// Repository that gets the secrets. Without it the organization does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// URL for uploads to a GitHub Enterprise server.
    #[serde(default, rename = "uploadURL", skip_serializing_if = "Option::is_none")]
    pub upload_url: Option<String>,
    /// URL of GitHub or of a GitHub Enterprise server.
    #[serde(default = "default::url")]
    pub url: String,
}

/// How to log in as the app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAuth {
    /// The app's private key, in PEM.
    pub private_key: SecretKeySelector,
}

/// Defaults of fields.
mod default {
    pub(super) fn url() -> String {
        "https://github.com/".to_owned()
    }
}
