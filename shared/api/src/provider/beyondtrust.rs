//! Settings of the provider `beyondtrust`.

use crate::schema::shape;
use crate::selector::ValueOrSecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to BeyondTrust Password Safe and Secrets Safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustProvider {
    /// How to log in: `apiKey`, or `clientId` and `clientSecret`.
    pub auth: BeyondtrustAuth,
    /// The server, and what is read from it.
    pub server: BeyondtrustServer,
}

/// How to log in: `apiKey`, or `clientId` and `clientSecret`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustAuth {
    /// The API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ValueOrSecretRef>,
    /// Client certificate of the connection, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ValueOrSecretRef>,
    /// Private key of the certificate, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_key: Option<ValueOrSecretRef>,
    /// Id of the OAuth client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ValueOrSecretRef>,
    /// Secret of the OAuth client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ValueOrSecretRef>,
}

/// The server, and what is read from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustServer {
    /// URL of the API, such as `https://host/BeyondTrust/api/public/v3/`.
    pub api_url: String,
    /// Verifies the server's certificate.
    #[serde(rename = "verifyCA")]
    pub verify_ca: bool,
    /// Version of the API, such as `3.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Seconds until a request times out. Without it 45.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::integer")]
    pub client_time_out_seconds: Option<i64>,
    /// Asks for decrypted values.
    #[serde(default = "default::decrypt")]
    pub decrypt: bool,
    /// What keys name: `SECRET`, or `MANAGED_ACCOUNT` for passwords of accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval_type: Option<String>,
    /// Separates folder and title in a key. Without it `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

/// Defaults of fields.
mod default {
    pub(super) const fn decrypt() -> bool {
        true
    }
}
