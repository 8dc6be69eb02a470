//! Whether Go's package `regexp` compiles a pattern, and its error text if not. Checks syntax only: matching, for which the
//! pattern must be carried over to Rust's engine, isn't here, nor is Go's limit on the size of a compiled program.
//!
//! Source: Go package `regexp/syntax`, grammar of the flag set `Perl`.

mod property;

use std::fmt;

/// Most repetitions that `{n,m}` may ask for, nested ones multiplied.
const MAX_REPEAT: u32 = 1000;
/// Deepest nesting of groups. Go counts the height of the parsed tree, where other things add to it too.
const MAX_DEPTH: usize = 999;

/// Why a pattern doesn't compile. Prints Go's text: ``error parsing regexp: missing closing ]: `[a` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: What,
    part: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    CharRange,
    Escape,
    NamedCapture,
    Perl,
    Repeat,
    RepeatSize,
    MissingArgument,
    MissingBracket,
    MissingParen,
    Nesting,
    TrailingBackslash,
    UnexpectedParen,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CharRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::Perl => "invalid or unsupported Perl syntax",
            Self::Repeat => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::MissingArgument => "missing argument to repetition operator",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::Nesting => "expression nests too deeply",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
        }
    }

    fn at(self, part: &str) -> Error {
        Error { what: self, part: part.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.what.as_str(), self.part)
    }
}

impl std::error::Error for Error {}

/// Checks a pattern.
///
/// # Errors
/// The first thing that Go objects to.
pub fn check(pattern: &str) -> Result<(), Error> {
    let mut rest = pattern;
    let mut groups = Groups::default();
    // The text from the last repetition operator on, if that was the last thing.
    let mut repeated: Option<&str> = None;
    while let Some(first) = rest.chars().next() {
        let before = rest;
        let mut operator = None;
        match first {
            '(' => {
                rest = open(rest, &mut groups)?;
                if groups.outer.len() > MAX_DEPTH {
                    return Err(What::Nesting.at(pattern));
                }
            }
            ')' => {
                groups.close().ok_or_else(|| What::UnexpectedParen.at(pattern))?;
                rest = &rest[1..];
            }
            '|' => {
                groups.bar();
                rest = &rest[1..];
            }
            '[' => {
                rest = class(rest)?;
                groups.atom();
            }
            '*' | '+' | '?' => {
                rest = groups.repeat(before, &rest[1..], repeated, None)?;
                operator = Some(before);
            }
            '{' => match counts(rest) {
                Some((counts, after)) => {
                    if !counts.are_possible() {
                        return Err(What::RepeatSize.at(cut(before, after)));
                    }
                    rest = groups.repeat(before, after, repeated, Some(counts))?;
                    operator = Some(before);
                }
                None => {
                    rest = &rest[1..];
                    groups.atom();
                }
            },
            '\\' => rest = backslash(rest, &mut groups)?,
            other => {
                rest = &rest[other.len_utf8()..];
                groups.atom();
            }
        }
        repeated = operator;
    }
    if groups.are_open() { Err(What::MissingParen.at(pattern)) } else { Ok(()) }
}

/// What `whole` has before `rest`, which is its end.
fn cut<'a>(whole: &'a str, rest: &str) -> &'a str {
    &whole[..whole.len() - rest.len()]
}

/// The groups that are open, for what a repetition needs to know: whether anything is there to repeat, and how often that is
/// repeated already.
#[derive(Default)]
struct Groups {
    outer: Vec<Group>,
    inner: Group,
}

#[derive(Clone, Copy, Default)]
struct Group {
    /// Repetitions within what a repetition would apply to: at least 1. Nothing at the start of a group or branch.
    last: Option<u32>,
    /// The most repetitions within the group so far.
    most: u32,
}

impl Groups {
    fn atom(&mut self) {
        self.push(1);
    }

    fn push(&mut self, repeats: u32) {
        self.inner.last = Some(repeats);
        self.inner.most = self.inner.most.max(repeats);
    }

    fn bar(&mut self) {
        self.inner.last = None;
    }

    fn open(&mut self) {
        self.outer.push(std::mem::take(&mut self.inner));
    }

    fn close(&mut self) -> Option<()> {
        let group = std::mem::replace(&mut self.inner, self.outer.pop()?);
        self.push(group.most.max(1));
        Some(())
    }

    fn are_open(&self) -> bool {
        !self.outer.is_empty()
    }

