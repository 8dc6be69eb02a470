//! ClusterPushSecret: one PushSecret for many namespaces. Not here: the PushSecret's own spec (`push_secret`).

use crate::GoDuration;
use crate::cluster_external_secret::{CopyMetadata, NamespaceFailure};
use crate::condition::Condition;
use crate::push_secret::PushSecretSpec;
use crate::resource::kind;
use crate::schema::shape;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Keeps a PushSecret in every namespace that it selects.
    ClusterPushSecret = "external-secrets.io" / "v1alpha1" / ("ClusterPushSecret"), "clusterpushsecrets",
    ClusterResourceScope, ClusterPushSecretSpec, ClusterPushSecretStatus
}

/// Which PushSecret to keep, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPushSecretSpec {
    /// The spec of each PushSecret.
    pub push_secret_spec: PushSecretSpec,
    /// Name of each PushSecret. Without it that of the ClusterPushSecret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub push_secret_name: Option<String>,
    /// Labels and annotations of each PushSecret; others are removed from it.
    #[serde(default, rename = "pushSecretMetadata", skip_serializing_if = "CopyMetadata::is_empty")]
    pub metadata: CopyMetadata,
    /// Selects namespaces by label: those that any of these fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::label_selectors")]
    pub namespace_selectors: Vec<LabelSelector>,
    /// Time between two looks at the namespaces, as a Go duration. Without it one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<GoDuration>,
}

/// What was done in which namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPushSecretStatus {
    /// The name that the PushSecrets bear; tells when they have to be renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_secret_name: Option<String>,
    /// Namespaces that were selected but have no PushSecret of ours, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_namespaces: Vec<NamespaceFailure>,
    /// Namespaces that have the PushSecret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provisioned_namespaces: Vec<String>,
    /// Conditions: `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
