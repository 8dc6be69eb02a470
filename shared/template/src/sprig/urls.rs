//! URLs as dicts and back.
//!
//! Deliberately not here: what a URL is (see crate `gourl`).

use super::{NIL_PANIC, STR, kind};
use crate::builtin::bytes;
use crate::function::{Answer, Failure, Function};
use crate::value::{DICT, Value};
use gourl::{Url, User, Written};
use std::borrow::Cow;

pub(super) const TABLE: &[Function] = &[
    Function::new("urlParse", &[STR], |_, a| parse(bytes(&a[0]))),
    Function::new("urlJoin", &[DICT], |_, a| join(&a[0])),
];

fn parse(text: &[u8]) -> Answer {
    let url = gourl::parse(text).map_err(|reason| format!("unable to parse url: {reason}"))?;
    let user = url.user.as_ref().map(User::text).unwrap_or_default();
    let parts: [(&str, &[u8]); 8] = [
        ("scheme", &url.scheme),
        ("host", &url.host),
        ("hostname", url.hostname()),
        ("path", &url.path),
        ("query", &url.query),
        ("opaque", &url.opaque),
        ("fragment", &url.fragment),
        ("userinfo", &user),
    ];
    Ok(Value::dict(parts.into_iter().map(|(name, part)| (name.as_bytes().into(), Value::str(part))).collect()))
}

fn join(dict: &Value) -> Answer {
    let with_user;
    let mut url = Url {
        scheme: part(dict, "scheme")?,
        host: part(dict, "host")?,
        path: part(dict, "path")?,
        query: part(dict, "query")?,
        opaque: part(dict, "opaque")?,
        user: None,
        fragment: part(dict, "fragment")?,
        written: Written::default(),
    };
    let user = part(dict, "userinfo")?;
    if !user.is_empty() {
        with_user = [b"proto://", &*user, b"@host"].concat();
        url.user =
            gourl::parse(&with_user).map_err(|reason| format!("unable to parse userinfo in dict: {reason}"))?.user;
    }
    Ok(Value::str(url.text()))
}

fn part(dict: &Value, name: &str) -> Result<Cow<'static, [u8]>, Failure> {
    let Value::Map(map) = dict else { return Ok(Cow::default()) };
    match map.get(name.as_bytes()) {
        None => Ok(Cow::default()),
        Some(Value::Str(text)) => Ok(Cow::Owned(text.to_vec())),
        Some(Value::Nil) => Err(NIL_PANIC.into()),
        Some(other) => {
            let found = kind(&other);
            Err(format!("unable to parse {name} key, must be of type string, but {found} found").into())
        }
    }
}
