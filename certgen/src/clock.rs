//! The one place of this crate and of the webhook that reads the wall clock; decisions are handed the time.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// A source of the current time, which tests replace.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's wall clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that asks `read` each time.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
