//! IP addresses as Go's `net/netip` and `net` take them, with the error texts. Source: Go 1.26, `ParseAddr`, `ParseIP`.
//!
//! Deliberately not here: zones, beyond that they are well-formed; no caller needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Error, quoted};

/// What is wrong, and the rest of the text where it was found.
type Fault<'a> = (&'static str, &'a [u8]);

/// An address as `netip.ParseAddr` takes it; one of version 6 may have a zone, which is left out of the answer.
///
/// # Errors
///
/// Go's text, which names the address.
pub fn parse_addr(text: &[u8]) -> Result<IpAddr, Error> {
    let found = match text.iter().find(|b| b".:%".contains(b)) {
        Some(b'.') => v4(text).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        Some(b':') => v6(text).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        Some(_) => Err(("missing IPv6 address", &[][..])),
        None => Err(("unable to parse IP", &[][..])),
    };
    found.map_err(|(reason, at)| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quoted(at)) };
        Error(format!("ParseAddr({}): {reason}{at}", quoted(text)))
    })
}

/// An address as `net.ParseIP` takes it, so without a zone; one of version 4 if it is such a one in the form of version 6.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    parse_addr(text).ok().filter(|_| !text.contains(&b'%')).map(|address| address.to_canonical())
}

fn v4(text: &[u8]) -> Result<[u8; 4], Fault<'_>> {
    let mut bytes = [0; 4];
    let (mut value, mut digits, mut dots) = (0_u8, 0, 0);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", &[]));
                }
                let grown = value.checked_mul(10).and_then(|v| v.checked_add(byte - b'0'));
                value = grown.ok_or(("IPv4 field has value >255", &[][..]))?;
                digits += 1;
            }
            b'.' => {
                if digits == 0 || index + 1 == text.len() {
                    return Err(("IPv4 field must have at least one digit", &text[index..]));
                }
                if dots == 3 {
                    return Err(("IPv4 address too long", &[]));
                }
                bytes[dots] = value;
                (value, digits, dots) = (0, 0, dots + 1);
            }
            _ => return Err(("unexpected character", &text[index..])),
        }
    }
    if dots < 3 {
        return Err(("IPv4 address too short", &[]));
    }
    bytes[3] = value;
    Ok(bytes)
}

fn v6(text: &[u8]) -> Result<[u8; 16], Fault<'_>> {
    let zone = text.iter().position(|b| *b == b'%');
    if zone.is_some_and(|at| at + 1 == text.len()) {
        return Err(("zone must be a non-empty string", &[]));
    }
    let mut rest = &text[..zone.unwrap_or(text.len())];
    let (mut bytes, mut length) = ([0; 16], 0);
    // Where zeros were left out.
    let mut gap = None;
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), after);
        if rest.is_empty() {
            return Ok([0; 16]);
        }
    }
    while length < 16 {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(("each colon-separated field must have at least one digit", rest)),
            1..=4 => {}
            _ => return Err(("each group must have 4 or less digits", rest)),
        }
        if rest.get(digits) == Some(&b'.') {
            if gap.is_none() && length != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if length + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            bytes[length..length + 4].copy_from_slice(&v4(rest)?);
            (rest, length) = (&[], length + 4);
            break;
        }
        let group = rest[..digits].iter().filter_map(|b| char::from(*b).to_digit(16)).fold(0, |n, d| n << 4 | d);
        bytes[length..length + 2].copy_from_slice(&group.to_be_bytes()[2..]);
        (rest, length) = (&rest[digits..], length + 2);
        match rest {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", rest)),
            [b':', b':', ..] if gap.is_some() => return Err(("multiple :: in address", &rest[1..])),
            [b':', b':', after @ ..] => {
                (gap, rest) = (Some(length), after);
                if rest.is_empty() {
                    break;
                }
            }
            [b':', after @ ..] => rest = after,
            _ => return Err(("unexpected character, want colon", rest)),
        }
    }
    if !rest.is_empty() {
        return Err(("trailing garbage after address", rest));
    }
    match gap {
        None if length < 16 => Err(("address string too short", &[])),
        Some(_) if length == 16 => Err(("the :: must expand to at least one field of zeros", &[])),
        Some(at) => {
            // What follows the gap ends the address, and zeros take its place.
            bytes[at..].rotate_right(16 - length);
            Ok(bytes)
        }
        None => Ok(bytes),
    }
}
