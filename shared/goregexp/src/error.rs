//! Why a pattern isn't accepted, in Go's words.

use std::fmt;

/// Why a pattern doesn't compile. Prints Go's text: ``error parsing regexp: missing closing ]: `[a` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) what: What,
    part: Vec<u8>,
}

impl Error {
    /// The part of the pattern that is at fault, as Go names it; the whole pattern for some kinds.
    pub fn part(&self) -> &[u8] {
        &self.part
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.what.as_str(), String::from_utf8_lossy(&self.part))
    }
}

impl std::error::Error for Error {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    CharRange,
    Escape,
    NamedCapture,
    Perl,
    Repeat,
    RepeatSize,
    Utf8,
    MissingArgument,
    MissingBracket,
    MissingParen,
    Nesting,
    TooLarge,
    TrailingBackslash,
    UnexpectedParen,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CharRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::Perl => "invalid or unsupported Perl syntax",
            Self::Repeat => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::Utf8 => "invalid UTF-8",
            Self::MissingArgument => "missing argument to repetition operator",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::Nesting => "expression nests too deeply",
            Self::TooLarge => "expression too large",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
        }
    }

    pub(crate) fn at(self, part: &[u8]) -> Error {
        Error { what: self, part: part.to_owned() }
    }
}
