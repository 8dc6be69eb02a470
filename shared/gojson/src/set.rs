//! Setting and removing one value inside of a document, at a path of keys: sjson's `Set` and `Delete`.
//!
//! Lives here: the path grammar of writing, which is simpler than that of reading, and the splicing of bytes: what isn't
//! touched stays as it is written, member order included. Deliberately not here: reading paths (`path`).
//!
//! Reference point: tidwall/sjson v1.2.5 (MIT). Stricter where it would guess: see [`SetError`].

use std::ops::Range;

use thiserror::Error;

use crate::document::{Document, Item, valid};
use crate::write::{Html, write_string};

/// The highest index at which an array may get its first value; the places before it are filled with null.
const MAX_INDEX: usize = 1_000;
/// The most keys in a path.
const MAX_DEPTH: usize = 100;

/// Why nothing can be set or removed there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetError {
    /// No path.
    #[error("the path is empty")]
    Empty,
    /// A character that selects many values. sjson sets what is there, and silently nothing where nothing is.
    #[error("'{0}' in it must be written with a backslash before it: what it selects is no one place")]
    Pattern(char),
    /// An array is there, and the key is no index of it. `-1`, which appends, would do so at each call.
    #[error("there is an array, and {} is no index of it", crate::text::quote(.0))]
    NoIndex(String),
    /// An index that would need too many places, or too many keys.
    #[error("it has an index above {MAX_INDEX} or more than {MAX_DEPTH} keys")]
    TooFar,
    /// The document isn't JSON.
    #[error("the value there is not JSON")]
    NotJson,
}

/// One key of a path.
struct Part {
    key: String,
    /// A colon stood before it: it names a member, even if it looks like an index.
    forced: bool,
}

impl Part {
    /// The index that new values get. An empty key counts as 0.
    fn index(&self) -> Option<Result<usize, SetError>> {
        if self.forced || !self.key.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = self.key.trim_start_matches('0');
        let index = if digits.is_empty() { Ok(0) } else { digits.parse().map_err(|_| SetError::TooFar) };
        Some(index.and_then(|index| if index > MAX_INDEX { Err(SetError::TooFar) } else { Ok(index) }))
    }

    /// The index of a value that is there.
    fn position(&self) -> Option<usize> {
        if self.key.is_empty() || !self.key.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.key.parse().ok()
    }

    fn appends(&self) -> bool {
        !self.forced && self.key == "-1"
    }
}

/// Splits at dots; a backslash takes the next character as it is.
fn parts(path: &str) -> Result<Vec<Part>, SetError> {
    if path.is_empty() {
        return Err(SetError::Empty);
    }
    let mut parts = Vec::new();
    let mut rest = path.chars().peekable();
    loop {
        let forced = rest.next_if_eq(&':').is_some();
        let mut key = String::new();
        let ended = loop {
            match rest.next() {
                None => break true,
                Some('.') => break false,
                Some('\\') => key.extend(rest.next()),
                Some(c @ ('|' | '#' | '@' | '*' | '?')) => return Err(SetError::Pattern(c)),
                Some(c) => key.push(c),
            }
        };
        parts.push(Part { key, forced });
        if parts.len() > MAX_DEPTH {
            return Err(SetError::TooFar);
        }
        if ended {
            return Ok(parts);
        }
    }
}

/// The document with `text` as a JSON string at `path`: keys that aren't there are made, as members or, where the key is a
/// number, as elements; what is no object or array but stands in the way is replaced. A blank document counts as `{}`.
///
/// # Errors
/// See [`SetError`]; the document is as it was then.
pub fn set(json: &[u8], path: &str, text: &[u8]) -> Result<Vec<u8>, SetError> {
    let parts = parts(path)?;
    let blank = json.iter().all(|byte| *byte <= b' ');
    if !blank && !valid(json) {
        return Err(SetError::NotJson);
    }
    let mut place = trimmed(json);
    for (depth, part) in parts.iter().enumerate() {
        let left = parts.get(depth..).unwrap_or_default();
        // What is put in place of the container; nothing stays around the outermost one, not even white space.
        let around = |inner: Vec<u8>| {
            if depth == 0 { inner } else { splice(json, &place, &inner) }
        };
        let Some(container) = Container::at(json, &place) else {
            let mut out = Vec::new();
            match part.index() {
                Some(index) => {
                    nulls(&mut out, index?);
                    build(&mut out, left, text)?;
                    return Ok(around([b"[", out.as_slice(), b"]"].concat()));
                }
                None => {
                    named(&mut out, left, text)?;
                    return Ok(around([b"{", out.as_slice(), b"}"].concat()));
                }
            }
        };
        match container.find(json, part) {
            Some(entry) => place = container.value_of(entry),
            None => return container.with_new(json, left, text).map(around),
        }
    }
    let mut value = Vec::new();
    string(&mut value, text);
    Ok(splice(json, &place, &value))
}

