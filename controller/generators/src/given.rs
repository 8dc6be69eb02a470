//! What a generator is handed beside its spec: the time, chance, and the Secrets of its user's namespace.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use provider::Error;
use secret::SecretMap;

/// Reads Secrets of one namespace: that of the object the values are for. There is no way to name another.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The data of a Secret.
    ///
    /// # Errors
    /// `Invalid` with the API server's words, such as `secrets "a" not found`.
    async fn secret(&self, name: &str) -> Result<SecretMap, Error>;
}

/// See the module.
#[derive(Clone, Copy)]
pub struct Given<'g> {
    /// The time.
    pub now: Timestamp,
    /// Where chance comes from.
    pub random: Random<'g>,
    /// The Secrets that may be read.
    pub secrets: &'g dyn Secrets,
}

/// A source of random bytes. Passwords and keys are made of them: outside tests it has to be a cryptographic one.
#[derive(Clone, Copy)]
pub struct Random<'g>(&'g (dyn Fn(&mut [u8]) + Send + Sync));

impl fmt::Debug for Random<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl<'g> Random<'g> {
    /// Random bytes from `fill`, which fills the whole buffer each time.
    pub fn new(fill: &'g (dyn Fn(&mut [u8]) + Send + Sync)) -> Self {
        Self(fill)
    }

    pub(crate) fn fill(&self, buffer: &mut [u8]) {
        (self.0)(buffer);
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`; 0 if the bound is 0. The bounds here are small, which keeps the product's bias below 2^-40.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let draw = u64::from_le_bytes(self.bytes());
        let scaled = (u128::from(draw) * bound as u128) >> 64;
        scaled as usize
    }
}
