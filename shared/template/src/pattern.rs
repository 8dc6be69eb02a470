//! Go's regular expressions on top of the `regex` crate.
//!
//! Deliberately not here: template functions (see `sprig::regex`).

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}$").ok());
static DECIMAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").ok());

fn is(class: &LazyLock<Option<Regex>>, c: char) -> bool {
    LazyLock::force(class).as_ref().is_some_and(|r| r.is_match(c.encode_utf8(&mut [0; 4]).as_bytes()))
}

/// Unicode category L.
pub(crate) fn is_letter(c: char) -> bool {
    is(&LETTER, c)
}

/// Unicode category Nd.
pub(crate) fn is_decimal(c: char) -> bool {
    is(&DECIMAL, c)
}

/// Compiles a Go pattern.
pub(crate) fn compile(pattern: &[u8]) -> Result<Regex, String> {
    let Ok(text) = std::str::from_utf8(pattern) else {
        return Err(format!("error parsing regexp: invalid UTF-8: `{}`", String::from_utf8_lossy(pattern)));
    };
    let translated = translate(text)?;
    RegexBuilder::new(&translated).unicode(true).size_limit(2 << 20).nest_limit(200).build().map_err(
        |error| match error {
            regex::Error::CompiledTooBig(_) => format!("error parsing regexp: expression too large: `{text}`"),
            _ => format!("error parsing regexp: invalid or unsupported syntax: `{text}`"),
        },
    )
}

