//! The world as templates see it: the clock and chance, both handed in so that a rendering can be repeated.

use std::cell::RefCell;
use std::fmt;

use jiff::Timestamp;

/// Fills a buffer with random bytes.
pub type Fill = dyn FnMut(&mut [u8]);

/// Clock and chance for one rendering.
///
/// RSA keys and ECDSA signatures draw on chance that is not handed in: the library that makes them has its own.
pub struct Env {
    now: Timestamp,
    fill: RefCell<Box<Fill>>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Env {
    /// An environment in which it is `now` and random bytes come from `fill`. Passwords are made of them: outside tests
    /// `fill` has to be a cryptographic generator.
    pub fn new(now: Timestamp, fill: impl FnMut(&mut [u8]) + 'static) -> Self {
        Self { now, fill: RefCell::new(Box::new(fill)) }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// `count` random bytes.
    pub fn random(&self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        (self.fill.borrow_mut())(&mut bytes);
        bytes
    }

    /// A random number below `bound`, all equally likely; 0 if the bound is 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound < 2 {
            return 0;
        }
        let zone = u64::MAX - u64::MAX % bound;
        // A draw above the zone would favour small numbers. Half the draws or more fit; 128 misses mean a broken source.
        for _ in 0..128 {
            let mut raw = [0; 8];
            (self.fill.borrow_mut())(&mut raw);
            let draw = u64::from_le_bytes(raw);
            if draw < zone {
                return draw % bound;
            }
        }
        0
    }
}
