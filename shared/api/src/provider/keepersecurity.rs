//! Settings of the provider `keepersecurity`.

use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Keeper Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeeperSecurityProvider {
    /// Where the device configuration is, base64 encoded.
    pub auth_ref: SecretKeySelector,
    /// Id of the shared folder.
    #[serde(rename = "folderID")]
    pub folder_id: String,
    /// Looks for a record's title when no record has the key as its id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub get_by_title_fallback: bool,
}
