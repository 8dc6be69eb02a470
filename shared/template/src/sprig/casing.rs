//! `snakecase`, `kebabcase` and `camelcase`: words as the reference's library cuts them.
//!
//! Deliberately not here: other changes of case (see `strings`).

use std::sync::LazyLock;

use super::STR;
use super::strings::{lower, upper};
use crate::builtin::bytes;
use crate::function::Function;
use crate::text::runes;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("snakecase", &[STR], |_, a| Ok(Value::str(delimited(bytes(&a[0]), '_')))),
    Function::new("kebabcase", &[STR], |_, a| Ok(Value::str(delimited(bytes(&a[0]), '-')))),
    Function::new("camelcase", &[STR], |_, a| Ok(Value::str(pascal(bytes(&a[0]))))),
];

fn connects(c: char) -> bool {
    matches!(c, '-' | '_') || c.is_whitespace()
}

fn punctuation(c: char) -> bool {
    static UNICODE: LazyLock<Option<regex::Regex>> = LazyLock::new(|| regex::Regex::new(r"\p{P}").ok());
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        _ if c.is_ascii() => c.is_ascii_punctuation(),
        _ => UNICODE.as_ref().is_some_and(|p| p.is_match(c.encode_utf8(&mut [0; 4]))),
    }
}

/// Letters of scripts that put words together of letters, which Chinese doesn't.
fn letter(c: char) -> bool {
    c.is_alphabetic() && !matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}')
}

fn pascal(text: &[u8]) -> String {
    let mut out = String::new();
    let mut chars = runes(text).map(|(c, _)| c).peekable();
    while let Some(c) = chars.next_if(|c| connects(*c)) {
        out.push(c);
    }
    let Some(first) = chars.next() else {
        // The library writes the last one twice if there is nothing to connect.
        out.extend(out.chars().last());
        return out;
    };
    let mut capitals = first.is_uppercase();
    let mut held = upper(first);
    for c in chars {
        let before = std::mem::replace(&mut held, c);
        if connects(c) && connects(before) {
            out.push(before);
        } else if connects(before) {
            capitals = c.is_uppercase();
            held = upper(c);
        } else {
            if capitals && c.is_uppercase() {
                held = lower(c);
            } else {
                capitals = false;
            }
            out.push(before);
        }
    }
    out.push(held);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    End,
    Number,
    Capital,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// A character and the bytes that it stands for.
type Rune<'t> = (char, &'t [u8]);

/// The next character that is valid UTF-8, and how many were taken with it; `before` if there is none.
fn valid(rest: &[Rune<'_>], before: char) -> (char, usize) {
    match rest.iter().position(|(c, _)| *c != '\u{fffd}') {
        Some(at) => (rest[at].0, at + 1),
        None => (before, rest.len()),
    }
}

/// How many of `rest` belong to a word that goes on while `inside` holds.
fn run(rest: &[Rune<'_>], from: usize, mut before: char, inside: impl Fn(char) -> bool) -> usize {
    let mut end = from;
    while end < rest.len() {
        let (c, taken) = valid(&rest[end..], before);
        before = c;
        if !inside(c) {
            break;
        }
        end += taken;
    }
    end
}

fn next_word<'s, 't>(rest: &'s [Rune<'t>]) -> (Kind, &'s [Rune<'t>], &'s [Rune<'t>]) {
    if rest.is_empty() {
        return (Kind::End, rest, rest);
    }
    let (c, taken) = valid(rest, '\u{fffd}');
    let (kind, end) = match c {
        '\u{fffd}' => (Kind::End, taken),
        c if connects(c) => (Kind::Connector, run(rest, taken, c, connects)),
        c if punctuation(c) => (Kind::Punctuation, run(rest, taken, c, punctuation)),
        c if c.is_uppercase() => (Kind::Capital, capital(rest, taken, c)),
        c if letter(c) => (Kind::Letters, run(rest, taken, c, |c| letter(c) && !c.is_uppercase())),
        c if c.is_numeric() => (Kind::Number, run(rest, taken, c, char::is_numeric)),
        c => {
            let other = |c: char| !(connects(c) || letter(c) || c.is_numeric() || punctuation(c));
            (Kind::Other, run(rest, taken, c, other))
        }
    };
    let (word, rest) = rest.split_at(end);
    (kind, word, rest)
}

/// A word that starts with a capital: `Status`, or `HTTP` of `HTTPStatus`.
fn capital(rest: &[Rune<'_>], first: usize, c: char) -> usize {
    if first >= rest.len() {
        return first;
    }
    let (second, taken) = valid(&rest[first..], c);
    if second.is_uppercase() {
        let end = run(rest, first + taken, second, char::is_uppercase);
        if end < rest.len() && letter(valid(&rest[end..], second).0) {
            // The last capital starts the next word.
            let last = rest[..end].iter().rposition(|(c, _)| *c != '\u{fffd}').unwrap_or(end);
            return last.max(first);
        }
        return end;
    }
    if letter(second) {
        return run(rest, first + taken, second, |c| letter(c) && !c.is_uppercase());
    }
    first
}

fn write(out: &mut Vec<u8>, kind: Kind, word: &[Rune<'_>], connector: char) {
    for (c, raw) in word {
        if !matches!(kind, Kind::Capital | Kind::Connector) {
            out.extend_from_slice(raw);
            continue;
        }
        let c = if connects(*c) { connector } else { lower(*c) };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn delimited(text: &[u8], connector: char) -> Vec<u8> {
    let all: Vec<Rune<'_>> = runes(text).collect();
    let mut out = Vec::with_capacity(text.len());
    let (mut kind, mut word, mut rest) = next_word(&all);
    while !rest.is_empty() {
        if kind != Kind::Connector {
            write(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        let mut joins = match before {
            Kind::Punctuation => continue,
            Kind::Connector => {
                write(&mut out, before, last, connector);
                continue;
            }
            Kind::Number => true,
            Kind::End | Kind::Capital | Kind::Letters | Kind::Other => false,
        };
        if !joins && kind == Kind::Number {
            if rest.is_empty() {
                continue;
            }
            let number = word;
            (kind, word, rest) = next_word(rest);
            // A number belongs to the word before it, but to the one behind it if that is of small letters.
            joins = kind == Kind::Letters;
            if joins {
                out.push(connector as u8);
            }
            write(&mut out, Kind::Number, number, connector);
        }
        while joins && matches!(kind, Kind::Letters | Kind::Number) {
            write(&mut out, kind, word, connector);
            (kind, word, rest) = next_word(rest);
        }
        let ends = joins && kind == Kind::End;
        if !ends && !matches!(kind, Kind::Connector | Kind::Punctuation) {
            out.push(connector as u8);
        }
    }
    write(&mut out, kind, word, connector);
    out
}
