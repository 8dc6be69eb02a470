//! What can go wrong, in the words of Go's `encoding/json`.
//!
//! Lives here: error types and texts. Deliberately not here: payload bytes beyond the one character that Go's syntax
//! error shows.

use thiserror::Error;

use crate::text::quote_byte;

/// A bound of path evaluation was reached; nothing was found and nothing more was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Limit {
    /// Path components, queries or the document nest too deeply.
    #[error("the path or the document is nested more than 200 levels deep; use a shorter path")]
    Depth,
    /// Too many bytes were looked at.
    #[error("the path needs too many passes over the document; use a simpler path")]
    Scanned,
    /// Too many bytes were produced.
    #[error("the path produces more than 32 MiB; select less")]
    Produced,
}

/// Where a syntax error was met; the text that Go puts after the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A value should begin.
    BeginValue,
    /// An object key should begin.
    BeginKey,
    /// After an object key.
    AfterKey,
    /// After a member of an object.
    AfterPair,
    /// After an element of an array.
    AfterElement,
    /// After the whole document.
    AfterTop,
    /// Inside a string.
    InString,
    /// After a backslash.
    InEscape,
    /// In the four digits after `\u`.
    InHex,
    /// After a minus sign.
    InNumber,
    /// After a decimal point.
    AfterDot,
    /// In an exponent.
    InExponent,
    /// In `true`, `false` or `null`, where this character was due.
    InLiteral(&'static str, char),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BeginValue => "looking for beginning of value",
            Self::BeginKey => "looking for beginning of object key string",
            Self::AfterKey => "after object key",
            Self::AfterPair => "after object key:value pair",
            Self::AfterElement => "after array element",
            Self::AfterTop => "after top-level value",
            Self::InString => "in string literal",
            Self::InEscape => "in string escape code",
            Self::InHex => "in \\u hexadecimal character escape",
            Self::InNumber => "in numeric literal",
            Self::AfterDot => "after decimal point in numeric literal",
            Self::InExponent => "in exponent of numeric literal",
            Self::InLiteral(word, due) => return write!(f, "in literal {word} (expecting '{due}')"),
        })
    }
}

/// Why bytes are not a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SyntaxError {
    /// The document ends too early.
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// As above, for readers that take the first value of a stream.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// A stream without a value.
    #[error("EOF")]
    Eof,
    /// A byte that can't stand where it stands.
    #[error("invalid character {} {place}", quote_byte(*byte))]
    Character {
        /// The byte.
        byte: u8,
        /// Where it stands.
        place: Place,
    },
    /// More than 10,000 levels.
    #[error("exceeded max depth")]
    Depth,
}

/// Why bytes could not be turned into the asked shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// JSON of another type than asked.
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Type {
        /// What is there: `string`, `number`, `bool`, `array`, or `number <literal>` for one that float64 can't hold.
        found: String,
        /// The Go type that was asked for.
        wanted: &'static str,
    },
}
