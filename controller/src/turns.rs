//! Spreads what each object needs once over time: everyone who asks gets a turn of its own, a pause after the one before.
//!
//! Plain data that is handed the time. Deliberately not here: what is done in a turn.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From one turn to the next: 10,000 objects take some eight minutes, and the API server gets 20 requests a second.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// How far one object has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has not asked for one.
    #[default]
    None,
    /// Its turn comes at this time.
    At(Instant),
    /// It has had its turn.
    Had,
}

/// When the next turn is free.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Mutex<Option<Instant>>,
}

impl Turns {
    /// The next free turn, now at the earliest.
    pub(crate) fn book(&self, now: Instant) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = last.map_or(now, |last| now.max(last + PAUSE));
        *last = Some(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_one_after_the_other_and_none_is_saved_up() {
        let turns = Turns::default();
        let start = Instant::now();
        assert_eq!(
            [turns.book(start), turns.book(start), turns.book(start)],
            [start, start + PAUSE, start + PAUSE * 2]
        );
        let later = start + PAUSE * 10;
        assert_eq!([turns.book(later), turns.book(later)], [later, later + PAUSE]);
    }
}
