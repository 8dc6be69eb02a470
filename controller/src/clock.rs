//! The one place that reads the wall clock.

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the controller's one reading of the wall clock; decisions are handed the result"
)]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
