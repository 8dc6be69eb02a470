//! Grafana: a token of a service account at Grafana.

use crate::generator::{LocalSecretKey, NoStatus};
use crate::resource::kind;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes tokens of a service account at Grafana, and deletes them.
    Grafana = "generators.external-secrets.io" / "v1alpha1" / ("Grafana"),
    "grafanas", NamespaceResourceScope, GrafanaSpec, NoStatus
}

/// Which server and account, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaSpec {
    /// URL of the server.
    pub url: String,
    /// How to authenticate: one of the two.
    pub auth: GrafanaAuth,
    /// The service account, which is made if it is missing.
    pub service_account: GrafanaServiceAccount,
}

/// How to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaAuth {
    /// A token of a service account that may make others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<LocalSecretKey>,
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<GrafanaBasicAuth>,
}

/// User and password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaBasicAuth {
    /// Name of the user.
    pub username: String,
    /// Where the password is.
    pub password: LocalSecretKey,
}

/// A service account at Grafana.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaServiceAccount {
    /// Name of the account.
    pub name: String,
    /// Role of the account, such as `Viewer`.
    pub role: String,
    /// Life of each token in seconds, at least 1. Without it tokens have no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1))]
    pub seconds_to_live: Option<i64>,
}
