//! Settings of the provider `onepasswordSDK`.

use crate::duration::GoDuration;
use crate::schema::shape;
use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to 1Password, with a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.vault),has(self.environment)].filter(x,x==true).size() <= 1",
    "message": "at most one of the fields in [vault environment] may be set",
}]))]
pub struct OnePasswordSdkProvider {
    /// How to log in.
    pub auth: OnePasswordSdkAuth,
    /// Keeps values for a while. Without it every read asks 1Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<OnePasswordSdkCache>,
    /// Id of the 1Password environment to read from. Excludes `vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How requests name their sender to 1Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_info: Option<OnePasswordSdkIntegration>,
    /// Name or id of the vault. Excludes `environment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSdkAuth {
    /// The token of the service account.
    pub service_account_secret_ref: SecretKeySelector,
}

/// Keeps values for a while. Without it every read asks 1Password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSdkCache {
    /// How many values are kept at most.
    #[serde(default = "default::max_size")]
    #[schemars(schema_with = "shape::integer", extend("minimum" = 1))]
    pub max_size: i64,
    /// How long a value is kept, as a Go duration.
    #[serde(default = "default::ttl")]
    #[schemars(extend("default" = "5m"))]
    pub ttl: GoDuration,
}

/// How requests name their sender to 1Password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSdkIntegration {
    /// Name of the integration.
    #[serde(default = "default::name")]
    pub name: String,
    /// Version of the integration.
    #[serde(default = "default::version")]
    pub version: String,
}

/// Defaults of fields.
mod default {
    use crate::duration::GoDuration;

    pub(super) const fn max_size() -> i64 {
        100
    }

    pub(super) fn ttl() -> GoDuration {
        GoDuration::from_secs(300)
    }

    pub(super) fn name() -> String {
        "1Password SDK".to_owned()
    }

    pub(super) fn version() -> String {
        "v1.0.0".to_owned()
    }
}
