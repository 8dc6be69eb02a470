//! PEM blocks by type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::STR;
use super::strings::find;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Function};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("filterPEM", &[STR, STR], filter)];

struct Block {
    kind: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    data: Vec<u8>,
}

/// The first block and what follows it; a broken block is passed over, as Go does.
fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = text;
    loop {
        let at = find(rest, b"-----BEGIN ")?;
        let starts_line = at == 0 || rest.get(at - 1) == Some(&b'\n');
        rest = &rest[at + 11..];
        if !starts_line {
            continue;
        }
        let line_end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let Some(kind) = rest[..line_end].trim_ascii_end().strip_suffix(b"-----") else { continue };
        let body = rest.get(line_end + 1..).unwrap_or_default();
        let end_mark = [b"-----END ", kind, b"-----"].concat();
        let Some(end) = find(body, &end_mark) else { continue };
        let after = &body[end + end_mark.len()..];
        let mut headers = Vec::new();
        let mut encoded = Vec::new();
        for line in body[..end].split(|b| *b == b'\n') {
            match line.iter().position(|b| *b == b':') {
                Some(colon) if encoded.is_empty() => {
                    headers.push((line[..colon].trim_ascii().to_vec(), line[colon + 1..].trim_ascii().to_vec()));
                }
                Some(_) | None => encoded.extend(line.iter().filter(|b| !b.is_ascii_whitespace())),
            }
        }
        let Ok(data) = STANDARD.decode(&encoded) else { continue };
        let after = match after.iter().position(|b| *b == b'\n') {
            Some(newline) if after[..newline].trim_ascii().is_empty() => &after[newline + 1..],
            Some(_) | None => after,
        };
        return Some((Block { kind: kind.to_vec(), headers, data }, after));
    }
}

fn encode(out: &mut Vec<u8>, block: &Block) {
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