/// The document without what is at `path`, and without the objects and arrays that become empty by it, but for the
/// outermost one. `None` if there is nothing.
///
/// # Errors
/// See [`SetError`].
pub fn remove(json: &[u8], path: &str) -> Result<Option<Vec<u8>>, SetError> {
    let parts = parts(path)?;
    if !valid(json) {
        return Err(SetError::NotJson);
    }
    let mut place = trimmed(json);
    let mut way = Vec::new();
    for part in &parts {
        let Some(container) = Container::at(json, &place) else { return Ok(None) };
        let Some(entry) = container.find(json, part) else { return Ok(None) };
        place = container.value_of(entry);
        way.push((container, entry));
    }
    while let [.., (_, _), (inner, _)] = way.as_slice()
        && inner.entries.len() == 1
    {
        way.pop();
    }
    let Some((container, entry)) = way.pop() else { return Ok(None) };
    Ok(Some(splice(json, &container.extent(entry), b"")))
}

fn splice(json: &[u8], place: &Range<usize>, with: &[u8]) -> Vec<u8> {
    let (before, after) = (json.get(..place.start).unwrap_or_default(), json.get(place.end..).unwrap_or_default());
    [before, with, after].concat()
}

fn trimmed(json: &[u8]) -> Range<usize> {
    let start = skip_space(json, 0);
    let behind = json.iter().rev().take_while(|byte| **byte <= b' ').count();
    start..json.len().saturating_sub(behind).max(start)
}

/// sjson's way to write a string: HTML's characters are escaped only where something else needs an escape as well.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    let plain = text.iter().all(|byte| (b' '..=0x7f).contains(byte) && !matches!(byte, b'"' | b'\\'));
    write_string(out, text, if plain { Html::Keep } else { Html::Escape });
}

fn nulls(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&b"null,".repeat(count));
}

/// The value of the first part: the text, or what the other parts need around it.
fn build(out: &mut Vec<u8>, parts: &[Part], text: &[u8]) -> Result<(), SetError> {
    let Some(inner @ [next, ..]) = parts.get(1..).filter(|inner| !inner.is_empty()) else {
        string(out, text);
        return Ok(());
    };
    if next.appends() {
        return Err(SetError::NoIndex(next.key.clone()));
    }
    match next.index() {
        Some(index) => {
            out.push(b'[');
            nulls(out, index?);
            build(out, inner, text)?;
            out.push(b']');
        }
        None => {
            out.push(b'{');
            named(out, inner, text)?;
            out.push(b'}');
        }
    }
    Ok(())
}

/// A member: the first part's key, and its value.
fn named(out: &mut Vec<u8>, parts: &[Part], text: &[u8]) -> Result<(), SetError> {
    if let [first, ..] = parts {
        string(out, first.key.as_bytes());
        out.push(b':');
    }
    build(out, parts, text)
}

/// An object or array of a document that is known to be JSON, with where its entries are.
struct Container {
    is_array: bool,
    whole: Range<usize>,
    /// Of each entry where it begins (with its key, if it has one) and its value.
    entries: Vec<(usize, Range<usize>)>,
}

impl Container {
    fn at(json: &[u8], place: &Range<usize>) -> Option<Self> {
        let is_array = match json.get(place.start) {
            Some(b'[') => true,
            Some(b'{') => false,
            Some(_) | None => return None,
        };
        let mut entries = Vec::new();
        let mut at = skip_space(json, place.start + 1);
        while at + 1 < place.end {
            let start = at;
            if !is_array {
                // Behind the key and the colon.
                at = skip_space(json, skip_space(json, end_of_value(json, at)) + 1);
            }
            let end = end_of_value(json, at);
            entries.push((start, at..end));
            // Behind the comma, or at the closing bracket.
            at = skip_space(json, end);
            if json.get(at) == Some(&b',') {
                at = skip_space(json, at + 1);
            }
        }
        Some(Self { is_array, whole: place.clone(), entries })
    }

