//! GitlabDeployToken: a deploy token of a GitLab project or group.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::schema::shape;
use crate::selector::SecretKeySelector;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes deploy tokens of a GitLab project or group, and revokes them.
    GitlabDeployToken = "generators.external-secrets.io" / "v1alpha1" / ("GitlabDeployToken"),
    "gitlabdeploytokens", NamespaceResourceScope, GitlabDeployTokenSpec, NoStatus
}

wire_enum! {
    /// What a deploy token may do.
    GitlabScope {
        /// Clone repositories.
        ReadRepository = "read_repository",
        /// Pull images.
        ReadRegistry = "read_registry",
        /// Push images.
        WriteRegistry = "write_registry",
        /// Pull images through the dependency proxy.
        ReadVirtualRegistry = "read_virtual_registry",
        /// Push images through the dependency proxy.
        WriteVirtualRegistry = "write_virtual_registry",
        /// Read packages.
        ReadPackageRegistry = "read_package_registry",
        /// Write packages.
        WritePackageRegistry = "write_package_registry",
    }
}

/// Whose token, and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.projectID) != has(self.groupID)",
    "message": "exactly one of projectID or groupID must be set",
}]))]
pub struct GitlabDeployTokenSpec {
    /// URL of the server. Without it `https://gitlab.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Id or path of the project. Either this or `groupID`.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::non_empty")]
    pub project_id: Option<String>,
    /// Id or path of the group. Either this or `projectID`.
    #[serde(default, rename = "groupID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::non_empty")]
    pub group_id: Option<String>,
    /// Name of the token.
    #[schemars(schema_with = "shape::non_empty")]
    pub name: String,
    /// What the token may do, such as `read_registry`.
    #[schemars(extend("minItems" = 1))]
    pub scopes: Vec<GitlabScope>,
    /// When the token ends. Without it never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<Time>,
    /// Name of the user of the token. Without it the server chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// How to authenticate.
    pub auth: GitlabAuth,
}

/// How to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabAuth {
    /// An access token of a user, project or group.
    pub token: GitlabToken,
}

/// An access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabToken {
    /// Where the token is.
    pub secret_ref: SecretKeySelector,
}
