//! Finding where values end, in bytes that may be cut off or not JSON at all.
//!
//! Lives here: position arithmetic and string decoding. Deliberately not here: anything about paths.
//!
//! Positions may lie one behind the end: a string that never closes swallows the virtual bracket that otherwise closes
//! an array at the end of the input.

use std::borrow::Cow;

use super::Kind;
use super::value::Value;

/// A string from its opening quote on.
pub(super) struct Text<'j> {
    /// Behind the closing quote.
    pub(super) next: usize,
    /// With quotes.
    pub(super) raw: &'j [u8],
    pub(super) escaped: bool,
}

impl<'j> Text<'j> {
    pub(super) fn content(&self) -> Cow<'j, [u8]> {
        let inner = self.raw.get(1..self.raw.len() - 1).unwrap_or_default();
        if self.escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
    }

    pub(super) fn value(self) -> Value<'j> {
        Value { kind: Kind::String, content: self.content(), raw: Cow::Borrowed(self.raw) }
    }
}

/// The string whose opening quote is at `start`; `None` if it never closes.
pub(super) fn string(json: &[u8], start: usize) -> Option<Text<'_>> {
    let mut at = start + 1;
    let mut escaped = false;
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => return Some(Text { next: at, raw: &json[start..at], escaped }),
            b'\\' => {
                escaped = true;
                at += 1;
            }
            _ => {}
        }
    }
    None
}

/// Skips a bracketed value whose first byte, whatever it is, counts as the opening bracket. Brackets needn't match in kind.
pub(super) fn bracketed(json: &[u8], start: usize) -> (usize, &[u8]) {
    let mut depth = 1usize;
    let mut at = start + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => match string(json, at) {
                Some(text) => {
                    at = text.next;
                    continue;
                }
                None => return (json.len() + 1, json.get(start..).unwrap_or_default()),
            },
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return (at + 1, &json[start..=at]);
                }
            }
            _ => {}
        }
        at += 1;
    }
    (json.len(), json.get(start..).unwrap_or_default())
}

/// The string or the bracketed value at the beginning, or everything if it doesn't end.
pub(super) fn squash(json: &[u8]) -> &[u8] {
    if json.first() == Some(&b'"') {
        return string(json, 0).map_or(json, |text| text.raw);
    }
    bracketed(json, 0).1
}

/// Skips what looks like a number.
pub(super) fn number(json: &[u8], start: usize) -> (usize, &[u8]) {
    until(json, start, |byte| byte <= b' ' || matches!(byte, b',' | b']' | b'}'))
}

/// Skips what looks like `true`, `false` or `null`.
pub(super) fn literal(json: &[u8], start: usize) -> (usize, &[u8]) {
    until(json, start, |byte| !byte.is_ascii_lowercase())
}

fn until(json: &[u8], start: usize, stop: impl Fn(u8) -> bool) -> (usize, &[u8]) {
    let rest = json.get(start + 1..).unwrap_or_default();
    let end = start + 1 + rest.iter().position(|byte| stop(*byte)).unwrap_or(rest.len());
    (end, json.get(start..end).unwrap_or_default())
}

/// What kind of token a byte begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Quote,
    Brace,
    Bracket,
    Literal(Kind),
    Number,
    Other,
}

/// Looks at the byte at `at`; `nan` is told from `null` by its second letter.
pub(super) fn token(json: &[u8], at: usize) -> Token {
    match json.get(at) {
        Some(b'"') => Token::Quote,
        Some(b'{') => Token::Brace,
        Some(b'[') => Token::Bracket,
        Some(b't') => Token::Literal(Kind::True),
        Some(b'f') => Token::Literal(Kind::False),
        Some(b'n') => match json.get(at + 1) {
            Some(b'u') | None => Token::Literal(Kind::Null),
            Some(_) => Token::Number,
        },
        Some(b'+' | b'-' | b'0'..=b'9' | b'i' | b'I' | b'N') => Token::Number,
        Some(_) | None => Token::Other,
    }
}

