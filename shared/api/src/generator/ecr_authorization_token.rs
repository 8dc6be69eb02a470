//! ECRAuthorizationToken: user and password for container registries of AWS.

use crate::generator::NoStatus;
use crate::provider::aws::AwsAuth;
use crate::resource::kind;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes users and passwords for container registries of AWS.
    EcrAuthorizationToken = "generators.external-secrets.io" / "v1alpha1" / ("ECRAuthorizationToken"),
    "ecrauthorizationtokens", NamespaceResourceScope, EcrAuthorizationTokenSpec, NoStatus
}

/// Which registries, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcrAuthorizationTokenSpec {
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// Credentials. Without any, the SDK's default chain.
    #[serde(default, skip_serializing_if = "AwsAuth::is_empty")]
    pub auth: AwsAuth,
    /// ARN of a role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `public` asks the public registry, anything else the private ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}
