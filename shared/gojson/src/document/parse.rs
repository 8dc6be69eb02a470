//! The JSON grammar with the error texts of Go's `encoding/json`.
//!
//! Lives here: one pass over the bytes with an explicit stack. Deliberately not here: what values mean.

use std::collections::BTreeMap;

use super::{Document, Node, NodeId};
use crate::error::{Place, SyntaxError};
use crate::text::first_rune;

/// What may follow the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// White space only.
    Forbidden,
    /// Anything; the rest isn't looked at.
    Ignored,
}

/// How deep a document may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// As Go allows.
    Go,
    /// As deep as it likes.
    Unlimited,
}

const GO_MAX_DEPTH: usize = 10_000;

/// A container that isn't closed yet.
enum Open {
    Array { start: usize, items: Vec<NodeId> },
    Object { start: usize, members: BTreeMap<String, NodeId>, key: String },
}

struct Parser<'j> {
    json: &'j [u8],
    at: usize,
    tail: Tail,
    depth: Depth,
    nodes: Vec<(Node, std::ops::Range<usize>)>,
    open: Vec<Open>,
}

pub(super) fn parse(json: &[u8], tail: Tail, depth: Depth) -> Result<Document<'_>, SyntaxError> {
    let mut parser = Parser { json, at: 0, tail, depth, nodes: Vec::new(), open: Vec::new() };
    parser.space();
    if tail == Tail::Ignored && parser.at == json.len() {
        return Err(SyntaxError::Eof);
    }
    let root = parser.document()?;
    if tail == Tail::Forbidden {
        parser.space();
        if let Some(&byte) = json.get(parser.at) {
            return Err(SyntaxError::Character { byte, place: Place::AfterTop });
        }
    }
    Ok(Document { json, nodes: parser.nodes, root })
}

