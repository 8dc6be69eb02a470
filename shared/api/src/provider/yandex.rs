//! Settings of the providers `yandexcertificatemanager` and `yandexlockbox`.

use crate::selector::{CaSecretRef, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads certificates from Yandex Certificate Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexCertificateManagerProvider {
    /// How to log in. Without a key, the service account of the node.
    pub auth: YandexAuth,
    /// Host and port of the API. Without it `api.cloud.yandex.net:443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_endpoint: Option<String>,
    /// CA certificates for the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaSecretRef>,
    /// Whether keys are ids or names. Without it ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetching: Option<YandexFetching>,
}

/// How to log in. Without a key, the service account of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexAuth {
    /// The authorized key of a service account, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_key_secret_ref: Option<SecretKeySelector>,
}

/// Whether keys are ids or names. Without it ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct YandexFetching {
    /// Keys are ids.
    #[serde(default, rename = "byID", skip_serializing_if = "Option::is_none")]
    pub by_id: Option<YandexFetchingById>,
    /// Keys are names within a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_name: Option<YandexFetchingByName>,
}

/// Keys are ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexFetchingById {}

/// Keys are names within a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexFetchingByName {
    /// Id of the folder.
    #[serde(rename = "folderID")]
    pub folder_id: String,
}

/// Reads from Yandex Lockbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexLockboxProvider {
    /// How to log in. Without a key, the service account of the node.
    pub auth: YandexAuth,
    /// Host and port of the API. Without it `api.cloud.yandex.net:443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_endpoint: Option<String>,
    /// CA certificates for the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaSecretRef>,
    /// Whether keys are ids or names. Without it ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetching: Option<YandexFetching>,
}
