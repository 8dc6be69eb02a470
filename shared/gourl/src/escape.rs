//! Escapes, `%2F`: which bytes each part of a URL writes as they are, and which escapes it takes.
//!
//! Deliberately not here: where the parts are (see `url`), and queries, which stay as they are written.

use std::borrow::Cow;

use crate::quoted;

/// A part of a URL; each has its own idea of what stands for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Path,
    Host,
    /// What follows the `%` of an IPv6 address.
    Zone,
    User,
    Fragment,
}

impl Part {
    /// Whether a byte is written as it is.
    pub(crate) fn keeps(self, byte: u8) -> bool {
        let marks: &[u8] = match self {
            Self::Path => b"-_.~$&+,/:;=@",
            Self::Host | Self::Zone => b"-_.~!$&'()*+,;=:[]<>\"",
            Self::User => b"-_.~$&+,;=",
            Self::Fragment => b"-_.~$&+,/:;=?@!()*",
        };
        byte.is_ascii_alphanumeric() || marks.contains(&byte)
    }
}

/// Appends the text, with what the part doesn't keep escaped.
pub(crate) fn escape(out: &mut Vec<u8>, text: &[u8], part: Part) {
    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
    for &byte in text {
        if part.keeps(byte) {
            out.push(byte);
        } else {
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// What a text with escapes stands for; copied only if there are any.
///
/// # Errors
///
/// Go's text for an escape, or for a character in a host, that isn't allowed.
pub(crate) fn unescape(text: &[u8], part: Part) -> Result<Cow<'_, [u8]>, String> {
    let mut out = Vec::new();
    // `taken` is up to where the text is in `out`.
    let (mut at, mut taken) = (0, 0);
    while let Some(&byte) = text.get(at) {
        if byte != b'%' {
            if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && !part.keeps(byte) {
                return Err(format!("invalid character {} in host name", quoted([byte])));
            }
            at += 1;
            continue;
        }
        let refuse = || format!("invalid URL escape {}", quoted(&text[at..text.len().min(at + 3)]));
        let byte = escaped_byte(&text[at + 1..]).ok_or_else(refuse)?;
        let allowed = match part {
            // In a host only bytes beyond ASCII, and the percent sign that begins a zone.
            Part::Host => byte >= 0x80 || byte == b'%',
            Part::Zone => byte == b'%' || byte == b' ' || part.keeps(byte),
            Part::Path | Part::User | Part::Fragment => true,
        };
        if !allowed {
            return Err(refuse());
        }
        out.extend_from_slice(&text[taken..at]);
        out.push(byte);
        at += 3;
        taken = at;
    }
    if taken == 0 {
        return Ok(Cow::Borrowed(text));
    }
    out.extend_from_slice(&text[taken..]);
    Ok(Cow::Owned(out))
}

fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| digits.get(index).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
