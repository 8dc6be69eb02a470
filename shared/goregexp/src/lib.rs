//! Go's package `regexp`: the README, which follows, says what is here. Deliberately not here: who may use which pattern.
//!
#![doc = include_str!("../README.md")]

mod build;
mod error;
mod matching;
mod parse;
mod subject;
mod syntax;
mod token;
mod unicode;

use std::sync::Arc;

pub use error::Error;
pub use matching::{Regexp, Replacement};
pub use unicode::{is_digit, is_letter};

/// Compiles a pattern, as Go's `regexp.Compile` does.
///
/// # Errors
/// Go's. `expression too large` comes earlier than in Go; see the crate's limits.
pub fn compile(pattern: &[u8]) -> Result<Regexp, Error> {
    let mut syntax = parse::parse(pattern)?;
    let names = std::mem::take(&mut syntax.names);
    let matcher = build::matcher(syntax, names.len()).map_err(|build::TooLarge| error::What::TooLarge.at(pattern))?;
    Ok(Regexp { inner: Arc::new(matching::Inner { matcher, names, is_empty: pattern.is_empty() }) })
}

/// Whether [`compile`] would accept a pattern, at a fraction of its cost. Only that a pattern compiles to too large a
/// program isn't seen here.
///
/// # Errors
/// Go's.
pub fn check(pattern: &[u8]) -> Result<(), Error> {
    parse::parse(pattern).map(drop)
}

/// A pattern that matches this text and nothing else, as Go's `regexp.QuoteMeta` writes it.
pub fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        if br"\.+*?()|[]{}^$".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}
