//! GeneratorState: what a generator made and has to clean up one day. Written by the controller, not by people.

use crate::condition::Condition;
use crate::resource::kind;
use crate::schema::shape;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

kind! {
    /// Remembers what a generator made, so that it can be cleaned up.
    GeneratorState = "generators.external-secrets.io" / "v1alpha1" / ("GeneratorState"),
    "generatorstates", NamespaceResourceScope, GeneratorStateSpec, GeneratorStateStatus
}

/// What to clean up, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["resource", "state"]))]
pub struct GeneratorStateSpec {
    /// From when on the state may be cleaned up. Without it the state is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub garbage_collection_deadline: Option<Time>,
    /// The generator as it was when it made the state.
    #[serde(default)]
    #[schemars(schema_with = "shape::anything")]
    pub resource: Value,
    /// What the generator needs to clean up.
    #[serde(default)]
    #[schemars(schema_with = "shape::anything")]
    pub state: Value,
}

/// What was seen of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorStateStatus {
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
