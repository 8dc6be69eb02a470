//! The template of a target: what is rendered from the fetched values. Not here: the template language.

use crate::DecodingStrategy;
use crate::schema::shape;
use crate::wire_enum::wire_enum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

wire_enum! {
    /// How the rendered keys and the fetched keys go together.
    #[derive(Default)]
    TemplateMergePolicy {
        /// Only the rendered keys are kept.
        #[default]
        Replace = "Replace",
        /// Rendered keys are added to the fetched ones.
        Merge = "Merge",
    }
}

wire_enum! {
    /// What of a referenced entry is a template.
    #[derive(Default)]
    TemplateScope {
        /// The value; its key stays.
        #[default]
        Values = "Values",
        /// The rendered text is YAML that holds keys and values.
        KeysAndValues = "KeysAndValues",
    }
}

/// What the target is rendered from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Type of the target Secret, such as `kubernetes.io/tls`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Version of the template engine. Only `v2` exists; older stored objects may say otherwise.
    #[serde(default = "engine_v2")]
    #[schemars(extend("enum" = ["v2"]))]
    pub engine_version: String,
    /// Labels, annotations and finalizers of the target; labels and annotations are rendered too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// Key to template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// Templates from ConfigMaps, Secrets or from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub template_from: Vec<TemplateFrom>,
    /// `Replace` keeps only rendered keys, `Merge` keeps the fetched ones too.
    #[serde(default)]
    pub merge_policy: TemplateMergePolicy,
}

fn engine_v2() -> String {
    "v2".to_owned()
}

impl Default for Template {
    fn default() -> Self {
        Self {
            type_: None,
            engine_version: engine_v2(),
            metadata: None,
            data: BTreeMap::new(),
            template_from: Vec::new(),
            merge_policy: TemplateMergePolicy::Replace,
        }
    }
}

/// Metadata of the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Annotations of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Finalizers that are added to the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

/// One source of templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateFrom {
    /// Templates from a ConfigMap of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<TemplateRef>,
    /// Templates from a Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<TemplateRef>,
    /// A template that renders to YAML of keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<String>,
    /// Where the rendered keys go: `Data`, `Annotations`, `Labels`, or a path of a manifest target.
    #[serde(default = "target_data")]
    pub target: String,
    /// How rendered values are decoded: `Auto`, `Base64`, `Base64URL` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_decoding_strategy: Option<DecodingStrategy>,
}

fn target_data() -> String {
    "Data".to_owned()
}

/// A ConfigMap or Secret with templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    /// Name of the ConfigMap or Secret.
    #[schemars(schema_with = "shape::object_name")]
    pub name: String,
    /// The entries to take.
    pub items: Vec<TemplateRefItem>,
}

/// One entry with a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRefItem {
    /// Key within the ConfigMap or Secret.
    #[schemars(schema_with = "shape::secret_key")]
    pub key: String,
    /// `Values` renders the value, `KeysAndValues` takes YAML of keys and values from it.
    #[serde(default)]
    pub template_as: TemplateScope,
}
