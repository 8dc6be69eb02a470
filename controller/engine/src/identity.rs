//! What makes two uses of a store the same use.

/// The identity under which a store's session and reads are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreIdentity {
    /// `SecretStore` or `ClusterSecretStore`.
    pub kind: &'static str,
    /// The SecretStore's namespace; empty for a ClusterSecretStore.
    pub namespace: String,
    /// The store's name.
    pub name: String,
    /// The store's UID: a store that was deleted and made anew is another one.
    pub uid: String,
    /// The store's generation: a changed spec is another store.
    pub generation: i64,
    /// The consumer's namespace, if the credentials are looked up there (referent authentication), else empty.
    pub consumer: String,
}
