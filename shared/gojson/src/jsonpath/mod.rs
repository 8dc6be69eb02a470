//! JSONPath in the dialect of PaesslerAG/jsonpath v0.1.1, which External Secrets Operator's webhook provider speaks.
//!
//! Lives here: paths and why they find nothing. `parse.rs` reads them, `walk.rs` follows them through a document.
//! Deliberately not here: what becomes of the value that was found (the caller's), and gjson's paths.
//!
//! Not RFC 9535: a path that can find one value alone finds it or fails, a filter takes the truth of a value and not
//! that it exists, and one that compares a value that isn't there finds nothing. Texts may also stand in single quotes, and
//! `null` is a value. A name that stands alone is a key of the root. Scripts (`(…)`), and operators other than `==` and `!=`,
//! are not understood, and two lists of matches never equal each other. Members of objects are met in key order, where Go has
//! none.

mod parse;
mod walk;

use thiserror::Error;

use crate::document::{Document, NodeId};

/// The longest path, in bytes.
const MAX_LENGTH: usize = 1024;
/// How deep filters and brackets may nest.
const MAX_DEPTH: usize = 32;

/// A path, such as `$.items[?(@.name=="db")].value`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selected {
    /// A path of names and indexes: its value.
    One(NodeId),
    /// A path with `*`, `..`, a slice, a filter or several keys: the first of its matches, if there are any.
    FirstOf(Option<NodeId>),
}

/// Why a path can't be read, or leads nowhere. Shows nothing of a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is no path. Characters count from 1.
    #[error("at character {at}: {what}")]
    Syntax {
        /// Where reading ended.
        at: usize,
        /// What was found or is due there.
        what: &'static str,
    },
    /// It is longer than 1 KiB.
    #[error("the path is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// An object lacks the key. It is named if the path itself names it.
    #[error("unknown key{}", .0.as_ref().map(|key| format!(" {key}")).unwrap_or_default())]
    UnknownKey(Option<String>),
    /// An array is shorter.
    #[error("index out of bounds")]
    OutOfBounds,
    /// What stands in brackets is no key for what is there.
    #[error("could not select value, invalid key")]
    InvalidKey,
    /// There is neither an object nor an array.
    #[error("unsupported value type {0} for select, expected map[string]interface{{}} or []interface{{}}")]
    NoContainer(&'static str),
    /// Too many values were looked at.
    #[error("the path looks at too many values; make it simpler")]
    TooManySteps,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`Fault::Syntax`] and [`Fault::TooLong`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_LENGTH {
            return Err(Fault::TooLong);
        }
        parse::path(text).map(|steps| Self { steps })
    }

    /// Follows the path from the root of `document`.
    ///
    /// # Errors
    /// All but those of [`JsonPath::parse`].
    pub fn select(&self, document: &Document<'_>) -> Result<Selected, Fault> {
        walk::select(&self.steps, document)
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.a`, `["a"]`, `[0]`
    Key(Expression),
    /// `[0, "a"]`
    Keys(Vec<Expression>),
    /// `.*`, `[*]`
    All,
    /// `..`: the value and all below it, from the top.
    Below,
    /// `[from:to:step]`
    Slice { from: Option<Expression>, to: Option<Expression>, step: Option<Expression> },
    /// `[? …]`
    Filter(Expression),
}

impl Step {
    /// Whether it may match any number of values.
    fn is_ambiguous(&self) -> bool {
        match self {
            Self::Key(_) => false,
            Self::Keys(_) | Self::All | Self::Below | Self::Slice { .. } | Self::Filter(_) => true,
        }
    }
}

/// What may stand in brackets.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// `$…`: from the document's root.
    Root(Vec<Step>),
    /// `@…`: from the value at hand.
    Current(Vec<Step>),
    Negative(Box<Expression>),
    /// `==`, and `!=` if not `equal`.
    Comparison {
        left: Box<Expression>,
        right: Box<Expression>,
        equal: bool,
    },
}
