//! Distinguished names: how they are read, and how Go prints them.

use super::der::{Bytes, tlv};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// A name: types with dots, and values, in order.
#[derive(Clone)]
pub(super) struct Name(Vec<(String, String)>);

/// Attributes that Go names, in the order in which it gathers them.
const NAMED: &[(&str, &str)] = &[
    ("2.5.4.6", "C"),
    ("2.5.4.8", "ST"),
    ("2.5.4.7", "L"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
];

/// Reads a name.
///
/// # Errors
///
/// Go's texts.
pub(super) fn name(der: &[u8]) -> Result<Name, String> {
    let broken = |detail: &str| format!("x509: invalid RDNSequence{detail}");
    let mut sets = Bytes(Bytes(der).read(SEQUENCE).ok_or_else(|| broken(""))?);
    let mut found = Vec::new();
    while !sets.is_empty() {
        let mut set = Bytes(sets.read(SET).ok_or_else(|| broken(""))?);
        while !set.is_empty() {
            let mut attribute = Bytes(set.read(SEQUENCE).ok_or_else(|| broken(": invalid attribute"))?);
            let id = attribute.oid().ok_or_else(|| broken(": invalid attribute type"))?;
            let (tag, value, _) = attribute.any().ok_or_else(|| broken(": invalid attribute value"))?;
            let value = text(tag, value).map_err(|e| broken(&format!(": invalid attribute value: {e}")))?;
            found.push((id, value));
        }
    }
    Ok(Name(found))
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

/// A string of any of ASN.1's kinds.
fn text(tag: u8, value: &[u8]) -> Result<String, String> {
    let utf8 = || String::from_utf8(value.to_vec());
    match tag {
        0x14 => Ok(value.iter().map(|b| char::from(*b)).collect()),
        0x13 if value.iter().all(|b| is_printable(*b) || b"*&".contains(b)) => Ok(utf8().unwrap_or_default()),
        0x13 => Err("invalid PrintableString".into()),
        0x0c => utf8().map_err(|_| "invalid UTF-8 string".into()),
        0x1e => wide(value).ok_or_else(|| "invalid BMPString".into()),
        0x16 if value.is_ascii() => Ok(utf8().unwrap_or_default()),
        0x16 => Err("invalid IA5String".into()),
        0x12 if value.iter().all(|b| b.is_ascii_digit() || *b == b' ') => Ok(utf8().unwrap_or_default()),
        0x12 => Err("invalid NumericString".into()),
        other => Err(format!("unsupported string type: {other}")),
    }
}

/// A string of two bytes a character, possibly ended by a zero.
fn wide(value: &[u8]) -> Option<String> {
    if !value.len().is_multiple_of(2) {
        return None;
    }
    let value = value.strip_suffix(&[0, 0]).filter(|v| v.len().is_multiple_of(2)).unwrap_or(value);
    let units = value.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    units.map(|u| char::from_u32(u).filter(|_| u < 0xfffe && !(0xfdd0..=0xfdef).contains(&u))).collect()
}

impl Name {
    /// The name as Go prints it: the last part first, attributes gathered by kind.
    pub(super) fn written(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (id, value) in &self.0 {
            if !NAMED.iter().any(|(named, _)| named == id) {
                parts.push(format!("{id}=#{}", hex_string(value)));
            }
        }
        for (id, short) in NAMED {
            let mut values: Vec<&str> = self.0.iter().filter(|(i, _)| i == id).map(|(_, v)| v.as_str()).collect();
            if matches!(*short, "CN" | "SERIALNUMBER") {
                values = values.pop().filter(|v| !v.is_empty()).into_iter().collect();
            }
            if !values.is_empty() {
                let written: Vec<String> = values.iter().map(|v| format!("{short}={}", escaped(v))).collect();
                parts.push(written.join("+"));
            }
        }
        parts.reverse();
        parts.join(",")
    }
}

/// A string as Go encodes it, in hexadecimal digits.
fn hex_string(value: &str) -> String {
    let printable = value.bytes().all(is_printable);
    tlv(if printable { 0x13 } else { 0x0c }, &[value.as_bytes()]).iter().map(|b| format!("{b:02x}")).collect()
}

fn escaped(value: &str) -> String {
    let mut out = String::new();
    for (at, c) in value.char_indices() {
        let escape = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at + 1 == value.len(),
            '#' => at == 0,
            _ => false,
        };
        if escape {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
