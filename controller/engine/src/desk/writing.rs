//! Turns to write: their own, beside those of reads, under the same breaker and pace.
//!
//! Deliberately not here: one write to a remote key at a time, and what is written (`writes.rs`).

use std::sync::Arc;
use std::time::Instant;

use provider::{Error, Place};
use telemetry::CallStatus;

use super::{Desk, Question, late};
use crate::clock;

impl Desk {
    /// Whether a write may be made now.
    ///
    /// # Errors
    /// As [`Desk::admits`].
    pub(crate) fn admits_write(&self, place: &Place) -> Result<(), Error> {
        match self.lock().refusal(|| Question::Exists(place.clone()), clock::now()) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// Waits for one of `most` turns to write, of fewer while the store throttles. Writes don't wait for reads.
    pub(crate) async fn write_turn(self: &Arc<Self>, most: usize) -> Writing {
        loop {
            {
                let mut state = self.lock();
                let most = most.min(state.pace.limit()).max(1);
                if state.writes < most {
                    state.writes += 1;
                    let more = state.writes < most;
                    drop(state);
                    if more {
                        // The pace may have risen since the last one ended.
                        self.write_ended.notify_one();
                    }
                    return Writing(self.clone());
                }
            }
            self.write_ended.notified().await;
        }
    }

    /// Draws the conclusions from a write, or a look before one, that began at `began`.
    pub(crate) fn wrote(self: &Arc<Self>, place: &Place, error: Option<&Error>, began: Instant) {
        self.ended(&[Question::Exists(place.clone())], &[error], began);
    }

    /// A write's answer did not come in time.
    pub(crate) fn late_write(&self, operation: &'static str, doubt: &str) -> Error {
        self.metrics.provider_call(self.provider.metric_name(), operation, CallStatus::Error);
        let late = late(operation, self.deadline);
        Error::new(late.kind(), operation, format!("{late}{doubt}"))
    }
}

/// Gives a turn to write back.
pub(crate) struct Writing(Arc<Desk>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.lock().writes -= 1;
        self.0.write_ended.notify_one();
    }
}
