//! Settings of the provider `fake`: fixed values, for tests and first steps.

use crate::schema::shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Serves the values that it lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FakeProvider {
    /// The values.
    pub data: Vec<FakeData>,
    /// What a validation answers: 0 ready, 1 unknown, 2 error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub validation_result: Option<i32>,
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FakeData {
    /// The remote key.
    pub key: String,
    /// The value: anything, often a JSON object.
    pub value: String,
    /// The version; a reader must ask for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
