//! Settings of the provider `passworddepot`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Password Depot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordDepotProvider {
    /// How to log in.
    pub auth: PasswordDepotAuth,
    /// Name of the database.
    pub database: String,
    /// Host of the server.
    pub host: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordDepotAuth {
    /// With a user and password from a Secret.
    pub secret_ref: PasswordDepotSecretRef,
}

/// With a user and password from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordDepotSecretRef {
    /// The Secret; its keys are `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretKeySelector>,
}
