//! The circuit breaker of one store, as plain data that is handed the time.
//!
//! Closed, it counts failures in a row that say that the store can't be reached. Open, it answers every asker with the
//! last of these failures, until any call gets an answer. Deliberately not here: making the calls that find out
//! (`desk.rs`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use provider::{Error, ErrorKind};

/// Failures in a row that open it. One key in trouble among others never gets there: each answer starts the count anew.
const THRESHOLD: u32 = 5;
/// The first probe comes this long after it opened; each further one waits this much longer than the one before …
const STEP: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(5);
/// The most that is added to a wait, in percent, so that the stores of one dead server aren't probed in step.
const SPREAD: u64 = 20;
/// One that opens again so soon after it closed goes on with the interval that it had: a store that comes and goes must
/// not have its users woken each second.
const RELAPSE: Duration = Duration::from_secs(60);

/// What an ended call says of the store, whatever it says of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answered.
    Alive,
    /// It can't be reached, or is down.
    Down(Error),
}

impl Sign {
    /// Reads a call's outcome.
    pub(crate) fn of(error: Option<&Error>) -> Self {
        let Some(error) = error else { return Self::Alive };
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout => Self::Down(error.clone()),
            ErrorKind::NotFound
            | ErrorKind::AccessDenied
            | ErrorKind::Unauthenticated
            | ErrorKind::Throttled
            | ErrorKind::Malformed
            | ErrorKind::BadProperty
            | ErrorKind::Invalid
            | ErrorKind::Unsupported => Self::Alive,
        }
    }
}

/// What a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Opened,
    Closed,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { error: Error, probe_at: Instant },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Probes since it opened, or since it opened first, see [`RELAPSE`].
    probes: u32,
    closed_at: Option<Instant>,
    /// What is added to each wait, in percent.
    spread: u64,
}

impl Breaker {
    /// A closed one. `identity` is what its waits are spread by.
    pub(crate) fn new(identity: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        let spread = hasher.finish() % (SPREAD + 1);
        Self { state: State::Closed { failures: 0 }, probes: 0, closed_at: None, spread }
    }

    /// The answer to whoever asks while it is open.
    pub(crate) fn refusal(&self) -> Option<&Error> {
        match &self.state {
            State::Closed { failures: _ } => None,
            State::Open { error, probe_at: _ } => Some(error),
        }
    }

