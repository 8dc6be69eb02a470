//! Splitting a path into its first component and the rest.
//!
//! Lives here: the path grammar. Deliberately not here: documents; nothing here sees one.

use std::borrow::Cow;

use super::modifier::Modifier;
use super::scan::{squash, unescape};

/// What follows a component.
#[derive(Clone, Copy)]
pub(super) enum Rest<'p> {
    /// Nothing.
    End,
    /// Components that are looked up inside the value.
    More(&'p [u8]),
    /// A path that is applied to the whole result.
    Piped(&'p [u8]),
}

/// A component as an object sees it: a key, perhaps with wildcards.
pub(super) struct KeyPart<'p> {
    pub(super) part: Cow<'p, [u8]>,
    pub(super) wild: bool,
    pub(super) rest: Rest<'p>,
}

pub(super) fn key_part(path: &[u8]) -> KeyPart<'_> {
    let mut wild = false;
    // Set at the first backslash; from then on the part differs from the path.
    let mut stripped: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'|' | b'.' => {
                let part = stripped.map_or(Cow::Borrowed(&path[..at]), Cow::Owned);
                let rest = if byte == b'|' { Rest::Piped(&path[at + 1..]) } else { after_dot(&path[at + 1..]) };
                return KeyPart { part, wild, rest };
            }
            b'\\' => {
                let part = stripped.get_or_insert_with(|| path[..at].to_vec());
                at += 1;
                part.extend(path.get(at));
            }
            _ => {
                wild |= matches!(byte, b'*' | b'?');
                if let Some(part) = &mut stripped {
                    part.push(byte);
                }
            }
        }
        at += 1;
    }
    KeyPart { part: stripped.map_or(Cow::Borrowed(path), Cow::Owned), wild, rest: Rest::End }
}

/// A dot before a modifier or a multipath acts as a pipe.
fn after_dot(rest: &[u8]) -> Rest<'_> {
    let pipes = match rest.first() {
        Some(b'[' | b'{') => true,
        Some(b'@') => {
            let end = rest.iter().position(|byte| matches!(byte, b'.' | b'|' | b':')).unwrap_or(rest.len());
            Modifier::named(&rest[1..end]).is_some()
        }
        Some(_) | None => false,
    };
    if pipes { Rest::Piped(rest) } else { Rest::More(rest) }
}

/// `#(path op value)`, with or without a second `#`.
pub(super) struct Query<'p> {
    pub(super) path: &'p [u8],
    pub(super) op: &'p [u8],
    pub(super) value: Cow<'p, [u8]>,
    /// All matches, not the first.
    pub(super) all: bool,
}

/// A component as an array sees it.
pub(super) struct ArrayPart<'p> {
    pub(super) part: &'p [u8],
    /// The part has a `#` in it, so that it is no index.
    pub(super) hash: bool,
    /// `#.key`: this path of every element.
    pub(super) each: Option<&'p [u8]>,
    pub(super) query: Option<Query<'p>>,
    pub(super) rest: Rest<'p>,
}

