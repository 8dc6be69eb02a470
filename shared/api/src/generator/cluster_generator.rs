//! ClusterGenerator: a generator for all namespaces, of any of the other kinds.

use crate::generator::{
    AcrAccessTokenSpec, BeyondtrustDynamicSecretSpec, CloudsmithAccessTokenSpec, EcrAuthorizationTokenSpec, FakeSpec,
    GcrAccessTokenSpec, GithubAccessTokenSpec, GitlabDeployTokenSpec, GrafanaSpec, KINDS, MfaSpec, NoStatus,
    PasswordSpec, QuayAccessTokenSpec, SshKeySpec, StsSessionTokenSpec, UuidSpec, VaultDynamicSecretSpec, WebhookSpec,
};
use crate::resource::kind;
use k8s_openapi::ClusterResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind! {
    /// Holds one generator of any kind, for all namespaces.
    ClusterGenerator = "generators.external-secrets.io" / "v1alpha1" / ("ClusterGenerator"),
    "clustergenerators", ClusterResourceScope, ClusterGeneratorSpec, NoStatus
}

/// The kind of the generator and its spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGeneratorSpec {
    /// Kind of the generator, such as `Password`.
    #[schemars(extend("enum" = KINDS))]
    pub kind: String,
    /// The spec of the generator, under the key of its kind: exactly one.
    pub generator: GeneratorSpec,
}

/// The spec of a generator, under the key of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct GeneratorSpec {
    /// For the kind `ACRAccessToken`: a token for a container registry of Azure.
    #[serde(default, rename = "acrAccessTokenSpec", skip_serializing_if = "Option::is_none")]
    pub acr_access_token: Option<Box<AcrAccessTokenSpec>>,
    /// For the kind `BeyondtrustWorkloadCredentialsDynamicSecret`: short-lived credentials from BeyondTrust.
    #[serde(
        default,
        rename = "beyondtrustWorkloadCredentialsDynamicSecretSpec",
        skip_serializing_if = "Option::is_none"
    )]
    pub beyondtrust_workload_credentials_dynamic_secret: Option<Box<BeyondtrustDynamicSecretSpec>>,
    /// For the kind `CloudsmithAccessToken`: a token for registries at Cloudsmith.
    #[serde(default, rename = "cloudsmithAccessTokenSpec", skip_serializing_if = "Option::is_none")]
    pub cloudsmith_access_token: Option<Box<CloudsmithAccessTokenSpec>>,
    /// For the kind `ECRAuthorizationToken`: user and password for container registries of AWS.
    #[serde(default, rename = "ecrAuthorizationTokenSpec", skip_serializing_if = "Option::is_none")]
    pub ecr_authorization_token: Option<Box<EcrAuthorizationTokenSpec>>,
    /// For the kind `Fake`: fixed values.
    #[serde(default, rename = "fakeSpec", skip_serializing_if = "Option::is_none")]
    pub fake: Option<Box<FakeSpec>>,
    /// For the kind `GCRAccessToken`: a token for registries of Google Cloud.
    #[serde(default, rename = "gcrAccessTokenSpec", skip_serializing_if = "Option::is_none")]
    pub gcr_access_token: Option<Box<GcrAccessTokenSpec>>,
    /// For the kind `GithubAccessToken`: a token of a GitHub App.
    #[serde(default, rename = "githubAccessTokenSpec", skip_serializing_if = "Option::is_none")]
    pub github_access_token: Option<Box<GithubAccessTokenSpec>>,
    /// For the kind `GitlabDeployToken`: a deploy token of GitLab.
    #[serde(default, rename = "gitlabDeployTokenSpec", skip_serializing_if = "Option::is_none")]
    pub gitlab_deploy_token: Option<Box<GitlabDeployTokenSpec>>,
    /// For the kind `Grafana`: a token of a service account at Grafana.
    #[serde(default, rename = "grafanaSpec", skip_serializing_if = "Option::is_none")]
    pub grafana: Option<Box<GrafanaSpec>>,
    /// For the kind `MFA`: a one-time password.
    #[serde(default, rename = "mfaSpec", skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Box<MfaSpec>>,
    /// For the kind `Password`: random passwords.
    #[serde(default, rename = "passwordSpec", skip_serializing_if = "Option::is_none")]
    pub password: Option<Box<PasswordSpec>>,
    /// For the kind `QuayAccessToken`: a token of a robot account at Quay.
    #[serde(default, rename = "quayAccessTokenSpec", skip_serializing_if = "Option::is_none")]
    pub quay_access_token: Option<Box<QuayAccessTokenSpec>>,
    /// For the kind `SSHKey`: a pair of keys for SSH.
    #[serde(default, rename = "sshKeySpec", skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<Box<SshKeySpec>>,
    /// For the kind `STSSessionToken`: temporary credentials of AWS.
    #[serde(default, rename = "stsSessionTokenSpec", skip_serializing_if = "Option::is_none")]
    pub sts_session_token: Option<Box<StsSessionTokenSpec>>,
    /// For the kind `UUID`: a random UUID.
    #[serde(default, rename = "uuidSpec", skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Box<UuidSpec>>,
    /// For the kind `VaultDynamicSecret`: what a path of Vault answers.
    #[serde(default, rename = "vaultDynamicSecretSpec", skip_serializing_if = "Option::is_none")]
    pub vault_dynamic_secret: Option<Box<VaultDynamicSecretSpec>>,
    /// For the kind `Webhook`: what an HTTP server answers.
    #[serde(default, rename = "webhookSpec", skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Box<WebhookSpec>>,
}
