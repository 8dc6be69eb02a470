//! The loop of tests that damage their input by chance, and its dice. Only tests depend on it.
//!
//! Deliberately not here: what is damaged and how, and what must hold then; see the tests `fuzz` of the crates.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Rounds that are played however short the time is.
const LEAST_ROUNDS: u64 = 50;

/// Chance that comes from a seed, the same on every machine: splitmix64, good enough to choose damage.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice that begin with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // What is below a usize is one.
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap_or_default()
    }

    /// One of `from`, which must not be empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Plays rounds for `FUZZ_SECONDS` (2), each with dice of its own, the first with those of `FUZZ_SEED` (the process's id).
///
/// # Panics
/// When a round does, naming the seed that repeats it at once; and when one of the two variables is no number.
pub fn for_a_while(round: impl FnMut(&mut Dice)) {
    play(number("FUZZ_SEED", u64::from(std::process::id())), Duration::from_secs(number("FUZZ_SECONDS", 2)), round);
}

fn play(seed: u64, time: Duration, mut round: impl FnMut(&mut Dice)) {
    let end = Instant::now() + time;
    let mut rounds = 0;
    while rounds < LEAST_ROUNDS || Instant::now() < end {
        let seed = seed.wrapping_add(rounds);
        let once = catch_unwind(AssertUnwindSafe(|| round(&mut Dice::new(seed))));
        assert!(once.is_ok(), "repeat with FUZZ_SEED={seed}");
        rounds += 1;
    }
}

fn number<N: FromStr<Err: Debug>>(name: &str, default: N) -> N {
    let Ok(text) = std::env::var(name) else { return default };
    let number = text.parse();
    assert!(number.is_ok(), "{name} is no number: {text}");
    number.unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_rolls() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            [6, 100, 1, usize::MAX].map(|limit| dice.below(limit))
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
        assert!(rolls(7)[0] < 6 && rolls(7)[1] < 100 && rolls(7)[2] == 0);
    }

    #[test]
    #[should_panic(expected = "repeat with FUZZ_SEED=42")]
    fn a_failure_names_the_seed_that_repeats_it() {
        let third = Dice::new(42).below(1000);
        play(40, Duration::ZERO, |dice| assert_ne!(dice.below(1000), third));
    }

    #[test]
    fn even_without_time_there_are_rounds() {
        let mut played = 0;
        play(1, Duration::ZERO, |_| played += 1);
        assert_eq!(played, LEAST_ROUNDS);
    }
}
