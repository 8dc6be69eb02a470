//! Regular expressions in Go's syntax.

use regex::bytes::Regex;

use super::strings::string_list;
use super::{STR, int};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::text::runes;
use crate::value::{INT, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("regexMatch", &[STR, STR], |c, a| {
        Ok(c.pattern(bytes(&a[0]))?.map_or(Value::Bool(false), |r| is_match(&r, bytes(&a[1]))))
    }),
    Function::new("mustRegexMatch", &[STR, STR], |c, a| Ok(is_match(&given(c, a)?, bytes(&a[1])))),
    Function::new("regexFind", &[STR, STR], |c, a| Ok(find(&certain(c, a)?, bytes(&a[1])))),
    Function::new("mustRegexFind", &[STR, STR], |c, a| Ok(find(&given(c, a)?, bytes(&a[1])))),
    Function::new("regexFindAll", &[STR, STR, INT], |c, a| find_all(&certain(c, a)?, c, a)),
    Function::new("mustRegexFindAll", &[STR, STR, INT], |c, a| find_all(&given(c, a)?, c, a)),
    Function::new("regexReplaceAll", &[STR, STR, STR], |c, a| replace(&certain(c, a)?, c, a, true)),
    Function::new("mustRegexReplaceAll", &[STR, STR, STR], |c, a| replace(&given(c, a)?, c, a, true)),
    Function::new("regexReplaceAllLiteral", &[STR, STR, STR], |c, a| replace(&certain(c, a)?, c, a, false)),
    Function::new("mustRegexReplaceAllLiteral", &[STR, STR, STR], |c, a| replace(&given(c, a)?, c, a, false)),
    Function::new("regexSplit", &[STR, STR, INT], |c, a| split(&certain(c, a)?, c, a)),
    Function::new("mustRegexSplit", &[STR, STR, INT], |c, a| split(&given(c, a)?, c, a)),
    Function::new("regexQuoteMeta", &[STR], |_, a| {
        let mut out = Vec::new();
        for &b in bytes(&a[0]) {
            if br"\.+*?()|[]{}^$".contains(&b) {
                out.push(b'\\');
            }
            out.push(b);
        }
        Ok(Value::str(out))
    }),
];

fn given(call: &mut Call<'_>, a: &[Value]) -> Result<Regex, Failure> {
    call.pattern(bytes(&a[0]))?.map_err(Failure)
}

/// As `regexp.MustCompile`, whose panic names the pattern first.
fn certain(call: &mut Call<'_>, a: &[Value]) -> Result<Regex, Failure> {
    let text = bytes(&a[0]);
    call.pattern(text)?.map_err(|complaint| {
        let shown = if crate::text::can_backquote(text) {
            format!("`{}`", String::from_utf8_lossy(text))
        } else {
            crate::text::quoted(text)
        };
        Failure(format!("regexp: Compile({shown}): {complaint}"))
    })
}

/// A text as Go matches it: what is no UTF-8 counts as U+FFFD, byte by byte.
struct Subject<'t> {
    text: &'t [u8],
    /// The text with U+FFFD for such bytes, and for each of its offsets that of the text.
    replaced: Option<(Vec<u8>, Vec<usize>)>,
}

impl<'t> Subject<'t> {
    fn new(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self { text, replaced: None };
        }
        let (mut valid, mut offsets) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (c, raw) in runes(text) {
            let shown = c.encode_utf8(&mut [0; 4]).as_bytes().to_vec();
            offsets.resize(offsets.len() + shown.len(), at);
            valid.extend_from_slice(&shown);
            at += raw.len();
        }
        offsets.push(at);
        Self { text, replaced: Some((valid, offsets)) }
    }

    fn matched(&self) -> &[u8] {
        self.replaced.as_ref().map_or(self.text, |(valid, _)| valid)
    }

    fn offset(&self, at: usize) -> usize {
        self.replaced.as_ref().map_or(at, |(_, offsets)| offsets.get(at).copied().unwrap_or(self.text.len()))
    }

    fn part(&self, (from, to): Span) -> &'t [u8] {
        self.text.get(from..to).unwrap_or_default()
    }
}

type Span = (usize, usize);

/// The groups of one match, the whole first.
type Groups = Vec<Option<Span>>;

