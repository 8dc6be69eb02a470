//! Distinguished names: how they are read and written, and how Go prints them.

use super::der::tag::{self, SEQUENCE, SET};
use super::der::{Bytes, Encoded, identifier, sequence, tlv};

/// A name: types with dots, and values, in order.
#[derive(Clone)]
pub(crate) struct Name(Vec<(String, String)>);

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
pub(crate) fn name(der: &[u8]) -> Result<Name, String> {
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

/// A name of the common name alone; of nothing if that is empty.
///
/// # Errors
///
/// Go's text for what isn't UTF-8.
pub(crate) fn common_name(text: &[u8]) -> Result<Encoded, String> {
    if text.is_empty() {
        return Ok(sequence(&[]));
    }
    let text = std::str::from_utf8(text).map_err(|_| "asn1: string not valid UTF-8")?;
    let attribute = sequence(&[&identifier("2.5.4.3"), &encoded(text)]);
    Ok(sequence(&[&tlv(SET, &[&attribute])]))
}

/// A string in the type that Go chooses.
fn encoded(text: &str) -> Encoded {
    let kind = if text.bytes().all(is_printable) { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
    tlv(kind, &[text.as_bytes()])
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

/// A string of any of ASN.1's kinds.
fn text(tag: u8, value: &[u8]) -> Result<String, String> {
    let utf8 = || String::from_utf8(value.to_vec());
    match tag {
        tag::T61_STRING => Ok(value.iter().map(|b| char::from(*b)).collect()),
        tag::PRINTABLE_STRING if value.iter().all(|b| is_printable(*b) || b"*&".contains(b)) => {
            Ok(utf8().unwrap_or_default())
        }
        tag::PRINTABLE_STRING => Err("invalid PrintableString".into()),
        tag::UTF8_STRING => utf8().map_err(|_| "invalid UTF-8 string".into()),
        tag::BMP_STRING => wide(value).ok_or_else(|| "invalid BMPString".into()),
        tag::IA5_STRING if value.is_ascii() => Ok(utf8().unwrap_or_default()),
        tag::IA5_STRING => Err("invalid IA5String".into()),
        tag::NUMERIC_STRING if value.iter().all(|b| b.is_ascii_digit() || *b == b' ') => Ok(utf8().unwrap_or_default()),
        tag::NUMERIC_STRING => Err("invalid NumericString".into()),
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
    pub(crate) fn written(&self) -> String {
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
    encoded(value).iter().map(|b| format!("{b:02x}")).collect()
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
