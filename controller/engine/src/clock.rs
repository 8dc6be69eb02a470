//! The one place of the engine that reads a clock.

/// Tokio's clock, so that tests can pause it.
pub(crate) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
