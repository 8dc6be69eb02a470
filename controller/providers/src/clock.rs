//! The wall clock, for what has to bear a time: signed assertions, dated requests, templates. What only waits uses tokio's.

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate's one reading of the wall clock; whatever is made with it is handed the result"
)]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
