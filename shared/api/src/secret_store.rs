//! SecretStore and ClusterSecretStore. Not here: what lies below `spec.provider` (`provider`).

use crate::condition::Condition;
use crate::provider::StoreProvider;
use crate::resource::kind;
use crate::schema::shape;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Says how to reach one provider, for ExternalSecrets of the same namespace.
    SecretStore, "secretstores", NamespaceResourceScope, SecretStoreSpec, SecretStoreStatus
}

kind! {
    /// Says how to reach one provider, for ExternalSecrets of all namespaces or of those that the conditions allow.
    ClusterSecretStore, "clustersecretstores", ClusterResourceScope, SecretStoreSpec, SecretStoreStatus
}

/// How to reach a provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreSpec {
    /// Class of the controller that is to handle this store. Empty means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The provider and its settings: exactly one of the keys.
    #[schemars(with = "StoreProvider")]
    pub provider: Option<StoreProvider>,
    /// Retries of failed requests, for the providers that heed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
    /// Time between two validations of the store: seconds as a number, or a Go duration such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::int_or_string")]
    pub refresh_interval: Option<IntOrString>,
    /// Which namespaces may use a ClusterSecretStore: those that match any entry. Without entries all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ClusterSecretStoreCondition>,
}

/// Which namespaces may use the store: those that match any of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSecretStoreCondition {
    /// Namespaces with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Namespaces with these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "shape::namespaces")]
    pub namespaces: Vec<String>,
    /// Namespaces whose name matches one of these regular expressions (RE2 syntax) somewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace_regexes: Vec<String>,
}

/// Retries of failed requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetrySettings {
    /// How often to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i32>,
    /// Time between two tries, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<String>,
}

/// What was seen of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreStatus {
    /// Conditions: `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the provider can do: `ReadOnly`, `WriteOnly` or `ReadWrite`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
}