    /// When the next probe is due, if it is open.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        match &self.state {
            State::Closed { failures: _ } => None,
            State::Open { error: _, probe_at } => Some(*probe_at),
        }
    }

    /// A probe begins. The next one doesn't wait for its end: a store that swallows calls must not hide its recovery.
    pub(crate) fn probing(&mut self, now: Instant) {
        self.probes = self.probes.saturating_add(1);
        let wait = self.wait();
        if let State::Open { error: _, probe_at } = &mut self.state {
            *probe_at = now + wait;
        }
    }

    /// A call, a probe or not, has ended.
    pub(crate) fn ended(&mut self, sign: Sign, now: Instant) -> Change {
        match (&mut self.state, sign) {
            (State::Closed { failures }, Sign::Alive) => {
                *failures = 0;
                Change::Nothing
            }
            (State::Closed { failures }, Sign::Down(error)) => {
                *failures += 1;
                if *failures < THRESHOLD {
                    return Change::Nothing;
                }
                if self.closed_at.is_none_or(|at| now.saturating_duration_since(at) >= RELAPSE) {
                    self.probes = 0;
                }
                self.state = State::Open { error, probe_at: now + self.wait() };
                Change::Opened
            }
            (State::Open { error: _, probe_at: _ }, Sign::Alive) => {
                self.state = State::Closed { failures: 0 };
                self.closed_at = Some(now);
                Change::Closed
            }
            (State::Open { error, probe_at: _ }, Sign::Down(newer)) => {
                *error = newer;
                Change::Nothing
            }
        }
    }

    fn wait(&self) -> Duration {
        let wait = (STEP * self.probes.saturating_add(1)).min(LONGEST);
        wait + wait * u32::try_from(self.spread).unwrap_or_default() / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(text: &str) -> Sign {
        Sign::Down(Error::new(ErrorKind::Unavailable, "Get", text))
    }

    /// The steps are calls that ended: `d` down, `a` alive. Answers whether it is open after each.
    fn run(steps: &str) -> String {
        let (mut breaker, now) = (Breaker::new(&0), Instant::now());
        let step = |step: char| {
            breaker.ended(if step == 'd' { down("down") } else { Sign::Alive }, now);
            if breaker.refusal().is_some() { 'o' } else { '-' }
        };
        steps.chars().map(step).collect()
    }

    #[test]
    fn failures_in_a_row_open_it_and_any_answer_closes_it() {
        let cases = [
            ("dddd", "----"),
            ("ddddd", "----o"),
            ("ddddad", "------"),
            ("ddddaddddd", "---------o"),
            ("dddddda", "----oo-"),
            ("dddddadddd", "----o-----"),
        ];
        for (steps, want) in cases {
            assert_eq!(run(steps), want, "{steps}");
        }
    }

    #[test]
    fn only_a_store_that_cannot_be_reached_is_down() {
        use ErrorKind::*;
        for kind in [
            NotFound,
            AccessDenied,
            Unauthenticated,
            Throttled,
            Unavailable,
            Timeout,
            Malformed,
            BadProperty,
            Invalid,
            Unsupported,
        ] {
            let sign = Sign::of(Some(&Error::new(kind, "Get", "text")));
            assert_eq!(sign != Sign::Alive, matches!(kind, Unavailable | Timeout), "{}", kind.as_str());
        }
        assert_eq!(Sign::of(None), Sign::Alive);
    }

    fn opened(breaker: &mut Breaker, now: Instant) {
        let changes: Vec<Change> = (0..THRESHOLD).map(|_| breaker.ended(down("down"), now)).collect();
        assert_eq!(changes.last(), Some(&Change::Opened));
    }

    /// The waits of `count` probes, in milliseconds, each made when it was due.
    fn waits(breaker: &mut Breaker, mut now: Instant, count: usize) -> Vec<u128> {
        let mut probe = || {
            let at = breaker.probe_at().unwrap();
            let wait = at.duration_since(now).as_millis();
            now = at;
            breaker.probing(now);
            wait
        };
        (0..count).map(|_| probe()).collect()
    }

    #[test]
    fn probes_grow_apart_up_to_five_seconds_with_a_spread_of_the_identitys_own() {
        let now = Instant::now();
        let mut seen = std::collections::BTreeSet::new();
        for identity in 0..50 {
            let mut breaker = Breaker::new(&identity);
            opened(&mut breaker, now);
            let waits = waits(&mut breaker, now, 7);
            for (wait, least) in waits.iter().zip([1000, 2000, 3000, 4000, 5000, 5000, 5000]) {
                assert!((least..=least * 12 / 10).contains(wait), "{waits:?}");
            }
            seen.insert(waits);
        }
        assert!(seen.len() > 10, "{seen:?}");
    }

    #[test]
    fn it_answers_with_the_last_failure() {
        let (mut breaker, now) = (Breaker::new(&0), Instant::now());
        opened(&mut breaker, now);
        assert_eq!(breaker.refusal().unwrap().to_string(), "down");
        breaker.ended(down("sealed"), now);
        assert_eq!(breaker.refusal().unwrap().to_string(), "sealed");
    }

    #[test]
    fn one_that_opens_again_at_once_is_not_probed_each_second() {
        let now = Instant::now();
        for (pause, least) in [(Duration::from_secs(1), 5000), (RELAPSE, 1000)] {
            let mut breaker = Breaker::new(&0);
            opened(&mut breaker, now);
            waits(&mut breaker, now, 6);
            assert_eq!(breaker.ended(Sign::Alive, now), Change::Closed);
            opened(&mut breaker, now + pause);
            let wait = waits(&mut breaker, now + pause, 1)[0];
            assert!((least..=least * 12 / 10).contains(&wait), "{pause:?}: {wait}");
        }
    }
}
