//! The order of keys: letters come after all else, and numbers inside of keys go by their value.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::decode::{Datum, Key};

/// The entries in the order in which Go writes them.
pub(crate) fn sorted(entries: &BTreeMap<Key, Datum>) -> Vec<(&Key, &Datum)> {
    let mut keyed: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            let chars: Vec<char> = if let Key::Text(text) = key { text.chars().collect() } else { Vec::new() };
            (chars, (key, value))
        })
        .collect();
    sort(&mut keyed, |a, b| less(&a.0, &b.0));
    keyed.into_iter().map(|(_, entry)| entry).collect()
}

/// Merges from the bottom up. The standard library's sort may panic where an order contradicts itself, as this one can with
/// numbers that overflow.
fn sort<T>(items: &mut Vec<T>, less: fn(&T, &T) -> bool) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    sort(items, less);
    sort(&mut right, less);
    let left = std::mem::take(items);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    loop {
        let from_right = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => less(b, a),
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => return,
        };
        items.extend(if from_right { right.next() } else { left.next() });
    }
}

fn less(a: &[char], b: &[char]) -> bool {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else { return a.len() < b.len() };
    let (x, y) = (a[at], b[at]);
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x < y,
        (true, false) => return false,
        (false, true) => return true,
        (false, false) => {}
    }
    // A zero after another digit is part of a number, and then its length decides.
    let in_number = (x == '0' || y == '0') && a[..at].iter().rev().take_while(|&&c| is_digit(c)).any(|&c| c != '0');
    let start = i64::from(in_number);
    let (a_end, a_number) = number(a, at, start);
    let (b_end, b_number) = number(b, at, start);
    (a_number, a_end, x) < (b_number, b_end, y)
}

/// The end of the digits and what they amount to.
fn number(chars: &[char], at: usize, start: i64) -> (usize, i64) {
    let digits = chars[at..].iter().take_while(|&&c| is_digit(c));
    digits.fold((at, start), |(end, number), &c| {
        let digit = i64::from(u32::from(c)) - i64::from(u32::from('0'));
        (end + 1, number.wrapping_mul(10).wrapping_add(digit))
    })
}

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}$").ok());
static DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").ok());

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii() && is_one_of(&LETTER, c)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && is_one_of(&DIGIT, c)
}

fn is_one_of(class: &LazyLock<Option<Regex>>, c: char) -> bool {
    class.as_ref().is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}
