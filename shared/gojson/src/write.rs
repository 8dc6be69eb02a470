//! Writing JSON strings and string maps the way Go's `encoding/json` does.
//!
//! Lives here: escaping. Deliberately not here: whole documents (see `document`).

use crate::text::first_rune;

/// Whether `<`, `>` and `&` are written as `\u003c`, `\u003e` and `\u0026`: Go's default, which many callers switch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    /// Escape them.
    Escape,
    /// Write them as they are.
    Keep,
}

/// Appends `text` as a JSON string. Bytes that are not UTF-8 become `\ufffd`; U+2028 and U+2029 are always escaped.
pub fn write_string(out: &mut Vec<u8>, text: &[u8], html: Html) {
    write_escaped(out, text, html, b"\\ufffd");
}

/// As [`write_string`], with other bytes in the place of what is not UTF-8.
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &[u8], html: Html, invalid: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        if byte < 0x80 {
            write_ascii(out, byte, html);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (rune, size) = first_rune(rest).unwrap_or((char::REPLACEMENT_CHARACTER, 1));
        let (head, tail) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        match rune {
            '\u{2028}' => out.extend_from_slice(b"\\u2028"),
            '\u{2029}' => out.extend_from_slice(b"\\u2029"),
            char::REPLACEMENT_CHARACTER if size == 1 => out.extend_from_slice(invalid),
            _ => out.extend_from_slice(head),
        }
        rest = tail;
    }
    out.push(b'"');
}

fn write_ascii(out: &mut Vec<u8>, byte: u8, html: Html) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        b'<' | b'>' | b'&' if html == Html::Escape => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

/// A JSON object of strings from pairs that are already in key order.
pub fn string_map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>, html: Html) -> Vec<u8> {
    members(pairs, html, |out, value| write_string(out, value, html))
}

/// A JSON object from pairs that are already in key order and whose values are JSON.
pub fn object<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>, html: Html) -> Vec<u8> {
    members(pairs, html, |out, json| out.extend_from_slice(json))
}

fn members<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    html: Html,
    write: impl Fn(&mut Vec<u8>, &[u8]),
) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (key, value) in pairs {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&mut out, key.as_bytes(), html);
        out.push(b':');
        write(&mut out, value);
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let cases: [(&[u8], &str, &str); 5] = [
            (b"a<b>&\"\\", "\"a\\u003cb\\u003e\\u0026\\\"\\\\\"", "\"a<b>&\\\"\\\\\""),
            (b"\x08\x0c\n\r\t\x01\x7f", "\"\\b\\f\\n\\r\\t\\u0001\x7f\"", "\"\\b\\f\\n\\r\\t\\u0001\x7f\""),
            ("\u{2028}\u{2029}é".as_bytes(), "\"\\u2028\\u2029é\"", "\"\\u2028\\u2029é\""),
            (b"\xff\x00", "\"\\ufffd\\u0000\"", "\"\\ufffd\\u0000\""),
            ("\u{fffd}".as_bytes(), "\"\u{fffd}\"", "\"\u{fffd}\""),
        ];
        for (text, escaped, kept) in cases {
            for (html, want) in [(Html::Escape, escaped), (Html::Keep, kept)] {
                let mut out = Vec::new();
                write_string(&mut out, text, html);
                assert_eq!(String::from_utf8_lossy(&out), want);
            }
        }
    }

    #[test]
    fn a_map_of_strings_is_a_compact_object() {
        let out = string_map([("a", b"1".as_slice()), ("b", b"<")], Html::Keep);
        assert_eq!(out, br#"{"a":"1","b":"<"}"#);
        assert_eq!(string_map([], Html::Keep), b"{}");
    }
}