/// The next value at or behind `at` and where it ends; bytes that begin none are skipped.
pub(super) fn next_value(json: &[u8], mut at: usize) -> Option<(usize, Value<'_>)> {
    while at < json.len() {
        match token(json, at) {
            Token::Quote => return string(json, at).map(|text| (text.next, text.value())),
            Token::Brace | Token::Bracket => {
                let (next, raw) = bracketed(json, at);
                return Some((next, Value::plain(Kind::Json, raw)));
            }
            Token::Literal(kind) => {
                let (next, raw) = literal(json, at);
                return Some((next, Value::plain(kind, raw)));
            }
            Token::Number => {
                let (next, raw) = number(json, at);
                return Some((next, Value::plain(Kind::Number, raw)));
            }
            Token::Other => at += 1,
        }
    }
    None
}

/// The value that a whole document is. Brackets are taken up to the end of the bytes, with whatever follows them.
pub(super) fn document(json: &[u8]) -> Value<'_> {
    let Some(at) = json.iter().position(|byte| *byte > b' ') else { return Value::nothing() };
    let rest = &json[at..];
    match token(json, at) {
        Token::Brace | Token::Bracket => Value::plain(Kind::Json, rest),
        Token::Literal(kind) => Value::plain(kind, literal(rest, 0).1),
        Token::Number => Value::plain(Kind::Number, number(rest, 0).1),
        Token::Quote => match string(rest, 0) {
            Some(text) => text.value(),
            None => {
                let inner = &rest[1..];
                let content = if inner.contains(&b'\\') { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) };
                Value { kind: Kind::String, raw: Cow::Borrowed(rest), content }
            }
        },
        Token::Other => Value::nothing(),
    }
}

/// Calls `each` with key (raw and decoded; `None` outside of objects) and value of every member, until it says stop.
pub(super) fn members<'v, E>(
    value: &'v Value<'_>,
    mut each: impl FnMut(Option<&Text<'v>>, Value<'v>) -> Result<(), E>,
) -> Result<(), E> {
    if !value.exists() {
        return Ok(());
    }
    let json: &[u8] = &value.raw;
    if value.kind != Kind::Json {
        return each(
            None,
            Value { kind: value.kind, raw: Cow::Borrowed(json), content: Cow::Borrowed(&value.content) },
        );
    }
    let Some(start) = json.iter().position(|byte| *byte > b' ') else { return Ok(()) };
    let object = match json[start] {
        b'{' => true,
        b'[' => false,
        _ => return Ok(()),
    };
    let mut at = start + 1;
    while at < json.len() {
        let mut key = None;
        if object {
            if json[at] != b'"' {
                at += 1;
                continue;
            }
            let Some(text) = string(json, at) else { return Ok(()) };
            at = text.next;
            key = Some(text);
        }
        while json.get(at).is_some_and(|byte| *byte <= b' ' || matches!(byte, b',' | b':')) {
            at += 1;
        }
        let Some((next, member)) = next_value(json, at) else { return Ok(()) };
        each(key.as_ref(), member)?;
        // One byte behind the value is skipped unseen, usually the comma.
        at = next + 1;
    }
    Ok(())
}

/// Decodes the inside of a string. A control character or a bad escape ends it; bad hex digits count as zero.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            0..=0x1f => return out,
            b'\\' => {
                let Some(&kind) = text.get(at) else { return out };
                at += 1;
                match kind {
                    b'\\' | b'/' | b'"' => out.push(kind),
                    b'b' => out.push(0x08),
                    b'f' => out.push(0x0c),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'u' => {
                        let Some(mut unit) = hex4(text, at) else { return out };
                        at += 4;
                        if (0xd800..0xdc00).contains(&unit) && text.get(at..at + 2) == Some(b"\\u") {
                            let low = hex4(text, at + 2).filter(|low| (0xdc00..0xe000).contains(low));
                            if let Some(low) = low {
                                unit = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                                at += 6;
                            }
                        }
                        let rune = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                        out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => return out,
                }
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Four hex digits as a number, 0 if they aren't; `None` if there are less than four bytes.
fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    let value = digits.iter().try_fold(0, |sum, byte| char::from(*byte).to_digit(16).map(|digit| sum * 16 + digit));
    Some(value.unwrap_or(0))
}

/// As [`number`], for the layout, which also stops at a colon.
pub(super) fn pretty_number(json: &[u8], start: usize) -> (usize, &[u8]) {
    until(json, start, |byte| byte <= b' ' || matches!(byte, b',' | b':' | b']' | b'}'))
}
