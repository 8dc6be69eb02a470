//! Settings of the provider `vault`: HashiCorp Vault and OpenBao, KV version 1 and 2.

use crate::provider::aws::{AwsJwtAuth, AwsSecretRef};
use crate::provider::gcpsm::{GcpSecretRef, GcpWorkloadIdentity};
use crate::selector::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

wire_enum! {
    /// Version of the KV engine.
    #[derive(Default)]
    VaultVersion {
        /// Version 1: no history.
        V1 = "v1",
        /// Version 2: with history and metadata.
        #[default]
        V2 = "v2",
    }
}

/// Reads from a KV engine of Vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultProvider {
    /// URL of the server, such as `https://vault.example.org:8200`.
    pub server: String,
    /// Mount of the KV engine. Without it the remote key begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version of the KV engine: `v1` or `v2`.
    #[serde(default)]
    pub version: VaultVersion,
    /// Vault namespace of all requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Headers that are added to all requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How to log in. Without it requests bear no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<VaultAuth>,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Client certificate of the connection, independent of the login.
    #[serde(default, skip_serializing_if = "VaultTls::is_empty")]
    pub tls: VaultTls,
    /// Makes reads see the writes of the same client on a cluster with replicas.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_your_writes: bool,
    /// With `readYourWrites`: lets a node that lags behind forward to the active one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward_inconsistent: bool,
    /// Guards pushes by the version that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_and_set: Option<VaultCheckAndSet>,
}

/// Client certificate of the connection; both or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultTls {
    /// The certificate in PEM. Its key is `tls.crt` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<SecretKeySelector>,
    /// The private key in PEM. Its key is `tls.key` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<SecretKeySelector>,
}

impl VaultTls {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Guards pushes by the version that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultCheckAndSet {
    /// Sends the version with every write. Only KV version 2 has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// How to log in. The first method that is set counts, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultAuth {
    /// Vault namespace of the login alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A static token. Its key is `token` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// AppRole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<VaultAppRole>,
    /// The token of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetesAuth>,
    /// LDAP user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap: Option<VaultLdapAuth>,
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pass: Option<VaultUserPassAuth>,
    /// A JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<VaultJwtAuth>,
    /// A client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<VaultCertAuth>,
    /// An identity of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<VaultIamAuth>,
    /// An identity of Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<VaultGcpAuth>,
}

/// AppRole: a role id, here or in a Secret, and a secret id in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "secretRef"]))]
pub struct VaultAppRole {
    /// Mount of the method.
    #[serde(default = "path::approle")]
    pub path: String,
    /// The role id itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_id: Option<String>,
    /// Where the role id is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_ref: Option<SecretKeySelector>,
    /// Where the secret id is.
    pub secret_ref: SecretKeySelector,
}

/// The token of a service account: requested, from a Secret, or the controller's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["mountPath", "role"]))]
pub struct VaultKubernetesAuth {
    /// Mount of the method.
    #[serde(default = "path::kubernetes")]
    pub mount_path: String,
    /// Role to log in as.
    pub role: String,
    /// A service account whose token is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// A Secret that holds a token. Its key is `token` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

/// LDAP user and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "username"]))]
pub struct VaultLdapAuth {
    /// Mount of the method.
    #[serde(default = "path::ldap")]
    pub path: String,
    /// Name of the user.
    pub username: String,
    /// Where the password is.
    #[serde(default, skip_serializing_if = "SecretKeySelector::is_empty")]
    pub secret_ref: SecretKeySelector,
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "username"]))]
pub struct VaultUserPassAuth {
    /// Mount of the method.
    #[serde(default = "path::userpass")]
    pub path: String,
    /// Name of the user.
    pub username: String,
    /// Where the password is.
    #[serde(default, skip_serializing_if = "SecretKeySelector::is_empty")]
    pub secret_ref: SecretKeySelector,
}

/// A JWT from a Secret or a service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["path"]))]
pub struct VaultJwtAuth {
    /// Mount of the method.
    #[serde(default = "path::jwt")]
    pub path: String,
    /// Role to log in as. Without it the mount's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where a JWT is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// A service account whose token is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_service_account_token: Option<VaultServiceAccountToken>,
}

/// A service account whose token is requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultServiceAccountToken {
    /// The service account.
    pub service_account_ref: ServiceAccountSelector,
    /// Audiences of the token. Without any `vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<String>>,
    /// Life of the token in seconds. Without it 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultCertAuth {
    /// Mount of the method.
    #[serde(default = "path::cert")]
    pub path: String,
    /// Role to log in as. Without it any that the certificate fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_role: Option<String>,
    /// Where the certificate is, in PEM.
    #[serde(default, skip_serializing_if = "SecretKeySelector::is_empty")]
    pub client_cert: SecretKeySelector,
    /// Where the private key is, in PEM.
    #[serde(default, skip_serializing_if = "SecretKeySelector::is_empty")]
    pub secret_ref: SecretKeySelector,
}

/// An identity of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultIamAuth {
    /// Mount of the method. Without it `aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Region of the token service. Without it `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ARN of a role to assume first.
    #[serde(default, rename = "role", skip_serializing_if = "Option::is_none")]
    pub aws_role: Option<String>,
    /// Role to log in as.
    pub vault_role: String,
    /// External id for the assumption of the role.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Value of the header that guards against replay at another server.
    #[serde(default, rename = "vaultAwsIamServerID", skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Static credentials from Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<AwsSecretRef>,
    /// A role for the token of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<AwsJwtAuth>,
}

/// An identity of Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultGcpAuth {
    /// Mount of the method.
    #[serde(default = "path::gcp")]
    pub path: String,
    /// Role to log in as.
    pub role: String,
    /// Project of the identity.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Location of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// A service account key from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<GcpSecretRef>,
    /// Workload identity of a Kubernetes service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<GcpWorkloadIdentity>,
    /// A service account of Kubernetes for the default credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// Default mounts of the login methods.
mod path {
    pub(super) fn approle() -> String {
        "approle".to_owned()
    }

    pub(super) fn cert() -> String {
        "cert".to_owned()
    }

    pub(super) fn gcp() -> String {
        "gcp".to_owned()
    }

    pub(super) fn jwt() -> String {
        "jwt".to_owned()
    }

    pub(super) fn kubernetes() -> String {
        "kubernetes".to_owned()
    }

    pub(super) fn ldap() -> String {
        "ldap".to_owned()
    }

    pub(super) fn userpass() -> String {
        "userpass".to_owned()
    }
}
