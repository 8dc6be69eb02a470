//! A ClusterSecretStore whose credentials are looked up in the namespace of whoever uses it, opened for nobody.
//!
//! Lives here: when that is so, and the stand-in that is opened then. Deliberately not here: the lookup itself.

use async_trait::async_trait;
use provider::{
    Calls, Capabilities, Credentials, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation,
};
use secret::{SecretBytes, SecretMap};

/// Whether one of the needed selectors, given by the namespace it names, can't be looked up before there is a consumer.
pub(crate) fn needs_consumer<'s>(
    credentials: &dyn Credentials,
    namespaces: impl IntoIterator<Item = Option<&'s str>>,
) -> bool {
    credentials.is_cluster_store() && !credentials.has_consumer() && names_no_namespace(namespaces)
}

/// Whether one of the selectors names no namespace.
pub(crate) fn names_no_namespace<'s>(namespaces: impl IntoIterator<Item = Option<&'s str>>) -> bool {
    namespaces.into_iter().any(|namespace| namespace.is_none_or(str::is_empty))
}

/// Stands for such a store while it is validated by itself. It can't read, and its validation says nothing, which the
/// store's condition shows as valid.
pub(crate) struct Referent {
    pub(crate) metric_name: &'static str,
    pub(crate) call_name: &'static str,
    pub(crate) capabilities: Capabilities,
}

impl Referent {
    fn error(&self) -> Error {
        let text = "the credentials of this ClusterSecretStore name no namespace, and there is no object whose \
                    namespace could be used";
        Error::new(ErrorKind::Invalid, self.call_name, text)
    }
}

#[async_trait]
impl Provider for Referent {
    fn metric_name(&self) -> &'static str {
        self.metric_name
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        self.call_name
    }

    async fn read(&self, _: &ReadKey) -> Result<Payload, Error> {
        Err(self.error())
    }

    fn value(&self, _: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Err(self.error())
    }

    fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
        Err(self.error())
    }

    async fn find(&self, _: &Find, _: &dyn Calls) -> Result<SecretMap, Error> {
        Err(self.error())
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn validate(&self) -> Validation {
        Validation::Unknown(None)
    }
}
