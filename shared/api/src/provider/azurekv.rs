//! Settings of the provider `azurekv`.

use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

wire_enum! {
    /// How to log in: `ServicePrincipal`, `ManagedIdentity` or `WorkloadIdentity`.
    #[derive(Default)]
    AzureKvAuthType {
        /// A client with a secret or a certificate.
        #[default]
        ServicePrincipal = "ServicePrincipal",
        /// The identity of the node or pod.
        ManagedIdentity = "ManagedIdentity",
        /// The federated token of a service account.
        WorkloadIdentity = "WorkloadIdentity",
    }
}

wire_enum! {
    /// The cloud, which decides on the endpoints.
    #[derive(Default)]
    AzureKvEnvironment {
        /// The public cloud.
        #[default]
        PublicCloud = "PublicCloud",
        /// The cloud of the US government.
        USGovernmentCloud = "USGovernmentCloud",
        /// The cloud in China.
        ChinaCloud = "ChinaCloud",
        /// The cloud in Germany.
        GermanCloud = "GermanCloud",
        /// Azure Stack; its endpoints are in `customCloudConfig`.
        AzureStackCloud = "AzureStackCloud",
    }
}

/// Reads from and writes to Azure Key Vault: secrets, keys and certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKvProvider {
    /// URL of the vault, such as `https://team.vault.azure.net`.
    pub vault_url: String,
    /// The service principal, from Secrets. Required with `authType: ServicePrincipal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<AzureKvSecretRef>,
    /// How to log in: `ServicePrincipal`, `ManagedIdentity` or `WorkloadIdentity`.
    #[serde(default)]
    pub auth_type: AzureKvAuthType,
    /// Endpoints of a cloud of one's own. Needs `useAzureSDK: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_cloud_config: Option<AzureKvCustomCloud>,
    /// The cloud, which decides on the endpoints.
    #[serde(default)]
    pub environment_type: AzureKvEnvironment,
    /// Client id of the managed identity, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
    /// The service account of a workload identity. Without it the controller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// Id of the tenant. Required with `authType: ServicePrincipal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Uses the newer API version of Key Vault.
    #[serde(default, rename = "useAzureSDK")]
    pub use_azure_sdk: bool,
}

/// The service principal, from Secrets. Required with `authType: ServicePrincipal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKvSecretRef {
    /// Certificate and private key of the client, in PEM or PFX. Excludes `clientSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretKeySelector>,
    /// Id of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<SecretKeySelector>,
    /// Secret of the client. Excludes `clientCertificate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKeySelector>,
    /// Id of the tenant, for workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<SecretKeySelector>,
}

/// Endpoints of a cloud of one's own. Needs `useAzureSDK: true`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKvCustomCloud {
    /// URL of the login service.
    pub active_directory_endpoint: String,
    /// Domain below which vaults live.
    #[serde(default, rename = "keyVaultDNSSuffix", skip_serializing_if = "Option::is_none")]
    pub key_vault_dns_suffix: Option<String>,
    /// URL of the Key Vault service, for which tokens are requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_vault_endpoint: Option<String>,
    /// URL of the Resource Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_manager_endpoint: Option<String>,
}
