//! Settings of the provider `infisical`.

use crate::selector::{CaProvider, SecretKeySelector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads from and writes to Infisical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalProvider {
    /// How to log in as a machine identity: one of the methods.
    pub auth: InfisicalAuth,
    /// Which secrets are meant.
    pub secrets_scope: InfisicalScope,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// URL of the API.
    #[serde(default = "default::host_api", rename = "hostAPI")]
    pub host_api: String,
}

/// How to log in as a machine identity: one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAuth {
    /// With the AWS identity of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_auth_credentials: Option<InfisicalAwsAuth>,
    /// With the Azure identity of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_auth_credentials: Option<InfisicalAzureAuth>,
    /// With a service account key of Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_iam_auth_credentials: Option<InfisicalGcpIamAuth>,
    /// With the Google Cloud identity of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_id_token_auth_credentials: Option<InfisicalGcpIdTokenAuth>,
    /// With a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_credentials: Option<InfisicalJwtAuth>,
    /// With the token of the controller's service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_auth_credentials: Option<InfisicalKubernetesAuth>,
    /// With an LDAP user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_auth_credentials: Option<InfisicalLdapAuth>,
    /// With a key of Oracle Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_auth_credentials: Option<InfisicalOciAuth>,
    /// With an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_auth_credentials: Option<InfisicalTokenAuth>,
    /// With a client id and secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universal_auth_credentials: Option<InfisicalUniversalAuth>,
}

/// With the AWS identity of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAwsAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
}

/// With the Azure identity of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAzureAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// Resource that the Azure token is requested for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<SecretKeySelector>,
}

/// With a service account key of Google Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalGcpIamAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// Path of the key's file.
    pub service_account_key_file_path: SecretKeySelector,
}

/// With the Google Cloud identity of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalGcpIdTokenAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
}

/// With a JWT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalJwtAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// The JWT.
    pub jwt: SecretKeySelector,
}

/// With the token of the controller's service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalKubernetesAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// Path of the token's file. Without it the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token_path: Option<SecretKeySelector>,
}

/// With an LDAP user and password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalLdapAuth {
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// The password.
    pub ldap_password: SecretKeySelector,
    /// Name of the user.
    pub ldap_username: SecretKeySelector,
}

/// With a key of Oracle Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalOciAuth {
    /// Fingerprint of the key.
    pub fingerprint: SecretKeySelector,
    /// Id of the machine identity.
    pub identity_id: SecretKeySelector,
    /// The private key, in PEM.
    pub private_key: SecretKeySelector,
    /// Region of Oracle Cloud.
    pub region: SecretKeySelector,
    /// OCID of the tenancy.
    pub tenancy_id: SecretKeySelector,
    /// OCID of the user.
    pub user_id: SecretKeySelector,
    /// Passphrase of the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_passphrase: Option<SecretKeySelector>,
}

/// With an access token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalTokenAuth {
    /// The access token.
    pub access_token: SecretKeySelector,
}

/// With a client id and secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalUniversalAuth {
    /// Id of the client.
    pub client_id: SecretKeySelector,
    /// Secret of the client.
    pub client_secret: SecretKeySelector,
}

/// Which secrets are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalScope {
    /// Slug of the environment, such as `prod`.
    pub environment_slug: String,
    /// Slug of the project.
    pub project_slug: String,
    /// Replaces references to other secrets in values.
    #[serde(default = "default::expand_secret_references")]
    pub expand_secret_references: bool,
    /// Slug of the suborganization to log in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_slug: Option<String>,
    /// Reads folders below `secretsPath` too.
    #[serde(default)]
    pub recursive: bool,
    /// Folder of the secrets.
    #[serde(default = "default::secrets_path")]
    pub secrets_path: String,
}

/// Defaults of fields.
mod default {
    pub(super) fn host_api() -> String {
        "https://app.infisical.com/api".to_owned()
    }

    pub(super) const fn expand_secret_references() -> bool {
        true
    }

    pub(super) fn secrets_path() -> String {
        "/".to_owned()
    }
}
