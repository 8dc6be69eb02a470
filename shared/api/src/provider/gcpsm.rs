//! Settings of the provider `gcpsm`.

use crate::schema::shape;
use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Google Cloud Secret Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpSmProvider {
    /// Credentials. Without any, Google's default chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<GcpAuth>,
    /// Location of regional secrets. Without it the global ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Project of the secrets. Without it that of the credentials.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// When the latest version is disabled or destroyed: `LatestOrFail`, or `LatestOrFetch` for the newest enabled
    /// one.
    #[serde(default = "default::secret_version_selection_policy")]
    pub secret_version_selection_policy: String,
}

/// Credentials. Without any, Google's default chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpAuth {
    /// A service account key from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<GcpSecretRef>,
    /// Workload identity of a Kubernetes service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<GcpWorkloadIdentity>,
    /// Workload identity federation: one source of an outside identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity_federation: Option<GcpWorkloadIdentityFederation>,
}

/// A service account key from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpSecretRef {
    /// The key as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_secret_ref: Option<SecretKeySelector>,
}

/// Workload identity of a Kubernetes service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpWorkloadIdentity {
    /// The service account of Kubernetes.
    pub service_account_ref: ServiceAccountSelector,
    /// Location of the cluster. Without it asked from the metadata server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_location: Option<String>,
    /// Name of the cluster. Without it asked from the metadata server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// Project of the cluster. Without it asked from the metadata server.
    #[serde(default, rename = "clusterProjectID", skip_serializing_if = "Option::is_none")]
    pub cluster_project_id: Option<String>,
}

/// Workload identity federation: one source of an outside identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpWorkloadIdentityFederation {
    /// Audience of the security token service: the full name of the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// An identity of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_security_credentials: Option<GcpAwsCredentials>,
    /// A ConfigMap that holds a credential configuration of Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cred_config: Option<GcpCredentialConfigRef>,
    /// URL that must equal the token URL of the credential configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_token_endpoint: Option<String>,
    /// Service account of Google to act as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1, "pattern" = r"^.*@.*\.iam\.gserviceaccount\.com$"))]
    pub gcp_service_account_email: Option<String>,
    /// A service account of Kubernetes whose token is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// An identity of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpAwsCredentials {
    /// A Secret with the keys `aws_access_key_id`, `aws_secret_access_key` and `aws_session_token`.
    pub aws_credentials_secret_ref: GcpAwsCredentialsRef,
    /// Region of AWS.
    #[schemars(extend("minLength" = 1, "maxLength" = 50, "pattern" = "^[a-z0-9-]+$"))]
    pub region: String,
}

/// A Secret with the keys `aws_access_key_id`, `aws_secret_access_key` and `aws_session_token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpAwsCredentialsRef {
    /// Name of the Secret.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
    /// Namespace of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::namespace")]
    pub namespace: Option<String>,
}

/// A ConfigMap that holds a credential configuration of Google.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcpCredentialConfigRef {
    /// Key within the ConfigMap's data.
    #[schemars(schema_with = "shape::secret_key")]
    pub key: String,
    /// Name of the ConfigMap.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
    /// Namespace of the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::namespace")]
    pub namespace: Option<String>,
}

/// Defaults of fields.
mod default {
    pub(super) fn secret_version_selection_policy() -> String {
        "LatestOrFail".to_owned()
    }
}
