//! STSSessionToken: temporary credentials of AWS.

use crate::generator::NoStatus;
use crate::provider::aws::AwsAuth;
use crate::resource::kind;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes temporary credentials of AWS.
    StsSessionToken = "generators.external-secrets.io" / "v1alpha1" / ("STSSessionToken"),
    "stssessiontokens", NamespaceResourceScope, StsSessionTokenSpec, NoStatus
}

/// Whose credentials, and how long they last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StsSessionTokenSpec {
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// Credentials to begin with. Only `secretRef` works here. Without any, the SDK's default chain.
    #[serde(default, skip_serializing_if = "AwsAuth::is_empty")]
    pub auth: AwsAuth,
    /// ARN of a role to assume first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is asked of the token service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_parameters: Option<StsRequestParameters>,
}

/// What is asked of the token service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StsRequestParameters {
    /// Life of the credentials in seconds. Without it the default of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_duration: Option<i32>,
    /// Serial number or ARN of a device for a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// The number that the device shows. It is good once, so it suits a manual test at best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_code: Option<String>,
}
