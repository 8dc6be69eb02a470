//! UUID: random UUIDs.

use crate::generator::NoStatus;
use crate::resource::kind;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes random UUIDs.
    Uuid = "generators.external-secrets.io" / "v1alpha1" / ("UUID"),
    "uuids", NamespaceResourceScope, UuidSpec, NoStatus
}

/// Nothing to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UuidSpec {}
