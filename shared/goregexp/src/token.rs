//! The smallest parts of Go's syntax: characters, escapes, counts, names of properties. Not here: how they are put together.

use crate::error::{Error, What};
use crate::syntax::{self, Member};
use crate::unicode::Property;

/// Most repetitions that `{n,m}` may ask for, nested ones multiplied.
pub(crate) const MAX_REPEAT: u32 = 1000;

/// What `whole` has before `rest`, which is its end.
pub(crate) fn cut<'a>(whole: &'a [u8], rest: &[u8]) -> &'a [u8] {
    &whole[..whole.len() - rest.len()]
}

pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The text, or Go's error about the first place that isn't UTF-8.
pub(crate) fn valid(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|error| What::Utf8.at(&text[error.valid_up_to()..]))
}

/// Reads one character of a text that isn't empty.
pub(crate) fn next(text: &[u8]) -> Result<(u32, &[u8]), Error> {
    let start = &text[..text.len().min(4)];
    let start = match std::str::from_utf8(start) {
        Ok(start) => start,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
    };
    let first = start.chars().next().ok_or_else(|| What::Utf8.at(text))?;
    Ok((u32::from(first), &text[first.len_utf8()..]))
}

/// `{min,max}`; without a maximum there is no upper end.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    /// Written with braces: only these count towards the limit.
    pub(crate) explicit: bool,
}

impl Counts {
    pub(crate) fn are_possible(self) -> bool {
        self.min <= MAX_REPEAT && self.max.is_none_or(|max| max <= MAX_REPEAT && self.min <= max)
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`; anything else is a plain brace. Numbers too long to be possible read as the largest.
pub(crate) fn counts(text: &[u8]) -> Option<(Counts, &[u8])> {
    let (min, rest) = number(text.strip_prefix(b"{")?)?;
    let (max, rest) = match rest.strip_prefix(b",") {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with(b"}") => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    Some((Counts { min, max, explicit: true }, rest.strip_prefix(b"}")?))
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    // No leading zeros: they make the brace a plain one.
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    let add = |number: u32, digit: &u8| number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
    Some((digits.iter().fold(0, add), rest))
}

/// Reads `\d` and its kin, or `\p{…}`; nothing if it is something else.
pub(crate) fn member(text: &[u8]) -> Result<Option<(Member, &[u8])>, Error> {
    let [b'\\', letter, rest @ ..] = text else { return Ok(None) };
    match letter {
        b'p' | b'P' => property(text, rest, *letter == b'P').map(Some),
        letter => Ok(syntax::perl(*letter).map(|member| (member, rest))),
    }
}

/// Reads the name of a Unicode property after `\p`.
fn property<'a>(text: &'a [u8], after: &'a [u8], negated: bool) -> Result<(Member, &'a [u8]), Error> {
    let (name, rest) = if after.first() == Some(&b'{') {
        let Some(end) = find(after, b"}") else {
            valid(text)?;
            return Err(What::CharRange.at(text));
        };
        (valid(&after[1..end])?, &after[end + 1..])
    } else if after.is_empty() {
        return Err(What::CharRange.at(text));
    } else {
        let rest = next(after)?.1;
        (valid(cut(after, rest))?, rest)
    };
    let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
    match Property::by_name(name) {
        Some(property) => Ok((Member::Property { property, negated }, rest)),
        None => Err(What::CharRange.at(cut(text, rest))),
    }
}

/// Reads one character of a class, escaped or not.
pub(crate) fn class_char<'a>(text: &'a [u8], whole: &[u8]) -> Result<(u32, &'a [u8]), Error> {
    match text.first() {
        None => Err(What::MissingBracket.at(whole)),
        Some(b'\\') => escape(text),
        Some(_) => next(text),
    }
}

/// Reads an escape that stands for one character.
pub(crate) fn escape(text: &[u8]) -> Result<(u32, &[u8]), Error> {
    let after = &text[1..];
    if after.is_empty() {
        return Err(What::TrailingBackslash.at(b""));
    }
    let (c, rest) = next(after)?;
    let bad = |rest: &[u8]| Err(What::Escape.at(cut(text, rest)));
    let Ok(byte) = u8::try_from(c) else { return bad(rest) };
    let octal = |b: &u8| (b'0'..=b'7').contains(b);
    match byte {
        b'1'..=b'7' if !rest.first().is_some_and(octal) => bad(rest),
        b'0'..=b'7' => {
            let more = rest.iter().take(2).take_while(|b| octal(b)).count();
            let digits = std::iter::once(&byte).chain(&rest[..more]);
            Ok((digits.fold(0, |value, digit| value * 8 + u32::from(digit - b'0')), &rest[more..]))
        }
        b'x' => hexadecimal(rest)?.or_else(bad),
        b'a' => Ok((7, rest)),
        b'f' => Ok((12, rest)),
        b'n' => Ok((10, rest)),
        b'r' => Ok((13, rest)),
        b't' => Ok((9, rest)),
        b'v' => Ok((11, rest)),
        _ if byte.is_ascii() && !byte.is_ascii_alphanumeric() => Ok((c, rest)),
        _ => bad(rest),
    }
}

/// Reads what follows `\x`: two digits, or any number of them in braces. The inner error is what is left after the bad
/// character.
#[expect(clippy::type_complexity, reason = "two kinds of failure, each read in one place")]
fn hexadecimal(text: &[u8]) -> Result<Result<(u32, &[u8]), &[u8]>, Error> {
    if text.is_empty() {
        return Ok(Err(text));
    }
    let digit = |c: u32| char::from_u32(c).and_then(|c| c.to_digit(16));
    let (first, mut rest) = next(text)?;
    if first != u32::from(b'{') {
        if rest.is_empty() {
            return Ok(Err(rest));
        }
        let (second, rest) = next(rest)?;
        return Ok(digit(first).zip(digit(second)).map(|(high, low)| (high * 16 + low, rest)).ok_or(rest));
    }
    let (mut value, mut digits) = (0_u32, 0);
    loop {
        if rest.is_empty() {
            return Ok(Err(rest));
        }
        let (c, after) = next(rest)?;
        rest = after;
        if c == u32::from(b'}') {
            return Ok(if digits > 0 { Ok((value, rest)) } else { Err(rest) });
        }
        value = match digit(c).map(|digit| value * 16 + digit) {
            Some(value) if value <= u32::from(char::MAX) => value,
            Some(_) | None => return Ok(Err(rest)),
        };
        digits += 1;
    }
}
