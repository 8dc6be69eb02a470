//! Texts: case, trimming, cutting, wrapping, splitting and joining.

use std::sync::Arc;

use super::{ANY, NIL_PANIC, STR, int, strval};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::text::{quote, rune_count, runes};
use crate::value::{INT, List, Map, Type, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("abbrev", &[INT, STR], |_, a| Ok(abbrev(0, int(&a[0]), &a[1]))),
    Function::new("abbrevboth", &[INT, INT, STR], |_, a| Ok(abbrev(int(&a[0]), int(&a[1]), &a[2]))),
    Function::new("trunc", &[INT, STR], |_, a| Ok(trunc(int(&a[0]), bytes(&a[1])))),
    Function::new("trim", &[STR], |_, a| Ok(Value::str(trim(bytes(&a[0]), char::is_whitespace)))),
    Function::new("upper", &[STR], |_, a| Ok(mapped(&a[0], upper))),
    Function::new("lower", &[STR], |_, a| Ok(mapped(&a[0], lower))),
    Function::new("title", &[STR], |_, a| Ok(title(bytes(&a[0])))),
    Function::new("untitle", &[STR], |_, a| Ok(untitle(bytes(&a[0])))),
    Function::new("swapcase", &[STR], |_, a| Ok(swapcase(bytes(&a[0])))),
    Function::new("substr", &[INT, INT, STR], |_, a| substr(int(&a[0]), int(&a[1]), bytes(&a[2]))),
    Function::new("repeat", &[INT, STR], repeat),
    Function::new("trimall", &[STR, STR], |_, a| Ok(trim_set(bytes(&a[0]), bytes(&a[1])))),
    Function::new("trimAll", &[STR, STR], |_, a| Ok(trim_set(bytes(&a[0]), bytes(&a[1])))),
    Function::new("trimSuffix", &[STR, STR], |_, a| {
        Ok(Value::str(bytes(&a[1]).strip_suffix(bytes(&a[0])).unwrap_or(bytes(&a[1]))))
    }),
    Function::new("trimPrefix", &[STR, STR], |_, a| {
        Ok(Value::str(bytes(&a[1]).strip_prefix(bytes(&a[0])).unwrap_or(bytes(&a[1]))))
    }),
    Function::new("nospace", &[STR], |_, a| Ok(Value::str(nospace(bytes(&a[0]))))),
    Function::new("initials", &[STR], |_, a| Ok(initials(bytes(&a[0])))),
    Function::new("wrap", &[INT, STR], |c, a| wrap(c, int(&a[0]), b"\n", false, bytes(&a[1]))),
    Function::new("wrapWith", &[INT, STR, STR], |c, a| wrap(c, int(&a[0]), bytes(&a[1]), true, bytes(&a[2]))),
    Function::new("contains", &[STR, STR], |_, a| Ok(Value::Bool(find(bytes(&a[1]), bytes(&a[0])).is_some()))),
    Function::new("hasPrefix", &[STR, STR], |_, a| Ok(Value::Bool(bytes(&a[1]).starts_with(bytes(&a[0]))))),
    Function::new("hasSuffix", &[STR, STR], |_, a| Ok(Value::Bool(bytes(&a[1]).ends_with(bytes(&a[0]))))),
    Function::variadic("quote", &[ANY], |_, a| Ok(quoted(a, |s| quote(&s, false)))),
    Function::variadic("squote", &[ANY], |_, a| Ok(quoted(a, |s| [b"'", s.as_slice(), b"'"].concat()))),
    Function::variadic("cat", &[ANY], |_, a| {
        Ok(Value::str(
            a.iter().filter(|v| !matches!(v, Value::Nil)).map(crate::gofmt::sprint).collect::<Vec<_>>().join(&b' '),
        ))
    }),
    Function::new("indent", &[INT, STR], |c, a| indent(c, int(&a[0]), b"", bytes(&a[1]))),
    Function::new("nindent", &[INT, STR], |c, a| indent(c, int(&a[0]), b"\n", bytes(&a[1]))),
    Function::new("replace", &[STR, STR, STR], |c, a| replace(c, bytes(&a[2]), bytes(&a[0]), bytes(&a[1]))),
    Function::new("plural", &[STR, STR, INT], |_, a| Ok(a[if int(&a[2]) == 1 { 0 } else { 1 }].clone())),
    Function::new("toString", &[ANY], |_, a| Ok(Value::str(strval(&a[0])))),
    Function::new("toStrings", &[ANY], |_, a| Ok(Value::strings(strings(&a[0])))),
    Function::new("split", &[STR, STR], |_, a| Ok(numbered(split(bytes(&a[1]), bytes(&a[0]), -1)))),
    Function::new("splitList", &[STR, STR], |c, a| {
        c.charge(bytes(&a[1]).len() * 32)?;
        Ok(Value::strings(split(bytes(&a[1]), bytes(&a[0]), -1)))
    }),
    Function::new("splitn", &[STR, INT, STR], |_, a| Ok(numbered(split(bytes(&a[2]), bytes(&a[0]), int(&a[1]))))),
    Function::new("join", &[STR, ANY], |c, a| {
        let parts = strings(&a[1]);
        c.charge(parts.iter().map(|p| p.len() + bytes(&a[0]).len()).sum())?;
        Ok(Value::str(parts.join(bytes(&a[0]))))
    }),
    Function::new("sortAlpha", &[ANY], |_, a| {
        Ok(match &a[0] {
            Value::List(_) => {
                let mut parts = strings(&a[0]);
                parts.sort();
                Value::strings(parts)
            }
            other => Value::strings([strval(other)]),
        })
    }),
    Function::new("fail", &[STR], |_, a| Err(Failure(String::from_utf8_lossy(bytes(&a[0])).into_owned()))),
    Function::new("hello", &[], |_, _| Ok(Value::str("Hello!"))),
];

