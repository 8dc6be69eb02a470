//! Settings of the provider `chef`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads items of data bags from a Chef server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefProvider {
    /// How requests are signed.
    pub auth: ChefAuth,
    /// URL of the organization at the server, with a slash at its end.
    pub server_url: String,
    /// Name of the user.
    pub username: String,
}

/// How requests are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefAuth {
    /// With a private key from a Secret.
    pub secret_ref: ChefSecretRef,
}

/// With a private key from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefSecretRef {
    /// The private key of the user, in PEM.
    pub private_key_secret_ref: SecretKeySelector,
}
