//! Text as Go sees it: runes out of bytes that may be no UTF-8, `strconv.Quote` and `strconv.Unquote`.
//!
//! Deliberately not here: numbers (see `float`) and verbs (see `gofmt`).

/// The first rune and its length in bytes; U+FFFD and 1 for what is no UTF-8. The bytes must not be empty.
pub(crate) fn rune(bytes: &[u8]) -> (char, usize) {
    match bytes.first() {
        None => ('\u{fffd}', 0),
        Some(&b) if b < 0x80 => (char::from(b), 1),
        Some(_) => {
            for n in 2..=4 {
                if let Some(c) = bytes.get(..n).and_then(|p| std::str::from_utf8(p).ok()).and_then(|s| s.chars().next())
                {
                    return (c, n);
                }
            }
            ('\u{fffd}', 1)
        }
    }
}

/// Every rune with the bytes that it stands for.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = (char, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (c, n) = rune(rest);
        let (head, tail) = rest.split_at(n);
        rest = tail;
        Some((c, head))
    })
}

/// The number of runes.
pub(crate) fn rune_count(bytes: &[u8]) -> usize {
    runes(bytes).count()
}

/// Whether Go prints `c` as it is. Rust's `escape_debug` uses the same categories, except that it escapes a combining
/// mark at the start of a string; hence the letter before it.
pub(crate) fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{a0}' => false,
        '\u{ad}' => false,
        _ => ['a', c].iter().collect::<String>().escape_debug().count() == 2,
    }
}

/// `strconv.Quote`; with `ascii`, `strconv.QuoteToASCII`.
pub(crate) fn quote(bytes: &[u8], ascii: bool) -> Vec<u8> {
    quote_with(bytes, b'"', ascii)
}

/// `strconv.QuoteRune`; with `ascii`, `strconv.QuoteRuneToASCII`.
pub(crate) fn quote_rune(c: char, ascii: bool) -> Vec<u8> {
    quote_with(c.encode_utf8(&mut [0; 4]).as_bytes(), b'\'', ascii)
}

/// A quoted string for an error text; what is no UTF-8 shows as `\x..`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&quote(bytes, false)).into_owned()
}

/// Text out of bytes: each byte that is no UTF-8 becomes U+FFFD, as in Go's conversion to runes.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => runes(bytes).map(|(c, _)| c).collect(),
    }
}

fn quote_with(bytes: &[u8], mark: u8, ascii: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    out.push(mark);
    for (c, raw) in runes(bytes) {
        if c == '\u{fffd}' && raw.len() == 1 {
            out.extend_from_slice(format!("\\x{:02x}", raw[0]).as_bytes());
            continue;
        }
        let escape: &[u8] = match c {
            '\\' => b"\\\\",
            '\u{7}' => b"\\a",
            '\u{8}' => b"\\b",
            '\u{c}' => b"\\f",
            '\n' => b"\\n",
            '\r' => b"\\r",
            '\t' => b"\\t",
            '\u{b}' => b"\\v",
            _ => b"",
        };
        let n = u32::from(c);
        if n == u32::from(mark) {
            out.extend_from_slice(&[b'\\', mark]);
        } else if !escape.is_empty() {
            out.extend_from_slice(escape);
        } else if is_print(c) && (!ascii || c.is_ascii()) {
            out.extend_from_slice(raw);
        } else {
            let text = match n {
                0..=0x1f | 0x7f => format!("\\x{n:02x}"),
                0..=0xffff => format!("\\u{n:04x}"),
                _ => format!("\\U{n:08x}"),
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.push(mark);
    out
}

/// Whether `strconv.CanBackquote` holds.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    runes(bytes).all(|(c, raw)| {
        !(c == '\u{fffd}' && raw.len() == 1)
            && c != '\u{feff}'
            && (c == '\t' || (c >= ' ' && c != '`' && c != '\u{7f}'))
    })
}

/// One character of a literal delimited by `mark`, as `strconv.UnquoteChar`: its bytes, its code point, what is left.
pub(crate) fn unquote_char(text: &[u8], mark: u8) -> Option<(Vec<u8>, u32, &[u8])> {
    let first = *text.first()?;
    if first == mark && (mark == b'\'' || mark == b'"') {
        return None;
    }
    let plain = |code: u32, rest| Some((char::from_u32(code)?.to_string().into_bytes(), code, rest));
    if first != b'\\' {
        let (c, n) = rune(text);
        return Some((text[..n].to_vec(), u32::from(c), &text[n..]));
    }
    let kind = *text.get(1)?;
    let rest = &text[2..];
    let simple = |code: u8| Some((vec![code], u32::from(code), rest));
    match kind {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        b'\\' => simple(b'\\'),
        b'\'' | b'"' if kind == mark => simple(kind),
        b'x' | b'u' | b'U' => {
            let n = match kind {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let digits = rest.get(..n).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            match kind {
                b'x' => Some((vec![u8::try_from(code).ok()?], code, &rest[n..])),
                _ => plain(code, &rest[n..]),
            }
        }
        b'0'..=b'7' => {
            let digits = text.get(1..4).filter(|d| d.iter().all(|b| (b'0'..=b'7').contains(b)))?;
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?;
            Some((vec![u8::try_from(code).ok()?], code, &text[4..]))
        }
        _ => None,
    }
}

/// `strconv.Unquote` of a string literal in double or back quotes; `None` is Go's `invalid syntax`.
pub(crate) fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&mark, inner) = literal.split_first()?;
    let (&last, mut rest) = inner.split_last()?;
    if last != mark {
        return None;
    }
    if mark == b'`' {
        return (!rest.contains(&b'`')).then(|| rest.iter().copied().filter(|&b| b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        if rest[0] == b'\n' {
            return None;
        }
        let (bytes, _, tail) = unquote_char(rest, mark)?;
        out.extend_from_slice(&bytes);
        rest = tail;
    }
    Some(out)
}
