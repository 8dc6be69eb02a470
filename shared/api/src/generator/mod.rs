//! The kinds of `generators.external-secrets.io/v1alpha1`, one file a kind: objects that make values when they are asked.
//!
//! Here also what they share: the group, the list of kinds, and the few types that more than one of them needs. Not here:
//! how values are made, and how an ExternalSecret names a generator (`data`).

mod acr_access_token;
mod beyondtrust_dynamic_secret;
mod cloudsmith_access_token;
mod cluster_generator;
mod ecr_authorization_token;
mod fake;
mod gcr_access_token;
mod generator_state;
mod github_access_token;
mod gitlab_deploy_token;
mod grafana;
mod mfa;
mod password;
mod quay_access_token;
mod ssh_key;
mod sts_session_token;
mod uuid;
mod vault_dynamic_secret;
mod webhook;

pub use acr_access_token::{
    AcrAccessToken, AcrAccessTokenSpec, AcrAuth, AcrManagedIdentity, AcrServicePrincipal, AcrServicePrincipalSecretRef,
    AcrWorkloadIdentity,
};
pub use beyondtrust_dynamic_secret::{BeyondtrustDynamicSecret, BeyondtrustDynamicSecretSpec};
pub use cloudsmith_access_token::{CloudsmithAccessToken, CloudsmithAccessTokenSpec};
pub use cluster_generator::{ClusterGenerator, ClusterGeneratorSpec, GeneratorSpec};
pub use ecr_authorization_token::{EcrAuthorizationToken, EcrAuthorizationTokenSpec};
pub use fake::{Fake, FakeSpec};
pub use gcr_access_token::{GcrAccessToken, GcrAccessTokenSpec, GcrAuth, GcrWorkloadIdentity};
pub use generator_state::{GeneratorState, GeneratorStateSpec, GeneratorStateStatus};
pub use github_access_token::{GithubAccessToken, GithubAccessTokenSpec, GithubAuth, GithubPrivateKey};
pub use gitlab_deploy_token::{GitlabAuth, GitlabDeployToken, GitlabDeployTokenSpec, GitlabScope, GitlabToken};
pub use grafana::{Grafana, GrafanaAuth, GrafanaBasicAuth, GrafanaServiceAccount, GrafanaSpec};
pub use mfa::{Mfa, MfaSpec};
pub use password::{Password, PasswordEncoding, PasswordSpec};
pub use quay_access_token::{QuayAccessToken, QuayAccessTokenSpec};
pub use ssh_key::{SshKey, SshKeySpec, SshKeyType};
pub use sts_session_token::{StsRequestParameters, StsSessionToken, StsSessionTokenSpec};
pub use uuid::{Uuid, UuidSpec};
pub use vault_dynamic_secret::{VaultDynamicSecret, VaultDynamicSecretSpec, VaultResultType};
pub use webhook::{Webhook, WebhookGeneratorSecret, WebhookSpec};

use crate::schema::shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group of the kinds here.
pub const GROUP: &str = "generators.external-secrets.io";

/// Their only version.
pub const VERSION: &str = "v1alpha1";

/// The kinds that a ClusterGenerator can hold, and which an ExternalSecret can name beside ClusterGenerator itself.
pub const KINDS: &[&str] = &[
    AcrAccessToken::KIND,
    BeyondtrustDynamicSecret::KIND,
    CloudsmithAccessToken::KIND,
    EcrAuthorizationToken::KIND,
    Fake::KIND,
    GcrAccessToken::KIND,
    GithubAccessToken::KIND,
    GitlabDeployToken::KIND,
    Grafana::KIND,
    Mfa::KIND,
    Password::KIND,
    QuayAccessToken::KIND,
    SshKey::KIND,
    StsSessionToken::KIND,
    Uuid::KIND,
    VaultDynamicSecret::KIND,
    Webhook::KIND,
];

/// The status of a kind that has none: nothing is read, nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoStatus {}

/// Names one key of a Secret of the same namespace, for kinds that offer no other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretKey {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Key within the Secret's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::secret_key")]
    pub key: Option<String>,
}
