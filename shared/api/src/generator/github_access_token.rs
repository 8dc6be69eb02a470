//! GithubAccessToken: a token of an installed GitHub App.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::selector::SecretKeySelector;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind! {
    /// Makes tokens of an installed GitHub App.
    GithubAccessToken = "generators.external-secrets.io" / "v1alpha1" / ("GithubAccessToken"),
    "githubaccesstokens", NamespaceResourceScope, GithubAccessTokenSpec, NoStatus
}

/// Which installation, and what its token may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAccessTokenSpec {
    /// URL of the API, taken as it is. Without it `https://api.github.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Id of the app.
    #[serde(rename = "appID")]
    pub app_id: String,
    /// Id of the installation.
    #[serde(rename = "installID")]
    pub install_id: String,
    /// Repositories that the token is for. Without any all of the installation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Permission to level, such as `contents: read`. Without any all of the installation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<String, String>,
    /// How to authenticate.
    pub auth: GithubAuth,
}

/// How to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAuth {
    /// The private key of the app.
    pub private_key: GithubPrivateKey,
}

/// The private key of the app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubPrivateKey {
    /// Where the key is, in PEM.
    pub secret_ref: SecretKeySelector,
}
