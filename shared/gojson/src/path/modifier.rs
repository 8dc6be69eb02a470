//! The modifiers: `@reverse`, `@keys`, `@join`, …
//!
//! Lives here: each built-in modifier as a function of bytes. Deliberately not here: layout (see `pretty`), and modifiers
//! that a program adds itself, which External Secrets Operator doesn't do.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pretty::{Style, pretty, ugly};
use super::scan::{Text, document, members};
use super::syntax::trim;
use super::value::Value;
use super::walk::get;
use crate::budget::{Budget, append};
use crate::document::valid;
use crate::error::Limit;
use crate::write::{Html, write_escaped};

#[derive(Clone, Copy)]
pub(super) enum Modifier {
    Pretty,
    Ugly,
    Reverse,
    This,
    Flatten,
    Join,
    Valid,
    Keys,
    Values,
    ToStr,
    FromStr,
    Group,
    Dig,
}

impl Modifier {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"pretty" => Self::Pretty,
            b"ugly" => Self::Ugly,
            b"reverse" => Self::Reverse,
            b"this" => Self::This,
            b"flatten" => Self::Flatten,
            b"join" => Self::Join,
            b"valid" => Self::Valid,
            b"keys" => Self::Keys,
            b"values" => Self::Values,
            b"tostr" => Self::ToStr,
            b"fromstr" => Self::FromStr,
            b"group" => Self::Group,
            b"dig" => Self::Dig,
            _ => return None,
        })
    }

    /// Transforms a document, which need not be JSON.
    pub(super) fn apply<'j>(
        self,
        budget: &mut Budget,
        json: &'j [u8],
        argument: &[u8],
    ) -> Result<Cow<'j, [u8]>, Limit> {
        budget.scan(json.len())?;
        Ok(match self {
            Self::This => Cow::Borrowed(json),
            Self::Valid if valid(json) => Cow::Borrowed(json),
            Self::Valid => Cow::Borrowed(&[]),
            Self::Pretty => Cow::Owned(pretty(budget, json, &style(argument))?),
            Self::Ugly => Cow::Owned(ugly(budget, json)?),
            Self::Reverse => reverse(budget, json)?,
            Self::Flatten => {
                let deep = option(argument, b"deep").is_some_and(|value| value.truth());
                flatten(budget, json, deep)?
            }
            Self::Join => {
                let preserve = option(argument, b"preserve").is_some_and(|value| value.truth());
                join(budget, json, preserve)?
            }
            Self::Keys => Cow::Owned(keys(budget, json)?),
            Self::Values => values(budget, json)?,
            Self::ToStr => {
                // A byte takes six at most, as \u00XX.
                budget.produce(json.len().saturating_mul(6))?;
                let mut out = Vec::with_capacity(json.len() + 2);
                write_escaped(&mut out, json, Html::Escape, "\u{fffd}".as_bytes());
                Cow::Owned(out)
            }
            Self::FromStr if valid(json) => {
                let value = document(json);
                budget.produce(value.raw.len())?;
                Cow::Owned(value.text().into_owned())
            }
            Self::FromStr => Cow::Borrowed(&[]),
            Self::Group => Cow::Owned(group(budget, json)?),
            Self::Dig => {
                let mut out = vec![b'['];
                dig(budget, &document(json), argument, &mut out)?;
                out.push(b']');
                Cow::Owned(out)
            }
        })
    }
}

/// The last member of that name in a modifier's argument.
fn option(argument: &[u8], name: &[u8]) -> Option<Value<'static>> {
    let mut found = None;
    each(&document(argument), |key, value| {
        if key.is_some_and(|key| key.content().as_ref() == name) {
            found = Some(value.into_owned());
        }
    });
    found
}

fn style(argument: &[u8]) -> Style {
    let blanks = |value: Value<'_>| -> Vec<u8> {
        value.text().iter().copied().filter(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).collect()
    };
    let mut style = Style::default();
    if let Some(value) = option(argument, b"sortKeys") {
        style.sort_keys = value.truth();
    }
    if let Some(value) = option(argument, b"indent") {
        style.indent = blanks(value);
    }
    if let Some(value) = option(argument, b"prefix") {
        style.prefix = blanks(value);
    }
    if let Some(value) = option(argument, b"width") {
        style.width = integer(&value);
    }
    style
}

/// gjson's `Result.Int()`.
fn integer(value: &Value<'_>) -> i64 {
    use super::Kind;
    let whole = |text: &[u8]| -> Option<i64> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as gjson's conversion does")]
    let truncated = |float: f64| float as i64;
    match value.kind {
        Kind::True => 1,
        Kind::String => whole(&value.content).unwrap_or_else(|| truncated(crate::text::parse_float(&value.content))),
        Kind::Number if value.number().abs() <= 9_007_199_254_740_991.0 => truncated(value.number()),
        Kind::Number => whole(&value.raw).unwrap_or_else(|| truncated(value.number())),
        Kind::Null | Kind::False | Kind::Json => 0,
    }
}

/// [`members`] for what can't fail.
fn each<'v>(value: &'v Value<'_>, mut visit: impl FnMut(Option<&Text<'v>>, Value<'v>)) {
    let Ok(()) = members(value, |key, member| -> Result<(), std::convert::Infallible> {
        visit(key, member);
        Ok(())
    });
}

/// Appends to an array or object under construction, with a comma where one is due.
fn append_item(budget: &mut Budget, out: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), Limit> {
    if out.len() > 1 {
        out.push(b',');
    }
    for part in parts {
        append(budget, out, part)?;
    }
    Ok(())
}