impl Parser<'_> {
    fn document(&mut self) -> Result<NodeId, SyntaxError> {
        loop {
            // A value begins here, or the closing bracket of an empty array was taken care of when it was opened.
            let Some(mut done) = self.begin_value()? else { continue };
            // The value is complete: hand it to the container around it, which may be complete too.
            loop {
                match self.open.last_mut() {
                    None => return Ok(done),
                    Some(Open::Array { items, .. }) => items.push(done),
                    Some(Open::Object { members, key, .. }) => {
                        members.insert(std::mem::take(key), done);
                    }
                }
                match self.after_value()? {
                    Some(closed) => done = closed,
                    None => break,
                }
            }
        }
    }

    /// Reads a scalar or an empty container; `None` if a container with content was opened.
    fn begin_value(&mut self) -> Result<Option<NodeId>, SyntaxError> {
        self.space();
        let start = self.at;
        let node = match self.peek(Place::BeginValue)? {
            b'{' => {
                self.at += 1;
                self.enter(Open::Object { start, members: BTreeMap::new(), key: String::new() })?;
                self.space();
                if self.json.get(self.at) == Some(&b'}') {
                    return Ok(self.close());
                }
                self.key()?;
                return Ok(None);
            }
            b'[' => {
                self.at += 1;
                self.enter(Open::Array { start, items: Vec::new() })?;
                self.space();
                if self.json.get(self.at) == Some(&b']') {
                    return Ok(self.close());
                }
                return Ok(None);
            }
            b'"' => Node::Text(self.string()?),
            b't' => self.literal("true", Node::Bool(true))?,
            b'f' => self.literal("false", Node::Bool(false))?,
            b'n' => self.literal("null", Node::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            byte => return Err(SyntaxError::Character { byte, place: Place::BeginValue }),
        };
        Ok(Some(self.add(node, start)))
    }

    /// After a value in a container: the next element is due (`None`), or the container closes and is the next value.
    fn after_value(&mut self) -> Result<Option<NodeId>, SyntaxError> {
        self.space();
        let object = matches!(self.open.last(), Some(Open::Object { .. }));
        let place = if object { Place::AfterPair } else { Place::AfterElement };
        match self.peek(place)? {
            b',' => {
                self.at += 1;
                if object {
                    self.space();
                    self.key()?;
                }
                Ok(None)
            }
            b'}' if object => Ok(self.close()),
            b']' if !object => Ok(self.close()),
            byte => Err(SyntaxError::Character { byte, place }),
        }
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        let byte = self.peek(Place::BeginKey)?;
        if byte != b'"' {
            return Err(SyntaxError::Character { byte, place: Place::BeginKey });
        }
        let text = self.string()?;
        self.space();
        let byte = self.peek(Place::AfterKey)?;
        if byte != b':' {
            return Err(SyntaxError::Character { byte, place: Place::AfterKey });
        }
        self.at += 1;
        if let Some(Open::Object { key, .. }) = self.open.last_mut() {
            *key = text;
        }
        Ok(())
    }

    fn enter(&mut self, open: Open) -> Result<(), SyntaxError> {
        self.open.push(open);
        if self.depth == Depth::Go && self.open.len() > GO_MAX_DEPTH { Err(SyntaxError::Depth) } else { Ok(()) }
    }

    fn close(&mut self) -> Option<NodeId> {
        self.at += 1;
        let (node, start) = match self.open.pop()? {
            Open::Array { start, items } => (Node::Array(items), start),
            Open::Object { start, members, key: _ } => (Node::Object(members), start),
        };
        Some(self.add(node, start))
    }

    fn add(&mut self, node: Node, start: usize) -> NodeId {
        self.nodes.push((node, start..self.at));
        NodeId(self.nodes.len() - 1)
    }

    fn space(&mut self) {
        while matches!(self.json.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The byte that is due at `place`. At the end Go asks its scanner what it thinks of a space there, so that
    /// places where a space is wrong complain about a space.
    fn peek(&self, place: Place) -> Result<u8, SyntaxError> {
        if let Some(&byte) = self.json.get(self.at) {
            return Ok(byte);
        }
        if self.tail == Tail::Ignored {
            return Err(SyntaxError::UnexpectedEof);
        }
        match place {
            Place::InEscape
            | Place::InHex
            | Place::InNumber
            | Place::AfterDot
            | Place::InExponent
            | Place::InLiteral(..) => Err(SyntaxError::Character { byte: b' ', place }),
            Place::BeginValue
            | Place::BeginKey
            | Place::AfterKey
            | Place::AfterPair
            | Place::AfterElement
            | Place::AfterTop
            | Place::InString => Err(SyntaxError::UnexpectedEnd),
        }
    }

    fn literal(&mut self, word: &'static str, node: Node) -> Result<Node, SyntaxError> {
        self.at += 1;
        for due in word.chars().skip(1) {
            let place = Place::InLiteral(word, due);
            let byte = self.peek(place)?;
            if char::from(byte) != due {
                return Err(SyntaxError::Character { byte, place });
            }
            self.at += 1;
        }
        Ok(node)
    }

    fn number(&mut self) -> Result<Node, SyntaxError> {
        if self.json.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.json.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits(Place::InNumber)?;
        }
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits(Place::AfterDot)?;
        }
        if matches!(self.json.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.json.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(Place::InExponent)?;
        }
        Ok(Node::Number)
    }

    /// One digit or more.
    fn digits(&mut self, place: Place) -> Result<(), SyntaxError> {
        let byte = self.peek(place)?;
        if !byte.is_ascii_digit() {
            return Err(SyntaxError::Character { byte, place });
        }
        while self.json.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    /// A string, decoded: what is not UTF-8 and half surrogate pairs become U+FFFD.
    fn string(&mut self) -> Result<String, SyntaxError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let byte = self.peek(Place::InString)?;
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                0..=0x1f => return Err(SyntaxError::Character { byte, place: Place::InString }),
                0x20..=0x7f => {
                    self.at += 1;
                    text.push(char::from(byte));
                }
                _ => {
                    let rest = self.json.get(self.at..).unwrap_or_default();
                    let (rune, size) = first_rune(rest).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
                    self.at += size;
                    text.push(rune);
                }
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), SyntaxError> {
        let byte = self.peek(Place::InEscape)?;
        self.at += 1;
        text.push(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                if let Some(pair) = self.low_surrogate(unit) {
                    text.push(pair);
                    return Ok(());
                }
                char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(SyntaxError::Character { byte, place: Place::InEscape }),
        });
        Ok(())
    }

    /// The character of a surrogate pair whose second half follows; otherwise nothing is taken.
    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        if !(0xd800..0xdc00).contains(&high) {
            return None;
        }
        let rest = self.json.get(self.at..)?;
        let digits = rest.strip_prefix(b"\\u")?.get(..4)?;
        let low = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.at += 6;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self) -> Result<u32, SyntaxError> {
        let mut value = 0;
        for _ in 0..4 {
            let byte = self.peek(Place::InHex)?;
            let digit = char::from(byte).to_digit(16).ok_or(SyntaxError::Character { byte, place: Place::InHex })?;
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_the_words_of_go() {
        let cases = [
            ("", "unexpected end of JSON input"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("tRue", "invalid character 'R' in literal true (expecting 'r')"),
            ("{\"a\":1}x", "invalid character 'x' after top-level value"),
            ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("[", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("\"\\u12", "invalid character ' ' in \\u hexadecimal character escape"),
            ("\"abc", "unexpected end of JSON input"),
            ("-", "invalid character ' ' in numeric literal"),
            ("-a", "invalid character 'a' in numeric literal"),
            ("01", "invalid character '1' after top-level value"),
            ("1.", "invalid character ' ' after decimal point in numeric literal"),
            ("1e+", "invalid character ' ' in exponent of numeric literal"),
            ("'a'", "invalid character '\\'' looking for beginning of value"),
            ("\u{e9}", "invalid character 'Ã' looking for beginning of value"),
        ];
        for (json, want) in cases {
            let got = Document::parse(json.as_bytes()).map(|_| ()).map_err(|e| e.to_string());
            assert_eq!(got, Err(want.to_owned()), "{json}");
        }
    }

    #[test]
    fn the_first_value_of_a_stream_is_taken_whatever_follows() {
        for json in ["1 x", "{}]", "\"a\"b", "12x", "true]"] {
            assert!(Document::parse_first(json.as_bytes()).is_ok(), "{json}");
        }
        for (json, want) in [
            ("", SyntaxError::Eof),
            (" \n", SyntaxError::Eof),
            ("[1", SyntaxError::UnexpectedEof),
            ("nul", SyntaxError::UnexpectedEof),
        ] {
            assert_eq!(Document::parse_first(json.as_bytes()).map(|_| ()), Err(want), "{json}");
        }
    }
}
