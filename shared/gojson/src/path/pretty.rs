//! `@pretty` and `@ugly`: the layout of tidwall/pretty v1.2.0.
//!
//! Lives here: layout of bytes that need not be JSON. Deliberately not here: the modifiers' arguments.

use std::cmp::Ordering;
use std::ops::Range;

use super::scan::{pretty_number, string};
use crate::budget::{Budget, append};
use crate::document::{Document, Item};
use crate::error::Limit;
use crate::text::parse_float;

pub(super) struct Style {
    /// Arrays that fit this many columns stay on one line; 0 or less: none does.
    pub(super) width: i64,
    pub(super) prefix: Vec<u8>,
    pub(super) indent: Vec<u8>,
    pub(super) sort_keys: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 80, prefix: Vec::new(), indent: b"  ".to_vec(), sort_keys: false }
    }
}

/// Removes what is not needed outside of strings.
pub(super) fn ugly(budget: &mut Budget, json: &[u8]) -> Result<Vec<u8>, Limit> {
    budget.produce(json.len())?;
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        if byte == b'"' {
            let text = string(json, at).map_or(&json[at..], |text| text.raw);
            out.extend_from_slice(text);
            at += text.len();
            continue;
        }
        if byte > b' ' {
            out.push(byte);
        }
        at += 1;
    }
    Ok(out)
}

pub(super) fn pretty(budget: &mut Budget, json: &[u8], style: &Style) -> Result<Vec<u8>, Limit> {
    let mut layout = Layout { budget, json, style, out: style.prefix.clone() };
    layout.any(Place { at: 0, line_start: 0 }, 0, None)?;
    let mut out = layout.out;
    if !out.is_empty() {
        out.push(b'\n');
    }
    Ok(out)
}

/// Where the reader and the writer are.
#[derive(Clone, Copy)]
struct Place {
    /// Position in the document.
    at: usize,
    /// Where the current line began in the output.
    line_start: usize,
}

/// A member of an object: its key in the document, key and value in the output.
struct Pair {
    key: Range<usize>,
    written: Range<usize>,
}

struct Layout<'a> {
    budget: &'a mut Budget,
    json: &'a [u8],
    style: &'a Style,
    out: Vec<u8>,
}

