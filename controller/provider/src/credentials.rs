//! How a provider gets at what it logs in with: a capability that knows whom it acts for.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use async_trait::async_trait;
use secret::SecretBytes;

use crate::Error;

/// A bound token of a Kubernetes ServiceAccount.
#[derive(Clone, Debug)]
pub struct ServiceAccountToken {
    /// The JWT.
    pub token: SecretBytes,
    /// How long the API server said it is good for.
    pub lifetime: Duration,
}

/// Looks up what a store's settings refer to, on behalf of that store and, where the reference names no namespace,
/// of the object that uses it.
///
/// There is no way to name a namespace but through a selector, and the implementation applies the reference's rule:
/// `namespace` of a selector counts only for a ClusterSecretStore; a ClusterSecretStore's selector without one is
/// looked up in the consumer's namespace; when the store itself is being validated there is no consumer
/// (see [`Credentials::has_consumer`]).
#[async_trait]
pub trait Credentials: Send + Sync {
    /// One key of a Secret.
    ///
    /// # Errors
    /// `Invalid` with `cannot get Kubernetes secret "<n>" from namespace "<ns>": …` or
    /// `cannot find secret data for key: "<k>"`.
    async fn secret_key(&self, selector: &SecretKeySelector, default_key: &str) -> Result<SecretBytes, Error>;

    /// The PEM text behind a `caProvider`.
    ///
    /// # Errors
    /// `Invalid`, naming the Secret or ConfigMap and the key.
    async fn certificate_authority(&self, ca: &CaProvider) -> Result<Vec<u8>, Error>;

    /// A fresh token of a ServiceAccount (TokenRequest).
    ///
    /// # Errors
    /// `Invalid` when the account doesn't exist, `AccessDenied` when the controller may not ask for its tokens.
    async fn service_account_token(
        &self,
        selector: &ServiceAccountSelector,
        audiences: &[String],
        lifetime: Duration,
    ) -> Result<ServiceAccountToken, Error>;

    /// The annotations of a ServiceAccount: clouds keep there whom it acts as.
    ///
    /// # Errors
    /// `Invalid`, naming the account, when it doesn't exist or can't be read.
    async fn service_account_annotations(
        &self,
        selector: &ServiceAccountSelector,
    ) -> Result<BTreeMap<String, String>, Error>;

    /// The token that the controller's own pod was given, if it runs in one.
    ///
    /// # Errors
    /// `Invalid` when there is none.
    async fn own_token(&self) -> Result<SecretBytes, Error>;

    /// False while a ClusterSecretStore is validated by itself: a selector without a namespace can't be resolved then,
    /// and the provider answers `Unknown` instead of failing.
    fn has_consumer(&self) -> bool;

    /// Whether the store is a ClusterSecretStore.
    fn is_cluster_store(&self) -> bool;
}
