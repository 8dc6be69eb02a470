//! Reading a URL into its parts, and writing it again. Source: Go 1.26, `net/url` (`Parse`, `ParseRequestURI`, `String`).
//!
//! Deliberately not here: escapes (see `escape`), addresses (see `ip`), and what a query means.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::escape::{Part, escape, unescape};
use crate::{Error, parse_addr, quoted};

/// The parts of a URL; escapes in host, user, path and fragment are resolved. Any part may be empty.
///
/// It can't be printed for debugging: a URL may hold a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Url<'a> {
    /// In lower case if it was parsed; empty for a relative URL.
    pub scheme: Cow<'a, [u8]>,
    /// What follows the scheme if that isn't a slash, as it was written: `a@b` of `mailto:a@b`.
    pub opaque: Cow<'a, [u8]>,
    /// Name and password, if there are any.
    pub user: Option<User<'a>>,
    /// With the port, and with the brackets of an address.
    pub host: Cow<'a, [u8]>,
    /// With its first slash.
    pub path: Cow<'a, [u8]>,
    /// Behind the question mark, as it was written.
    pub query: Cow<'a, [u8]>,
    /// Behind the hash sign.
    pub fragment: Cow<'a, [u8]>,
    /// How it was written; the default for a URL that is put together.
    pub written: Written<'a>,
}

/// What can't be told from a URL's parts, though Go prints it again.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Written<'a> {
    path: &'a [u8],
    fragment: &'a [u8],
    /// A question mark with nothing behind it.
    empty_query: bool,
    /// A scheme and a path without the slashes of a host.
    no_host: bool,
}

/// What is in front of the `@`.
#[derive(Clone, PartialEq, Eq)]
pub struct User<'a> {
    name: Cow<'a, [u8]>,
    password: Option<Cow<'a, [u8]>>,
}

impl User<'_> {
    /// Name and password as they stand in a URL.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        escape(out, &self.name, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            escape(out, password, Part::User);
        }
    }
}

/// A URL, absolute or relative.
///
/// # Errors
///
/// Go's text, which quotes the URL.
pub fn parse(text: &[u8]) -> Result<Url<'_>, Error> {
    let refused = |text, reason| Error(format!("parse {}: {reason}", quoted(text)));
    let (before, fragment) = cut(text, b'#');
    let mut url = split(before, false).map_err(|reason| refused(before, reason))?;
    if let Some(fragment) = fragment {
        url.fragment = unescape(fragment, Part::Fragment).map_err(|reason| refused(text, reason))?;
        url.written.fragment = fragment;
    }
    Ok(url)
}

/// An absolute URL or an absolute path, as a request names it: without a fragment, so a hash sign is a character as others.
///
/// # Errors
///
/// Go's text, which quotes the URL.
pub fn parse_request_uri(text: &[u8]) -> Result<Url<'_>, Error> {
    split(text, true).map_err(|reason| Error(format!("parse {}: {reason}", quoted(text))))
}

impl Url<'_> {
    /// The host without its port and brackets.
    pub fn hostname(&self) -> &[u8] {
        let host = match self.host.iter().rposition(|b| *b == b':') {
            Some(colon) if is_port(&self.host[colon..]) => &self.host[..colon],
            Some(_) | None => &self.host,
        };
        host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host)
    }

    /// The URL as text, with what has to be escaped escaped. Where a path or fragment can be written in several ways, it is
    /// as it was read.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() || self.written.empty_query {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend_from_slice(&as_written(self.written.fragment, &self.fragment, Part::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut Vec<u8>) {
        let addressed = !self.host.is_empty() || self.user.is_some();
        if addressed || !self.scheme.is_empty() && !self.path.is_empty() && !self.written.no_host {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            user.write(out);
            out.push(b'@');
        }
        escape(out, &self.host, Part::Host);
        let path = self.escaped_path();
        if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
            out.push(b'/');
        }
        // Or the first segment would be read as a scheme.
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend_from_slice(&path);
    }

    fn escaped_path(&self) -> Cow<'_, [u8]> {
        // An asterisk alone stands for the server itself and isn't escaped. Go keeps what was written if that differs from
        // its own escaping, `%2A`.
        if *self.path == *b"*" && self.written.path != b"%2a" {
            return Cow::Borrowed(b"*");
        }
        as_written(self.written.path, &self.path, Part::Path)
    }
}

/// A path or fragment as it was written if that is a valid form of it, and escaped anew if not.
fn as_written<'a>(written: &'a [u8], text: &[u8], part: Part) -> Cow<'a, [u8]> {
    let valid = |b: &u8| part.keeps(*b) || b"!'()*[]%".contains(b);
    if !written.is_empty() && written.iter().all(valid) && unescape(written, part).is_ok_and(|it| *it == *text) {
        return Cow::Borrowed(written);
    }
    let mut out = Vec::with_capacity(text.len());
    escape(&mut out, text, part);
    Cow::Owned(out)
}

