//! PEM blocks by type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::STR;
use super::encoding::base64_bytes;
use super::strings::find;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Function};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("filterPEM", &[STR, STR], filter)];

pub(super) struct Block {
    pub(super) kind: Vec<u8>,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) data: Vec<u8>,
}

/// The first block and what follows it; a broken block is passed over, as Go does.
///
/// It looks for an end first and goes back to the nearest beginning, hence takes time linear to the text whatever it holds.
pub(super) fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    const END: &[u8] = b"\n-----END ";
    let mut from = 0;
    while let Some(length) = find(&text[from..], END) {
        let end = from + length;
        let trailer = &text[end + END.len()..];
        if let Some(block) = block(&text[from..], length, trailer) {
            return Some((block, line(trailer).1));
        }
        from = end + END.len();
    }
    None
}

/// The block that ends at the line break before `end`, if what lies there is one.
fn block(text: &[u8], end: usize, trailer: &[u8]) -> Option<Block> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let begin = text[..end].windows(BEGIN.len()).rposition(|part| part == BEGIN)?;
    if begin > 0 && text[begin - 1] != b'\n' {
        return None;
    }
    let (kind, mut rest) = line(&text[begin + BEGIN.len()..]);
    let kind = kind.strip_suffix(b"-----")?;
    if !line(trailer.strip_prefix(kind)?.strip_prefix(b"-----")?).0.is_empty() {
        return None;
    }
    // Up to the line break before the end; none if that is the one behind the beginning.
    let body = |rest: &[u8]| end.checked_sub(text.len() - rest.len());
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while body(rest).is_some() {
        let (header, next) = line(rest);
        let Some(colon) = header.iter().position(|b| *b == b':') else { break };
        let (name, value) = (header[..colon].trim_ascii(), header[colon + 1..].trim_ascii());
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_vec(), value.to_vec()));
        rest = next;
    }
    let data = match body(rest) {
        None if headers.is_empty() => Vec::new(),
        None => return None,
        Some(length) => {
            let encoded: Vec<u8> = rest[..length].iter().copied().filter(|b| !matches!(b, b' ' | b'\t')).collect();
            base64_bytes(&encoded).ok()?
        }
    };
    Some(Block { kind: kind.to_vec(), headers, data })
}

/// The first line without blanks at its end, and what follows it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut line, rest) = match text.iter().position(|b| *b == b'\n') {
        Some(at) => (text[..at].strip_suffix(b"\r").unwrap_or(&text[..at]), &text[at + 1..]),
        None => (text, &[][..]),
    };
    while let [start @ .., b' ' | b'\t'] = line {
        line = start;
    }
    (line, rest)
}

pub(super) fn encode(out: &mut Vec<u8>, block: &Block) {
    let line = |out: &mut Vec<u8>, parts: &[&[u8]]| {
        for part in parts {
            out.extend_from_slice(part);
        }
        out.push(b'\n');
    };
    line(out, &[b"-----BEGIN ", &block.kind, b"-----"]);
    if !block.headers.is_empty() {
        let mut headers: Vec<_> = block.headers.iter().collect();
        headers.sort_by_key(|(name, _)| (name != b"Proc-Type", name.clone()));
        for (name, value) in headers {
            line(out, &[name, b": ", value]);
        }
        line(out, &[]);
    }
    for part in STANDARD.encode(&block.data).as_bytes().chunks(64) {
        line(out, &[part]);
    }
    line(out, &[b"-----END ", &block.kind, b"-----"]);
}

fn filter(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let (wanted, text) = (bytes(&a[0]), bytes(&a[1]));
    let mut rest = find(text, b"-----BEGIN").map_or(text, |at| &text[at..]);
    let mut out = Vec::new();
    while let Some((block, after)) = decode(rest) {
        if block.kind.eq_ignore_ascii_case(wanted) {
            encode(&mut out, &block);
        }
        rest = after;
    }
    if out.is_empty() && !rest.is_empty() {
        return Err("error filtering pem: found junk".into());
    }
    Ok(Value::str(out))
}