impl Layout<'_> {
    /// Writes the next value. `line` is where the output must end for everything to fit one line, while that is tried;
    /// the answer tells whether the attempt may go on.
    fn any(&mut self, mut place: Place, tabs: usize, line: Option<usize>) -> Result<(Place, bool), Limit> {
        while let Some(&byte) = self.json.get(place.at) {
            match byte {
                b'"' => {
                    place.at = self.string(place.at)?;
                    return Ok((place, true));
                }
                b'{' => return self.container(place, tabs, line),
                b'[' => return self.array(place, tabs, line),
                b'0'..=b'9' | b'-' | b'+' | b'i' | b'I' | b'N' => return self.number(place),
                b'n' if self.json.get(place.at + 1).is_some_and(|next| *next != b'u') => return self.number(place),
                b't' => return self.word(place, b"true"),
                b'f' => return self.word(place, b"false"),
                b'n' => return self.word(place, b"null"),
                _ => place.at += 1,
            }
        }
        Ok((place, true))
    }

    fn word(&mut self, mut place: Place, word: &[u8]) -> Result<(Place, bool), Limit> {
        self.push(word)?;
        place.at += word.len();
        Ok((place, true))
    }

    fn number(&mut self, mut place: Place) -> Result<(Place, bool), Limit> {
        let json = self.json;
        let (next, raw) = pretty_number(json, place.at);
        self.push(raw)?;
        place.at = next;
        Ok((place, true))
    }

    fn string(&mut self, at: usize) -> Result<usize, Limit> {
        let json = self.json;
        let rest = json.get(at..).unwrap_or_default();
        let raw = match rest.first() {
            Some(b'"') => string(rest, 0).map_or(rest, |text| text.raw),
            Some(_) | None => rest,
        };
        self.push(raw)?;
        Ok(at + raw.len())
    }

    /// An array: on one line if it fits, else over several.
    fn array(&mut self, place: Place, tabs: usize, line: Option<usize>) -> Result<(Place, bool), Limit> {
        if line.is_none() && self.style.width > 0 {
            let used = i64::try_from(self.out.len() - place.line_start).unwrap_or(i64::MAX);
            let room = usize::try_from(self.style.width - used).unwrap_or(0);
            if room > 3 {
                let start = self.out.len();
                let end = start.saturating_add(room);
                let (after, fits) = self.container(Place { at: place.at, line_start: 0 }, 0, Some(end))?;
                if fits && self.out.len() <= end {
                    return Ok((Place { at: after.at, line_start: place.line_start }, true));
                }
                self.out.truncate(start);
            }
        }
        self.container(place, tabs, line)
    }

    fn container(&mut self, mut place: Place, tabs: usize, line: Option<usize>) -> Result<(Place, bool), Limit> {
        let json = self.json;
        let object = json.get(place.at) == Some(&b'{');
        // An object never stays on one line.
        if object && line.is_some() && self.style.width > 0 {
            return Ok((place, false));
        }
        self.budget.enter()?;
        let (open, close) = if object { (b'{', b'}') } else { (b'[', b']') };
        self.push(&[open])?;
        place.at += 1;
        let mut pairs = (object && self.style.sort_keys).then(Vec::new);
        let mut items = 0usize;
        let mut fits = !object;
        while let Some(&byte) = json.get(place.at) {
            if line.is_some_and(|end| self.out.len() > end) {
                fits = false;
                break;
            }
            if byte == close {
                if line.is_none() {
                    if let Some(pairs) = &pairs {
                        self.sort(pairs)?;
                    }
                    if items > 0 {
                        self.new_line(&mut place)?;
                    }
                    if self.out.last() != Some(&open) {
                        self.tabs(tabs)?;
                    }
                }
                self.push(&[close])?;
                place.at += 1;
                break;
            }
            if byte <= b' ' || (object && byte != b'"') {
                place.at += 1;
                continue;
            }
            if items > 0 {
                self.push(if !object && self.style.width != -1 { b", " } else { b"," })?;
            }
            if line.is_none() {
                self.new_line(&mut place)?;
            }
            let (key_start, written_start) = (place.at, self.out.len());
            if line.is_none() {
                self.tabs(tabs + 1)?;
            }
            if object {
                place.at = self.string(place.at)?;
            }
            let key_end = place.at;
            if object {
                self.push(if line.is_none() { b": " } else { b":" })?;
            }
            let (after, still) = self.any(place, tabs + 1, line)?;
            place = after;
            if line.is_some() && !still {
                fits = false;
                break;
            }
            if let Some(pairs) = &mut pairs {
                pairs.push(Pair { key: key_start..key_end, written: written_start..self.out.len() });
            }
            items += 1;
        }
        self.budget.leave();
        Ok((place, fits))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Limit> {
        append(self.budget, &mut self.out, bytes)
    }

    /// Ends the line; a space at its end becomes the line feed.
    fn new_line(&mut self, place: &mut Place) -> Result<(), Limit> {
        place.line_start = self.out.len();
        match self.out.last_mut() {
            Some(last) if *last == b' ' => *last = b'\n',
            Some(_) | None => self.push(b"\n")?,
        }
        Ok(())
    }

    fn tabs(&mut self, tabs: usize) -> Result<(), Limit> {
        self.push(&self.style.prefix.clone())?;
        let indent = &self.style.indent;
        self.budget.produce(indent.len().saturating_mul(tabs))?;
        for _ in 0..tabs {
            self.out.extend_from_slice(indent);
        }
        Ok(())
    }

    /// Writes the members that are in the output again in the order of their keys.
    fn sort(&mut self, pairs: &[Pair]) -> Result<(), Limit> {
        let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else { return Ok(()) };
        let (start, end) = (first.written.start, last.written.end);
        let mut order: Vec<(Rank<'_>, Rank<'_>, &[u8])> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let key = self.json.get(pair.key.clone()).unwrap_or_default();
            let written = self.out.get(pair.written.clone()).unwrap_or_default();
            let member = written.trim_ascii();
            let value = member.get(key.len() + 1..).map_or(member, <[u8]>::trim_ascii);
            order.push((Rank::of(key), Rank::of(value), written));
        }
        order.sort_by(|a, b| a.0.compare(&b.0).then_with(|| a.1.compare(&b.1)));
        self.budget.produce(end - start)?;
        let sorted = order.iter().map(|(_, _, written)| *written).collect::<Vec<_>>().join(b",\n".as_slice());
        self.out.truncate(start);
        self.out.extend_from_slice(&sorted);
        Ok(())
    }
}

/// What orders keys, and members of the same key by value: type first.
enum Rank<'a> {
    Null(&'a [u8]),
    False(&'a [u8]),
    Number(f64),
    Text(Vec<u8>),
    True(&'a [u8]),
    Json(&'a [u8]),
}

impl<'a> Rank<'a> {
    fn of(raw: &'a [u8]) -> Self {
        match raw.first() {
            None | Some(b'n') => Self::Null(raw),
            Some(b'f') => Self::False(raw),
            Some(b't') => Self::True(raw),
            Some(b'[' | b'{') => Self::Json(raw),
            Some(b'"') => Self::Text(decoded(raw)),
            Some(_) => Self::Number(parse_float(raw)),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null(a), Self::Null(b))
            | (Self::False(a), Self::False(b))
            | (Self::True(a), Self::True(b))
            | (Self::Json(a), Self::Json(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // Sorting needs a total order, so what is not a number comes last.
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            _ => self.place().cmp(&other.place()),
        }
    }

    fn place(&self) -> u8 {
        match self {
            Self::Null(_) => 0,
            Self::False(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::True(_) => 4,
            Self::Json(_) => 5,
        }
    }
}

fn decoded(raw: &[u8]) -> Vec<u8> {
    let inner = raw.get(1..).unwrap_or_default();
    match inner.iter().find(|byte| matches!(byte, b'"' | b'\\')) {
        None => Vec::new(),
        Some(b'"') => inner.split(|byte| *byte == b'"').next().unwrap_or_default().to_vec(),
        Some(_) => match Document::parse(raw) {
            Ok(document) => match document.item(document.root()) {
                Item::Text(text) => text.as_bytes().to_vec(),
                Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => Vec::new(),
            },
            Err(_) => Vec::new(),
        },
    }
}