/// Sprig's `strslice`: nil elements go.
pub(super) fn strings(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(list) => list.items().iter().filter(|v| !matches!(v, Value::Nil)).map(strval).collect(),
        other => vec![strval(other)],
    }
}

/// Where a part is first, in linear time.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

/// One rune for one rune, as Go's `unicode.ToUpper` and its like do.
fn simple(c: char, mut full: impl Iterator<Item = char>) -> char {
    match (full.next(), full.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

pub(super) fn upper(c: char) -> char {
    simple(c, c.to_uppercase())
}

pub(super) fn lower(c: char) -> char {
    if c == 'İ' { 'i' } else { simple(c, c.to_lowercase()) }
}

fn to_title(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        _ => upper(c),
    }
}

fn mapped(value: &Value, f: fn(char) -> char) -> Value {
    let text: String = runes(bytes(value)).map(|(c, _)| f(c)).collect();
    Value::str(text)
}

/// A word starts behind anything but letters, digits and underscores.
fn title(text: &[u8]) -> Value {
    let mut out = String::new();
    let mut previous = ' ';
    for (c, _) in runes(text) {
        let separator = if previous.is_ascii() {
            !(previous.is_ascii_alphanumeric() || previous == '_')
        } else {
            !crate::lex::is_word(previous) && previous.is_whitespace()
        };
        out.push(if separator { to_title(c) } else { c });
        previous = c;
    }
    Value::str(out)
}

fn untitle(text: &[u8]) -> Value {
    let mut out = String::new();
    let mut inside = false;
    for (c, _) in runes(text) {
        let delimiter = c.is_whitespace();
        out.push(if !delimiter && !inside { lower(c) } else { c });
        inside = !delimiter;
    }
    Value::str(out)
}

fn swapcase(text: &[u8]) -> Value {
    let mut out = String::new();
    let mut white = true;
    for (c, _) in runes(text) {
        if c.is_uppercase() {
            out.push(lower(c));
            white = false;
        } else if c.is_lowercase() {
            out.push(if white { to_title(c) } else { upper(c) });
            white = false;
        } else {
            out.push(c);
            white = c.is_whitespace();
        }
    }
    Value::str(out)
}

fn abbrev(left: i64, width: i64, value: &Value) -> Value {
    let text = bytes(value);
    if width < 4 || left > 0 && width < 7 {
        return value.clone();
    }
    let (Ok(width), left) = (usize::try_from(width), usize::try_from(left).unwrap_or(0)) else { return value.clone() };
    if text.len() <= width {
        return value.clone();
    }
    let mut left = left.min(text.len());
    if text.len() - left < width - 3 {
        left = text.len() - (width - 3);
    }
    let cut = |from: usize, to: usize| text.get(from..to.min(text.len())).unwrap_or_default().to_vec();
    let out = if left <= 4 {
        [cut(0, width - 3), b"...".to_vec()].concat()
    } else if left + width - 3 < text.len() {
        let inner = Value::str(cut(left, text.len()));
        let Value::Str(inner) = abbrev(0, i64::try_from(width - 3).unwrap_or(0), &inner) else { return value.clone() };
        [b"...", &*inner].concat()
    } else {
        [b"...".to_vec(), cut(text.len() - (width - 3), text.len())].concat()
    };
    Value::str(out)
}

fn trunc(count: i64, text: &[u8]) -> Value {
    let n = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if n >= text.len() {
        return Value::str(text);
    }
    Value::str(if count < 0 { &text[text.len() - n..] } else { &text[..n] })
}

fn trim(text: &[u8], drop: impl Fn(char) -> bool) -> &[u8] {
    let parts: Vec<(char, &[u8])> = runes(text).collect();
    let start: usize = parts.iter().take_while(|(c, _)| drop(*c)).map(|(_, raw)| raw.len()).sum();
    if start == text.len() {
        return &[];
    }
    let end: usize = parts.iter().rev().take_while(|(c, _)| drop(*c)).map(|(_, raw)| raw.len()).sum();
    &text[start..text.len() - end]
}

fn trim_set(set: &[u8], text: &[u8]) -> Value {
    Value::str(trim(text, |c| runes(set).any(|(s, _)| s == c)))
}

fn substr(start: i64, end: i64, text: &[u8]) -> Answer {
    let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if start < 0 {
        let end = end.min(len);
        return match usize::try_from(end) {
            Ok(end) => Ok(Value::str(&text[..end])),
            Err(_) => Err(format!("runtime error: slice bounds out of range [:{end}]").into()),
        };
    }
    let end = if end < 0 || end > len { len } else { end };
    if start > end {
        return Err(format!("runtime error: slice bounds out of range [{start}:{end}]").into());
    }
    let (from, to) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    Ok(Value::str(&text[from..to]))
}

fn repeat(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let Ok(count) = usize::try_from(int(&a[0])) else { return Err("strings: negative Repeat count".into()) };
    let text = bytes(&a[1]);
    call.charge(text.len().saturating_mul(count))?;
    Ok(Value::str(text.repeat(if text.is_empty() { 0 } else { count })))
}

/// Go's library works by the byte here and takes each for a rune, unless there is nothing to take away.
fn nospace(text: &[u8]) -> Vec<u8> {
    let kept: Vec<char> = text.iter().map(|b| char::from(*b)).filter(|c| !c.is_whitespace()).collect();
    if kept.len() == text.len() { text.to_vec() } else { kept.into_iter().collect::<String>().into_bytes() }
}

/// By the byte too.
fn initials(text: &[u8]) -> Value {
    let mut out = String::new();
    let mut fresh = true;
    for c in text.iter().map(|b| char::from(*b)) {
        if c.is_whitespace() {
            fresh = true;
        } else if std::mem::take(&mut fresh) {
            out.push(c);
        }
    }
    Value::str(out)
}

fn wrap(call: &mut Call<'_>, width: i64, newline: &[u8], break_long: bool, text: &[u8]) -> Answer {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    call.charge(text.len().saturating_mul(newline.len() + 1))?;
    let mut out = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let at = rest[..=width].iter().rposition(|b| *b == b' ');
        let (line, next) = match at {
            Some(at) => (at, at + 1),
            None if break_long => (width, width),
            None => match rest[width..].iter().position(|b| *b == b' ') {
                Some(at) => (width + at, width + at + 1),
                None => {
                    out.extend_from_slice(rest);
                    return Ok(Value::str(out));
                }
            },
        };
        out.extend_from_slice(&rest[..line]);
        out.extend_from_slice(newline);
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
    Ok(Value::str(out))
}

fn quoted(args: &[Value], f: impl Fn(Vec<u8>) -> Vec<u8>) -> Value {
    let parts: Vec<Vec<u8>> = args.iter().filter(|v| !matches!(v, Value::Nil)).map(|v| f(strval(v))).collect();
    Value::str(parts.join(&b' '))
}

fn indent(call: &mut Call<'_>, count: i64, lead: &[u8], text: &[u8]) -> Answer {
    let Ok(count) = usize::try_from(count) else { return Err("strings: negative Repeat count".into()) };
    let lines = 1 + text.iter().filter(|b| **b == b'\n').count();
    call.charge(lines.saturating_mul(count).saturating_add(text.len()))?;
    let pad = vec![b' '; count];
    let mut out = lead.to_vec();
    out.extend_from_slice(&pad);
    for &b in text {
        out.push(b);
        if b == b'\n' {
            out.extend_from_slice(&pad);
        }
    }
    Ok(Value::str(out))
}

fn replace(call: &mut Call<'_>, text: &[u8], old: &[u8], new: &[u8]) -> Answer {
    let mut out = Vec::new();
    if old.is_empty() {
        call.charge((rune_count(text) + 1).saturating_mul(new.len()))?;
        out.extend_from_slice(new);
        for (_, raw) in runes(text) {
            out.extend_from_slice(raw);
            out.extend_from_slice(new);
        }
        return Ok(Value::str(out));
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        call.charge(new.len())?;
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    Ok(Value::str(out))
}

/// `strings.SplitN`; below 0 without a bound.
fn split<'t>(text: &'t [u8], by: &[u8], count: i64) -> Vec<&'t [u8]> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if most == 0 {
        return parts;
    }
    let mut rest = text;
    while parts.len() + 1 < most {
        let (at, skip) = if by.is_empty() {
            let first = runes(rest).next().map_or(0, |(_, raw)| raw.len());
            if first >= rest.len() {
                break;
            }
            (first, 0)
        } else {
            match find(rest, by) {
                Some(at) => (at, by.len()),
                None => break,
            }
        };
        parts.push(&rest[..at]);
        rest = &rest[at + skip..];
    }
    if !(by.is_empty() && text.is_empty()) {
        parts.push(rest);
    }
    parts
}

fn numbered(parts: Vec<&[u8]>) -> Value {
    let entries = parts.into_iter().enumerate().map(|(i, p)| (Arc::from(format!("_{i}").as_bytes()), Value::str(p)));
    Value::Map(Map::new(&Type::Str, entries.collect()))
}

/// For lists of strings made elsewhere.
pub(super) fn string_list(items: Vec<Vec<u8>>) -> Value {
    Value::List(List::new(&Type::Str, items.into_iter().map(Value::str).collect()))
}

/// What Go says when sprig looks at the type of nil.
pub(super) fn nil_panic() -> Failure {
    NIL_PANIC.into()
}
