//! SSHKey: pairs of keys for SSH.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::schema::shape;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes pairs of keys for SSH.
    SshKey = "generators.external-secrets.io" / "v1alpha1" / ("SSHKey"),
    "sshkeys", NamespaceResourceScope, SshKeySpec, NoStatus
}

wire_enum! {
    /// The algorithm of a key.
    #[derive(Default)]
    SshKeyType {
        /// RSA.
        #[default]
        Rsa = "rsa",
        /// ECDSA over a NIST curve.
        Ecdsa = "ecdsa",
        /// Ed25519.
        Ed25519 = "ed25519",
    }
}

/// The form of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SshKeySpec {
    /// The algorithm: `rsa`, `ecdsa` or `ed25519`.
    #[serde(default)]
    pub key_type: SshKeyType,
    /// Bits of the key: 2048 or more for `rsa`, 256, 384 or 521 for `ecdsa`; `ed25519` has but one size. Without it 2048 or 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer", extend("minimum" = 256, "maximum" = 8192))]
    pub key_size: Option<i64>,
    /// The comment behind the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
