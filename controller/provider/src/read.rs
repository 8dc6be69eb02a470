//! The traits of a backend that can be read.

use std::time::Duration;

use async_trait::async_trait;
use secret::{SecretBytes, SecretMap};

use crate::{Calls, Error, ErrorKind, Find, Write};

/// One thing to fetch from a backend: what identifies a network read. Two references that differ only in `property`
/// have the same `ReadKey` and share one read, unless [`Provider::read_key`] tells them apart.
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
/// Only `read`, `read_many` and `find` reach out for values; picking a property from what `read` brought is pure, so that many
/// references to one remote key cost one read.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The name in the metric `externalsecret_provider_api_calls_count`, such as `HashiCorp/Vault`.
    fn metric_name(&self) -> &'static str;

    /// The provider call that a read of `key` makes, as the metric names it, such as `ReadSecretData`.
    fn call_name(&self, key: &ReadKey) -> &'static str;

    /// What a reference asks the backend for. More than `reference.read` only where the property has a part in the request.
    fn read_key(&self, reference: &RemoteRef) -> ReadKey {
        reference.read.clone()
    }

    /// Reads one remote key, given as [`Provider::read_key`] gives it.
    ///
    /// # Errors
    /// `NotFound` only if the backend said so about this very key; every other failure has another kind.
    async fn read(&self, key: &ReadKey) -> Result<Payload, Error>;

    /// How many reads like that of `key` go in one call of [`Provider::read_many`]; 1: each by itself. May become 1 while
    /// the store is open, such as when the backend refuses that call.
    fn batch(&self, _key: &ReadKey) -> usize {
        1
    }

    /// Reads remote keys of which [`Provider::batch`] says that they go together, no more than it says; one answer a key,
    /// in their order. A key that the backend has trouble with is read by itself, so that its error is that of
    /// [`Provider::read`]. Tells `calls` of each call.
    ///
    /// # Errors
    /// Each key's as of [`Provider::read`].
    async fn read_many(&self, keys: &[ReadKey], calls: &dyn Calls) -> Vec<Result<Payload, Error>> {
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            let answer = self.read(key).await;
            calls.made(self.call_name(key), answer.is_ok());
            answers.push(answer);
        }
        answers
    }

    /// How long one read may take by the store's own settings, retries and the pauses between them included. `None`: the
    /// caller's deadline does.
    fn patience(&self) -> Option<Duration> {
        None
    }

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

    /// The error of a `data` entry whose remote key doesn't exist, out of the `NotFound` of `read`. It is that sentinel,
    /// unless the reference doesn't take a missing key of this backend for one there, so that nothing is deleted.
    fn missing_value(&self, not_found: Error, _reference: &RemoteRef) -> Error {
        not_found
    }

    /// All remote secrets that match, each with its whole value, under the names that the reference gives them. Reads page
    /// by page, with bounded concurrency, into a [`crate::Gathered`]; tells `calls` of each call.
    ///
    /// # Errors
    /// `Unsupported` if the backend can't find; `Invalid` for a pattern that doesn't compile or a find that the backend
    /// can't do; `NotFound` only if the backend says that the place to look in doesn't exist. A secret that vanishes
    /// while it is looked for is left out; any other failure is the failure of the whole, so that no key is lost by it.
    async fn find(&self, _find: &Find, _calls: &dyn Calls) -> Result<SecretMap, Error> {
        let text = "find is not implemented for this provider; name the remote keys under data or dataFrom[].extract";
        Err(Error::new(ErrorKind::Unsupported, "GetAllSecrets", text))
    }

    /// Whether the reference's backend converts the keys that it found by itself, which it then does before any rewrite.
    fn converts_found_names(&self) -> bool {
        false
    }

    /// Where PushSecrets write to, if the backend takes any.
    fn writer(&self) -> Option<&dyn Write> {
        None
    }

    /// What the backend can do, for `status.capabilities`.
    fn capabilities(&self) -> Capabilities;

    /// Finds out whether the store works.
    async fn validate(&self) -> Validation;

    /// Ends the session (revokes a token that was logged in for). Called once, when no one uses the store any more.
    async fn close(&self) {}
}