    fn value_of(&self, entry: usize) -> Range<usize> {
        self.entries.get(entry).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Of members with the same key the first one counts, as for gjson.
    fn find(&self, json: &[u8], part: &Part) -> Option<usize> {
        if self.is_array {
            return part.position().filter(|position| *position < self.entries.len());
        }
        let is_it = |(start, _): &(usize, Range<usize>)| {
            let key = json.get(*start..end_of_value(json, *start)).unwrap_or_default();
            let key = Document::parse(key);
            key.is_ok_and(|key| matches!(key.item(key.root()), Item::Text(text) if text == part.key))
        };
        self.entries.iter().position(is_it)
    }

    /// What goes when the entry goes: it, and one comma beside it.
    fn extent(&self, entry: usize) -> Range<usize> {
        let value = self.value_of(entry);
        let start = self.entries.get(entry).map_or(value.start, |(start, _)| *start);
        match (entry.checked_sub(1), self.entries.get(entry + 1)) {
            (Some(before), _) => self.value_of(before).end..value.end,
            (None, Some((next, _))) => start..*next,
            (None, None) => start..value.end,
        }
    }

    /// The container with a new entry at its end.
    fn with_new(&self, json: &[u8], parts: &[Part], text: &[u8]) -> Result<Vec<u8>, SetError> {
        let comma: &[u8] = if self.entries.is_empty() { b"" } else { b"," };
        let mut new = Vec::new();
        if !self.is_array {
            named(&mut new, parts, text)?;
            let open = json.get(self.whole.start..self.whole.end.saturating_sub(1)).unwrap_or_default();
            return Ok([open, comma, &new, b"}"].concat());
        }
        let Some(part) = parts.first() else { return Err(SetError::Empty) };
        let index = part.index().ok_or_else(|| SetError::NoIndex(part.key.clone()))??;
        let elements: Vec<&[u8]> =
            self.entries.iter().map(|(_, value)| json.get(value.clone()).unwrap_or_default()).collect();
        nulls(&mut new, index.saturating_sub(elements.len()));
        build(&mut new, parts, text)?;
        Ok([b"[", elements.join(b",".as_slice()).as_slice(), comma, &new, b"]"].concat())
    }
}

fn skip_space(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(|byte| *byte <= b' ') {
        at += 1;
    }
    at
}

/// Where the value (or key) that begins here ends.
fn end_of_value(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match json.get(at) {
            None => return at,
            Some(b'"') => {
                at = end_of_string(json, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            Some(b'}' | b']') => {
                if depth <= 1 {
                    // The end of this container, or of the one around a number.
                    return at + depth;
                }
                depth -= 1;
            }
            Some(b',' | b':') if depth == 0 => return at,
            Some(byte) if depth == 0 && *byte <= b' ' => return at,
            Some(_) => {}
        }
        at += 1;
    }
}

fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match json.get(at) {
            None => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sjson_would_guess_is_an_error() {
        let pattern = SetError::Pattern;
        let cases = [
            ("{}", "", SetError::Empty),
            ("{}", "a*", pattern('*')),
            ("{}", "a.b@c", pattern('@')),
            ("{}", "#", pattern('#')),
            ("{}", "a|b", pattern('|')),
            ("{}", "a?", pattern('?')),
            ("[1]", "-1", SetError::NoIndex("-1".to_owned())),
            ("{}", "a.-1", SetError::NoIndex("-1".to_owned())),
            ("[1]", "a", SetError::NoIndex("a".to_owned())),
            ("[]", ":0", SetError::NoIndex("0".to_owned())),
            ("[]", "1001", SetError::TooFar),
            ("{}", "a.99999999999999999999", SetError::TooFar),
            ("{}", &"a.".repeat(100), SetError::TooFar),
            ("canary", "a", SetError::NotJson),
            ("{\"a\":}", "a", SetError::NotJson),
        ];
        for (json, path, want) in cases {
            let error = set(json.as_bytes(), path, b"v").unwrap_err();
            assert_eq!(error, want, "{json} {path}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_value_is_removed_with_what_it_leaves_empty() {
        let cases = [
            (r#"{"a":1, "b":2, "c":3}"#, "a", Some(r#"{"b":2, "c":3}"#)),
            (r#"{"a":1, "b":2, "c":3}"#, "b", Some(r#"{"a":1, "c":3}"#)),
            (r#"{"a":1, "b":2, "c":3 }"#, "c", Some(r#"{"a":1, "b":2 }"#)),
            (r#" {"a":"x"} "#, "a", Some(" {} ")),
            (r#"{"a":{"b":{"c":1}},"d":2}"#, "a.b.c", Some(r#"{"d":2}"#)),
            (r#"{"a":{"b":{"c":1}}}"#, "a.b.c", Some("{}")),
            (r#"{"a":{"b":{"c":1},"x":1}}"#, "a.b.c", Some(r#"{"a":{"x":1}}"#)),
            (r#"{"a":[1,[2],3]}"#, "a.1.0", Some(r#"{"a":[1,3]}"#)),
            (r#"{"a.b":1,"c":2}"#, r"a\.b", Some(r#"{"c":2}"#)),
            (r#"{"a":"\"}]"}"#, "a", Some("{}")),
            (r#"{"a":1}"#, "b", None),
            (r#"{"a":1}"#, "a.b", None),
            ("[1]", "-1", None),
            ("[1]", "1", None),
            ("\"a\"", "a", None),
        ];
        for (json, path, want) in cases {
            let got = remove(json.as_bytes(), path).unwrap().map(|json| String::from_utf8(json).unwrap());
            assert_eq!(got.as_deref(), want, "{json} {path}");
        }
        assert_eq!(remove(b"canary", "a"), Err(SetError::NotJson));
        assert_eq!(remove(b"{}", "a*"), Err(SetError::Pattern('*')));
    }
}