/// The same pattern in the syntax of `regex`, with Perl classes and word boundaries limited to ASCII as in Go; or Go's
/// complaint about it.
fn translate(text: &str) -> Result<String, String> {
    let fail = |what: &str, part: &str| Err(format!("error parsing regexp: {what}: `{part}`"));
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let at = |i: usize| chars.get(i).map(|&(_, c)| c);
    let slice = |from: usize, to: usize| {
        let start = chars.get(from).map_or(text.len(), |&(o, _)| o);
        let end = chars.get(to).map_or(text.len(), |&(o, _)| o);
        text.get(start..end).unwrap_or_default()
    };
    let mut out = String::new();
    let mut i = 0;
    let mut open = 0_usize;
    // Where the last repetition started and ended, to find two in a row.
    let mut last_repeat: Option<(usize, usize)> = None;
    let mut operand = false;
    let mut names: Vec<&str> = Vec::new();
    while let Some(c) = at(i) {
        match c {
            '\\' => {
                let Some(next) = at(i + 1) else { return fail("trailing backslash at end of expression", "") };
                operand = true;
                match next {
                    'Q' => {
                        i += 2;
                        while at(i).is_some() && !(at(i) == Some('\\') && at(i + 1) == Some('E')) {
                            out.push_str(&regex::escape(slice(i, i + 1)));
                            i += 1;
                        }
                        i += if at(i).is_some() { 2 } else { 0 };
                        continue;
                    }
                    'C' => return fail("invalid escape sequence", "\\C"),
                    _ => i += escape(&mut out, &chars, i, text, false)?,
                }
                continue;
            }
            '[' => {
                operand = true;
                i = class(&mut out, &chars, i, text)?;
                continue;
            }
            '(' => {
                open += 1;
                operand = false;
                if at(i + 1) == Some('?') {
                    let mut end = i + 2;
                    if at(i + 2) == Some('P') && at(i + 3) == Some('<') || at(i + 2) == Some('<') {
                        let from = if at(i + 2) == Some('P') { i + 4 } else { i + 3 };
                        end = from;
                        while at(end).is_some_and(|c| c != '>') {
                            end += 1;
                        }
                        let name = slice(from, end);
                        let named = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
                        if at(end).is_none() {
                            return fail("invalid named capture", slice(i, chars.len()));
                        }
                        if !named {
                            return fail("invalid named capture", slice(i, end + 1));
                        }
                        // Go lets a name stand twice and looks at the first that matched; `regex` does not.
                        let twice = names.contains(&name);
                        names.push(name);
                        out.push_str(&if twice { "(".to_owned() } else { format!("(?P<{name}>") });
                        i = end + 1;
                        continue;
                    }
                    let mut negative = false;
                    let mut flags = false;
                    loop {
                        match at(end) {
                            Some('i' | 'm' | 's' | 'U') => flags = true,
                            Some('-') if !negative => {
                                negative = true;
                                flags = false;
                            }
                            Some(':' | ')') if !negative || flags => break,
                            Some(_) => return fail("invalid or unsupported Perl syntax", slice(i, end + 1)),
                            None => return fail("missing closing )", text),
                        }
                        end += 1;
                    }
                    if at(end) == Some(')') {
                        open -= 1;
                    }
                    out.push_str(slice(i, end + 1));
                    i = end + 1;
                    continue;
                }
                out.push('(');
            }
            ')' => {
                if open == 0 {
                    return fail("unexpected )", text);
                }
                open -= 1;
                operand = true;
                out.push(')');
            }
            '|' => {
                operand = false;
                out.push('|');
            }
            '*' | '+' | '?' | '{' => {
                let mut end = i + 1;
                if c == '{' {
                    match bounds(slice(i, chars.len())) {
                        None => {
                            operand = true;
                            out.push_str("\\{");
                            i += 1;
                            continue;
                        }
                        Some((length, fits)) => {
                            end = i + length;
                            if !fits {
                                return fail("invalid repeat count", slice(i, end));
                            }
                        }
                    }
                }
                if at(end) == Some('?') {
                    end += 1;
                }
                if !operand {
                    return fail("missing argument to repetition operator", slice(i, end));
                }
                if let Some((from, _)) = last_repeat.filter(|&(_, to)| to == i) {
                    return fail("invalid nested repetition operator", slice(from, end));
                }
                last_repeat = Some((i, end));
                out.push_str(slice(i, end));
                i = end;
                continue;
            }
            _ => {
                operand = true;
                if c == '#' || c == '}' || c == ']' || c == '~' || c == '&' {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        i += 1;
    }
    if open > 0 {
        return fail("missing closing )", text);
    }
    Ok(out)
}

/// The length of `{n}`, `{n,}` or `{n,m}`, and whether Go accepts the counts.
fn bounds(rest: &str) -> Option<(usize, bool)> {
    let (inner, _) = rest.get(1..)?.split_once('}')?;
    let (low, high) = inner.split_once(',').map_or((inner, None), |(a, b)| (a, Some(b)));
    let digits =
        |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && !(s.len() > 1 && s.starts_with('0'));
    if !digits(low) || high.is_some_and(|h| !h.is_empty() && !digits(h)) {
        return None;
    }
    let value = |s: &str| s.parse::<u32>().unwrap_or(u32::MAX);
    let low = value(low);
    let top = high.filter(|h| !h.is_empty()).map(value);
    Some((inner.len() + 2, low <= 1000 && top.is_none_or(|t| t <= 1000 && t >= low)))
}

/// One escape; returns how many characters it takes.
fn escape(out: &mut String, chars: &[(usize, char)], i: usize, text: &str, in_class: bool) -> Result<usize, String> {
    let at = |i: usize| chars.get(i).map(|&(_, c)| c);
    let slice = |to: usize| {
        let start = chars.get(i).map_or(text.len(), |&(o, _)| o);
        let end = chars.get(to).map_or(text.len(), |&(o, _)| o);
        text.get(start..end).unwrap_or_default()
    };
    let bad = |to: usize| format!("error parsing regexp: invalid escape sequence: `{}`", slice(to));
    let Some(c) = at(i + 1) else {
        return Err("error parsing regexp: trailing backslash at end of expression: ``".into());
    };
    let fixed = match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => "[\\t\\n\\x0C\\r ]",
        'S' => "[^\\t\\n\\x0C\\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        'b' if !in_class => "(?-u:\\b)",
        'B' if !in_class => "(?-u:\\B)",
        'A' if !in_class => "\\A",
        'z' if !in_class => "\\z",
        'a' => "\\x07",
        'f' => "\\x0C",
        'n' => "\\n",
        'r' => "\\r",
        't' => "\\t",
        'v' => "\\x0B",
        _ => "",
    };
    if !fixed.is_empty() {
        out.push_str(fixed);
        return Ok(2);
    }
    match c {
        'p' | 'P' => {
            let mut end = i + 2;
            if at(end) == Some('{') {
                while at(end).is_some_and(|c| c != '}') {
                    end += 1;
                }
            }
            let part = slice(end + 1);
            let invalid = || format!("error parsing regexp: invalid character class range: `{part}`");
            let name: String = part.chars().skip(2).filter(|c| !matches!(c, '{' | '}')).collect();
            let (name, negated) = name.strip_prefix('^').map_or((name.as_str(), c == 'P'), |n| (n, c == 'p'));
            if name.is_empty() {
                return Err(invalid());
            }
            let translated = if name == "Any" {
                "\\p{any}".to_owned()
            } else {
                format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' })
            };
            if Regex::new(&translated).is_err() || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
                return Err(invalid());
            }
            out.push_str(&translated);
            Ok(end + 1 - i)
        }
        'x' => {
            if at(i + 2) == Some('{') {
                let mut end = i + 3;
                while at(end).is_some_and(|c| c.is_ascii_hexdigit()) {
                    end += 1;
                }
                let code =
                    u32::from_str_radix(slice(end).get(3..).unwrap_or_default(), 16).ok().filter(|&c| c <= 0x10_ffff);
                let Some(code) = code.filter(|_| at(end) == Some('}')) else { return Err(bad(end + 1)) };
                out.push_str(&format!("\\x{{{code:X}}}"));
                return Ok(end + 1 - i);
            }
            let digits: String = chars.iter().skip(i + 2).take(2).map(|&(_, c)| c).collect();
            if digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
                out.push_str(&format!("\\x{{{digits}}}"));
                return Ok(4);
            }
            Err(bad((i + 4).min(chars.len())))
        }
        '0' | '1'..='7' => {
            let digits: String =
                chars.iter().skip(i + 1).take(3).map(|&(_, c)| c).take_while(|c| ('0'..='7').contains(c)).collect();
            if c != '0' && digits.len() < 2 {
                return Err(bad(i + 2));
            }
            let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
            out.push_str(&format!("\\x{{{code:X}}}"));
            Ok(1 + digits.len())
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
            out.push_str(&regex::escape(&c.to_string()));
            Ok(2)
        }
        _ => Err(bad(i + 2)),
    }
}

