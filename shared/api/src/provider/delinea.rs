//! Settings of the provider `delinea`.

use crate::selector::ValueOrSecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from Delinea DevOps Secrets Vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelineaProvider {
    /// Id of the client: `value` or `secretRef`.
    pub client_id: ValueOrSecretRef,
    /// Secret of the client: `value` or `secretRef`.
    pub client_secret: ValueOrSecretRef,
    /// Name of the tenant, as in the URL of its vault.
    pub tenant: String,
    /// Top-level domain of the server. Without it `com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tld: Option<String>,
    /// Template of URLs. Without it `https://%s.secretsvaultcloud.%s/v1/%s%s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_template: Option<String>,
}
