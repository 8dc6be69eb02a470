//! Settings of the provider `oracle`.

use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

wire_enum! {
    /// How to log in: `UserPrincipal`, `InstancePrincipal` or `Workload`. Without it the instance's identity, or
    /// `UserPrincipal` where `auth` is set.
    OraclePrincipalType {
        /// Decided by what else is set.
        Unset = "",
        /// The key of a user.
        UserPrincipal = "UserPrincipal",
        /// The identity of the node.
        InstancePrincipal = "InstancePrincipal",
        /// The identity of a service account.
        Workload = "Workload",
    }
}

/// Reads from and writes to Oracle Cloud Vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OracleProvider {
    /// Region of the vault.
    pub region: String,
    /// OCID of the vault.
    pub vault: String,
    /// The key of a user, for `principalType: UserPrincipal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<OracleAuth>,
    /// OCID of the compartment, for pushes and searches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compartment: Option<String>,
    /// OCID of the master key in the vault, for pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
    /// How to log in: `UserPrincipal`, `InstancePrincipal` or `Workload`. Without it the instance's identity, or
    /// `UserPrincipal` where `auth` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<OraclePrincipalType>,
    /// The service account, for `principalType: Workload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// The key of a user, for `principalType: UserPrincipal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OracleAuth {
    /// The key, from Secrets.
    pub secret_ref: OracleSecretRef,
    /// OCID of the tenancy.
    pub tenancy: String,
    /// OCID of the user.
    pub user: String,
}

/// The key, from Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OracleSecretRef {
    /// Fingerprint of the key.
    pub fingerprint: SecretKeySelector,
    /// The private key, in PEM.
    pub privatekey: SecretKeySelector,
}
