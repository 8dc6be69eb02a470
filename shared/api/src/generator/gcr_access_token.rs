//! GCRAccessToken: a token for registries of Google Cloud.

use crate::generator::NoStatus;
use crate::provider::gcpsm::{GcpSecretRef, GcpWorkloadIdentityFederation};
use crate::resource::kind;
use crate::selector::ServiceAccountSelector;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes tokens for registries of Google Cloud.
    GcrAccessToken = "generators.external-secrets.io" / "v1alpha1" / ("GCRAccessToken"),
    "gcraccesstokens", NamespaceResourceScope, GcrAccessTokenSpec, NoStatus
}

/// Which project, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcrAccessTokenSpec {
    /// How to authenticate.
    pub auth: GcrAuth,
    /// Id of the project.
    #[serde(rename = "projectID")]
    pub project_id: String,
}

/// How to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcrAuth {
    /// A service account key from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<GcpSecretRef>,
    /// Workload identity of a Kubernetes service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<GcrWorkloadIdentity>,
    /// An identity from elsewhere that Google Cloud trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity_federation: Option<GcpWorkloadIdentityFederation>,
}

/// Workload identity of a Kubernetes service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcrWorkloadIdentity {
    /// The service account of Kubernetes.
    pub service_account_ref: ServiceAccountSelector,
    /// Location of the cluster.
    pub cluster_location: String,
    /// Name of the cluster.
    pub cluster_name: String,
    /// Project of the cluster. Without it `spec.projectID`.
    #[serde(default, rename = "clusterProjectID", skip_serializing_if = "Option::is_none")]
    pub cluster_project_id: Option<String>,
}
