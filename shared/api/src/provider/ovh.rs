//! Settings of the provider `ovh`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to OVHcloud Secret Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhProvider {
    /// How to log in: one of the methods.
    pub auth: OvhAuth,
    /// Id of the key management service: a UUID.
    pub okmsid: String,
    /// URL of the server, such as `https://eu-west-rbx.okms.ovh.net`.
    pub server: String,
    /// Sends the version that was read with every write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cas_required: bool,
    /// Seconds until a request times out.
    #[serde(default = "default::okms_timeout")]
    #[schemars(extend("minimum" = 1))]
    pub okms_timeout: i32,
}

/// How to log in: one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhAuth {
    /// With a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<OvhMtlsAuth>,
    /// With a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<OvhTokenAuth>,
}

/// With a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhMtlsAuth {
    /// The certificate in PEM.
    pub cert_secret_ref: SecretKeySelector,
    /// The private key in PEM.
    pub key_secret_ref: SecretKeySelector,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
}

/// With a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhTokenAuth {
    /// The token.
    pub token_secret_ref: SecretKeySelector,
}

/// Defaults of fields.
mod default {
    pub(super) const fn okms_timeout() -> i32 {
        30
    }
}
