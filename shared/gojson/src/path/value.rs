//! One value met on the way, borrowed from the document where possible.
//!
//! Lives here: the value and its conversions. Deliberately not here: finding values.

use std::borrow::Cow;

use super::Kind;
use crate::text::{format_float, parse_float};

#[derive(Clone)]
pub(super) struct Value<'j> {
    pub(super) kind: Kind,
    pub(super) raw: Cow<'j, [u8]>,
    /// The content of a string, decoded.
    pub(super) content: Cow<'j, [u8]>,
}

impl<'j> Value<'j> {
    pub(super) const fn nothing() -> Self {
        Self { kind: Kind::Null, raw: Cow::Borrowed(&[]), content: Cow::Borrowed(&[]) }
    }

    pub(super) const fn plain(kind: Kind, raw: &'j [u8]) -> Self {
        Self { kind, raw: Cow::Borrowed(raw), content: Cow::Borrowed(&[]) }
    }

    pub(super) fn built(kind: Kind, raw: Vec<u8>) -> Self {
        Self { kind, raw: Cow::Owned(raw), content: Cow::Borrowed(&[]) }
    }

    pub(super) fn into_owned(self) -> Value<'static> {
        Value {
            kind: self.kind,
            raw: Cow::Owned(self.raw.into_owned()),
            content: Cow::Owned(self.content.into_owned()),
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.kind != Kind::Null || !self.raw.is_empty()
    }

    pub(super) fn is_object(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'{')
    }

    pub(super) fn is_array(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'[')
    }

    pub(super) fn number(&self) -> f64 {
        parse_float(&self.raw)
    }

    pub(super) fn text(&self) -> Cow<'_, [u8]> {
        match self.kind {
            Kind::Null => Cow::Borrowed(&[]),
            Kind::False => Cow::Borrowed(b"false"),
            Kind::True => Cow::Borrowed(b"true"),
            Kind::String => Cow::Borrowed(&self.content),
            Kind::Json => Cow::Borrowed(&self.raw),
            Kind::Number => {
                let digits = self.raw.strip_prefix(b"-").unwrap_or(&self.raw);
                if digits.iter().all(u8::is_ascii_digit) {
                    Cow::Borrowed(&self.raw)
                } else {
                    Cow::Owned(format_float(self.number()).into_bytes())
                }
            }
        }
    }

    /// The bytes that stand for the value inside a built array or object.
    pub(super) fn raw_or_text(&self) -> Cow<'_, [u8]> {
        if self.raw.is_empty() { self.text() } else { Cow::Borrowed(&self.raw) }
    }

    /// Truth as a modifier's option has it.
    pub(super) fn truth(&self) -> bool {
        match self.kind {
            Kind::True => true,
            Kind::String => parse_bool(&self.content).unwrap_or(false),
            Kind::Number => self.number() != 0.0,
            Kind::Null | Kind::False | Kind::Json => false,
        }
    }
}

/// Go's `strconv.ParseBool` of the lower-cased text.
pub(super) fn parse_bool(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?;
    match text.to_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}
