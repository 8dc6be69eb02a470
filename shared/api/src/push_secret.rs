//! PushSecret: which keys of which Secret go to which stores, and its status. Not here: the template (`template`).

use crate::condition::Condition;
use crate::data::{GeneratorRef, RewriteRegexp, RewriteTransform};
use crate::duration::GoDuration;
use crate::external_secret::StoreKind;
use crate::resource::kind;
use crate::schema::shape;
use crate::template::Template;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

kind! {
    /// Writes values of a Secret or of a generator to providers.
    PushSecret = "external-secrets.io" / "v1alpha1" / ("PushSecret"), "pushsecrets", NamespaceResourceScope,
    PushSecretSpec, PushSecretStatus
}

wire_enum! {
    /// What happens to a remote secret that is already there.
    #[derive(Default)]
    PushSecretUpdatePolicy {
        /// It is overwritten.
        #[default]
        Replace = "Replace",
        /// It stays as it is.
        IfNotExists = "IfNotExists",
    }
}

wire_enum! {
    /// What happens to the remote secrets when they are no longer asked for.
    #[derive(Default)]
    PushSecretDeletionPolicy {
        /// They are deleted.
        Delete = "Delete",
        /// They stay.
        #[default]
        None = "None",
    }
}

wire_enum! {
    /// How the keys of the Secret are changed on the way out.
    #[derive(Default)]
    PushSecretConversionStrategy {
        /// Not at all.
        #[default]
        None = "None",
        /// What the strategy `Unicode` of an ExternalSecret made becomes the character again.
        ReverseUnicode = "ReverseUnicode",
    }
}

/// What to push and where to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSpec {
    /// Time between two pushes as a Go duration, such as `1h30m`. `0` pushes once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "1h0m0s"))]
    pub refresh_interval: Option<GoDuration>,
    /// The stores to push to.
    pub secret_store_refs: Vec<PushSecretStoreRef>,
    /// What to do with remote secrets that are already there: `Replace` or `IfNotExists`.
    #[serde(default)]
    pub update_policy: PushSecretUpdatePolicy,
    /// What to do with remote secrets that are no longer asked for: `Delete` or `None`.
    #[serde(default)]
    pub deletion_policy: PushSecretDeletionPolicy,
    /// Where the values come from: exactly one of the keys.
    pub selector: PushSecretSelector,
    /// Keys one by one. They win over `dataTo`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PushSecretData>,
    /// Many keys at once, for one store each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_to: Vec<PushSecretDataTo>,
    /// Rendered over the values before they are pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Box<Template>>,
}

/// Names one store, or many by label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretStoreRef {
    /// Name of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Labels of the stores. Wins over `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Kind of the store: `SecretStore` (in the same namespace) or `ClusterSecretStore`.
    #[serde(default)]
    pub kind: StoreKind,
}

/// Where the values come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct PushSecretSelector {
    /// A Secret, or many by label, of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PushSecretSource>,
    /// A generator, asked at every push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_ref: Option<GeneratorRef>,
}

/// A Secret by name, or Secrets by label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSource {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Labels of the Secrets, each of which is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// One key, or a whole Secret, and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretData {
    /// The key and where it goes.
    #[serde(rename = "match")]
    pub matching: PushSecretMatch,
    /// Settings of this entry that only the provider understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::anything")]
    pub metadata: Option<Value>,
    /// How keys are changed on the way out: `None` or `ReverseUnicode`.
    #[serde(default)]
    pub conversion_strategy: PushSecretConversionStrategy,
}

/// A key and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretMatch {
    /// Key of the Secret. Without it the whole Secret goes as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// Where it goes.
    pub remote_ref: PushSecretRemoteRef,
}

/// A place at the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretRemoteRef {
    /// Name of the secret at the provider.
    pub remote_key: String,
    /// Field within the secret, for providers whose secrets have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// Many keys at once, for one store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.storeRef) && (has(self.storeRef.name) || has(self.storeRef.labelSelector))",
        "message": "storeRef must specify either name or labelSelector",
    },
    {
        "rule": "!has(self.remoteKey) || !has(self.rewrite) || size(self.rewrite) == 0",
        "message": "remoteKey and rewrite are mutually exclusive: rewrite is only supported in per-key mode (without remoteKey)",
    },
]))]
pub struct PushSecretDataTo {
    /// The store, which `secretStoreRefs` must name too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<PushSecretStoreRef>,
    /// Puts all keys into this one remote secret as a JSON object. Without it each key becomes a remote secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_key: Option<String>,
    /// Which keys. Without it all.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<PushSecretDataToMatch>,
    /// Changes that make remote keys of the keys, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrite: Vec<PushSecretRewrite>,
    /// Settings of these entries that only the provider understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::anything")]
    pub metadata: Option<Value>,
    /// How keys are changed on the way out, before all else: `None` or `ReverseUnicode`.
    #[serde(default)]
    pub conversion_strategy: PushSecretConversionStrategy,
}

/// Which keys to take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretDataToMatch {
    /// A regular expression (RE2 syntax) that must match somewhere in the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
}

/// One change to the keys: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.regexp) && !has(self.transform)) || (!has(self.regexp) && has(self.transform))",
    "message": "exactly one of regexp or transform must be set",
}]))]
pub struct PushSecretRewrite {
    /// Replaces what a regular expression matches in each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<RewriteRegexp>,
    /// Renders each key with a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<RewriteTransform>,
}

/// What was seen of a PushSecret and done for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretStatus {
    /// When values were last pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time", "nullable" = true))]
    pub refresh_time: Option<Time>,
    /// Generation and hash of labels and annotations at the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_resource_version: Option<String>,
    /// What lies at the providers because of this object: kind and name of the store, then the remote key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub synced_push_secrets: BTreeMap<String, BTreeMap<String, PushSecretData>>,
    /// Conditions: `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
