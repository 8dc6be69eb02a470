//! Certificates of the admission webhook: a CA that is kept in a Secret and short-lived leaves that are kept nowhere.
//!
//! The pure half is handed the time and the keys: [`issue`] makes certificates, [`renew`] says when one is due and
//! whether one is usable, [`bundle`] says which CAs are published together, [`authority`] says what to do with a Secret
//! as it was found, and the first half of [`inject`] says what to change in a webhook configuration.
//! The other half talks to the API server: [`secret`] and the rest of [`inject`].
//! Deliberately not here: serving TLS, watching, and the order of the steps, which are the webhook's.

pub mod authority;
pub mod bundle;
mod clock;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
#[cfg(test)]
mod fixtures;
pub mod inject;
pub mod issue;
pub mod renew;
pub mod secret;

pub use authority::{Authority, Held, Material, Reason, Step};
pub use bundle::Bundle;
pub use clock::Clock;
pub use issue::{Ca, IssueError, Leaf, Names, fresh_key};
pub use renew::{Unusable, Validity};

use std::time::Duration;

/// How long before its issue a certificate starts to be valid, so that a peer whose clock is behind accepts it.
pub const BACKDATE: Duration = Duration::from_secs(3600);

/// How long certificates live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Life of the CA, from its issue.
    pub ca: Duration,
    /// Life of a leaf, from its issue. It is also how long a replaced CA stays published: after that, no leaf which it
    /// signed can still be served.
    pub leaf: Duration,
}

impl Default for Lifetimes {
    /// 365 days for the CA, 7 days for a leaf.
    fn default() -> Self {
        Self { ca: Duration::from_secs(365 * 86_400), leaf: Duration::from_secs(7 * 86_400) }
    }
}
