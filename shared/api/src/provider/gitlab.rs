//! Settings of the provider `gitlab`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads CI/CD variables of GitLab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabProvider {
    /// How to log in.
    pub auth: GitlabAuth,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Environment scope of the variables. Without it all, of which the exact one wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Ids of groups whose variables are read too; the project's win.
    #[serde(default, rename = "groupIDs", skip_serializing_if = "Vec::is_empty")]
    pub group_ids: Vec<String>,
    /// Reads variables of all groups above the project. Excludes `groupIDs`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherit_from_groups: bool,
    /// Id of the project.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// URL of the server. Without it `https://gitlab.com/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabAuth {
    /// With an access token from a Secret.
    #[serde(rename = "SecretRef")]
    pub secret_ref: GitlabSecretRef,
}

/// With an access token from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabSecretRef {
    /// The access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretKeySelector>,
}
