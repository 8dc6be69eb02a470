//! Settings of the provider `crd`.

use crate::provider::kubernetes::{KubernetesAuth, KubernetesServer};
use crate::schema::shape;
use crate::selector::SecretKeySelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads custom resources of this or another cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "[has(self.auth),has(self.authRef)].filter(x,x==true).size() <= 1",
        "message": "at most one of the fields in [auth authRef] may be set",
    },
    {
        "rule": "has(self.auth) || has(self.authRef)",
        "message": "one of auth or authRef is required",
    },
]))]
pub struct CrdProvider {
    /// The kind of object to read.
    pub resource: CrdResource,
    /// How to authenticate: exactly one of the methods. Excludes `authRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<KubernetesAuth>,
    /// A Secret key that holds a kubeconfig, in place of `server` and `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_ref: Option<SecretKeySelector>,
    /// The API server to ask.
    #[serde(default, skip_serializing_if = "KubernetesServer::is_empty")]
    pub server: KubernetesServer,
    /// Limits what may be read. Without it everything of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whitelist: Option<CrdWhitelist>,
}

/// The kind of object to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrdResource {
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind. `Secret` of the core group is refused.
    #[schemars(schema_with = "shape::non_empty")]
    pub kind: String,
    /// Its version.
    #[schemars(schema_with = "shape::non_empty")]
    pub version: String,
}

/// Limits what may be read. Without it everything of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrdWhitelist {
    /// Rules, of which one must fit the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<CrdWhitelistRule>,
}

/// What may be read: all parts that are set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrdWhitelistRule {
    /// Regular expression (RE2 syntax) for the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Regular expression (RE2 syntax) for the object's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Regular expressions (RE2 syntax), of which one must fit the property. Fits no read of the whole object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
}
