//! Evidence that an object passed the rules of the reconciler. Not here: the rules, and the webhook's larger set of them.

use crate::finding::{Finding, Severity};
use crate::{runtime_external_secret, store::Store};
use api::{ClusterSecretStore, ExternalSecret, SecretStore};
use std::ops::Deref;
use std::sync::Arc;

/// A type with rules that the reconciler itself enforces, whether or not a webhook stood before it.
pub trait Checked {
    /// What these rules say.
    fn findings(&self) -> Vec<Finding>;
}

impl Checked for ExternalSecret {
    fn findings(&self) -> Vec<Finding> {
        runtime_external_secret(&self.spec)
    }
}

impl Checked for SecretStore {
    fn findings(&self) -> Vec<Finding> {
        crate::store::runtime(&self.spec, &Store::of_namespace(self))
    }
}

impl Checked for ClusterSecretStore {
    fn findings(&self) -> Vec<Finding> {
        crate::store::runtime(&self.spec, &Store::of_cluster(self))
    }
}

impl<T: Checked + ?Sized> Checked for &T {
    fn findings(&self) -> Vec<Finding> {
        (**self).findings()
    }
}

impl<T: Checked + ?Sized> Checked for Arc<T> {
    fn findings(&self) -> Vec<Finding> {
        (**self).findings()
    }
}

/// An object that passed its rules. There is no other way to make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Valid<T>(T);

impl<T: Checked> Valid<T> {
    /// Checks an object.
    ///
    /// # Errors
    /// All findings, at least one of which is an error.
    pub fn check(object: T) -> Result<Self, Vec<Finding>> {
        let findings = object.findings();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            Err(findings)
        } else {
            Ok(Self(object))
        }
    }
}

impl<T> Valid<T> {
    /// The object without the evidence.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Valid<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
