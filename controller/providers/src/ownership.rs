//! The mark of what this operator has pushed, which is the reference's own, so that each takes over from the other.
//!
//! Deliberately not here: where a backend keeps it (tags, custom metadata).

use std::collections::BTreeMap;

use provider::{Error, ErrorKind};

/// The mark's name.
pub(crate) const MANAGED_BY: &str = "managed-by";
/// The mark's value.
pub(crate) const US: &str = "external-secrets";

/// Whether these tags hold the mark.
pub(crate) fn is_ours(tags: &BTreeMap<String, String>) -> bool {
    tags.get(MANAGED_BY).is_some_and(|owner| owner == US)
}

/// The error of a push to what lacks the mark.
pub(crate) fn foreign(operation: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation, "secret not managed by external-secrets")
}
