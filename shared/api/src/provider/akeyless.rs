//! Settings of the provider `akeyless`.

use crate::selector::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Akeyless, through its gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessProvider {
    /// URL of the gateway's API, such as `https://api.akeyless.io`.
    #[serde(rename = "akeylessGWApiURL")]
    pub akeyless_gw_api_url: String,
    /// How to log in: one of the methods.
    pub auth_secret_ref: AkeylessAuth,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Makes the gateway fetch values anew in place of its cached ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_cache: bool,
}

/// How to log in: one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessAuth {
    /// With a token of this cluster, requested or from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_auth: Option<AkeylessKubernetesAuth>,
    /// With an access id and what its type needs, from Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<AkeylessSecretRef>,
    /// A service account whose token stands for its workload identity at Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// With a token of this cluster, requested or from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessKubernetesAuth {
    /// Access id of the Kubernetes authentication method.
    #[serde(rename = "accessID")]
    pub access_id: String,
    /// Name of the Kubernetes configuration at the gateway.
    pub k8s_conf_name: String,
    /// A Secret that holds a token. Its key is `token` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// A service account whose token is requested. Wins over `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// With an access id and what its type needs, from Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessSecretRef {
    /// The access id.
    #[serde(default, rename = "accessID", skip_serializing_if = "Option::is_none")]
    pub access_id: Option<SecretKeySelector>,
    /// Type of the access id: `access_key`, `api_key`, `k8s`, `azure_ad`, `aws_iam` or `gcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_type: Option<SecretKeySelector>,
    /// What the type needs: an access key, an Azure object id, a Google audience, or a Kubernetes configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_type_param: Option<SecretKeySelector>,
}
