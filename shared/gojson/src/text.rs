//! Text as Go sees it: UTF-8 by the rune with U+FFFD for what isn't, Go's quoting, and Go's floats.
//!
//! Lives here: conversions between bytes, characters and numbers. Deliberately not here: JSON strings (see `write`).

/// The first rune of `bytes` and its length: U+FFFD and 1 if it is not UTF-8, `None` if there are no bytes.
pub(crate) fn first_rune(bytes: &[u8]) -> Option<(char, usize)> {
    rune_of(bytes, |n| bytes.get(..n))
}

/// The last rune of `bytes`, as [`first_rune`].
pub(crate) fn last_rune(bytes: &[u8]) -> Option<(char, usize)> {
    rune_of(bytes, |n| bytes.len().checked_sub(n).and_then(|start| bytes.get(start..)))
}

fn rune_of<'a>(bytes: &'a [u8], part: impl Fn(usize) -> Option<&'a [u8]>) -> Option<(char, usize)> {
    if bytes.is_empty() {
        return None;
    }
    for n in 1..=4 {
        let Some(text) = part(n).and_then(|p| std::str::from_utf8(p).ok()) else { continue };
        if let Some(c) = text.chars().next() {
            return Some((c, n));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, 1))
}

/// Go's `strconv.Quote`, the `%q` of its error texts.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' {
            out.push_str("\\\"");
        } else {
            push_escaped(&mut out, c);
        }
    }
    out.push('"');
    out
}

/// A byte as `encoding/json` shows it in a syntax error; the byte counts as the code point of the same number.
pub(crate) fn quote_byte(byte: u8) -> String {
    let mut out = String::from("'");
    match byte {
        b'\'' => out.push_str("\\'"),
        b'"' => out.push('"'),
        _ => push_escaped(&mut out, char::from(byte)),
    }
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        _ if is_print(c) => out.push(c),
        _ => {
            let n = u32::from(c);
            out.push_str(&match n {
                0..=0x1f | 0x7f => format!("\\x{n:02x}"),
                0..=0xffff => format!("\\u{n:04x}"),
                _ => format!("\\U{n:08x}"),
            });
        }
    }
}

/// Whether Go prints `c` as it is. Rust's `escape_debug` uses the same categories, except that it escapes a combining
/// mark at the start of a string; hence the letter before it.
fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{a0}' => false,
        _ => ['a', c].iter().collect::<String>().escape_debug().count() == 2,
    }
}

/// Go's `strconv.ParseFloat(text, 64)` with the error dropped: 0 for what is no number, ±Inf for what is too large.
/// Hexadecimal floats are not supported and give 0.
pub(crate) fn parse_float(text: &[u8]) -> f64 {
    let Ok(text) = std::str::from_utf8(text) else { return 0.0 };
    if text.strip_prefix(['+', '-']).is_some_and(|rest| rest.eq_ignore_ascii_case("nan")) {
        return 0.0;
    }
    if !text.contains('_') {
        return text.parse().unwrap_or(0.0);
    }
    let digit = |at: Option<usize>| at.and_then(|i| text.as_bytes().get(i)).is_some_and(u8::is_ascii_digit);
    let between_digits =
        text.bytes().enumerate().all(|(i, b)| b != b'_' || (digit(i.checked_sub(1)) && digit(Some(i + 1))));
    if between_digits { text.replace('_', "").parse().unwrap_or(0.0) } else { 0.0 }
}

/// Go's `strconv.FormatFloat(value, 'f', -1, 64)`: shortest digits, no exponent.
pub(crate) fn format_float(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        positional(&shortest(value))
    }
}

/// The fewest digits that read back as this finite value, with an exponent. Where two are equally near Go takes the even one,
/// Rust the greater.
fn shortest(value: f64) -> String {
    let text = format!("{value:e}");
    let digits = text.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(value) { even } else { text }
}

/// A number with an exponent as one without.
fn positional(number: &str) -> String {
    let (mantissa, power) = number.split_once('e').unwrap_or((number, "0"));
    let (minus, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let power: i32 = power.parse().unwrap_or(0);
    let places = usize::try_from(power.unsigned_abs()).unwrap_or(0);
    if power < 0 {
        return format!("{minus}0.{}{whole}{fraction}", "0".repeat(places - 1));
    }
    match fraction.split_at_checked(places) {
        Some((front, "")) => format!("{minus}{whole}{front}"),
        Some((front, back)) => format!("{minus}{whole}{front}.{back}"),
        None => format!("{minus}{whole}{fraction}{}", "0".repeat(places - fraction.len())),
    }
}

/// A finite float as `encoding/json` writes it: with an exponent below 1e-6 and from 1e21 on.
pub(crate) fn json_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = shortest(value);
        return match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
            _ => text,
        };
    }
    positional(&shortest(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases: [(f64, &str, &str); 12] = [
            (-159_368_199_371_125.13, "-159368199371125.12", "-159368199371125.12"),
            (3_899_453_130_812.906_3, "3899453130812.9062", "3899453130812.9062"),
            (1.0, "1", "1"),
            (-0.0, "-0", "-0"),
            (1.5, "1.5", "1.5"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1e20, "100000000000000000000", "100000000000000000000"),
            (1e-6, "0.000001", "0.000001"),
            (1e-7, "0.0000001", "1e-7"),
            (1.25e30, "1250000000000000000000000000000", "1.25e+30"),
            (12_345_678_901_234_567_890.0, "12345678901234567000", "12345678901234567000"),
            (f64::INFINITY, "+Inf", "inf"),
        ];
        for (value, plain, json) in cases {
            assert_eq!(format_float(value), plain);
            if value.is_finite() {
                assert_eq!(json_float(value), json);
            }
        }
    }

    #[test]
    fn quoting_escapes_what_go_escapes() {
        let cases = [
            ("a\"b", r#""a\"b""#),
            ("\u{0}\u{7f}\n\u{b}", r#""\x00\x7f\n\v""#),
            ("é\u{301}", "\"é\u{301}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{a0}\u{ad}\u{200b}\u{feff}", r#""\u00a0\u00ad\u200b\ufeff""#),
            ("\u{e000}\u{10ffff}", r#""\ue000\U0010ffff""#),
            ("😀'", "\"😀'\""),
        ];
        for (text, want) in cases {
            assert_eq!(quote(text), want);
        }
        assert_eq!(quote_byte(b'\''), "'\\''");
        assert_eq!(quote_byte(b'"'), "'\"'");
        assert_eq!(quote_byte(0xc3), "'Ã'");
    }

    #[test]
    fn underscores_count_only_between_digits() {
        assert_eq!(parse_float(b"1_000.5"), 1000.5);
        assert_eq!(parse_float(b"_1"), 0.0);
        assert_eq!(parse_float(b"1_"), 0.0);
        assert_eq!(parse_float(b"-nan"), 0.0);
        assert_eq!(parse_float(b"1e400"), f64::INFINITY);
    }

    #[test]
    fn runes_that_are_no_utf8_count_one_byte() {
        assert_eq!(first_rune("éa".as_bytes()), Some(('é', 2)));
        assert_eq!(last_rune("aé".as_bytes()), Some(('é', 2)));
        assert_eq!(first_rune(b"\xc3"), Some(('\u{fffd}', 1)));
        assert_eq!(last_rune(b"a\xa9"), Some(('\u{fffd}', 1)));
        assert_eq!(first_rune(b""), None);
    }
}
