//! Settings of the provider `doppler`.

use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

wire_enum! {
    /// Downloads all secrets as one file of this format.
    DopplerFormat {
        /// JSON with sections, for .NET.
        DotnetJson = "dotnet-json",
        /// An env file without quotes, for Docker.
        Docker = "docker",
        /// An env file.
        Env = "env",
        /// JSON.
        Json = "json",
        /// YAML.
        Yaml = "yaml",
    }
}

wire_enum! {
    /// Rewrites the names of secrets.
    DopplerNameTransformer {
        /// `ApiKey`.
        UpperCamel = "upper-camel",
        /// `apiKey`.
        Camel = "camel",
        /// `api_key`.
        LowerSnake = "lower-snake",
        /// `TF_VAR_api_key`.
        TfVar = "tf-var",
        /// `Api__Key`.
        DotnetEnv = "dotnet-env",
        /// `api-key`.
        LowerKebab = "lower-kebab",
    }
}

/// Reads from and writes to Doppler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerProvider {
    /// How to log in: exactly one of the methods.
    pub auth: DopplerAuth,
    /// Config within the project. Service tokens bring their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Downloads all secrets as one file of this format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DopplerFormat>,
    /// Rewrites the names of secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_transformer: Option<DopplerNameTransformer>,
    /// Project. Service tokens bring their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.secretRef) && !has(self.oidcConfig)) || (!has(self.secretRef) && has(self.oidcConfig))",
    "message": "Exactly one of 'secretRef' or 'oidcConfig' must be specified",
}]))]
pub struct DopplerAuth {
    /// With an identity for the token of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<DopplerOidcAuth>,
    /// With a token from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<DopplerSecretRef>,
}

/// With an identity for the token of a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerOidcAuth {
    /// Id of the identity.
    pub identity: String,
    /// The service account whose token is requested.
    pub service_account_ref: ServiceAccountSelector,
    /// Life of the requested token in seconds.
    #[serde(default = "default::expiration_seconds")]
    pub expiration_seconds: i64,
}

/// With a token from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerSecretRef {
    /// The token. Its key is `dopplerToken` unless named.
    pub doppler_token: SecretKeySelector,
}

/// Defaults of fields.
mod default {
    pub(super) const fn expiration_seconds() -> i64 {
        600
    }
}
