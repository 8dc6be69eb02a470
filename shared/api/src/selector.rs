//! References from a store to the Secrets, ConfigMaps and service accounts that hold its credentials.
//!
//! Not here: whether a namespace may be named (crate `validate`) and the lookups themselves.

use crate::schema::shape;
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names one key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeySelector {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Namespace of the Secret; only a ClusterSecretStore may name one. Without it the consumer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::namespace")]
    pub namespace: Option<String>,
    /// Key within the Secret's data. Some uses have a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::secret_key")]
    pub key: Option<String>,
}

impl SecretKeySelector {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Names a service account whose token is requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountSelector {
    /// Name of the service account.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
    /// Namespace of the service account. Only a ClusterSecretStore may name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::namespace")]
    pub namespace: Option<String>,
    /// Audiences of the requested token, beyond those that the provider adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
}

wire_enum! {
    /// The kind of object that holds CA certificates.
    CaProviderType {
        /// A Secret.
        Secret = "Secret",
        /// A ConfigMap.
        ConfigMap = "ConfigMap",
    }
}

/// Names a Secret or ConfigMap that holds PEM encoded CA certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaProvider {
    /// Kind of the object: `Secret` or `ConfigMap`.
    #[serde(rename = "type")]
    pub type_: CaProviderType,
    /// Name of the object.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
    /// Key within the object's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::secret_key")]
    pub key: Option<String>,
    /// Namespace of the object: required in a ClusterSecretStore, forbidden in a SecretStore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::namespace")]
    pub namespace: Option<String>,
}

/// A value, here or in a Secret. Which of both may or must be set is for the provider to say.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueOrSecretRef {
    /// The value itself. It is readable to whoever can read the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

impl std::fmt::Debug for ValueOrSecretRef {
    /// Hides the value: some are passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, secret_ref } = self;
        let hidden = value.as_ref().map(|_| "…");
        f.debug_struct("ValueOrSecretRef").field("value", &hidden).field("secret_ref", secret_ref).finish()
    }
}

/// CA certificates in a Secret, for the providers that take no ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretRef {
    /// Where the CA certificates are, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<SecretKeySelector>,
}
