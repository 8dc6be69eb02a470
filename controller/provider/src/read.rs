//! The traits of a backend that can be read.

use async_trait::async_trait;
use secret::{SecretBytes, SecretMap};

use crate::Error;

/// One thing to fetch from a backend: what identifies a network read. Two references that differ only in `property`
/// have the same `ReadKey` and share one read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadKey {
    /// `remoteRef.key`.
    pub key: String,
    /// `remoteRef.version`, in the provider's own meaning; empty text counts as none.
    pub version: Option<String>,
    /// `remoteRef.metadataPolicy: Fetch`: read the metadata (tags, labels, …) in place of the value.
    pub metadata: bool,
}

/// A reference into a backend: `data[].remoteRef` or `dataFrom[].extract`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteRef {
    /// What is read.
    pub read: ReadKey,
    /// `remoteRef.property`; empty text counts as none.
    pub property: Option<String>,
}

/// What a backend answered for one [`ReadKey`]: bytes in a form only the provider that read them understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(pub SecretBytes);

/// What a store can do, as shown in `status.capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// Reads only.
    ReadOnly,
    /// Writes only.
    WriteOnly,
    /// Both.
    ReadWrite,
}

impl Capabilities {
    /// The text of `status.capabilities`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ReadOnly",
            Self::WriteOnly => "WriteOnly",
            Self::ReadWrite => "ReadWrite",
        }
    }
}

/// What a store's self-check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The credentials work, as far as the backend lets one find out.
    Ready,
    /// It can't be told without a consumer (referent credentials), or the backend couldn't answer (then with why).
    Unknown(Option<Error>),
    /// The store can't work.
    Failed(Error),
}

/// An opened store: settings checked, credentials at hand. One lives for as long as the store and its credentials
/// stay the same, and all objects that use the store share it.
///
/// `read` is the only call that reaches out; picking a property from what it brought is pure, so that many references
/// to one remote key cost one read.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The name in the metric `externalsecret_provider_api_calls_count`, such as `HashiCorp/Vault`.
    fn metric_name(&self) -> &'static str;

    /// The provider call that a read of `key` makes, as the metric names it, such as `ReadSecretData`.
    fn call_name(&self, key: &ReadKey) -> &'static str;

    /// Reads one remote key.
    ///
    /// # Errors
    /// `NotFound` only if the backend said so about this very key; every other failure has another kind.
    async fn read(&self, key: &ReadKey) -> Result<Payload, Error>;

    /// One value out of what `read` brought: the whole payload without a property.
    ///
    /// # Errors
    /// `BadProperty` when the property isn't there, `Malformed` when the payload can't hold one.
    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error>;

    /// Many values out of what `read` brought: one for each top-level key of the payload (or of the property).
    ///
    /// # Errors
    /// `BadProperty` when the property isn't there, `Malformed` when it isn't an object.
    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error>;

    /// What the backend can do, for `status.capabilities`.
    fn capabilities(&self) -> Capabilities;

    /// Finds out whether the store works.
    async fn validate(&self) -> Validation;

    /// Ends the session (revokes a token that was logged in for). Called once, when no one uses the store any more.
    async fn close(&self) {}
}
