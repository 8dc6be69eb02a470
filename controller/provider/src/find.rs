//! Finding remote secrets by name, tags or path: what is looked for, and the bounded heap of what was found.
//!
//! Deliberately not here: which of the three a backend heeds (`providers`), and what becomes of the remote names
//! (`plan`).

use std::collections::BTreeMap;

use secret::{SecretBytes, SecretMap};

use crate::{Error, ErrorKind};

/// `dataFrom[].find`: which remote secrets to take. Two that are equal find the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Find {
    /// `path`: where to look.
    pub path: Option<String>,
    /// `name.regexp`: must match somewhere in the name (Go's RE2 syntax). Empty text matches every name.
    pub name: Option<String>,
    /// `tags`: all of them must be borne. Empty: tags aren't looked at.
    pub tags: BTreeMap<String, String>,
}

/// Told of every call that a find makes, for the metric.
pub trait Calls: Send + Sync {
    /// A call, as the metric names it, has ended.
    fn made(&self, call: &'static str, succeeded: bool);
}

/// The values that were found so far, up to a limit: what a store holds must not decide how much memory is used.
#[derive(Debug, Default)]
pub struct Gathered {
    values: SecretMap,
    expected: usize,
    bytes: usize,
}

impl Gathered {
    /// The most remote secrets of one find.
    pub const MAX_VALUES: usize = 10_000;
    /// The most bytes of their names and values together. A Kubernetes Secret holds 1 MiB of what is left in the end.
    pub const MAX_BYTES: usize = 32 << 20;

    /// Counts a name that matches, before its value is read.
    ///
    /// # Errors
    /// `Invalid` if there are more than [`Gathered::MAX_VALUES`].
    pub fn announce(&mut self, operation: &'static str) -> Result<(), Error> {
        self.expected += 1;
        if self.expected <= Self::MAX_VALUES {
            return Ok(());
        }
        let text = format!(
            "find matches more than {} secrets; narrow spec.dataFrom[].find by name, path or tags",
            Self::MAX_VALUES
        );
        Err(Error::new(ErrorKind::Invalid, operation, text))
    }

    /// Takes a value in.
    ///
    /// # Errors
    /// `Invalid` if there are more than [`Gathered::MAX_VALUES`] or [`Gathered::MAX_BYTES`].
    pub fn insert(&mut self, operation: &'static str, name: String, value: SecretBytes) -> Result<(), Error> {
        self.bytes += name.len() + value.len();
        if self.bytes > Self::MAX_BYTES {
            let text = format!(
                "the secrets that find matches are larger than {} MiB altogether; narrow spec.dataFrom[].find by name, \
                 path or tags",
                Self::MAX_BYTES >> 20
            );
            return Err(Error::new(ErrorKind::Invalid, operation, text));
        }
        self.values.insert(name, value);
        if self.values.len() > self.expected {
            self.expected = self.values.len() - 1;
            self.announce(operation)?;
        }
        Ok(())
    }

    /// Whether nothing was found yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Remote names to values.
    pub fn into_values(self) -> SecretMap {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: usize) -> SecretBytes {
        SecretBytes::new(vec![b'x'; bytes])
    }

    #[test]
    fn too_many_names_are_refused_before_their_values_are_read() {
        let mut found = Gathered::default();
        for _ in 0..Gathered::MAX_VALUES {
            found.announce("Find").unwrap();
        }
        let error = found.announce("Find").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("find matches more than 10000 secrets; narrow"), "{error}");
    }

    #[test]
    fn too_many_or_too_large_values_are_refused() {
        let mut many = Gathered::default();
        let ended = (0..=Gathered::MAX_VALUES).find_map(|n| many.insert("Find", format!("{n}"), value(1)).err());
        assert!(ended.unwrap().to_string().contains("10000 secrets"));

        let mut large = Gathered::default();
        large.insert("Find", "a".to_owned(), value(Gathered::MAX_BYTES - 1)).unwrap();
        let error = large.insert("Find", "b".to_owned(), value(0)).unwrap_err();
        assert!(error.to_string().contains("larger than 32 MiB"), "{error}");
        assert_eq!(large.into_values().len(), 1);
    }
}
