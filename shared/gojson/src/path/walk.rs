//! Following a path through a document.
//!
//! Lives here: one step of a path on bytes, objects and arrays. Deliberately not here: the grammar of paths and of values.
//!
//! Of several members with the same key the first one is taken that the rest of the path fits.

use std::borrow::Cow;

use super::Kind;
use super::modifier::Modifier;
use super::query::satisfied;
use super::scan::{Token, bracketed, document, literal, next_value, number, string, token, unescape};
use super::syntax::{
    Query, Rest, Selector, array_part, default_name, key_part, modifier_call, selectors, split_pipe, static_value,
};
use super::value::Value;
use super::wildcard;
use crate::budget::{Budget, append};
use crate::document::valid;
use crate::error::Limit;
use crate::write::{Html, write_escaped};

pub(super) fn get<'j>(budget: &mut Budget, json: &'j [u8], path: &[u8]) -> Result<Value<'j>, Limit> {
    budget.enter()?;
    let (mut json, mut path) = (json, path);
    let value = loop {
        let (value, rest) = step(budget, json, path)?;
        let Some(rest) = rest else { break value };
        match value.raw {
            Cow::Borrowed(raw) => (json, path) = (raw, rest),
            Cow::Owned(raw) => break get_built(budget, raw, rest)?,
        }
    };
    budget.leave();
    Ok(value)
}

/// The rest of a path on bytes that an earlier part of it built.
fn get_built(budget: &mut Budget, mut json: Vec<u8>, mut path: &[u8]) -> Result<Value<'static>, Limit> {
    loop {
        let (value, rest) = step(budget, &json, path)?;
        budget.produce(value.raw.len())?;
        let value = value.into_owned();
        let Some(rest) = rest else { return Ok(value) };
        json = value.raw.into_owned();
        path = rest;
    }
}

/// Evaluates a path up to its first pipe. What is behind the pipe, if there is one, applies to the result.
fn step<'j, 'p>(
    budget: &mut Budget,
    json: &'j [u8],
    mut path: &'p [u8],
) -> Result<(Value<'j>, Option<&'p [u8]>), Limit> {
    budget.scan(json.len().saturating_add(path.len()))?;
    match path {
        [b'@', call @ ..] if !call.is_empty() => {
            let (name, argument, rest) = modifier_call(call);
            if let Some(modifier) = Modifier::named(name) {
                let out = modifier.apply(budget, json, argument)?;
                return Ok(transformed(out, rest));
            }
        }
        [b'!', text @ ..] if !text.is_empty() => {
            if let Some((value, rest)) = static_value(text) {
                budget.produce(value.len())?;
                return Ok(transformed(Cow::Owned(value.to_vec()), rest));
            }
        }
        [kind @ (b'[' | b'{'), _, ..] => match selectors(path) {
            Some((entries, rest)) if matches!(rest.first(), None | Some(b'|' | b'.')) => {
                let out = multipath(budget, json, *kind == b'{', &entries)?;
                return Ok((Value::built(Kind::Json, out), rest.get(1..)));
            }
            // Of a multipath that is none, only what follows it counts.
            Some((_, rest)) => path = rest,
            None => path = b"",
        },
        _ => {}
    }
    let mut walk = Walk { budget, json, value: Value::nothing(), pipe: None };
    if let [b'.', b'.', lines @ ..] = path {
        walk.array(0, lines)?;
    } else if let Some(start) = json.iter().position(|byte| matches!(byte, b'{' | b'[')) {
        if json[start] == b'{' {
            walk.object(start + 1, path)?;
        } else {
            walk.array(start + 1, path)?;
        }
    }
    Ok((walk.value, walk.pipe))
}

/// The result of a modifier or of a static value.
fn transformed<'j, 'p>(out: Cow<'j, [u8]>, rest: &'p [u8]) -> (Value<'j>, Option<&'p [u8]>) {
    if let [b'|' | b'.', rest @ ..] = rest {
        let piped = Value { kind: Kind::Json, raw: out, content: Cow::Borrowed(&[]) };
        return (piped, Some(rest));
    }
    let value = match out {
        Cow::Borrowed(json) => document(json),
        Cow::Owned(json) => document(&json).into_owned(),
    };
    (value, None)
}

