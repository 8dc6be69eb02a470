//! ClusterExternalSecret: one ExternalSecret for many namespaces. Not here: the ExternalSecret's own spec (`external_secret`).

use crate::GoDuration;
use crate::external_secret::ExternalSecretSpec;
use crate::resource::kind;
use crate::schema::shape;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind! {
    /// Keeps an ExternalSecret in every namespace that it selects.
    ClusterExternalSecret, "clusterexternalsecrets", ClusterResourceScope, ClusterExternalSecretSpec,
    ClusterExternalSecretStatus
}

/// Which ExternalSecret to keep, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterExternalSecretSpec {
    /// The spec of each ExternalSecret.
    pub external_secret_spec: ExternalSecretSpec,
    /// Name of each ExternalSecret. Without it that of the ClusterExternalSecret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub external_secret_name: Option<String>,
    /// Labels and annotations of each ExternalSecret; others are removed from it.
    #[serde(default, rename = "externalSecretMetadata", skip_serializing_if = "CopyMetadata::is_empty")]
    pub metadata: CopyMetadata,
    /// Selects namespaces by label. The older form of `namespaceSelectors`; both count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Selects namespaces by label: those that any of these fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::label_selectors")]
    pub namespace_selectors: Vec<LabelSelector>,
    /// Selects namespaces by name, beside those that are selected by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::namespaces")]
    pub namespaces: Vec<String>,
    /// Time between two looks at the namespaces, as a Go duration. Without it one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<GoDuration>,
}

/// Labels and annotations of the objects that a cluster-wide one makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyMetadata {
    /// Annotations of each object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels of each object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl CopyMetadata {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was done in which namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterExternalSecretStatus {
    /// The name that the ExternalSecrets bear; tells when they have to be renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_secret_name: Option<String>,
    /// Namespaces that were selected but have no ExternalSecret of ours, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_namespaces: Vec<NamespaceFailure>,
    /// Namespaces that have the ExternalSecret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provisioned_namespaces: Vec<String>,
    /// Conditions: `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ClusterExternalSecretCondition>,
}

/// A namespace where something went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceFailure {
    /// Name of the namespace.
    pub namespace: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One condition; it has neither reason nor time, unlike those of the other kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterExternalSecretCondition {
    /// What the condition is about: `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
