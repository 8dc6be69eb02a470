//! URIs of certificates as Go's `net/url` takes and prints them, and the form of domain names.
//!
//! Deliberately not here: zones of addresses, which no certificate holds; they are refused.

use crate::text::quoted;

/// Whether a name has the form that Go asks of domains in certificates.
pub(super) fn is_domain(name: &[u8], constraint: bool) -> bool {
    if name.is_empty() {
        return true;
    }
    let labels = if constraint { name.strip_prefix(b".").unwrap_or(name) } else { name };
    !name.ends_with(b".")
        && labels.iter().all(|b| (33..=126).contains(b))
        && labels.split(|b| *b == b'.').all(|label| !label.is_empty())
}

/// The URI as Go prints it after it has taken it apart.
///
/// # Errors
///
/// Go's texts.
pub(super) fn normal(text: &str) -> Result<String, String> {
    let refused = |url: &str, why: String| {
        let inner = format!("parse {}: {why}", quoted(url.as_bytes()));
        format!("x509: cannot parse URI {}: {inner}", quoted(text.as_bytes()))
    };
    let (front, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (mut out, host) = front_part(front).map_err(|e| refused(front, e))?;
    if !fragment.is_empty() {
        check_escapes(fragment).map_err(|e| refused(text, e))?;
        out.push('#');
        out.push_str(&printed(fragment, &|b| is_path(b) || b == b'?'));
    }
    if !host.is_empty() && !is_domain(host.as_bytes(), false) {
        return Err(format!("x509: cannot parse URI {}: invalid domain", quoted(text.as_bytes())));
    }
    Ok(out)
}

/// All but the fragment, printed, and the host.
fn front_part(text: &str) -> Result<(String, String), String> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    if text == "*" {
        return Ok(("*".into(), String::new()));
    }
    let (scheme, rest) = scheme(text)?;
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme.to_ascii_lowercase());
        out.push(':');
    }
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q)));
    let finish = |mut out: String| {
        if let Some(query) = query {
            out.push('?');
            out.push_str(query);
        }
        out
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            out.push_str(rest);
            return Ok((finish(out), String::new()));
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let mut host = String::new();
    let mut path = rest;
    let has_authority = rest.starts_with("//") && (!scheme.is_empty() || !rest.starts_with("///"));
    if has_authority {
        let authority = rest[2..].split('/').next().unwrap_or_default();
        path = &rest[2 + authority.len()..];
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(u, p)| (Some(u), p));
        host = check_host(scheme, place)?;
        if let Some(user) = user {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
            if !user.bytes().all(fits) {
                return Err("net/url: invalid userinfo".into());
            }
            check_escapes(user)?;
        }
        check_escapes(path)?;
        if !host.is_empty() || !path.is_empty() || user.is_some() {
            out.push_str("//");
        }
        if let Some(user) = user {
            let (name, password) = user.split_once(':').map_or((user, None), |(n, p)| (n, Some(p)));
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~$&+,;=".contains(&b);
            out.push_str(&escaped(&unescaped(name), &fits));
            if let Some(password) = password {
                out.push(':');
                out.push_str(&escaped(&unescaped(password), &fits));
            }
            out.push('@');
        }
        out.push_str(&escaped(host.as_bytes(), &is_host));
    } else {
        check_escapes(path)?;
    }
    out.push_str(&printed(path, &is_path));
    Ok((finish(out), host))
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_port(port: &str) -> Result<(), String> {
    let digits = port.strip_prefix(':');
    if port.is_empty() || digits.is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quoted(port.as_bytes())))
}

/// The host with its port, escapes resolved.
fn check_host(scheme: &str, host: &str) -> Result<String, String> {
    match host.rfind('[') {
        Some(0) => {
            let close = host.rfind(']').ok_or("missing ']' in host")?;
            check_port(&host[close + 1..])?;
            let address = &host[1..close];
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("invalid IP-literal".into());
            }
            return Ok(host.to_owned());
        }
        Some(_) => return Err("invalid IP-literal".into()),
        None => {}
    }
    let strict = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
    if let Some(colon) = if strict { host.find(':') } else { host.rfind(':') } {
        check_port(&host[colon..])?;
    }
    check_escapes(host)?;
    let bytes = host.as_bytes();
    for (at, b) in bytes.iter().enumerate() {
        if *b == b'%' && bytes[at + 1] < b'8' && &host[at..at + 3] != "%25" {
            return Err(format!("invalid URL escape {}", quoted(&bytes[at..at + 3])));
        }
        if *b != b'%' && !is_host(*b) {
            return Err(format!("invalid character {} in host name", quoted(&[*b])));
        }
    }
    String::from_utf8(unescaped(host)).map_err(|_| "invalid host".into())
}

fn check_escapes(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    for (at, b) in bytes.iter().enumerate() {
        let digits = bytes.get(at + 1..at + 3);
        if *b == b'%' && !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
            let end = bytes.len().min(at + 3);
            return Err(format!("invalid URL escape {}", quoted(&bytes[at..end])));
        }
    }
    Ok(())
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    out
}

fn escaped(bytes: &[u8], fits: &dyn Fn(u8) -> bool) -> String {
    let mut out = String::new();
    for b in bytes {
        if fits(*b) { out.push(char::from(*b)) } else { out.push_str(&format!("%{b:02X}")) }
    }
    out
}

/// A path or fragment as it was written if that is a valid form, and escaped anew if not.
fn printed(text: &str, fits: &dyn Fn(u8) -> bool) -> String {
    if text.bytes().all(|b| fits(b) || b"!'()*[]%".contains(&b)) {
        return text.to_owned();
    }
    escaped(&unescaped(text), fits)
}

fn is_path(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&b)
}

fn is_host(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&b)
}
