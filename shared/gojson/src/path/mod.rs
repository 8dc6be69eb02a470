//! gjson paths: `a.b`, `list.#(k=="v")#.x`, `{a,b}`, `@pretty`, … over bytes that may or may not be JSON.
//!
//! Lives here: the entry points and what they answer. Deliberately not here: the steps (see the submodules): `syntax`
//! splits a path, `scan` finds values in bytes, `walk` follows components, `query` and `wildcard` match,
//! `modifier` and `pretty` transform.
//!
//! gjson never refuses a document: it looks for the first bracket and skips what it doesn't understand. Users rely on
//! it unknowingly (a byte order mark, a comment line before the JSON), so the same bytes are skipped here.

mod modifier;
mod pretty;
mod query;
mod scan;
mod syntax;
mod value;
mod walk;
mod wildcard;

use crate::budget::Budget;
use crate::error::Limit;

/// The type of a found value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`, or nothing was found.
    Null,
    /// `false`
    False,
    /// A number.
    Number,
    /// A string.
    String,
    /// `true`
    True,
    /// An array or an object.
    Json,
}

impl Kind {
    /// gjson's name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::False => "False",
            Self::Number => "Number",
            Self::String => "String",
            Self::True => "True",
            Self::Json => "JSON",
        }
    }
}

/// The answer to a path. `Debug` shows sizes only, since values may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    kind: Kind,
    raw: Vec<u8>,
    text: Vec<u8>,
}

impl Found {
    const NOTHING: Self = Self { kind: Kind::Null, raw: Vec::new(), text: Vec::new() };

    /// Whether there is a value; `null` is one.
    pub fn exists(&self) -> bool {
        self.kind != Kind::Null || !self.raw.is_empty()
    }

    /// The value's type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The value as it is written in the document, or as the path built it. Empty if there is none.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The value as a secret's bytes, gjson's `Result.String()`: strings decoded, integers as written, other numbers
    /// without exponent, null and nothing empty, the rest as written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// As [`Found::text`], without a copy.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Found({}, {} bytes)", self.kind.as_str(), self.raw.len())
    }
}

/// Evaluates a gjson path. Nothing is found where a bound is exceeded; [`try_get`] tells.
pub fn get(json: &[u8], path: &str) -> Found {
    try_get(json, path).unwrap_or(Found::NOTHING)
}

/// Evaluates a gjson path.
///
/// # Errors
/// [`Limit`] if path and document together need more nesting, passes or output than is good for the process.
pub fn try_get(json: &[u8], path: &str) -> Result<Found, Limit> {
    let mut budget = Budget::new();
    let value = walk::get(&mut budget, json, path.as_bytes())?;
    let text = value.text().into_owned();
    Ok(Found { kind: value.kind, raw: value.raw.into_owned(), text })
}
