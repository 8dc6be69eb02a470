//! VaultDynamicSecret: whatever a path of Vault answers, such as short-lived credentials of a database.

use crate::generator::NoStatus;
use crate::provider::vault::VaultProvider;
use crate::resource::kind;
use crate::schema::shape;
use crate::secret_store::RetrySettings;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

kind! {
    /// Asks a path of Vault, such as that of a secrets engine with short-lived credentials.
    VaultDynamicSecret = "generators.external-secrets.io" / "v1alpha1" / ("VaultDynamicSecret"),
    "vaultdynamicsecrets", NamespaceResourceScope, VaultDynamicSecretSpec, NoStatus
}

wire_enum! {
    /// Which part of the answer is taken.
    #[derive(Default)]
    VaultResultType {
        /// `data`.
        #[default]
        Data = "Data",
        /// `auth`.
        Auth = "Auth",
        /// All of it.
        Raw = "Raw",
    }
}

/// What to ask, of whom, and what to take of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultDynamicSecretSpec {
    /// Class of the controller that is to handle this generator. Empty means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The server and how to log in, as in a store. Its `path` and `version` mean nothing here.
    pub provider: Box<VaultProvider>,
    /// Path to ask, such as `database/creds/reader`.
    pub path: String,
    /// `GET` (as without it), `LIST` or `DELETE`; any other writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Body of a write: any JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::anything")]
    pub parameters: Option<Value>,
    /// Query of a read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub get_parameters: BTreeMap<String, Vec<String>>,
    /// Which part of the answer to take: `Data`, `Auth` or `Raw`.
    #[serde(default)]
    pub result_type: VaultResultType,
    /// Takes an empty answer for success.
    #[serde(default)]
    pub allow_empty_response: bool,
    /// Retries of failed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
}
