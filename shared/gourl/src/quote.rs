//! Texts quoted as Go's `strconv.Quote` and `%q` do, as error texts show them.
//!
//! Go and Rust agree on what is printable, up to the version of Unicode. Deliberately not here: unquoting, and the other
//! forms of quoting.

use std::fmt::Write;

/// The text in double quotes: control characters, quotes, backslashes and bytes that are no UTF-8 escaped, other characters
/// as they are.
pub fn quoted(text: impl AsRef<[u8]>) -> String {
    let bytes = text.as_ref();
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut out, c);
        }
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            write!(out, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => write!(out, "\\x{:02x}", u32::from(c)).unwrap_or_default(),
        c if is_printable(c) => out.push(c),
        c if c <= '\u{ffff}' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        c => write!(out, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
    }
}

/// Asked after another character, since Rust escapes a combining one that stands alone.
fn is_printable(c: char) -> bool {
    let mut bytes = [b' '; 5];
    c.encode_utf8(&mut bytes[1..]);
    c.is_ascii() || std::str::from_utf8(&bytes[..=c.len_utf8()]).is_ok_and(|it| !it.escape_debug().any(|c| c == '\\'))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    /// Answers of Go 1.26.
    #[test]
    fn quotes_as_go_does() {
        for (text, want) in [
            ("a\"b\\", r#""a\"b\\""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}\u{1}\u{7f}", r#""\a\b\f\n\r\t\v\x01\x7f""#),
            ("\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{e000}", r#""\u0085\u00a0\u00ad\u200b\u2028\ue000""#),
            ("\u{1d173}\u{10ffff}", r#""\U0001d173\U0010ffff""#),
            ("\u{e4}\u{301}\u{1f511}\u{20ac}", "\"\u{e4}\u{301}\u{1f511}\u{20ac}\""),
        ] {
            assert_eq!(quoted(text), want);
        }
        assert_eq!(quoted(b"a\xc3("), r#""a\xc3(""#);
    }
}