fn multipath(budget: &mut Budget, json: &[u8], object: bool, entries: &[Selector<'_>]) -> Result<Vec<u8>, Limit> {
    let mut out = vec![if object { b'{' } else { b'[' }];
    for entry in entries {
        let value = get(budget, json, entry.path)?;
        if !value.exists() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        if object {
            budget.produce(entry.name.len() + entry.path.len())?;
            if entry.name.first() == Some(&b'"') && valid(entry.name) {
                out.extend_from_slice(entry.name);
            } else {
                let name = if entry.name.is_empty() { default_name(entry.path) } else { entry.name };
                write_escaped(&mut out, name, Html::Escape, "\u{fffd}".as_bytes());
            }
            out.push(b':');
        }
        let raw = value.raw_or_text();
        append(budget, &mut out, if raw.is_empty() { b"null" } else { &raw })?;
    }
    out.push(if object { b'}' } else { b']' });
    Ok(out)
}

/// The state of one step: where it is, what it found, what remains of the path.
struct Walk<'b, 'j, 'p> {
    budget: &'b mut Budget,
    json: &'j [u8],
    value: Value<'j>,
    pipe: Option<&'p [u8]>,
}

/// Where a walk stopped, and whether it found its value.
type Stop = (usize, bool);

impl<'j, 'p> Walk<'_, 'j, 'p> {
    /// Walks the object whose first member is at `start` or behind.
    fn object(&mut self, start: usize, path: &'p [u8]) -> Result<Stop, Limit> {
        self.budget.enter()?;
        let stop = self.members(start, path)?;
        self.budget.leave();
        Ok(stop)
    }

    /// Walks the array whose first element is at `start` or behind.
    fn array(&mut self, start: usize, path: &'p [u8]) -> Result<Stop, Limit> {
        self.budget.enter()?;
        let stop = self.elements(start, path)?;
        self.budget.leave();
        Ok(stop)
    }

    fn members(&mut self, start: usize, path: &'p [u8]) -> Result<Stop, Limit> {
        let part = key_part(path);
        let more = self.after(part.rest);
        let mut at = start;
        loop {
            match self.json.get(at) {
                None => return Ok((at, false)),
                Some(b'}') => return Ok((at + 1, false)),
                Some(b'"') => {}
                Some(_) => {
                    at += 1;
                    continue;
                }
            }
            let Some(key) = string(self.json, at) else { return Ok((self.json.len(), false)) };
            at = key.next;
            let inner = &key.raw[1..key.raw.len() - 1];
            let name = if key.escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) };
            let named = if part.wild { wildcard::matches(self.budget, &name, &part.part)? } else { name == part.part };
            while at < self.json.len() && token(self.json, at) == Token::Other {
                at += 1;
            }
            match self.take(at, named, more)? {
                Some((next, false)) => at = next,
                Some(stop) => return Ok(stop),
                None => return Ok((self.json.len(), false)),
            }
        }
    }

    /// Reads the value at `at`: into the result if it is the one (`named` and no more path), following the path if
    /// there is more, otherwise skipping it. `None` if there is no complete value.
    fn take(&mut self, at: usize, named: bool, more: Option<&'p [u8]>) -> Result<Option<Stop>, Limit> {
        let json = self.json;
        let hit = named && more.is_none();
        let found = token(json, at);
        if let (true, Some(path)) = (named, more) {
            match found {
                Token::Brace => return self.object(at + 1, path).map(Some),
                Token::Bracket => return self.array(at + 1, path).map(Some),
                Token::Quote | Token::Literal(_) | Token::Number | Token::Other => {}
            }
        }
        let next = match found {
            Token::Quote => {
                let Some(text) = string(json, at) else { return Ok(None) };
                let next = text.next;
                if hit {
                    self.value = text.value();
                }
                next
            }
            Token::Brace | Token::Bracket => {
                let (next, raw) = bracketed(json, at);
                if hit {
                    self.value = Value::plain(Kind::Json, raw);
                }
                next
            }
            Token::Literal(kind) => {
                let (next, raw) = literal(json, at);
                if hit {
                    self.value = Value::plain(kind, raw);
                }
                next
            }
            Token::Number => {
                let (next, raw) = number(json, at);
                if hit {
                    self.value = Value::plain(Kind::Number, raw);
                }
                next
            }
            Token::Other => return Ok(None),
        };
        Ok(Some((next, hit)))
    }

    fn elements(&mut self, start: usize, path: &'p [u8]) -> Result<Stop, Limit> {
        let part = array_part(path);
        let index = if part.hash { None } else { parse_index(part.part) };
        let mut more = self.after(part.rest);
        let mut matches = part.query.as_ref().filter(|query| query.all).map(|_| vec![b'[']);
        // Where each element is looked for, for `#.path`.
        let mut starts = Vec::new();
        let mut count = 0usize;
        let mut at = start;
        loop {
            if part.each.is_some() {
                starts.push(at);
            }
            // The end of the bytes closes an array, unless an open string lies over it.
            while at < self.json.len() && self.json[at] != b']' && token(self.json, at) == Token::Other {
                at += 1;
            }
            if at > self.json.len() {
                return Ok((at, false));
            }
            if at == self.json.len() || self.json[at] == b']' {
                break;
            }
            let stop = match &part.query {
                Some(query) => self.test(at, query, &mut more, &mut matches)?,
                None => self.take(at, index == Some(count), more)?,
            };
            count += 1;
            match stop {
                Some((next, false)) => at = next,
                Some(stop) => return Ok(stop),
                None => return Ok((self.json.len(), false)),
            }
        }
        if part.part == b"#" {
            self.value = match part.each {
                Some(each) => self.collect(&starts, each)?,
                None => Value::built(Kind::Number, count.to_string().into_bytes()),
            };
            return Ok((at + 1, true));
        }
        if let (false, Some(mut matches)) = (self.value.exists(), matches) {
            matches.push(b']');
            self.value = Value::built(Kind::Json, matches);
        }
        Ok((at + 1, false))
    }

    /// Tests the element at `at`. The first match is the result, or all matches are gathered.
    fn test(
        &mut self,
        at: usize,
        query: &Query<'_>,
        more: &mut Option<&'p [u8]>,
        matches: &mut Option<Vec<u8>>,
    ) -> Result<Option<Stop>, Limit> {
        let json = self.json;
        let Some((next, element)) = next_value(json, at) else { return Ok(None) };
        let Cow::Borrowed(raw) = element.raw else { return Ok(None) };
        let satisfies = if element.kind == Kind::Json {
            let tested = get(self.budget, raw, query.path)?;
            satisfied(self.budget, query, &tested)?
        } else {
            query.path.is_empty() && satisfied(self.budget, query, &element)?
        };
        if !satisfies {
            return Ok(Some((next, false)));
        }
        let value = match more {
            None => element,
            Some(path) => {
                if let Some((left, right)) = split_pipe(path) {
                    *path = left;
                    self.pipe = Some(right);
                }
                get(self.budget, raw, path)?
            }
        };
        let Some(matches) = matches else {
            self.value = value;
            return Ok(Some((next, true)));
        };
        let raw = value.raw_or_text();
        if !raw.is_empty() {
            if matches.len() > 1 {
                matches.push(b',');
            }
            append(self.budget, matches, &raw)?;
        }
        Ok(Some((next, false)))
    }

    /// `path` of every element that has it, as an array.
    fn collect(&mut self, starts: &[usize], path: &'p [u8]) -> Result<Value<'j>, Limit> {
        let json = self.json;
        let mut path = path;
        if let Some((left, right)) = split_pipe(path) {
            path = left;
            self.pipe = Some(right);
        }
        let mut out = vec![b'['];
        for &start in starts {
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let at = start + json.get(start..).unwrap_or_default().iter().take_while(blank).count();
            if json.get(at).is_none_or(|byte| *byte == b']') {
                continue;
            }
            let Some((_, Value { raw: Cow::Borrowed(raw), .. })) = next_value(json, at) else { continue };
            let value = get(self.budget, raw, path)?;
            if value.exists() {
                if out.len() > 1 {
                    out.push(b',');
                }
                append(self.budget, &mut out, &value.raw_or_text())?;
            }
        }
        out.push(b']');
        Ok(Value::built(Kind::Json, out))
    }

    /// Notes a pipe; returns the path inside of the value.
    fn after(&mut self, rest: Rest<'p>) -> Option<&'p [u8]> {
        match rest {
            Rest::End => None,
            Rest::More(path) => Some(path),
            Rest::Piped(path) => {
                self.pipe = Some(path);
                None
            }
        }
    }
}

/// The index that a component names; `None` if it isn't a number, or larger than any array.
fn parse_index(part: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(part).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}
