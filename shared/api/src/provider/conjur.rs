//! Settings of the provider `conjur`.

use crate::selector::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from CyberArk Conjur.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurProvider {
    /// How to log in: exactly one of the methods.
    pub auth: ConjurAuth,
    /// URL of the server.
    pub url: String,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ConjurAuth {
    /// With a login and its API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apikey: Option<ConjurApiKeyAuth>,
    /// With a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<ConjurCertAuth>,
    /// With a JWT from a Secret or a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<ConjurJwtAuth>,
}

/// With a login and its API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurApiKeyAuth {
    /// Account of the organization.
    pub account: String,
    /// Where the API key is.
    pub api_key_ref: SecretKeySelector,
    /// Where the login is: a user, or `host/` and a host's id.
    pub user_ref: SecretKeySelector,
}

/// With a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurCertAuth {
    /// Account of the organization.
    pub account: String,
    /// Where the certificate is, in PEM.
    pub client_cert_ref: SecretKeySelector,
    /// Where the private key is, in PEM.
    pub client_key_ref: SecretKeySelector,
    /// Id of the authenticator's service.
    #[serde(rename = "serviceID")]
    pub service_id: String,
    /// Id of the host. Without it the certificate tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
}

/// With a JWT from a Secret or a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurJwtAuth {
    /// Account of the organization.
    pub account: String,
    /// Id of the authenticator's service.
    #[serde(rename = "serviceID")]
    pub service_id: String,
    /// Id of the host. Without it the token tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Where a JWT is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// A service account whose token is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}
