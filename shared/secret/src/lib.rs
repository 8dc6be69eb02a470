//! Secret values: types that cannot be printed and that are wiped when they are dropped.
//!
//! Lives here: [`SecretBytes`] and [`SecretMap`], the only types in which a provider's values travel.
//! Deliberately not here: any encoding, parsing or comparison that would need to show a value.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// Bytes of a secret value. `Debug` prints the length only, there is no `Display`, and the memory is zeroed on drop.
///
/// Values are byte strings, not text: keystores and keytabs are not UTF-8.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Wraps bytes; the caller's copy is moved, not cloned.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Every call is a place where a value could leak: keep the borrow short.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or `None` when they are not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The bytes without ASCII white space around them: people's editors leave a line break behind a token.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self::new(self.0.trim_ascii().to_vec())
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for SecretBytes {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

/// Secret keys to values, in key order: the shape of a Kubernetes Secret's `data`.
pub type SecretMap = BTreeMap<String, SecretBytes>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_the_length_and_no_byte() {
        let shown = format!("{:?}", SecretBytes::from("canary"));
        assert_eq!(shown, "SecretBytes(6 bytes)");
    }
}
