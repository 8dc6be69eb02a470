//! Bytes to characters: the encoding by its mark (UTF-8, UTF-16), and which characters a document may hold.
//!
//! Go reads blocks of 512 bytes, so a bad byte is an error as soon as anything of its block is asked for, and hides errors of
//! syntax that come later. [`Text`] keeps to that.

const BLOCK: usize = 512;

/// The characters before the block that can't be read, if there is one, and what is wrong with that.
pub(crate) struct Text {
    pub(crate) chars: Vec<char>,
    pub(crate) failure: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
}

enum Step {
    Char(char, usize),
    /// The bytes end inside a character; the text is for the case that no more follow.
    Cut(&'static str),
    Bad(&'static str),
}

pub(crate) fn decode(bytes: &[u8]) -> Text {
    let (encoding, mut at) = match bytes {
        [0xff, 0xfe, ..] => (Encoding::Utf16 { big: false }, 2),
        [0xfe, 0xff, ..] => (Encoding::Utf16 { big: true }, 2),
        [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
        _ => (Encoding::Utf8, 0),
    };
    let mut chars = Vec::with_capacity(bytes.len());
    let mut end = bytes.len().min(BLOCK);
    // How many characters the blocks before this one have.
    let mut before = 0;
    while at < bytes.len() {
        let left = &bytes[at..end];
        let step = match encoding {
            Encoding::Utf8 => utf8(left),
            Encoding::Utf16 { big } => utf16(left, big),
        };
        match step {
            Step::Char(c, _) if !allowed(c) => {
                chars.truncate(before);
                return Text { chars, failure: Some("control characters are not allowed") };
            }
            Step::Char(c, width) => {
                chars.push(c);
                at += width;
                if at < end {
                    continue;
                }
            }
            Step::Cut(problem) if end == bytes.len() => return Text { chars, failure: Some(problem) },
            Step::Cut(_) => {}
            Step::Bad(problem) => {
                chars.truncate(before);
                return Text { chars, failure: Some(problem) };
            }
        }
        before = chars.len();
        end = bytes.len().min(at + BLOCK);
    }
    Text { chars, failure: None }
}

fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

fn utf8(bytes: &[u8]) -> Step {
    let first = bytes.first().copied().unwrap_or_default();
    let (width, mut code, least) = match first {
        0..0x80 => return Step::Char(char::from(first), 1),
        0xc0..0xe0 => (2, u32::from(first & 0x1f), 0x80),
        0xe0..0xf0 => (3, u32::from(first & 0x0f), 0x800),
        0xf0..0xf8 => (4, u32::from(first & 0x07), 0x1_0000),
        0x80..0xc0 | 0xf8.. => return Step::Bad("invalid leading UTF-8 octet"),
    };
    let Some(rest) = bytes.get(1..width) else { return Step::Cut("incomplete UTF-8 octet sequence") };
    for byte in rest {
        if byte & 0xc0 != 0x80 {
            return Step::Bad("invalid trailing UTF-8 octet");
        }
        code = code << 6 | u32::from(byte & 0x3f);
    }
    if code < least {
        return Step::Bad("invalid length of a UTF-8 sequence");
    }
    char::from_u32(code).map_or(Step::Bad("invalid Unicode character"), |c| Step::Char(c, width))
}

fn utf16(bytes: &[u8], big: bool) -> Step {
    let unit = |at: usize| match bytes.get(at..at + 2) {
        Some(&[a, b]) => Some(if big { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) }),
        _ => None,
    };
    let Some(first) = unit(0) else { return Step::Cut("incomplete UTF-16 character") };
    if first & 0xfc00 == 0xdc00 {
        return Step::Bad("unexpected low surrogate area");
    }
    if first & 0xfc00 != 0xd800 {
        return char::from_u32(u32::from(first)).map_or(Step::Bad("invalid Unicode character"), |c| Step::Char(c, 2));
    }
    let Some(second) = unit(2) else { return Step::Cut("incomplete UTF-16 surrogate pair") };
    match char::decode_utf16([first, second]).next() {
        Some(Ok(c)) => Step::Char(c, 4),
        Some(Err(_)) | None => Step::Bad("expected low surrogate area"),
    }
}
