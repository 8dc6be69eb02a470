//! Settings of the provider `aws`: Secrets Manager, Parameter Store and Certificate Manager.

use crate::selector::{SecretKeySelector, ServiceAccountSelector};
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

wire_enum! {
    /// The service that holds the secrets.
    AwsService {
        /// AWS Secrets Manager.
        SecretsManager = "SecretsManager",
        /// AWS Systems Manager Parameter Store.
        ParameterStore = "ParameterStore",
        /// AWS Certificate Manager.
        CertificateManager = "CertificateManager",
    }
}

wire_enum! {
    /// Which session tags an assumed role gets from here.
    #[derive(Default)]
    AwsSessionTagsPolicy {
        /// Those of `sessionTags`.
        #[default]
        None = "None",
        /// The namespace, name and kind of the store.
        Simple = "Simple",
        /// As `Simple`, and those of `customSessionTags`.
        Custom = "Custom",
    }
}

/// Reads from a service of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsProvider {
    /// The service: `SecretsManager`, `ParameterStore` or `CertificateManager`.
    pub service: AwsService,
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// Credentials. Without any, the SDK's default chain: environment, web identity, container, instance.
    #[serde(default, skip_serializing_if = "AwsAuth::is_empty")]
    pub auth: AwsAuth,
    /// ARN of a role to assume, after `additionalRoles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// ARNs of roles to assume one after the other, before `role`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_roles: Vec<String>,
    /// External id for the assumption of `role`.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Tags of the session of `role`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_tags: Vec<AwsSessionTag>,
    /// Keys of session tags that further sessions inherit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    /// `Simple` and `Custom` replace `sessionTags` by tags that name the store.
    #[serde(default)]
    pub session_tags_policy: AwsSessionTagsPolicy,
    /// More tags under the policy `Custom`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "!('esoNamespace' in self) && !('esoStoreName' in self) && !('esoStoreKind' in self)",
        "message": "customSessionTags cannot contain automatically injected reserved keys: esoNamespace, esoStoreName, esoStoreKind",
    }]))]
    pub custom_session_tags: BTreeMap<String, String>,
    /// Put before every remote key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How secrets are deleted in Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_manager: Option<AwsDeletion>,
}

/// Credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsAuth {
    /// Static credentials from Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<AwsSecretRef>,
    /// A role for the token of a service account. Wins over `secretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<AwsJwtAuth>,
}

impl AwsAuth {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Static credentials from Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsSecretRef {
    /// The access key id.
    #[serde(default, rename = "accessKeyIDSecretRef", skip_serializing_if = "Option::is_none")]
    pub access_key_id_secret_ref: Option<SecretKeySelector>,
    /// The secret access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_secret_ref: Option<SecretKeySelector>,
    /// The session token, for temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token_secret_ref: Option<SecretKeySelector>,
}

/// A role for the token of a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsJwtAuth {
    /// The service account; its annotation `eks.amazonaws.com/role-arn` names the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// A tag of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsSessionTag {
    /// Key of the tag.
    pub key: String,
    /// Value of the tag.
    pub value: String,
}

/// How secrets are deleted in Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsDeletion {
    /// Deletes at once, without a way back. Excludes `recoveryWindowInDays`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_delete_without_recovery: bool,
    /// Days until a deleted secret is gone, 7 to 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_window_in_days: Option<i64>,
}
