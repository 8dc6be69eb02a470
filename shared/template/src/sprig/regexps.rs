//! Regular expressions in Go's syntax.

use goregexp::{Regexp, Replacement};

use super::strings::string_list;
use super::{STR, int};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::{INT, Value};

pub(super) const TABLE: &[Function] = &[
    Function::new("regexMatch", &[STR, STR], |c, a| match c.pattern(bytes(&a[0]))? {
        Ok(regexp) => is_match(&regexp, c, a),
        Err(_) => Ok(Value::Bool(false)),
    }),
    Function::new("mustRegexMatch", &[STR, STR], |c, a| is_match(&given(c, a)?, c, a)),
    Function::new("regexFind", &[STR, STR], |c, a| find(&certain(c, a)?, c, a)),
    Function::new("mustRegexFind", &[STR, STR], |c, a| find(&given(c, a)?, c, a)),
    Function::new("regexFindAll", &[STR, STR, INT], |c, a| find_all(&certain(c, a)?, c, a)),
    Function::new("mustRegexFindAll", &[STR, STR, INT], |c, a| find_all(&given(c, a)?, c, a)),
    Function::new("regexReplaceAll", &[STR, STR, STR], |c, a| expand(&certain(c, a)?, c, a)),
    Function::new("mustRegexReplaceAll", &[STR, STR, STR], |c, a| expand(&given(c, a)?, c, a)),
    Function::new("regexReplaceAllLiteral", &[STR, STR, STR], |c, a| put(&certain(c, a)?, c, a)),
    Function::new("mustRegexReplaceAllLiteral", &[STR, STR, STR], |c, a| put(&given(c, a)?, c, a)),
    Function::new("regexSplit", &[STR, STR, INT], |c, a| split(&certain(c, a)?, c, a)),
    Function::new("mustRegexSplit", &[STR, STR, INT], |c, a| split(&given(c, a)?, c, a)),
    Function::new("regexQuoteMeta", &[STR], |_, a| Ok(Value::str(goregexp::quote_meta(bytes(&a[0]))))),
];

fn given(call: &mut Call<'_>, a: &[Value]) -> Result<Regexp, Failure> {
    call.pattern(bytes(&a[0]))?.map_err(Failure)
}

/// As `regexp.MustCompile`, whose panic names the pattern first.
fn certain(call: &mut Call<'_>, a: &[Value]) -> Result<Regexp, Failure> {
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

/// Counts the steps of a search. In the worst case each character costs as much as the pattern is large.
fn search(call: &mut Call<'_>, regexp: &Regexp, text: &[u8]) -> Result<(), Failure> {
    call.step(u64::try_from(regexp.size().saturating_mul(text.len()) >> 14).unwrap_or(u64::MAX))
}

fn is_match(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    search(call, regexp, bytes(&a[1]))?;
    Ok(Value::Bool(regexp.is_match(bytes(&a[1]))))
}

fn find(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    let text = bytes(&a[1]);
    search(call, regexp, text)?;
    Ok(Value::str(regexp.find(text).map_or(&b""[..], |span| &text[span])))
}

fn find_all(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    let text = bytes(&a[1]);
    search(call, regexp, text)?;
    call.charge(text.len() * 32)?;
    let found = regexp.find_all(text, usize::try_from(int(&a[2])).unwrap_or(usize::MAX));
    Ok(string_list(found.into_iter().map(|span| text[span].to_vec()).collect()))
}

fn expand(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    replace(regexp, call, bytes(&a[1]), Replacement::Template(bytes(&a[2])))
}

fn put(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    replace(regexp, call, bytes(&a[1]), Replacement::Literal(bytes(&a[2])))
}

fn replace(regexp: &Regexp, call: &mut Call<'_>, text: &[u8], with: Replacement<'_>) -> Answer {
    search(call, regexp, text)?;
    regexp.try_replace_all(text, with, |length| call.charge(length)).map(Value::str)
}

fn split(regexp: &Regexp, call: &mut Call<'_>, a: &[Value]) -> Answer {
    let (text, most) = (bytes(&a[1]), int(&a[2]));
    search(call, regexp, text)?;
    call.charge(text.len() * 32)?;
    if most == 0 {
        return Ok(crate::value::STRINGS.zero());
    }
    let parts = regexp.split(text, usize::try_from(most).ok());
    Ok(string_list(parts.into_iter().map(|part| text[part].to_vec()).collect()))
}
