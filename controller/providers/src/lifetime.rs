//! How long a token lives, as whoever granted it says.
//!
//! Deliberately not here: when it is replaced (each provider's session), and what stands for an answer that doesn't say it.

use std::time::Duration;

/// A year. The other side may say any number; no clock counts so far, and nothing is lost by asking again after this.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Of a number of seconds that the other side chose.
pub(crate) fn of_seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST)
}
