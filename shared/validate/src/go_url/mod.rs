//! What Go's `net/url` says of a text: the reference parses URLs with it, and its users see its error texts.
//!
//! Here: the parts of a URL that rules ask for, and why a text is none. Not here: unescaping for use, and addresses in
//! brackets (`ip`). Source: Go 1.26, `net/url` (`Parse`, `ParseRequestURI`).

mod ip;

use crate::go_text::{quoted, quoted_bytes};

/// The parts that rules ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// In lower case; empty for a relative URL.
    pub(crate) scheme: String,
    /// With the port; empty when there is none, as in `mailto:a` and `/path`.
    pub(crate) host: String,
}

/// A URL, absolute or relative.
///
/// # Errors
/// Go's text, which names the URL.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let url = split(before, false).map_err(|reason| format!("parse {}: {reason}", quoted(before)))?;
    escapes(fragment.as_bytes(), Part::Other).map_err(|reason| format!("parse {}: {reason}", quoted(text)))?;
    Ok(url)
}

/// An absolute URL or an absolute path, without a fragment.
///
/// # Errors
/// Go's text, which names the URL.
pub(crate) fn parse_request(text: &str) -> Result<Url, String> {
    split(text, true).map_err(|reason| format!("parse {}: {reason}", quoted(text)))
}

/// True when a region gives an endpoint, `https://<service>.<region>.amazonaws.com`, that is a URL. That is the only test
/// that a region has to pass in ESO: the AWS SDK puts it into an endpoint and parses that.
pub(crate) fn region_makes_a_url(region: &str) -> bool {
    parse(&format!("https://service.{region}.amazonaws.com")).is_ok()
}

fn split(text: &str, request: bool) -> Result<Url, String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && request {
        return Err("empty url".to_owned());
    }
    if text == "*" {
        return Ok(Url::default());
    }
    let (scheme, rest) = scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split_once('?').map_or(rest, |(before, _query)| before);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(Url { scheme, host: String::new() });
        }
        if request {
            return Err("invalid URI for request".to_owned());
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let may_have_host = !scheme.is_empty() || (!request && !rest.starts_with("///"));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) if may_have_host => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        Some(_) | None => ("", rest),
    };
    let host = authority_host(&scheme, authority)?.to_owned();
    escapes(path.as_bytes(), Part::Other)?;
    Ok(Url { scheme, host })
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if index > 0 => {}
            ':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn authority_host<'a>(scheme: &str, authority: &'a str) -> Result<&'a str, String> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    host_and_port(scheme, host)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    escapes(name.as_bytes(), Part::Other)?;
    escapes(password.as_bytes(), Part::Other)?;
    Ok(host)
}

fn host_and_port(scheme: &str, host: &str) -> Result<(), String> {
    match host.rfind('[') {
        Some(0) => return literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // Only these two schemes are strict: lists of hosts with ports are common elsewhere.
    let colon = if matches!(scheme, "http" | "https") { host.find(':') } else { host.rfind(':') };
    if let Some(colon) = colon {
        port(&host[colon..])?;
    }
    escapes(host.as_bytes(), Part::Host)
}

/// An IP address in brackets, with an optional zone and port.
fn literal(host: &str) -> Result<(), String> {
    let end = host.rfind(']').ok_or("missing ']' in host")?;
    let (address, after) = (&host[1..end], &host[end + 1..]);
    port(after)?;
    escapes(after.as_bytes(), Part::Host)?;
    let (name, zone) = address.split_at(address.find("%25").unwrap_or(address.len()));
    escapes(name.as_bytes(), Part::Host)?;
    escapes(zone.as_bytes(), Part::Zone)?;
    let address = [unescaped(name), unescaped(zone)].concat();
    match ip::parse(&address) {
        Ok(ip::Version::V6) => Ok(()),
        Ok(ip::Version::V4) => Err("invalid IP-literal".to_owned()),
        Err(reason) => Err(format!("invalid host: {reason}")),
    }
}

fn port(text: &str) -> Result<(), String> {
    let number = text.strip_prefix(':').unwrap_or_default();
    let valid = text.is_empty() || (text.starts_with(':') && number.bytes().all(|b| b.is_ascii_digit()));
    if valid { Ok(()) } else { Err(format!("invalid port {} after host", quoted(text))) }
}

/// Which characters a part allows, escaped or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

/// Whether every escape is whole and allowed, and in a host and its zone every other character too.
fn escapes(text: &[u8], part: Part) -> Result<(), String> {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            if part != Part::Other && first.is_ascii() && !is_host_byte(*first) {
                return Err(format!("invalid character {} in host name", quoted_bytes(&[*first])));
            }
            rest = after;
            continue;
        }
        let refuse = || format!("invalid URL escape {}", quoted_bytes(&rest[..rest.len().min(3)]));
        let byte = escaped_byte(after).ok_or_else(refuse)?;
        let allowed = match part {
            // In a host only bytes beyond ASCII, and the percent sign that begins a zone.
            Part::Host => byte >= 0x80 || byte == b'%',
            Part::Zone => byte == b'%' || byte == b' ' || is_host_byte(byte),
            Part::Other => true,
        };
        if !allowed {
            return Err(refuse());
        }
        rest = &after[2..];
    }
    Ok(())
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!\"$&'()*+,-.:;<=>[]_~".contains(&byte)
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| digits.get(index).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The bytes that a text with whole escapes stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        match escaped_byte(after).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_request, region_makes_a_url};

    /// Answers of Go 1.26.
    #[test]
    fn regions_are_judged_as_go_judges_the_url() {
        for good in
            ["", "eu-west-1", "eu_west_1", "-x", "a]", "eu/west", "a/%20", "a?%", "a#%41", "\u{e4}", "a@b", "%c3"]
        {
            assert!(region_makes_a_url(good), "{good:?}");
        }
        for bad in [
            "a\n", "::#", "a b", "a\\", "a^", "a|", "{a}", "a%", "a%20", "a:b", "a:1", "[a", "[a]", "a/%2", "a#%",
            "a b@c",
        ] {
            assert!(!region_makes_a_url(bad), "{bad:?}");
        }
    }

    /// Go 1.26's answers; `go_url.jsonl` holds more of them, drawn at random.
    #[test]
    fn texts_are_judged_as_go_judges_them() {
        for line in include_str!("../../testdata/go_url.jsonl").lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            let text = case["url"].as_str().expect("a URL");
            let check = |got: Result<super::Url, String>, want: &serde_json::Value| match got {
                Ok(url) => {
                    assert_eq!(want["error"], serde_json::Value::Null, "{text:?}");
                    assert_eq!(want["scheme"], url.scheme, "{text:?}");
                    assert_eq!(want["host"].as_bool(), Some(!url.host.is_empty()), "{text:?}");
                }
                Err(error) => assert_eq!(want["error"], error, "{text:?}"),
            };
            check(parse(text), &case["parse"]);
            check(parse_request(text), &case["request"]);
        }
    }
}
