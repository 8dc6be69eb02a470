//! What an ExternalSecret asks of its providers: `data`, `dataFrom` and the rewriting of keys.
//!
//! Not here: the target Secret (`external_secret`) and its template (`template`).

use crate::SecretStoreRef;
use crate::schema::shape;
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

wire_enum! {
    /// How remote keys become Secret keys. Absent means `Default`.
    ConversionStrategy {
        /// Characters that a Secret key can't have become `_`.
        Default = "Default",
        /// Such characters become `_U` and their code point.
        Unicode = "Unicode",
    }
}

wire_enum! {
    /// How values are decoded. Absent means `None`.
    DecodingStrategy {
        /// Base64, else URL-safe base64, else as it is.
        Auto = "Auto",
        /// Padded standard base64.
        Base64 = "Base64",
        /// Padded URL-safe base64.
        Base64Url = "Base64URL",
        /// As it is.
        None = "None",
    }
}

wire_enum! {
    /// Whether the value or the metadata of a remote secret is read. Absent means `None`.
    MetadataPolicy {
        /// The value.
        None = "None",
        /// The metadata, such as tags.
        Fetch = "Fetch",
    }
}

wire_enum! {
    /// What happens to a value with a NUL byte. Absent means `Ignore`.
    NullBytePolicy {
        /// It is taken as it is.
        Ignore = "Ignore",
        /// The synchronisation fails.
        Fail = "Fail",
    }
}

wire_enum! {
    /// What a merge does when two values have the same key.
    RewriteConflictPolicy {
        /// The later value wins.
        Ignore = "Ignore",
        /// The synchronisation fails.
        Error = "Error",
    }
}

wire_enum! {
    /// What a merge does with a key of `priority` that isn't there.
    RewritePriorityPolicy {
        /// It is passed over.
        IgnoreNotFound = "IgnoreNotFound",
        /// The synchronisation fails.
        Strict = "Strict",
    }
}

wire_enum! {
    /// What a merge leaves behind.
    RewriteMergeStrategy {
        /// The merged keys alone.
        Extract = "Extract",
        /// All keys as they were, and one more that holds the merged object as JSON.
        Json = "JSON",
    }
}

/// Points to one value, or to one object of values, at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteRef {
    /// Name of the secret at the provider: a path, a name or an id, whatever the provider uses.
    pub key: String,
    /// A field within the secret, for providers whose secrets have any. Usually a gjson path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Version of the secret; what that is depends on the provider. Without it the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How remote keys become Secret keys: `Default` or `Unicode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<ConversionStrategy>,
    /// How values are decoded: `Auto`, `Base64`, `Base64URL` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding_strategy: Option<DecodingStrategy>,
    /// `Fetch` reads the secret's metadata, such as tags, in place of its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_policy: Option<MetadataPolicy>,
    /// `Fail` refuses values with NUL bytes; `Ignore` takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_byte_policy: Option<NullBytePolicy>,
}

/// One key of the target Secret and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretData {
    /// Key in the target Secret.
    #[schemars(schema_with = "shape::secret_key")]
    pub secret_key: String,
    /// Where the value is.
    pub remote_ref: RemoteRef,
    /// A store of its own, in place of `spec.secretStoreRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<Box<StoreSourceRef>>,
}

/// A source other than the store of the whole ExternalSecret: a store, or a generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SourceRef {
    /// The store to read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<SecretStoreRef>,
    /// The generator to ask for values. Only `dataFrom` has generators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_ref: Option<GeneratorRef>,
}

/// The `sourceRef` of `data`. Same wire shape as that of `dataFrom`.
pub type StoreSourceRef = SourceRef;

/// Names a generator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorRef {
    /// API version of the generator.
    #[serde(default = "generator_api_version")]
    pub api_version: String,
    /// Kind of the generator, such as `Password`.
    #[schemars(extend("enum" = [
        "ACRAccessToken", "BeyondtrustWorkloadCredentialsDynamicSecret", "ClusterGenerator", "CloudsmithAccessToken",
        "ECRAuthorizationToken", "Fake", "GCRAccessToken", "GithubAccessToken", "GitlabDeployToken", "QuayAccessToken",
        "Password", "SSHKey", "STSSessionToken", "UUID", "VaultDynamicSecret", "Webhook", "Grafana", "MFA",
    ]))]
    pub kind: String,
    /// Name of the generator.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
}

fn generator_api_version() -> String {
    "generators.external-secrets.io/v1alpha1".to_owned()
}

/// Many keys at once: exactly one of `extract`, `find` and a generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataFrom {
    /// All fields of one remote secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<RemoteRef>,
    /// All remote secrets that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<Box<Find>>,
    /// Changes to the keys that were found, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrite: Vec<Rewrite>,
    /// A store of its own or a generator, in place of `spec.secretStoreRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<Box<SourceRef>>,
}

/// Which remote secrets to take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Find {
    /// Where to look: a path or prefix, for providers that have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Take those whose name matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FindName>,
    /// Take those that bear all of these tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How remote names become Secret keys: `Default` or `Unicode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<ConversionStrategy>,
    /// How values are decoded: `Auto`, `Base64`, `Base64URL` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding_strategy: Option<DecodingStrategy>,
    /// `Fail` refuses values with NUL bytes; `Ignore` takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_byte_policy: Option<NullBytePolicy>,
}

/// A condition on the name of a remote secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindName {
    /// A regular expression (RE2 syntax) that must match somewhere in the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
}

/// One change to the keys that were found: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Rewrite {
    /// Treats every value as a JSON object and merges them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<RewriteMerge>,
    /// Replaces what a regular expression matches in each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<RewriteRegexp>,
    /// Renders each key with a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<RewriteTransform>,
}

/// Merges the values that were found, all of which must be JSON objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RewriteMerge {
    /// The key that receives the merged object under the strategy `JSON`.
    #[serde(default)]
    pub into: String,
    /// Keys that are merged last, in this order, so that they win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priority: Vec<String>,
    /// What to do with a key of `priority` that isn't there: `Strict` or `IgnoreNotFound`.
    #[serde(default = "strict")]
    pub priority_policy: RewritePriorityPolicy,
    /// What to do when two values have the same key: `Error` or `Ignore`.
    #[serde(default = "error_on_conflict")]
    pub conflict_policy: RewriteConflictPolicy,
    /// What is left: `Extract` the merged keys alone, `JSON` one more key.
    #[serde(default = "extract")]
    pub strategy: RewriteMergeStrategy,
}

const fn strict() -> RewritePriorityPolicy {
    RewritePriorityPolicy::Strict
}

const fn error_on_conflict() -> RewriteConflictPolicy {
    RewriteConflictPolicy::Error
}

const fn extract() -> RewriteMergeStrategy {
    RewriteMergeStrategy::Extract
}

/// Replaces what a regular expression matches in each key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RewriteRegexp {
    /// The regular expression (RE2 syntax).
    pub source: String,
    /// The replacement, with `$1` or `${name}` for groups.
    pub target: String,
}

/// Renders each key with a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RewriteTransform {
    /// A Go template; `.value` is the key.
    pub template: String,
}