/// A bracketed class from `[`; returns the index behind it.
fn class(out: &mut String, chars: &[(usize, char)], start: usize, text: &str) -> Result<usize, String> {
    let at = |i: usize| chars.get(i).map(|&(_, c)| c);
    let slice = |from: usize, to: usize| {
        let start = chars.get(from).map_or(text.len(), |&(o, _)| o);
        let end = chars.get(to).map_or(text.len(), |&(o, _)| o);
        text.get(start..end).unwrap_or_default()
    };
    let mut i = start + 1;
    out.push('[');
    if at(i) == Some('^') {
        out.push('^');
        i += 1;
    }
    let mut first = true;
    loop {
        let Some(c) = at(i) else {
            return Err(format!("error parsing regexp: missing closing ]: `{}`", slice(start, chars.len())));
        };
        if c == ']' && !first {
            out.push(']');
            return Ok(i + 1);
        }
        first = false;
        if c == '[' && at(i + 1) == Some(':') {
            let mut end = i + 2;
            while at(end).is_some() && !(at(end) == Some(':') && at(end + 1) == Some(']')) {
                end += 1;
            }
            if at(end).is_some() {
                let name = slice(i, end + 2);
                if regex::Regex::new(&format!("[{name}]")).is_err() {
                    return Err(format!("error parsing regexp: invalid character class range: `{name}`"));
                }
                out.push_str(name);
                i = end + 2;
                continue;
            }
        }
        let from = i;
        if c == '\\' && matches!(at(i + 1), Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')) {
            i += escape(out, chars, i, text, true)?;
            continue;
        }
        i = single(out, chars, i, text)?;
        if at(i) == Some('-') && at(i + 1).is_some_and(|c| c != ']') {
            out.push('-');
            let before = out.len();
            if at(i + 1) == Some('\\') && matches!(at(i + 2), Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')) {
                return Err(format!("error parsing regexp: invalid escape sequence: `{}`", slice(i + 1, i + 3)));
            }
            let end = single(out, chars, i + 1, text)?;
            let bound = |s: &str| Regex::new(&format!("^[{s}]$")).is_ok();
            let whole = out.get(before..).is_some_and(bound);
            let probe =
                regex::Regex::new(&format!("[{}-{}]", range_side(slice(from, i)), range_side(slice(i + 1, end))));
            if !whole || probe.is_err() {
                return Err(format!("error parsing regexp: invalid character class range: `{}`", slice(from, end)));
            }
            i = end;
        }
    }
}

fn range_side(part: &str) -> String {
    if part.starts_with('\\') && part.len() > 1 { part.to_owned() } else { regex::escape(part) }
}

fn single(out: &mut String, chars: &[(usize, char)], i: usize, text: &str) -> Result<usize, String> {
    match chars.get(i) {
        Some(&(_, '\\')) => Ok(i + escape(out, chars, i, text, true)?),
        Some(&(_, c)) => {
            if matches!(c, '[' | ']' | '^' | '-' | '&' | '~') {
                out.push('\\');
            }
            out.push(c);
            Ok(i + 1)
        }
        None => Ok(i),
    }
}
