//! One start-up for all the cases of a test file.
//!
//! Cases run on threads of their own but on one runtime: connections belong to the runtime that opened them. Nothing is
//! torn down at the end; the guards see to that when the process is gone.

use std::sync::OnceLock;

use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::error::Result;

/// A value that the first case starts and all share.
pub struct Shared<T: 'static> {
    runtime: OnceLock<Runtime>,
    value: OnceCell<T>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Shared<T> {
    /// Nothing started yet.
    pub const fn new() -> Self {
        Self { runtime: OnceLock::new(), value: OnceCell::const_new() }
    }

    /// Runs a case, after `start` if it is the first.
    ///
    /// # Errors
    /// Those of `start`, which the next case tries again, and of the case.
    pub fn run(
        &'static self,
        start: impl AsyncFnOnce() -> Result<T>,
        case: impl AsyncFnOnce(&'static T) -> Result,
    ) -> Result {
        let runtime = match self.runtime.get() {
            Some(runtime) => runtime,
            None => {
                let made = Runtime::new()?;
                self.runtime.get_or_init(|| made)
            }
        };
        runtime.block_on(async { case(self.value.get_or_try_init(async || start().await).await?).await })
    }
}