fn reverse<'j>(budget: &mut Budget, json: &'j [u8]) -> Result<Cow<'j, [u8]>, Limit> {
    let value = document(json);
    let (open, close) = match (value.is_array(), value.is_object()) {
        (true, _) => (b'[', b']'),
        (_, true) => (b'{', b'}'),
        (false, false) => return Ok(Cow::Borrowed(json)),
    };
    let mut pairs = Vec::new();
    each(&value, |key, member| pairs.push((key.map(|key| key.raw), member)));
    let mut out = vec![open];
    for (key, member) in pairs.iter().rev() {
        match key {
            Some(key) => append_item(budget, &mut out, &[key, b":", &member.raw])?,
            None => append_item(budget, &mut out, &[&member.raw])?,
        }
    }
    out.push(close);
    Ok(Cow::Owned(out))
}

fn flatten<'j>(budget: &mut Budget, json: &'j [u8], deep: bool) -> Result<Cow<'j, [u8]>, Limit> {
    let value = document(json);
    if !value.is_array() {
        return Ok(Cow::Borrowed(json));
    }
    budget.enter()?;
    let mut out = vec![b'['];
    members(&value, |_, member| {
        let inner;
        let raw = if !member.is_array() {
            &member.raw
        } else if deep {
            budget.scan(member.raw.len())?;
            inner = flatten(budget, &member.raw, deep)?;
            unwrap(&inner)
        } else {
            unwrap(&member.raw)
        };
        let raw = trim_space(raw);
        if raw.is_empty() { Ok(()) } else { append_item(budget, &mut out, &[raw]) }
    })?;
    budget.leave();
    out.push(b']');
    Ok(Cow::Owned(out))
}

/// What is between the brackets.
fn unwrap(json: &[u8]) -> &[u8] {
    let json = trim(json);
    match json {
        [b'[' | b'{', inner @ .., _] => inner,
        _ => json,
    }
}

/// Go's `strings.TrimSpace`.
fn trim_space(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}

fn join<'j>(budget: &mut Budget, json: &'j [u8], preserve: bool) -> Result<Cow<'j, [u8]>, Limit> {
    let value = document(json);
    if !value.is_array() {
        return Ok(Cow::Borrowed(json));
    }
    let mut out = vec![b'{'];
    if preserve {
        let mut first = true;
        members(&value, |_, member| {
            if !member.is_object() {
                return Ok(());
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            append(budget, &mut out, unwrap(&member.raw))
        })?;
    } else {
        // Decoded key to its place; a later member replaces the value, the key stays as it was first written.
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        members(&value, |_, member| {
            if !member.is_object() {
                return Ok(());
            }
            members(&member, |key, inner| {
                let Some(key) = key else { return Ok(()) };
                budget.produce(inner.raw.len() + key.raw.len())?;
                let raw = inner.raw.into_owned();
                match places.get(key.content().as_ref()).and_then(|place| pairs.get_mut(*place)) {
                    Some(pair) => pair.1 = raw,
                    None => {
                        places.insert(key.content().into_owned(), pairs.len());
                        pairs.push((key.raw.to_vec(), raw));
                    }
                }
                Ok(())
            })
        })?;
        for (key, raw) in &pairs {
            append_item(budget, &mut out, &[key, b":", raw])?;
        }
    }
    out.push(b'}');
    Ok(Cow::Owned(out))
}

fn keys(budget: &mut Budget, json: &[u8]) -> Result<Vec<u8>, Limit> {
    let value = document(json);
    let mut out = vec![b'['];
    members(&value, |key, _| append_item(budget, &mut out, &[key.map_or(b"null", |key| key.raw)]))?;
    out.push(b']');
    Ok(out)
}

fn values<'j>(budget: &mut Budget, json: &'j [u8]) -> Result<Cow<'j, [u8]>, Limit> {
    let value = document(json);
    if value.is_array() {
        return Ok(Cow::Borrowed(json));
    }
    let mut out = vec![b'['];
    members(&value, |_, member| append_item(budget, &mut out, &[&member.raw]))?;
    out.push(b']');
    Ok(Cow::Owned(out))
}

/// An object of arrays turned into an array of objects.
fn group(budget: &mut Budget, json: &[u8]) -> Result<Vec<u8>, Limit> {
    let value = document(json);
    if !value.is_object() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<Vec<u8>> = Vec::new();
    members(&value, |key, column| {
        let (Some(key), true) = (key, column.is_array()) else { return Ok(()) };
        let mut place = 0;
        members(&column, |_, cell| {
            if place == rows.len() {
                rows.push(vec![b'{']);
            }
            if let Some(row) = rows.get_mut(place) {
                append_item(budget, row, &[key.raw, b":", &cell.raw])?;
            }
            place += 1;
            Ok(())
        })
    })?;
    let mut out = vec![b'['];
    for row in &rows {
        append_item(budget, &mut out, &[row, b"}"])?;
    }
    out.push(b']');
    Ok(out)
}

/// `path` of the value and of everything inside of it.
fn dig(budget: &mut Budget, value: &Value<'_>, path: &[u8], out: &mut Vec<u8>) -> Result<(), Limit> {
    budget.enter()?;
    let found = get(budget, &value.raw, path)?;
    if found.exists() {
        append_item(budget, out, &[&found.raw])?;
    }
    if value.is_array() || value.is_object() {
        members(value, |_, member| dig(budget, &member, path, out))?;
    }
    budget.leave();
    Ok(())
}