fn is_match(regex: &Regex, text: &[u8]) -> Value {
    Value::Bool(regex.is_match(Subject::new(text).matched()))
}

fn find(regex: &Regex, text: &[u8]) -> Value {
    let subject = Subject::new(text);
    let found = matches(regex, &subject, 1);
    Value::str(found.first().map_or(&b""[..], |g| subject.part(whole(g))))
}

/// All matches as Go finds them: an empty one right behind another match does not count.
fn matches(regex: &Regex, subject: &Subject<'_>, most: i64) -> Vec<Groups> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut last_end = None;
    let mut found = Vec::new();
    for captures in regex.captures_iter(subject.matched()) {
        let Some(whole) = captures.get(0) else { continue };
        if whole.is_empty() && last_end == Some(whole.start()) {
            continue;
        }
        last_end = Some(whole.end());
        if found.len() >= most {
            break;
        }
        let span = |m: regex::bytes::Match<'_>| (subject.offset(m.start()), subject.offset(m.end()));
        found.push(captures.iter().map(|m| m.map(span)).collect());
    }
    found
}

fn whole(groups: &Groups) -> Span {
    groups.first().copied().flatten().unwrap_or((0, 0))
}

fn find_all(regex: &Regex, call: &mut Call<'_>, a: &[Value]) -> Answer {
    let subject = Subject::new(bytes(&a[1]));
    call.charge(subject.text.len() * 32)?;
    let found = matches(regex, &subject, int(&a[2]));
    Ok(string_list(found.iter().map(|g| subject.part(whole(g)).to_vec()).collect()))
}

fn replace(regex: &Regex, call: &mut Call<'_>, a: &[Value], expand: bool) -> Answer {
    let (subject, with) = (Subject::new(bytes(&a[1])), bytes(&a[2]));
    let mut out = Vec::new();
    let mut at = 0;
    for groups in matches(regex, &subject, -1) {
        let (from, to) = whole(&groups);
        out.extend_from_slice(subject.part((at, from)));
        let before = out.len();
        if expand {
            template(&mut out, with, |name| group(regex, &groups, name).map(|s| subject.part(s)));
        } else {
            out.extend_from_slice(with);
        }
        call.charge(out.len() - before)?;
        at = to;
    }
    out.extend_from_slice(subject.part((at, subject.text.len())));
    Ok(Value::str(out))
}

fn group(regex: &Regex, groups: &Groups, name: &str) -> Option<Span> {
    let at = if name.bytes().all(|b| b.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0')) {
        name.parse().ok()?
    } else {
        regex.capture_names().position(|n| n == Some(name))?
    };
    groups.get(at).copied().flatten()
}

/// Go's `Expand`: `$name`, `${name}`, `$1`, `$$`; an unknown name is empty, a bad form stays.
fn template<'t>(out: &mut Vec<u8>, with: &[u8], group: impl Fn(&str) -> Option<&'t [u8]>) {
    let mut rest = with;
    while let Some(at) = rest.iter().position(|b| *b == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = tail;
            continue;
        }
        let braced = rest.first() == Some(&b'{');
        let body = if braced { &rest[1..] } else { rest };
        let end = body.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(body.len());
        if end == 0 || braced && body.get(end) != Some(&b'}') {
            out.push(b'$');
            continue;
        }
        out.extend_from_slice(group(&String::from_utf8_lossy(&body[..end])).unwrap_or_default());
        rest = &body[end + usize::from(braced)..];
    }
    out.extend_from_slice(rest);
}

fn split(regex: &Regex, call: &mut Call<'_>, a: &[Value]) -> Answer {
    let (text, most) = (bytes(&a[1]), int(&a[2]));
    let subject = Subject::new(text);
    call.charge(text.len() * 32)?;
    if most == 0 {
        return Ok(crate::value::STRINGS.zero());
    }
    if !bytes(&a[0]).is_empty() && text.is_empty() {
        return Ok(string_list(vec![Vec::new()]));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for groups in matches(regex, &subject, -1) {
        if parts.len() + 1 == most {
            break;
        }
        let (from, to) = whole(&groups);
        end = from;
        if to != 0 {
            parts.push(text[begin..end].to_vec());
        }
        begin = to;
    }
    if end != text.len() {
        parts.push(text[begin..].to_vec());
    }
    Ok(string_list(parts))
}
