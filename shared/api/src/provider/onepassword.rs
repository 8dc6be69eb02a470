//! Settings of the provider `onepassword`.

use crate::selector::SecretKeySelector;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reads from and writes to 1Password, through a Connect server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordProvider {
    /// How to log in.
    pub auth: OnePasswordAuth,
    /// URL of the Connect server.
    pub connect_host: String,
    /// Vaults by name or id, each with its place in the order of search. No place may occur twice.
    #[schemars(schema_with = "vaults")]
    pub vaults: BTreeMap<String, i64>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordAuth {
    /// With a Connect token from a Secret.
    pub secret_ref: OnePasswordSecretRef,
}

/// With a Connect token from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSecretRef {
    /// The Connect token.
    pub connect_token_secret_ref: SecretKeySelector,
}

/// Places in the order of search, by name or id of the vault.
fn vaults(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": {"type": "integer"}})
}
