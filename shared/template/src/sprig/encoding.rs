//! Base64, base32 and hexadecimal, and checksums that need no cryptography.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::STR;
use crate::builtin::bytes;
use crate::function::Function;
use crate::value::Value;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const TABLE: &[Function] = &[
    Function::new("b64enc", &[STR], |_, a| Ok(Value::str(BASE64.encode(bytes(&a[0]))))),
    Function::new("b64dec", &[STR], |_, a| {
        Ok(Value::str(base64_bytes(bytes(&a[0])).unwrap_or_else(String::into_bytes)))
    }),
    Function::new("b32enc", &[STR], |_, a| Ok(Value::str(base32(bytes(&a[0]))))),
    Function::new("b32dec", &[STR], |_, a| {
        Ok(Value::str(base32_bytes(bytes(&a[0])).unwrap_or_else(String::into_bytes)))
    }),
    Function::new("hexdec", &[STR], |_, a| Ok(Value::str(hex_bytes(bytes(&a[0])).unwrap_or_else(String::into_bytes)))),
    Function::new("adler32sum", &[STR], |_, a| Ok(Value::str(adler32(bytes(&a[0])).to_string()))),
];

/// Decodes as Go does: line breaks are skipped, and an error counts bytes of the whole input.
pub(super) fn base64_bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let kept: Vec<(usize, u8)> =
        text.iter().copied().enumerate().filter(|(_, b)| !matches!(b, b'\n' | b'\r')).collect();
    let plain: Vec<u8> = kept.iter().map(|(_, b)| *b).collect();
    BASE64.decode(&plain).map_err(|_| format!("illegal base64 data at input byte {}", base64_fault(&kept, text.len())))
}

fn base64_fault(kept: &[(usize, u8)], len: usize) -> usize {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let Some(bad) = kept.iter().position(|(_, b)| !known(*b)) else {
        // All characters are known, so the padding is missing: Go points at the last whole group's end.
        let whole = kept.len() / 4 * 4;
        return kept.get(whole).map_or(len, |(at, _)| *at);
    };
    let at = |i: usize| kept.get(i).map_or(len, |(at, _)| *at);
    match (kept[bad].1, bad % 4) {
        (b'=', 2) if kept.get(bad + 1).map(|(_, b)| *b) == Some(b'=') => at(bad + 2),
        (b'=', 2) => kept.get(bad + 1).map_or(len, |(at, _)| *at),
        (b'=', 3) => at(bad + 1),
        _ => at(bad),
    }
}

const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len().div_ceil(5) * 8);
    for group in data.chunks(5) {
        let mut word = 0_u64;
        for i in 0..5 {
            word = word << 8 | u64::from(group.get(i).copied().unwrap_or(0));
        }
        let digits = (group.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = usize::try_from(word >> (35 - 5 * i) & 31).unwrap_or(0);
            out.push(if i < digits { DIGITS[index] } else { b'=' });
        }
    }
    out
}

/// Decodes as Go does: line breaks are skipped, and an error counts bytes of what is left.
fn base32_bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let plain: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let fault = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let mut out = Vec::with_capacity(plain.len() / 8 * 5);
    for (start, group) in plain.chunks(8).enumerate().map(|(i, g)| (i * 8, g)) {
        let mut word = 0_u64;
        let mut count = 0;
        for (i, b) in group.iter().enumerate() {
            let rest = plain.get(start + i + 1..).unwrap_or_default();
            if *b == b'=' && i >= 2 && rest.len() < 8 {
                if rest.len() + i < 7 {
                    return fault(plain.len());
                }
                if let Some(k) = rest.iter().take(7 - i).position(|b| *b != b'=') {
                    return fault(start + i + k);
                }
                if matches!(i, 3 | 6) {
                    return fault(start + i);
                }
                break;
            }
            let Some(digit) = DIGITS.iter().position(|d| d == b) else { return fault(start + i) };
            word |= u64::try_from(digit).unwrap_or(0) << (35 - 5 * i);
            count += 1;
        }
        if group.len() < 8 && count == group.len() {
            return fault(start);
        }
        out.extend_from_slice(&word.to_be_bytes()[3..3 + count * 5 / 8]);
        if count < 8 {
            break;
        }
    }
    Ok(out)
}

fn hex_bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |b: u8| {
        let shown = crate::text::quote_rune(char::from(b), false);
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let printable = crate::text::is_print(char::from(b));
        let tail = if printable { format!(" {shown}") } else { String::new() };
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
            .ok_or_else(|| format!("encoding/hex: invalid byte: U+{b:04X}{tail}"))
    };
    let mut out = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let high = digit(pair[0])?;
        let Some(low) = pair.get(1) else { return Err("encoding/hex: odd length hex string".into()) };
        out.push(high << 4 | digit(*low)?);
    }
    Ok(out)
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}
