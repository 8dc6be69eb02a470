//! Wire types of `external-secrets.io` and `generators.external-secrets.io`: what manifests say and what the API server
//! stores.
//!
//! Here: the structs, their JSON names, their CRD schemas and [`GoDuration`]. Not here: rules that need more than one field
//! (crate `validate`), defaults that depend on other objects, and any I/O.
//!
//! A kind that has the versions `v1` and `v1beta1` reads both: they share one schema, so that the API server converts by
//! changing `apiVersion` only. Objects are always written in the stored version.

mod cluster_external_secret;
mod cluster_push_secret;
mod condition;
pub mod crd;
mod data;
mod duration;
mod external_secret;
pub mod generator;
pub mod provider;
mod push_secret;
mod resource;
mod schema;
mod secret_store;
mod selector;
mod template;
mod wire_enum;
pub mod yaml;

pub use cluster_external_secret::{
    ClusterExternalSecret, ClusterExternalSecretCondition, ClusterExternalSecretSpec, ClusterExternalSecretStatus,
    CopyMetadata, NamespaceFailure,
};
pub use cluster_push_secret::{ClusterPushSecret, ClusterPushSecretSpec, ClusterPushSecretStatus};
pub use condition::Condition;
pub use data::{
    ConversionStrategy, DataFrom, DecodingStrategy, ExternalSecretData, Find, FindName, GeneratorRef, MetadataPolicy,
    NullBytePolicy, RemoteRef, Rewrite, RewriteConflictPolicy, RewriteMerge, RewriteMergeStrategy,
    RewritePriorityPolicy, RewriteRegexp, RewriteTransform, SourceRef, StoreSourceRef,
};
pub use duration::{GoDuration, ParseDurationError};
pub use external_secret::{
    Binding, CreationPolicy, DeletionPolicy, EntryFailure, ExternalSecret, ExternalSecretSpec, ExternalSecretStatus,
    ManifestRef, RefreshPolicy, SecretStoreRef, StoreKind, SyncWindow, SyncWindowKind, SyncWindows, Target,
};
pub use provider::aws::{
    AwsAuth, AwsDeletion, AwsJwtAuth, AwsProvider, AwsSecretRef, AwsService, AwsSessionTag, AwsSessionTagsPolicy,
};
pub use provider::fake::{FakeData, FakeProvider};
pub use provider::kubernetes::{
    KubernetesAuth, KubernetesCertAuth, KubernetesProvider, KubernetesServer, KubernetesTokenAuth,
};
pub use provider::vault::{
    VaultAppRole, VaultAuth, VaultCertAuth, VaultCheckAndSet, VaultGcpAuth, VaultIamAuth, VaultJwtAuth,
    VaultKubernetesAuth, VaultLdapAuth, VaultProvider, VaultServiceAccountToken, VaultTls, VaultUserPassAuth,
    VaultVersion,
};
pub use provider::webhook::{WebhookAuth, WebhookNtlmAuth, WebhookProvider, WebhookResult, WebhookSecret};
pub use provider::{ProviderSpec, ProviderSpecError, StoreProvider};
pub use push_secret::{
    PushSecret, PushSecretConversionStrategy, PushSecretData, PushSecretDataTo, PushSecretDataToMatch,
    PushSecretDeletionPolicy, PushSecretMatch, PushSecretRemoteRef, PushSecretRewrite, PushSecretSelector,
    PushSecretSource, PushSecretSpec, PushSecretStatus, PushSecretStoreRef, PushSecretUpdatePolicy,
};
pub use secret_store::{
    ClusterSecretStore, ClusterSecretStoreCondition, RetrySettings, SecretStore, SecretStoreSpec, SecretStoreStatus,
};
pub use selector::{
    CaProvider, CaProviderType, CaSecretRef, SecretKeySelector, ServiceAccountSelector, ValueOrSecretRef,
};
pub use template::{
    Template, TemplateFrom, TemplateMergePolicy, TemplateMetadata, TemplateRef, TemplateRefItem, TemplateScope,
};

/// API group of all kinds but the generators.
pub const GROUP: &str = "external-secrets.io";

/// The stored version of the kinds that read, which is also the one that the programs read and write.
pub const VERSION: &str = "v1";

/// The only version of the kinds that push.
pub const VERSION_ALPHA: &str = "v1alpha1";

/// The older version, still served from the same schema.
pub const VERSION_BETA: &str = "v1beta1";
