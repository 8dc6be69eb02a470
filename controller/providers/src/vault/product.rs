//! Which server a store is for, and who answered: Vault and OpenBao speak alike, but are set up and named differently.
//!
//! Deliberately not here: what one of them does otherwise (`openbao/`).

use std::fmt;

/// What a store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Vault,
    OpenBao,
}

impl Product {
    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        }
    }

    /// The full name of a setting, such as `auth.appRole.path`.
    pub(super) fn field(self, name: &str) -> String {
        let provider = match self {
            Self::Vault => "vault",
            Self::OpenBao => "openBao",
        };
        format!("spec.provider.{provider}.{name}")
    }

    /// An address such as people use.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Vault => "https://vault.example.org:8200",
            Self::OpenBao => "https://openbao.example.org:8200",
        }
    }

    /// How errors of reads begin.
    pub(super) fn cannot_read(self) -> &'static str {
        match self {
            Self::Vault => "cannot read secret data from Vault",
            Self::OpenBao => "cannot read secret data from OpenBao",
        }
    }
}

/// A server. Shown as its scheme, host and port: what errors tell of an address.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) product: Product,
    pub(super) origin: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}