    /// Applies an operator that stands between `before` and `after`; gives back what follows it.
    fn repeat<'a>(
        &mut self,
        before: &str,
        after: &'a str,
        repeated: Option<&str>,
        counts: Option<Counts>,
    ) -> Result<&'a str, Error> {
        let after = after.strip_prefix('?').unwrap_or(after);
        if let Some(repeated) = repeated {
            return Err(What::Repeat.at(cut(repeated, after)));
        }
        let Some(last) = self.inner.last else { return Err(What::MissingArgument.at(cut(before, after))) };
        let times = counts.map_or(1, Counts::most);
        let total = if times == 0 { 1 } else { last.saturating_mul(times) };
        if times >= 2 && total > MAX_REPEAT {
            return Err(What::RepeatSize.at(cut(before, after)));
        }
        self.push(total);
        Ok(after)
    }
}

/// `{min,max}`; without a maximum there is no upper end.
#[derive(Clone, Copy)]
struct Counts {
    min: u32,
    max: Option<u32>,
}

impl Counts {
    fn are_possible(self) -> bool {
        self.min <= MAX_REPEAT && self.max.is_none_or(|max| max <= MAX_REPEAT && self.min <= max)
    }

    fn most(self) -> u32 {
        self.max.unwrap_or(self.min)
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`; anything else is a plain brace. Numbers too long to be possible read as the largest.
fn counts(text: &str) -> Option<(Counts, &str)> {
    let (min, rest) = number(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    Some((Counts { min, max }, rest.strip_prefix('}')?))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    // No leading zeros: they make the brace a plain one.
    if number.is_empty() || (number.len() > 1 && number.starts_with('0')) {
        return None;
    }
    Some((number.parse().unwrap_or(u32::MAX), rest))
}

/// Reads from `(` to where the group's content begins.
fn open<'a>(text: &'a str, groups: &mut Groups) -> Result<&'a str, Error> {
    let Some(flags) = text.strip_prefix("(?") else {
        groups.open();
        return Ok(&text[1..]);
    };
    let named = [("P<", 5), ("<", 4)].into_iter().find(|(mark, least)| flags.starts_with(mark) && text.len() >= *least);
    if let Some((mark, _)) = named {
        let end = text.find('>').ok_or_else(|| What::NamedCapture.at(text))?;
        let name = &text[2 + mark.len()..end];
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
            return Err(What::NamedCapture.at(&text[..=end]));
        }
        groups.open();
        return Ok(&text[end + 1..]);
    }
    let (mut negative, mut any_flag) = (false, false);
    for (index, c) in flags.char_indices() {
        let rest = &flags[index + c.len_utf8()..];
        match c {
            'i' | 'm' | 's' | 'U' => any_flag = true,
            '-' if !negative => (negative, any_flag) = (true, false),
            ':' if !negative || any_flag => {
                groups.open();
                return Ok(rest);
            }
            ')' if !negative || any_flag => return Ok(rest),
            _ => return Err(What::Perl.at(cut(text, rest))),
        }
    }
    Err(What::Perl.at(text))
}

/// Reads a backslash outside of a class and what belongs to it.
fn backslash<'a>(text: &'a str, groups: &mut Groups) -> Result<&'a str, Error> {
    let rest = match text.as_bytes().get(1) {
        Some(b'A' | b'b' | b'B' | b'z') => &text[2..],
        Some(b'C') => return Err(What::Escape.at(&text[..2])),
        Some(b'Q') => {
            let (quoted, rest) = text[2..].split_once("\\E").unwrap_or((&text[2..], ""));
            if quoted.is_empty() {
                // An empty quotation leaves nothing behind to repeat.
                return Ok(rest);
            }
            rest
        }
        _ => set(text).unwrap_or_else(|| escape(text))?,
    };
    groups.atom();
    Ok(rest)
}

/// Reads `\d` and its kin, or `\p{…}`; nothing if it is another escape.
fn set(text: &str) -> Option<Result<&str, Error>> {
    let after = text.strip_prefix('\\')?;
    match after.chars().next()? {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' => Some(Ok(&after[1..])),
        'p' | 'P' => Some(property(text, &after[1..])),
        _ => None,
    }
}

/// Reads the name of a Unicode property after `\p`.
fn property<'a>(text: &'a str, after: &'a str) -> Result<&'a str, Error> {
    let Some(first) = after.chars().next() else { return Err(What::CharRange.at(text)) };
    let (name, rest) = if first == '{' {
        let end = after.find('}').ok_or_else(|| What::CharRange.at(text))?;
        (&after[1..end], &after[end + 1..])
    } else {
        after.split_at(first.len_utf8())
    };
    let name = name.strip_prefix('^').unwrap_or(name);
    if property::is_known(name) { Ok(rest) } else { Err(What::CharRange.at(cut(text, rest))) }
}

/// Reads an escape that stands for one character.
fn escape(text: &str) -> Result<&str, Error> {
    let after = &text[1..];
    let Some(first) = after.chars().next() else { return Err(What::TrailingBackslash.at("")) };
    let rest = &after[first.len_utf8()..];
    let bad = |rest: &str| Err(What::Escape.at(cut(text, rest)));
    let octal = |c: char| ('0'..='7').contains(&c);
    match first {
        '1'..='7' if !rest.starts_with(octal) => bad(rest),
        '0'..='7' => {
            let digits = rest.chars().take(2).take_while(|c| octal(*c)).count();
            Ok(&rest[digits..])
        }
        'x' => hexadecimal(rest).or_else(bad),
        'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok(rest),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(rest),
        _ => bad(rest),
    }
}

/// Reads what follows `\x`: two digits, or any number of them in braces. The error is what is left after the bad character.
fn hexadecimal(text: &str) -> Result<&str, &str> {
    let mut chars = text.chars();
    match chars.next() {
        None => Err(text),
        Some('{') => {
            let (mut value, mut digits) = (0_u32, 0);
            loop {
                let Some(c) = chars.next() else { return Err("") };
                if c == '}' {
                    return if digits > 0 { Ok(chars.as_str()) } else { Err(chars.as_str()) };
                }
                value = match c.to_digit(16).map(|digit| value * 16 + digit) {
                    Some(value) if value <= u32::from(char::MAX) => value,
                    Some(_) | None => return Err(chars.as_str()),
                };
                digits += 1;
            }
        }
        Some(first) => {
            let second = chars.next();
            let both = first.is_ascii_hexdigit() && second.is_some_and(|c| c.is_ascii_hexdigit());
            if both { Ok(chars.as_str()) } else { Err(chars.as_str()) }
        }
    }
}

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Reads a class from `[` to behind its `]`.
fn class(whole: &str) -> Result<&str, Error> {
    let mut rest = &whole[1..];
    rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        if let Some(named) = rest.strip_prefix("[:")
            && let Some(end) = named.find(":]")
        {
            let name = &named[..end];
            let after = &named[end + 2..];
            if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err(What::CharRange.at(cut(rest, after)));
            }
            rest = after;
            continue;
        }
        if let Some(after) = set(rest) {
            rest = after?;
            continue;
        }
        let range = rest;
        let (low, after) = class_char(rest, whole)?;
        rest = after;
        // `[a-]` is `a` or `-`.
        if let Some(after) = rest.strip_prefix('-')
            && !after.is_empty()
            && !after.starts_with(']')
        {
            let (high, after) = class_char(after, whole)?;
            rest = after;
            if high < low {
                return Err(What::CharRange.at(cut(range, rest)));
            }
        }
    }
    Ok(&rest[1..])
}

/// Reads one character of a class, escaped or not.
fn class_char<'a>(text: &'a str, whole: &str) -> Result<(u32, &'a str), Error> {
    let Some(first) = text.chars().next() else { return Err(What::MissingBracket.at(whole)) };
    if first != '\\' {
        return Ok((u32::from(first), &text[first.len_utf8()..]));
    }
    let rest = escape(text)?;
    Ok((value(&cut(text, rest)[1..]), rest))
}

/// The character that a correct escape stands for, without its backslash.
fn value(escaped: &str) -> u32 {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).unwrap_or_default();
    match escaped.as_bytes() {
        [b'x', b'{', ..] => hex(escaped[2..].trim_end_matches('}')),
        [b'x', ..] => hex(&escaped[1..]),
        [b'0'..=b'7', ..] => u32::from_str_radix(escaped, 8).unwrap_or_default(),
        [b'a'] => 7,
        [b'f'] => 12,
        [b'n'] => 10,
        [b'r'] => 13,
        [b't'] => 9,
        [b'v'] => 11,
        _ => escaped.chars().next().map_or(0, u32::from),
    }
}
