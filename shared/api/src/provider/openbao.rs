//! Settings of the provider `openBao`.

use crate::provider::vault::{VaultUserPassAuth, VaultVersion};
use crate::schema::shape;
use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from a KV engine of OpenBao.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.caBundle),has(self.caProvider)].filter(x,x==true).size() <= 1",
    "message": "at most one of the fields in [caBundle caProvider] may be set",
}]))]
pub struct OpenBaoProvider {
    /// URL of the server, such as `https://bao.example.org:8200`.
    pub server: String,
    /// How to log in: exactly one of the methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<OpenBaoAuth>,
    /// CA certificates in PEM, base64 encoded. Excludes `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are. Excludes `caBundle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Namespace of all requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Mount of the KV engine; `kv` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version of the KV engine: `v1` or `v2`.
    #[serde(default)]
    pub version: VaultVersion,
}

/// How to log in: exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.appRole),has(self.tokenSecretRef),has(self.userPass)].filter(x,x==true).size() == 1",
    "message": "exactly one of the fields in [appRole tokenSecretRef userPass] must be set",
}]))]
pub struct OpenBaoAuth {
    /// AppRole: a role id, here or in a Secret, and a secret id in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<OpenBaoAppRole>,
    /// Namespace of the login alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A static token. Its key is `token` unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// User and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pass: Option<VaultUserPassAuth>,
}

/// AppRole: a role id, here or in a Secret, and a secret id in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["path", "secretRef"], "x-kubernetes-validations" = [{
    "rule": "[has(self.roleId),has(self.roleRef)].filter(x,x==true).size() == 1",
    "message": "exactly one of the fields in [roleId roleRef] must be set",
}]))]
pub struct OpenBaoAppRole {
    /// Mount of the method.
    #[serde(default = "default::path")]
    pub path: String,
    /// Where the secret id is.
    pub secret_ref: SecretKeySelector,
    /// The role id itself. Excludes `roleRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::non_empty")]
    pub role_id: Option<String>,
    /// Where the role id is. Excludes `roleId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_ref: Option<SecretKeySelector>,
}

/// Defaults of fields.
mod default {
    pub(super) fn path() -> String {
        "approle".to_owned()
    }
}
