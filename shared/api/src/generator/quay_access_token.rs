//! QuayAccessToken: a token of a robot account at Quay.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::selector::ServiceAccountSelector;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes tokens of a robot account at Quay, from the token of a service account.
    QuayAccessToken = "generators.external-secrets.io" / "v1alpha1" / ("QuayAccessToken"),
    "quayaccesstokens", NamespaceResourceScope, QuayAccessTokenSpec, NoStatus
}

/// Which robot account, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuayAccessTokenSpec {
    /// Host of the registry. Without it `quay.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Name of the robot account, such as `organisation+robot`.
    pub robot_account: String,
    /// The service account whose token is exchanged.
    pub service_account_ref: ServiceAccountSelector,
}
