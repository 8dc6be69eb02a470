//! Which namespace a store's references may name. Not here: which references a provider has.

use crate::finding::{Code, Finding};
use crate::store::Store;
use api::{SecretKeySelector, ServiceAccountSelector, StoreKind};

/// Whether a ClusterSecretStore may leave out a reference's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It may not.
    Strict,
    /// It may; then the namespace of the consuming object is meant.
    Referent,
}

/// A reference, its field, and what the finding's text begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'a> {
    path: &'a str,
    prefix: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// A key of a Secret. `prefix` is ESO's name of it, such as `invalid Auth.TokenSecretRef: `, or empty.
    pub(super) fn secret(path: &'a str, prefix: &'a str, selector: &'a SecretKeySelector) -> Self {
        let SecretKeySelector { namespace, name: _, key: _ } = selector;
        Self { path, prefix, namespace: namespace.as_deref() }
    }

    /// A service account.
    pub(super) fn service_account(path: &'a str, prefix: &'a str, selector: &'a ServiceAccountSelector) -> Self {
        let ServiceAccountSelector { namespace, name: _, audiences: _ } = selector;
        Self { path, prefix, namespace: namespace.as_deref() }
    }

    /// The rule.
    ///
    /// # Errors
    /// A missing namespace in a ClusterSecretStore (strict form only), or a foreign one in a SecretStore.
    pub(super) fn check(self, store: &Store<'_>, form: Form) -> Result<(), Finding> {
        let Self { path, prefix, namespace } = self;
        match (store.kind, namespace, form) {
            (StoreKind::ClusterSecretStore, None, Form::Strict) => {
                Err(Finding::error(path, Code::NamespaceMissing, format!("{prefix}cluster scope requires namespace")))
            }
            (StoreKind::SecretStore, Some(namespace), Form::Strict | Form::Referent)
                if namespace != store.namespace =>
            {
                Err(Finding::error(
                    format!("{path}.namespace"),
                    Code::NamespaceForeign,
                    format!(
                        "{prefix}namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"
                    ),
                ))
            }
            (StoreKind::ClusterSecretStore, Some(_), Form::Strict | Form::Referent)
            | (StoreKind::ClusterSecretStore, None, Form::Referent)
            | (StoreKind::SecretStore, _, Form::Strict | Form::Referent) => Ok(()),
        }
    }
}
