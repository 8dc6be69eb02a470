//! Go's `net/url`: reading a URL into its parts, with Go's error texts, and writing it again.
//!
//! Here: what templates need of it, on bytes. Deliberately not here: queries as lists of values, resolving of relative
//! references, and addresses (see `ip`). Source: Go 1.26, `net/url` (`Parse`, `String`).

use std::net::IpAddr;

use crate::ip;
use crate::text::quoted;

/// The parts of a URL; escapes in host, user, path and fragment are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// In lower case if it was parsed.
    pub(crate) scheme: Vec<u8>,
    /// What follows the scheme if that isn't a slash.
    pub(crate) opaque: Vec<u8>,
    /// Name and password, if there are any.
    pub(crate) user: Option<User>,
    /// With the port.
    pub(crate) host: Vec<u8>,
    /// The path.
    pub(crate) path: Vec<u8>,
    /// Behind the question mark, as it was written.
    pub(crate) query: Vec<u8>,
    /// Behind the hash sign.
    pub(crate) fragment: Vec<u8>,
    /// How it was written; nothing for a URL that is put together.
    pub(crate) written: Written,
}

/// What can't be told from a URL's parts, though Go prints it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    path: Vec<u8>,
    fragment: Vec<u8>,
    /// A question mark with nothing behind it.
    empty_query: bool,
    /// A scheme and a path without the slashes of a host.
    no_host: bool,
}

/// What is in front of the `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl User {
    /// Name and password as they stand in a URL.
    pub(crate) fn text(&self) -> Vec<u8> {
        let name = escape(&self.name, Part::User);
        match &self.password {
            Some(password) => [name, escape(password, Part::User)].join(&b':'),
            None => name,
        }
    }
}

/// A URL, absolute or relative.
///
/// # Errors
///
/// Go's text, which quotes the URL.
pub(crate) fn parse(text: &[u8]) -> Result<Url, String> {
    let (before, fragment) = cut(text, b'#');
    let mut url = split(before).map_err(|reason| format!("parse {}: {reason}", quoted(before)))?;
    if let Some(fragment) = fragment {
        url.fragment =
            unescape(fragment, Part::Fragment).map_err(|reason| format!("parse {}: {reason}", quoted(text)))?;
        url.written.fragment = fragment.to_vec();
    }
    Ok(url)
}

impl Url {
    /// The host without its port and brackets.
    pub(crate) fn hostname(&self) -> &[u8] {
        let host = match self.host.iter().rposition(|b| *b == b':') {
            Some(colon) if is_port(&self.host[colon..]) => &self.host[..colon],
            Some(_) | None => &self.host,
        };
        host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host)
    }

    /// The URL as text, with what has to be escaped escaped.
    pub(crate) fn text(&self) -> Vec<u8> {
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
            out.extend(as_written(&self.written.fragment, &self.fragment, Part::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut Vec<u8>) {
        let addressed = !self.host.is_empty() || self.user.is_some();
        if addressed || !self.scheme.is_empty() && !self.path.is_empty() && !self.written.no_host {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend(user.text());
            out.push(b'@');
        }
        out.extend(escape(&self.host, Part::Host));
        let path =
            if self.path == b"*" { self.path.clone() } else { as_written(&self.written.path, &self.path, Part::Path) };
        if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
            out.push(b'/');
        }
        // Or the first segment would be read as a scheme.
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

/// A path or fragment as it was written if that is a valid form, and escaped anew if not.
fn as_written(written: &[u8], text: &[u8], part: Part) -> Vec<u8> {
    let valid = |b: &u8| part.keeps(*b) || b"!'()*[]%".contains(b);
    if !written.is_empty() && written.iter().all(valid) { written.to_vec() } else { escape(text, part) }
}

/// What is before the first `mark` and what is behind it, if it is there.
fn cut(text: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|b| *b == mark) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn split(text: &[u8]) -> Result<Url, String> {
    if text.iter().any(|b| *b < b' ' || *b == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    let mut url = Url::default();
    if text == b"*" {
        url.path = text.to_vec();
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = cut(rest, b'?');
    url.written.empty_query = query.is_some_and(<[u8]>::is_empty);
    url.query = query.unwrap_or_default().to_vec();
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let mut path = rest;
    if (!url.scheme.is_empty() || !rest.starts_with(b"///"))
        && let Some(authority) = rest.strip_prefix(b"//")
    {
        let end = authority.iter().position(|b| *b == b'/').unwrap_or(authority.len());
        path = &authority[end..];
        (url.user, url.host) = parse_authority(&url.scheme, &authority[..end])?;
    } else {
        url.written.no_host = !url.scheme.is_empty() && rest.starts_with(b"/");
    }
    url.written.path = path.to_vec();
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

fn parse_authority(scheme: &[u8], authority: &[u8]) -> Result<(Option<User>, Vec<u8>), String> {
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

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match host.iter().rposition(|b| *b == b'[') {
        Some(0) => return parse_literal(host),
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
    let port = unescape(after, Part::Host)?;
    let zone = address.windows(3).position(|w| w == b"%25").unwrap_or(address.len());
    let address = [unescape(&address[..zone], Part::Host)?, unescape(&address[zone..], Part::Zone)?].concat();
    match ip::parse(&address) {
        Ok(IpAddr::V6(_)) => Ok([b"[", address.as_slice(), b"]", &port].concat()),
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

/// A part of a URL; each has its own idea of what stands for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

impl Part {
    /// Whether a byte is written as it is.
    fn keeps(self, byte: u8) -> bool {
        let marks: &[u8] = match self {
            Self::Path => b"-_.~$&+,/:;=@",
            Self::Host | Self::Zone => b"-_.~!$&'()*+,;=:[]<>\"",
            Self::User => b"-_.~$&+,;=",
            Self::Fragment => b"-_.~$&+,/:;=?@!()*",
        };
        byte.is_ascii_alphanumeric() || marks.contains(&byte)
    }
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if part.keeps(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            if matches!(part, Part::Host | Part::Zone) && first.is_ascii() && !part.keeps(first) {
                return Err(format!("invalid character {} in host name", quoted(&[first])));
            }
            out.push(first);
            rest = after;
            continue;
        }
        let refuse = || format!("invalid URL escape {}", quoted(&rest[..rest.len().min(3)]));
        let byte = escaped_byte(after).ok_or_else(refuse)?;
        let allowed = match part {
            // In a host only bytes beyond ASCII, and the percent sign that begins a zone.
            Part::Host => byte >= 0x80 || byte == b'%',
            Part::Zone => byte == b'%' || byte == b' ' || part.keeps(byte),
            Part::Path | Part::User | Part::Fragment => true,
        };
        if !allowed {
            return Err(refuse());
        }
        out.push(byte);
        rest = &after[2..];
    }
    Ok(out)
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| digits.get(index).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
