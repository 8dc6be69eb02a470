//! CloudsmithAccessToken: a token for registries at Cloudsmith.

use crate::generator::NoStatus;
use crate::resource::kind;
use crate::selector::ServiceAccountSelector;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes tokens for registries at Cloudsmith, from the token of a service account.
    CloudsmithAccessToken = "generators.external-secrets.io" / "v1alpha1" / ("CloudsmithAccessToken"),
    "cloudsmithaccesstokens", NamespaceResourceScope, CloudsmithAccessTokenSpec, NoStatus
}

/// Which organisation and service, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudsmithAccessTokenSpec {
    /// URL of the API. Without it `https://api.cloudsmith.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Slug of the organisation.
    pub org_slug: String,
    /// Slug of the service that trusts the service account.
    pub service_slug: String,
    /// The service account whose token is exchanged.
    pub service_account_ref: ServiceAccountSelector,
}
