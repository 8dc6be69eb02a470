//! How many calls a store gets at a time, and whether it wants quiet, as plain data that is handed the time.
//!
//! Additive increase, multiplicative decrease: a throttle halves the calls at a time, successes add to them again.

use std::time::Instant;

use provider::{Error, ErrorKind, Retry};

/// Successes that add one call at a time.
const SUCCESSES: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    limit: usize,
    successes: usize,
    cut_at: Option<Instant>,
    quiet: Option<(Instant, Error)>,
}

impl Pace {
    /// At most `most` calls at a time.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, limit: most, successes: 0, cut_at: None, quiet: None }
    }

    /// Calls at a time, 1 at least.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The answer to whoever asks while the store wants quiet: what it said, and how long to stay away from now on.
    pub(crate) fn refusal(&self, now: Instant) -> Option<Error> {
        let (until, error) = self.quiet.as_ref()?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then(|| error.clone().retry(Retry::After(left)))
    }

    /// A call that began at `began` beside others, `in_flight` with itself, was answered with `error`, if any.
    /// Answers whether it was throttled.
    pub(crate) fn ended(&mut self, error: Option<&Error>, began: Instant, in_flight: usize, now: Instant) -> bool {
        match error {
            Some(error) if error.kind() == ErrorKind::Throttled => {
                self.throttled(error, began, in_flight, now);
                true
            }
            Some(_) => false,
            None => {
                self.successes += 1;
                if self.successes >= SUCCESSES {
                    self.successes = 0;
                    self.limit = (self.limit + 1).min(self.most);
                }
                false
            }
        }
    }

    fn throttled(&mut self, error: &Error, began: Instant, in_flight: usize, now: Instant) {
        // What began before the last cut was sent at the old pace: one burst is one cut.
        if self.cut_at.is_none_or(|cut| began > cut) {
            self.limit = (self.limit.min(in_flight) / 2).max(1);
            self.cut_at = Some(now);
        }
        self.successes = 0;
        if let Retry::After(wait) = error.retry_when()
            && self.quiet.as_ref().is_none_or(|(until, _)| now + wait > *until)
        {
            self.quiet = Some((now + wait, error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn throttle() -> Error {
        Error::new(ErrorKind::Throttled, "Get", "slow down")
    }

    /// `t` a throttle, `o` a burst of throttles of calls that began together, `s` sixteen successes, `e` another error;
    /// each a second after the one before, with as many calls in flight as are allowed.
    fn limits(most: usize, steps: &str) -> Vec<usize> {
        let (mut pace, start) = (Pace::new(most), Instant::now());
        let mut step = |(second, step): (u64, char)| {
            let began = start + Duration::from_secs(second);
            let now = began + Duration::from_millis(500);
            let in_flight = pace.limit();
            let mut end = |error: Option<&Error>| pace.ended(error, began, in_flight, now);
            match step {
                't' => assert!(end(Some(&throttle()))),
                'o' => (0..in_flight).for_each(|_| assert!(end(Some(&throttle())))),
                's' => (0..SUCCESSES).for_each(|_| assert!(!end(None))),
                _ => assert!(!end(Some(&Error::not_found("Get")))),
            }
            pace.limit()
        };
        (0..).zip(steps.chars()).map(&mut step).collect()
    }

    #[test]
    fn a_throttle_halves_and_successes_add_one() {
        let cases = [
            (64, "ttttttt", vec![32, 16, 8, 4, 2, 1, 1]),
            (64, "o", vec![32]),
            (64, "tss", vec![32, 33, 34]),
            (4, "tssss", vec![2, 3, 4, 4, 4]),
            (4, "te", vec![2, 2]),
            (0, "ts", vec![1, 1]),
        ];
        for (most, steps, want) in cases {
            assert_eq!(limits(most, steps), want, "{steps}");
        }
    }

    #[test]
    fn a_cut_starts_from_the_calls_that_were_too_many() {
        let now = Instant::now();
        let mut pace = Pace::new(64);
        pace.ended(Some(&throttle()), now, 4, now);
        assert_eq!(pace.limit(), 2);
    }

    #[test]
    fn quiet_lasts_as_long_as_was_said_and_says_what_is_left() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(64);
        pace.ended(Some(&throttle()), now, 1, now);
        assert_eq!(pace.refusal(now), None);
        pace.ended(Some(&throttle().retry(Retry::After(10 * second))), now, 1, now);
        // A shorter one doesn't take back the longer one.
        pace.ended(Some(&throttle().retry(Retry::After(second))), now, 1, now);
        let refused = pace.refusal(now + 4 * second).unwrap();
        assert_eq!((refused.to_string().as_str(), refused.retry_when()), ("slow down", Retry::After(6 * second)));
        assert_eq!(pace.refusal(now + 10 * second), None);
    }
}
