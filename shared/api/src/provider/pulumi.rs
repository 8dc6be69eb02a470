//! Settings of the provider `pulumi`.

use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to an environment of Pulumi ESC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.auth) && !has(self.accessToken)) || (!has(self.auth) && has(self.accessToken))",
    "message": "Exactly one of 'auth' or deprecated 'accessToken' must be specified",
}]))]
pub struct PulumiProvider {
    /// Name of the environment.
    pub environment: String,
    /// Organization of the environment.
    pub organization: String,
    /// Project of the environment.
    pub project: String,
    /// An access token. Deprecated: use `auth.accessToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<PulumiSecretRef>,
    /// URL of the API.
    #[serde(default = "default::api_url")]
    pub api_url: String,
    /// How to log in: exactly one of the methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<PulumiAuth>,
}

/// An access token. Deprecated: use `auth.accessToken`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PulumiSecretRef {
    /// Where the access token is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.accessToken) && !has(self.oidcConfig)) || (!has(self.accessToken) && has(self.oidcConfig))",
    "message": "Exactly one of 'accessToken' or 'oidcConfig' must be specified",
}]))]
pub struct PulumiAuth {
    /// With an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<PulumiSecretRef>,
    /// With the token of a service account, which is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<PulumiOidcAuth>,
}

/// With the token of a service account, which is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PulumiOidcAuth {
    /// Organization that trusts the cluster.
    pub organization: String,
    /// The service account whose token is requested.
    pub service_account_ref: ServiceAccountSelector,
    /// Life of the requested token in seconds.
    #[serde(default = "default::expiration_seconds")]
    #[schemars(extend("minimum" = 600))]
    pub expiration_seconds: i64,
}

/// Defaults of fields.
mod default {
    pub(super) fn api_url() -> String {
        "https://api.pulumi.com/api/esc".to_owned()
    }

    pub(super) const fn expiration_seconds() -> i64 {
        600
    }
}
