//! ExternalSecret: its spec but for the data parts (`data`) and the template (`template`), and its status.

use crate::condition::Condition;
use crate::data::{DataFrom, ExternalSecretData};
use crate::duration::GoDuration;
use crate::resource::kind;
use crate::schema::shape;
use crate::template::Template;
use crate::wire_enum::wire_enum;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

kind! {
    /// Keeps a Kubernetes Secret in step with values at a provider.
    ExternalSecret, "externalsecrets", NamespaceResourceScope, ExternalSecretSpec, ExternalSecretStatus
}

wire_enum! {
    /// Which kind of store is meant.
    #[derive(Default)]
    StoreKind {
        /// A store of the same namespace.
        #[default]
        SecretStore = "SecretStore",
        /// A store of the whole cluster.
        ClusterSecretStore = "ClusterSecretStore",
    }
}

wire_enum! {
    /// Who owns the target Secret and what happens to keys of others.
    #[derive(Default)]
    CreationPolicy {
        /// Created, owned by the ExternalSecret, foreign keys removed.
        #[default]
        Owner = "Owner",
        /// Created, not owned, foreign keys removed.
        Orphan = "Orphan",
        /// Never created, foreign keys stay.
        Merge = "Merge",
        /// Created if missing, not owned, foreign keys stay.
        CreateOrMerge = "CreateOrMerge",
        /// Nothing is written.
        None = "None",
    }
}

wire_enum! {
    /// What happens to the target when the provider has no data any more.
    #[derive(Default)]
    DeletionPolicy {
        /// The target is deleted.
        Delete = "Delete",
        /// Missing keys are removed, the target stays.
        Merge = "Merge",
        /// The target stays as it is.
        #[default]
        Retain = "Retain",
    }
}

wire_enum! {
    /// When values are fetched again. Absent means `Periodic`.
    RefreshPolicy {
        /// Once.
        CreatedOnce = "CreatedOnce",
        /// At every refresh interval, and when the object changes.
        Periodic = "Periodic",
        /// When the object changes.
        OnChange = "OnChange",
    }
}

wire_enum! {
    /// Whether refreshes happen inside or outside of the windows.
    SyncWindowKind {
        /// Inside only.
        Allow = "allow",
        /// Outside only.
        Deny = "deny",
    }
}

/// What an ExternalSecret asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretSpec {
    /// The store to read from, unless an entry names its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_store_ref: Option<SecretStoreRef>,
    /// The Secret (or other object) to write.
    #[serde(default)]
    pub target: Target,
    /// When values are fetched again: `CreatedOnce`, `Periodic` or `OnChange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_policy: Option<RefreshPolicy>,
    /// Time between two fetches as a Go duration, such as `1h30m`. `0` fetches once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "1h0m0s"))]
    pub refresh_interval: Option<GoDuration>,
    /// Times at which periodic refreshes may or may not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_windows: Option<Box<SyncWindows>>,
    /// Keys of the target and where their values come from. They win over `dataFrom`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<ExternalSecretData>,
    /// Many keys at once; later entries win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_from: Vec<DataFrom>,
}

/// Names a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreRef {
    /// Name of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Kind of the store: `SecretStore` (in the same namespace, the default) or `ClusterSecretStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<StoreKind>,
}

/// The object that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the target. Without it that of the ExternalSecret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shape::object_name")]
    pub name: Option<String>,
    /// Who owns the target: `Owner`, `Orphan`, `Merge`, `CreateOrMerge` or `None`.
    #[serde(default)]
    pub creation_policy: CreationPolicy,
    /// What to do when the provider has no data any more: `Delete`, `Merge` or `Retain`.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What the target is rendered from. Without it the fetched values are taken as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Box<Template>>,
    /// An object other than a Secret. Needs a flag of the controller, since values then lie outside of Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Box<ManifestRef>>,
    /// Makes the Secret immutable when it is written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
}

/// Kind of a target that isn't a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestRef {
    /// API version of the target, such as `v1`.
    #[schemars(schema_with = "shape::non_empty")]
    pub api_version: String,
    /// Kind of the target, such as `ConfigMap`.
    #[schemars(schema_with = "shape::non_empty")]
    pub kind: String,
}

/// Times at which periodic refreshes may or may not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncWindows {
    /// `allow` refreshes only within the windows, `deny` only outside of them.
    pub kind: SyncWindowKind,
    /// The windows.
    #[schemars(extend("minItems" = 1))]
    pub windows: Vec<SyncWindow>,
}

/// One window of time that comes again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncWindow {
    /// When it begins: five cron fields or a descriptor such as `@daily`.
    #[schemars(extend(
        "minLength" = 1,
        "pattern" = r"^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|@every [^\s]+.*|[^\s]+( [^\s]+){4})$"
    ))]
    pub schedule: String,
    /// How long it lasts, as a Go duration.
    pub duration: GoDuration,
}

/// What was seen of an ExternalSecret and done for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretStatus {
    /// When values were last fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time", "nullable" = true))]
    pub refresh_time: Option<Time>,
    /// Generation and hash of labels and annotations at the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_resource_version: Option<String>,
    /// Conditions: `Ready`, `Deleted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = only_known_conditions)]
    pub conditions: Vec<Condition>,
    /// The Secret that was written, in the form of the service binding specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Why nothing is fetched and written, if somebody paused it. The reference has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// What failed in the last try, the first 16 entries; empty when Ready. The reference has no such field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<EntryFailure>,
}

/// One entry of an ExternalSecret that failed. Never holds a secret value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryFailure {
    /// The field, such as `spec.data[1]` or `spec.target.template.data[password]`.
    pub entry: String,
    /// Kind and name of the store that was asked, such as `SecretStore/vault`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The key at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_key: Option<String>,
    /// The property of that key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Line in the template, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// Column in the template, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<i64>,
    /// One word for programs: `NotFound`, `AccessDenied`, `Unauthenticated`, `Throttled`, `Unavailable`, `Timeout`,
    /// `Malformed`, `BadProperty`, `Invalid`, `Unsupported`, `InvalidValue`, `Template` or `DeletionHeld`.
    pub kind: String,
    /// What went wrong.
    pub reason: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Names the Secret that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Binding {
    /// Name of the Secret.
    #[serde(default)]
    pub name: String,
}

fn only_known_conditions(schema: &mut Schema) {
    if let Some(kind) = schema.pointer_mut("/items/properties/type").and_then(|v| v.as_object_mut()) {
        kind.insert("enum".to_owned(), serde_json::json!(["Ready", "Deleted"]));
    }
}
