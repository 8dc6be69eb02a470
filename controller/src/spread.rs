//! Stable shares, so that what happened together doesn't happen together again. No chance: a restart changes nothing.
//!
//! Deliberately not here: what is spread, and how far (`queue`, `api_client`, `ingest::watch`).

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// Which of `parts` falls to `of`: below `parts`, which must not be 0, and always the same.
pub(crate) fn share(of: &impl Hash, parts: u32) -> u32 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    u32::try_from(hasher.finish() % u64::from(parts)).unwrap_or_default()
}
