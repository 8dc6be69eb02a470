//! Settings of the provider `ibm`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from IBM Cloud Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmProvider {
    /// How to log in: exactly one of the methods.
    pub auth: IbmAuth,
    /// URL of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_url: Option<String>,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct IbmAuth {
    /// With the token of the controller's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_auth: Option<IbmContainerAuth>,
    /// With an API key from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<IbmSecretRef>,
}

/// With the token of the controller's pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmContainerAuth {
    /// Trusted profile to act as.
    pub profile: String,
    /// URL of the identity service. Without it the public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_endpoint: Option<String>,
    /// File of the pod's token. Without it `/var/run/secrets/tokens/vault-token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_location: Option<String>,
}

/// With an API key from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmSecretRef {
    /// URL of the identity service. Without it the public one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_endpoint: Option<String>,
    /// The API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_api_key_secret_ref: Option<SecretKeySelector>,
}
