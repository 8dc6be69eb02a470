//! Whether Go's `net/netip` takes a text for an IP address, and its error text if not. Source: Go 1.26, `ParseAddr`.

use crate::text::quoted;

/// The family of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Four bytes.
    V4,
    /// Sixteen bytes, with an optional zone.
    V6,
}

/// What is wrong, and the rest of the text where it was found.
type Fault<'a> = (&'static str, &'a [u8]);

/// Family of the address.
///
/// # Errors
/// Go's text, which names the address.
pub(super) fn parse(text: &[u8]) -> Result<Version, String> {
    let found = match text.iter().find(|b| b".:%".contains(b)) {
        Some(b'.') => v4(text).map(|()| Version::V4),
        Some(b':') => v6(text).map(|()| Version::V6),
        Some(_) => Err(("missing IPv6 address", &[][..])),
        None => Err(("unable to parse IP", &[][..])),
    };
    found.map_err(|(reason, at)| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quoted(at)) };
        format!("ParseAddr({}): {reason}{at}", quoted(text))
    })
}

fn v4(text: &[u8]) -> Result<(), Fault<'_>> {
    let (mut value, mut digits, mut dots) = (0_u32, 0, 0);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", &[]));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", &[]));
                }
            }
            b'.' => {
                if digits == 0 || index + 1 == text.len() {
                    return Err(("IPv4 field must have at least one digit", &text[index..]));
                }
                if dots == 3 {
                    return Err(("IPv4 address too long", &[]));
                }
                (value, digits, dots) = (0, 0, dots + 1);
            }
            _ => return Err(("unexpected character", &text[index..])),
        }
    }
    if dots < 3 { Err(("IPv4 address too short", &[])) } else { Ok(()) }
}

fn v6(text: &[u8]) -> Result<(), Fault<'_>> {
    let zone = text.iter().position(|b| *b == b'%');
    if zone.is_some_and(|at| at + 1 == text.len()) {
        return Err(("zone must be a non-empty string", &[]));
    }
    let mut rest = &text[..zone.unwrap_or(text.len())];
    let mut gap = false;
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (true, after);
        if rest.is_empty() {
            return Ok(());
        }
    }
    // In bytes of the address: a group has two.
    let mut length = 0;
    while length < 16 {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(("each colon-separated field must have at least one digit", rest)),
            1..=4 => {}
            _ => return Err(("each group must have 4 or less digits", rest)),
        }
        if rest.get(digits) == Some(&b'.') {
            if !gap && length != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if length + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            v4(rest)?;
            (rest, length) = (&[], length + 4);
            break;
        }
        (rest, length) = (&rest[digits..], length + 2);
        match rest {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", rest)),
            [b':', b':', ..] if gap => return Err(("multiple :: in address", &rest[1..])),
            [b':', b':', after @ ..] => {
                (gap, rest) = (true, after);
                if rest.is_empty() {
                    break;
                }
            }
            [b':', after @ ..] => rest = after,
            _ => return Err(("unexpected character, want colon", rest)),
        }
    }
    match (rest.is_empty(), length < 16, gap) {
        (false, _, _) => Err(("trailing garbage after address", rest)),
        (true, true, false) => Err(("address string too short", &[])),
        (true, false, true) => Err(("the :: must expand to at least one field of zeros", &[])),
        (true, true, true) | (true, false, false) => Ok(()),
    }
}
