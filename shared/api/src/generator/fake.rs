//! Fake: fixed values, for tests.

use crate::generator::NoStatus;
use crate::resource::kind;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind! {
    /// Answers with fixed values, for tests.
    Fake = "generators.external-secrets.io" / "v1alpha1" / ("Fake"),
    "fakes", NamespaceResourceScope, FakeSpec, NoStatus
}

/// The values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FakeSpec {
    /// Class of the controller that is to handle this generator. Empty means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Keys and their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}
