//! The one place that reads clocks.

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the controller's one reading of the wall clock; decisions are handed the result"
)]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Tokio's clock, so that tests can pause it.
pub(crate) fn instant() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
