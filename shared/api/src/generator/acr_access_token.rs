//! ACRAccessToken: a token for a container registry of Azure.

use crate::generator::NoStatus;
use crate::provider::azurekv::AzureKvEnvironment;
use crate::resource::kind;
use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes tokens for a container registry of Azure.
    AcrAccessToken = "generators.external-secrets.io" / "v1alpha1" / ("ACRAccessToken"),
    "acraccesstokens", NamespaceResourceScope, AcrAccessTokenSpec, NoStatus
}

/// Which registry, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrAccessTokenSpec {
    /// How to authenticate against Azure: exactly one of the keys.
    pub auth: AcrAuth,
    /// Tenant of the identity. A service principal needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Host of the registry, such as `example.azurecr.io`.
    pub registry: String,
    /// Scope of the token, such as `repository:app:pull`. With a scope the password is an access token, else a refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The cloud: `PublicCloud`, `USGovernmentCloud`, `ChinaCloud`, `GermanCloud` or `AzureStackCloud`.
    #[serde(default)]
    pub environment_type: AzureKvEnvironment,
}

/// How to authenticate against Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrAuth {
    /// A client id and secret from Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal: Option<AcrServicePrincipal>,
    /// A managed identity of the node or the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<AcrManagedIdentity>,
    /// The token of a service account that Azure trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<AcrWorkloadIdentity>,
}

/// A client id and secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrServicePrincipal {
    /// Where they are.
    pub secret_ref: AcrServicePrincipalSecretRef,
}

/// Where a client id and secret are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrServicePrincipalSecretRef {
    /// The client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<SecretKeySelector>,
    /// The client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKeySelector>,
}

/// A managed identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrManagedIdentity {
    /// Client id of the identity, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
}

/// The token of a service account that Azure trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcrWorkloadIdentity {
    /// The service account. Without it the controller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}
