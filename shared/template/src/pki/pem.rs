//! PEM blocks, found and written as Go's `encoding/pem` does.
//!
//! Deliberately not here: what is in them. Source: Go 1.26, `encoding/pem`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Types of blocks.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
pub(crate) const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Go doesn't mind bits that don't count.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// A block.
pub(crate) struct Block {
    /// The type: what follows `BEGIN`.
    pub(crate) kind: Vec<u8>,
    headers: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) data: Zeroizing<Vec<u8>>,
}

/// The first line without its end and blanks after it, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match text.iter().position(|b| *b == b'\n') {
        None => (text, &text[text.len()..]),
        Some(end) => (text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]), &text[end + 1..]),
    };
    let blanks = line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    (&line[..line.len() - blanks], rest)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|w| w == part)
}

fn rfind(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|w| w == part)
}

/// The first block that is whole, and what follows it. Broken blocks are passed over.
pub(crate) fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = text;
    loop {
        // The last beginning before the first end: earlier ones have no end of their own.
        let end = find(rest, END)?;
        let after_mark = &rest[end + END.len()..];
        let begin = rfind(&rest[..end], BEGIN).filter(|at| *at == 0 || rest[at - 1] == b'\n');
        let Some(begin) = begin else {
            rest = after_mark;
            continue;
        };
        // The line break before the end mark is kept: an empty block has no other.
        let body = &rest[begin + BEGIN.len()..=end];
        rest = after_mark;
        let (kind, mut body) = line(body);
        let Some(kind) = kind.strip_suffix(DASHES) else { continue };
        let mut headers = BTreeMap::new();
        loop {
            let (first, next) = line(body);
            let Some(colon) = first.iter().position(|b| *b == b':') else { break };
            headers.insert(first[..colon].trim_ascii().to_vec(), first[colon + 1..].trim_ascii().to_vec());
            if next.is_empty() {
                // The headers run into the end mark.
                body = &[];
                break;
            }
            body = next;
        }
        if body.is_empty() && line(after_mark).0.contains(&b':') {
            // Go takes the end mark for a header too, and gives up.
            return None;
        }
        if !headers.is_empty() && body.is_empty() {
            continue;
        }
        let closing = after_mark.strip_prefix(kind).and_then(|a| a.strip_prefix(DASHES));
        let Some((left, after)) = closing.map(line) else { continue };
        if !left.is_empty() {
            continue;
        }
        let mut digits = Zeroizing::new(body.to_vec());
        digits.retain(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        let mut data = Zeroizing::new(Vec::with_capacity(digits.len()));
        if LENIENT.decode_vec(&*digits, &mut data).is_err() {
            continue;
        }
        return Some((Block { kind: kind.to_vec(), headers, data }, after));
    }
}

/// Writes a block with its headers.
pub(crate) fn append(out: &mut Vec<u8>, block: &Block) {
    let mut headers: Vec<_> = block.headers.iter().collect();
    headers.sort_by_key(|(name, _)| (name.as_slice() != b"Proc-Type", *name));
    let mut lines: Vec<u8> = Vec::new();
    for (name, value) in headers {
        lines.extend([name, b": ".as_slice(), value, b"\n"].concat());
    }
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    write(out, &block.kind, &lines, &block.data);
}

fn write(out: &mut Vec<u8>, kind: &[u8], headers: &[u8], data: &[u8]) {
    for part in [BEGIN, kind, b"-----\n", headers] {
        out.extend_from_slice(part);
    }
    let digits = Zeroizing::new(STANDARD.encode(data));
    for part in digits.as_bytes().chunks(64) {
        out.extend_from_slice(part);
        out.push(b'\n');
    }
    for part in [&END[1..], kind, b"-----\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes a block without headers.
pub(crate) fn encode(out: &mut Vec<u8>, kind: &str, data: &[u8]) {
    write(out, kind.as_bytes(), &[], data);
}

/// Without what stands before the first block.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    find(text, b"-----BEGIN").map_or(text, |at| &text[at..])
}