pub(super) fn array_part(path: &[u8]) -> ArrayPart<'_> {
    let mut out = ArrayPart { part: path, hash: false, each: None, query: None, rest: Rest::End };
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'|' => {
                out.part = &path[..at];
                out.rest = Rest::Piped(&path[at + 1..]);
                return out;
            }
            b'.' => {
                out.part = &path[..at];
                let rest = &path[at + 1..];
                out.rest = if out.hash { Rest::More(rest) } else { after_dot(rest) };
                return out;
            }
            b'#' => {
                out.hash = true;
                match path.get(1) {
                    Some(b'.') if at == 0 => out.each = Some(&path[2..]),
                    Some(b'[' | b'(') if at == 0 => {
                        let Some((mut query, end)) = query(path) else {
                            out.query = Some(Query { path: b"", op: b"", value: Cow::Borrowed(b""), all: false });
                            return out;
                        };
                        query.all = path.get(end) == Some(&b'#');
                        out.query = Some(query);
                        at = end;
                        continue;
                    }
                    Some(_) | None => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// Reads `#(…)` or `#[…]` at the beginning of `path`; `None` if it doesn't close. Returns where it ends.
fn query(path: &[u8]) -> Option<(Query<'_>, usize)> {
    let mut at = 2;
    let mut op_at = None;
    let mut depth = 1;
    let mut escaped = false;
    while let Some(&byte) = path.get(at) {
        if depth == 1 && op_at.is_none() && matches!(byte, b'!' | b'=' | b'<' | b'>' | b'%') {
            op_at = Some(at);
            at += 1;
            continue;
        }
        match byte {
            b'\\' => at += 1,
            b'[' | b'(' => depth += 1,
            b']' | b')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'"' => {
                at += 1;
                while let Some(&byte) = path.get(at) {
                    match byte {
                        b'\\' => {
                            escaped = true;
                            at += 1;
                        }
                        b'"' => break,
                        _ => {}
                    }
                    at += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if depth > 0 {
        return None;
    }
    let Some(op_at) = op_at else {
        let query = Query { path: trim(&path[2..at]), op: b"", value: Cow::Borrowed(b""), all: false };
        return Some((query, at + 1));
    };
    let (op, value) = operator(trim(&path[op_at..at]));
    let value = match value {
        [b'"', inner @ .., b'"'] if escaped => Cow::Owned(unescape(inner)),
        [b'"', inner @ .., b'"'] => Cow::Borrowed(inner),
        _ => Cow::Borrowed(value),
    };
    Some((Query { path: trim(&path[2..op_at]), op, value, all: false }, at + 1))
}

/// Splits `==1` into `=` and `1`. A `!` that no operator begins with leaves a query for mere existence.
fn operator(text: &[u8]) -> (&[u8], &[u8]) {
    let (op, value) = match text {
        [_] => (text, &text[1..]),
        [b'!', b'=' | b'%', ..] | [b'<' | b'>', b'=', ..] => text.split_at(2),
        [b'=', b'=', ..] => text[1..].split_at(1),
        [b'<' | b'>' | b'=' | b'%', ..] => text.split_at(1),
        _ => text.split_at(0),
    };
    (op, trim(value))
}

/// Without the spaces and control characters around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| *byte > b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|byte| *byte > b' ').map_or(start, |last| last + 1);
    &text[start..end]
}

/// Splits the path behind `#.` or a query at the pipe that ends it, if there is one.
pub(super) fn split_pipe(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.contains(&b'|') {
        return None;
    }
    if path.first() == Some(&b'{') {
        let end = squash(&path[1..]).len() + 1;
        return match path.get(end) {
            Some(b'|') => Some((&path[..end], &path[end + 1..])),
            Some(_) | None => None,
        };
    }
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'\\' => at += 1,
            b'|' => return Some((&path[..at], &path[at + 1..])),
            b'.' if at + 1 == path.len() => return None,
            b'.' if path[at + 1] == b'#' => {
                at += 2;
                match path.get(at) {
                    None => return None,
                    Some(b'[') => at = close(path, at + 1, b'[', b']'),
                    Some(b'(') => at = close(path, at + 1, b'(', b')'),
                    Some(_) => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the bracket closes that was opened before `at`.
fn close(path: &[u8], mut at: usize, opening: u8, closing: u8) -> usize {
    let mut depth = 1;
    while let Some(&byte) = path.get(at) {
        if byte == b'\\' {
            at += 1;
        } else if byte == opening {
            depth += 1;
        } else if byte == closing {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        } else if byte == b'"' {
            at = skip_quoted(path, at);
        }
        at += 1;
    }
    at
}

/// Where the string that opens at `at` closes, or the end.
fn skip_quoted(path: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(&byte) = path.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// One entry of `[a,b]` or `{"name":a,b}`.
pub(super) struct Selector<'p> {
    /// As it is written, quotes included; empty if there is none.
    pub(super) name: &'p [u8],
    pub(super) path: &'p [u8],
}

/// The entries of a multipath that begins `path`, and what follows it; `None` if it doesn't close.
pub(super) fn selectors(path: &[u8]) -> Option<(Vec<Selector<'_>>, &[u8])> {
    let mut out = Vec::new();
    let mut depth = 1;
    let mut start = 1;
    let mut colon = None;
    let mut modifier = false;
    let mut at = 1;
    while let Some(&byte) = path.get(at) {
        let ends = match byte {
            b'\\' => {
                at += 1;
                false
            }
            // The colon of a modifier's argument names nothing.
            b'@' => {
                modifier |= matches!(path[at - 1], b'.' | b'|');
                false
            }
            b':' => {
                if !modifier && colon.is_none() && depth == 1 {
                    colon = Some(at);
                }
                false
            }
            b'"' => {
                at = skip_quoted(path, at);
                false
            }
            b'[' | b'(' | b'{' => {
                depth += 1;
                false
            }
            b']' | b')' | b'}' => {
                depth -= 1;
                depth == 0
            }
            b',' => depth == 1,
            _ => false,
        };
        if ends {
            out.push(match colon {
                None => Selector { name: b"", path: &path[start..at] },
                Some(colon) => Selector { name: &path[start..colon], path: &path[colon + 1..at] },
            });
            if depth == 0 {
                return Some((out, &path[at + 1..]));
            }
            (start, colon, modifier) = (at + 1, None, false);
        }
        at += 1;
    }
    None
}

/// The key that a multipath gives to a path without a name: its last component, or `_`.
pub(super) fn default_name(path: &[u8]) -> &[u8] {
    let mut name = path;
    for (at, byte) in path.iter().enumerate().rev() {
        if matches!(byte, b'|' | b'.') && (at == 0 || path[at - 1] != b'\\') {
            name = &path[at + 1..];
            break;
        }
    }
    let special = |byte: &u8| *byte < b' ' || b"[]{}()#|!".contains(byte);
    if name.iter().any(special) { b"_" } else { name }
}

/// Splits `name:argument|rest` behind the `@` of a modifier into the name, the argument and the rest.
pub(super) fn modifier_call(path: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let Some(end) = path.iter().position(|byte| matches!(byte, b':' | b'|' | b'.')) else { return (path, b"", b"") };
    let name = &path[..end];
    if path[end] != b':' {
        return (name, b"", &path[end..]);
    }
    let tail = &path[end + 1..];
    let length = match tail.first() {
        None => 0,
        Some(b'{' | b'[' | b'"') => squash(tail).len(),
        Some(_) => {
            let mut at = 0;
            while let Some(&byte) = tail.get(at) {
                match byte {
                    b'|' => break,
                    b'{' | b'[' | b'"' | b'(' => at += squash(&tail[at..]).len(),
                    _ => at += 1,
                }
            }
            at
        }
    };
    let (argument, rest) = tail.split_at(length);
    (name, argument, rest)
}

/// Splits `literal.rest` behind the `!` of a static value; `None` if it begins none.
pub(super) fn static_value(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(b'{' | b'[' | b'"' | b'+' | b'-' | b'0'..=b'9') = path.first() {
        let length = super::scan::bracketed(path, 0).1.len();
        return Some(path.split_at(length));
    }
    let end = path.iter().position(|byte| matches!(byte, b'|' | b'.')).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    let known = matches!(name.to_ascii_lowercase().as_slice(), b"true" | b"false" | b"null" | b"nan" | b"inf");
    known.then_some((name, rest))
}
