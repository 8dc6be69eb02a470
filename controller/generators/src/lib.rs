//! Generators: values that are made when they are asked for, not read from a store.
//!
//! Lives here: what a reference means ([`Wanted`], [`Spec`]), the one shape of every generator ([`Generator`]), and the
//! generators themselves, one file or folder each. The clock, chance and the Secrets that one may read are handed in.
//! Deliberately not here: reading objects from a cluster, and what becomes of the values (`plan::data`).
//!
//! To add a kind: a variant of [`Spec`] in place of its entry in [`Spec::Absent`], a file with its [`Generator`], a line
//! in [`open`], a section in `docs/generators.md`.

mod base32;
mod fake;
mod given;
mod kind;
mod mfa;
mod password;
mod reference;
mod spec;
mod ssh_key;
mod uuid;

use async_trait::async_trait;
use provider::{Error, ErrorKind, Retry};
use secret::SecretMap;

pub use given::{Given, Random, Secrets};
pub use kind::Kind;
pub use reference::Wanted;
pub use spec::Spec;

/// The provider call that errors of this crate name.
const OPERATION: &str = "Generate";

/// Makes values.
#[async_trait]
pub trait Generator: Send + Sync {
    /// New values, by Secret key. Each call makes others, except where the spec fixes them.
    ///
    /// # Errors
    /// `Invalid` in the reference's words when the spec can't be obeyed or something it needs is missing; `Unsupported`
    /// when this build hasn't the kind. Never `NotFound`: nothing here may lead to a deletion.
    async fn generate(&self, given: &Given<'_>) -> Result<SecretMap, Error>;
}

/// The generator of a spec.
pub fn open(spec: Spec) -> Box<dyn Generator> {
    match spec {
        Spec::Fake(spec) => Box::new(fake::Fake(spec)),
        Spec::Mfa(spec) => Box::new(mfa::Mfa(spec)),
        Spec::Password(spec) => Box::new(password::Password(spec)),
        Spec::SshKey(spec) => Box::new(ssh_key::SshKey(spec)),
        Spec::Uuid(spec) => Box::new(uuid::Uuid(spec)),
        Spec::Absent { kind, controller: _ } => Box::new(Absent(kind)),
    }
}

/// Stands for a kind that this build hasn't.
struct Absent(Kind);

#[async_trait]
impl Generator for Absent {
    async fn generate(&self, _: &Given<'_>) -> Result<SecretMap, Error> {
        let Self(kind) = self;
        let text = format!("the generator kind {} is not supported by this version of the controller", kind.as_str());
        Err(Error::new(ErrorKind::Unsupported, OPERATION, text).retry(Retry::Never))
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION, text)
}
