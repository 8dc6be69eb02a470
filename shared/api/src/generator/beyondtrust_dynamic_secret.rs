//! BeyondtrustWorkloadCredentialsDynamicSecret: short-lived credentials from BeyondTrust.

use crate::generator::NoStatus;
use crate::provider::beyondtrust_workload::BeyondtrustWorkloadProvider;
use crate::resource::kind;
use crate::secret_store::RetrySettings;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Makes short-lived credentials at BeyondTrust Workload Credentials.
    BeyondtrustDynamicSecret = "generators.external-secrets.io" / "v1alpha1" / ("BeyondtrustWorkloadCredentialsDynamicSecret"),
    "beyondtrustworkloadcredentialsdynamicsecrets", NamespaceResourceScope, BeyondtrustDynamicSecretSpec, NoStatus
}

/// Where the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustDynamicSecretSpec {
    /// Class of the controller that is to handle this generator. Empty means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The server and how to log in, as in a store. Its `folderPath` ends in the name of the dynamic secret.
    pub provider: BeyondtrustWorkloadProvider,
    /// Retries of failed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
}