/// What is before the first `mark` and what is behind it, if it is there.
fn cut(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|b| *b == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The parts of a URL without a fragment. With `request`, only of an absolute URL or path.
fn split(text: &[u8], request: bool) -> Result<Url<'_>, String> {
    if text.iter().any(|b| *b < b' ' || *b == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    if text.is_empty() && request {
        return Err("empty url".into());
    }
    let mut url = Url::default();
    if text == b"*" {
        url.path = Cow::Borrowed(text);
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = lower(scheme);
    let (rest, query) = cut(rest, b'?');
    url.written.empty_query = query.is_some_and(<[u8]>::is_empty);
    url.query = Cow::Borrowed(query.unwrap_or_default());
    if !rest.starts_with(b"/") {
        if !scheme.is_empty() {
            url.opaque = Cow::Borrowed(rest);
            return Ok(url);
        }
        if request {
            return Err("invalid URI for request".into());
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let may_have_host = !scheme.is_empty() || (!request && !rest.starts_with(b"///"));
    let mut path = rest;
    if may_have_host && let Some(authority) = rest.strip_prefix(b"//") {
        let end = authority.iter().position(|b| *b == b'/').unwrap_or(authority.len());
        path = &authority[end..];
        (url.user, url.host) = parse_authority(&url.scheme, &authority[..end])?;
    } else {
        url.written.no_host = !scheme.is_empty() && rest.starts_with(b"/");
    }
    url.written.path = path;
    url.path = unescape(path, Part::Path)?;
    Ok(url)
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_uppercase) { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) }
}

fn parse_authority<'a>(scheme: &[u8], authority: &'a [u8]) -> Result<(Option<User<'a>>, Cow<'a, [u8]>), String> {
    let at = authority.iter().rposition(|b| *b == b'@');
    let host = parse_host(scheme, at.map_or(authority, |at| &authority[at + 1..]))?;
    let Some(at) = at else { return Ok((None, host)) };
    let user = &authority[..at];
    if !user.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b)) {
        return Err("net/url: invalid userinfo".into());
    }
    let (name, password) = cut(user, b':');
    let name = unescape(name, Part::User)?;
    let password = password.map(|p| unescape(p, Part::User)).transpose()?;
    Ok((Some(User { name, password }), host))
}

fn parse_host<'a>(scheme: &[u8], host: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    match host.iter().rposition(|b| *b == b'[') {
        Some(0) => return parse_literal(host).map(Cow::Owned),
        Some(_) => return Err("invalid IP-literal".into()),
        None => {}
    }
    // Only these two schemes are strict: lists of hosts with ports are common elsewhere.
    let strict = scheme == b"http" || scheme == b"https";
    let is_colon = |b: &u8| *b == b':';
    let colon = if strict { host.iter().position(is_colon) } else { host.iter().rposition(is_colon) };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

/// An IP address in brackets, with an optional zone and port.
fn parse_literal(host: &[u8]) -> Result<Vec<u8>, String> {
    let end = host.iter().rposition(|b| *b == b']').ok_or("missing ']' in host")?;
    let (address, after) = (&host[1..end], &host[end + 1..]);
    check_port(after)?;
    let zone = address.windows(3).position(|w| w == b"%25").unwrap_or(address.len());
    let address = [unescape(&address[..zone], Part::Host)?, unescape(&address[zone..], Part::Zone)?].concat();
    match parse_addr(&address) {
        Ok(IpAddr::V6(_)) => Ok([b"[", address.as_slice(), b"]", after].concat()),
        Ok(IpAddr::V4(_)) => Err("invalid IP-literal".into()),
        Err(reason) => Err(format!("invalid host: {reason}")),
    }
}

fn check_port(text: &[u8]) -> Result<(), String> {
    if is_port(text) { Ok(()) } else { Err(format!("invalid port {} after host", quoted(text))) }
}

fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Cow, User, parse};

    /// The webhook reads URLs with each review.
    #[test]
    fn a_plain_url_is_not_copied() {
        let url = parse(b"https://ann:pw@vault.example:8200/v1?a=b#c").ok();
        let borrowed = url.is_some_and(|url| {
            let User { name, password } = url.user.unwrap_or(User { name: Cow::Owned(Vec::new()), password: None });
            let parts = [url.scheme, url.opaque, url.host, url.path, url.query, url.fragment, name];
            parts.iter().chain(&password).all(|part| part.is_empty() || matches!(part, Cow::Borrowed(_)))
        });
        assert!(borrowed);
    }
}
