//! DER: writing it, and reading it with the error texts of Go's `encoding/asn1`.
//!
//! Here: the few types that private keys and certificates are made of. Deliberately not here: the structures themselves
//! (see `sprig::keys` and `sprig::certificates`). Source: Go 1.26, `encoding/asn1` (`Unmarshal`, `Marshal`).

/// Tags as they are written, with class and form.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTETS: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// A constructed element with a number of its own in the structure that holds it.
    pub(crate) const fn explicit(number: u8) -> u8 {
        0xa0 | number
    }
    /// The same for a primitive element.
    pub(crate) const fn implicit(number: u8) -> u8 {
        0x80 | number
    }
}

/// One element with the given parts as its contents.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|p| p.len()).sum::<usize>();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let digits = &digits[digits.iter().take_while(|b| **b == 0).count()..];
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            out.extend_from_slice(digits);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// An integer that isn't negative, from its bytes with the highest first.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let digits = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
    let sign: &[u8] = if digits.first().is_none_or(|b| *b >= 0x80) { &[0] } else { &[] };
    element(tag::INTEGER, &[sign, digits])
}

/// A bit string of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], bytes])
}

/// What comes before an element's contents.
struct Head {
    class: u8,
    number: u64,
    length: usize,
    compound: bool,
}

/// Reads one element after the other.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, String>;

fn syntax<T>(text: &str) -> Read<T> {
    Err(format!("asn1: syntax error: {text}"))
}

fn structure<T>(text: &str) -> Read<T> {
    Err(format!("asn1: structure error: {text}"))
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn byte(&mut self) -> Read<u8> {
        let Some(byte) = self.bytes.get(self.at) else { return syntax("truncated tag or length") };
        self.at += 1;
        Ok(*byte)
    }

    fn head(&mut self) -> Read<Head> {
        let first = self.byte()?;
        let mut number = u64::from(first & 0x1f);
        if number == 0x1f {
            number = self.base128()?;
            if number < 0x1f {
                return syntax("non-minimal tag");
            }
        }
        let short = self.byte()?;
        let mut length = usize::from(short & 0x7f);
        if short & 0x80 != 0 {
            let count = length;
            if count == 0 {
                return syntax("indefinite length found (not DER)");
            }
            length = 0;
            for _ in 0..count {
                let digit = self.byte()?;
                if length >= 1 << 23 {
                    return structure("length too large");
                }
                length = length << 8 | usize::from(digit);
                if length == 0 {
                    return structure("superfluous leading zeros in length");
                }
            }
            if length < 0x80 {
                return structure("non-minimal length");
            }
        }
        Ok(Head { class: first >> 6, number, length, compound: first & 0x20 != 0 })
    }

    fn base128(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for count in 0.. {
            let Some(byte) = self.bytes.get(self.at).copied() else { break };
            if count == 5 {
                return structure("base 128 integer too large");
            }
            if count == 0 && byte == 0x80 {
                return syntax("integer is not minimally encoded");
            }
            self.at += 1;
            value = value << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return if value > 0x7fff_ffff { structure("base 128 integer too large") } else { Ok(value) };
            }
        }
        syntax("truncated base 128 integer")
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        match self.rest().get(..length) {
            Some(inner) => {
                self.at += length;
                Ok(inner)
            }
            None => syntax("data truncated"),
        }
    }

    /// The contents of an element with a universal tag; `name` is that of Go's type.
    fn field(&mut self, tag: u8, name: &str) -> Read<&'a [u8]> {
        if self.rest().is_empty() {
            return syntax("sequence truncated");
        }
        let head = self.head()?;
        let (number, compound) = (u64::from(tag & 0x1f), tag & 0x20 != 0);
        if head.class != 0 || head.number != number || head.compound != compound {
            let Head { class, number: found, length, compound } = head;
            return structure(&format!(
                "tags don't match ({number} vs {{class:{class} tag:{found} length:{length} isCompound:{compound}}}) \
                 {{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> \
                 stringType:0 timeType:0 set:false omitEmpty:false}} {name} @{}",
                self.at
            ));
        }
        self.take(head.length)
    }

    /// A sequence; `name` is that of Go's type.
    pub(crate) fn sequence(&mut self, name: &str) -> Read<Self> {
        self.field(tag::SEQUENCE, name).map(Self::new)
    }

    /// An integer of at most 64 bits.
    pub(crate) fn int(&mut self) -> Read<i64> {
        let digits = checked_integer(self.field(tag::INTEGER, "int")?)?;
        if digits.len() > 8 {
            return structure("integer too large");
        }
        let sign = if digits[0] >= 0x80 { -1 } else { 0 };
        Ok(digits.iter().fold(sign, |n, b| n << 8 | i64::from(*b)))
    }

    /// An integer of any size, as its bytes: the highest first, in two's complement.
    pub(crate) fn big(&mut self) -> Read<&'a [u8]> {
        checked_integer(self.field(tag::INTEGER, "")?)
    }

    /// An octet string.
    pub(crate) fn octets(&mut self) -> Read<&'a [u8]> {
        self.field(tag::OCTETS, "")
    }

    /// A bit string, as its bytes.
    pub(crate) fn bit_string(&mut self) -> Read<&'a [u8]> {
        match self.field(tag::BIT_STRING, "BitString")?.split_first() {
            None => syntax("zero length BIT STRING"),
            Some((0, bytes)) => Ok(bytes),
            Some((unused @ 1..=7, bytes)) if bytes.last().is_some_and(|b| b.trailing_zeros() >= u32::from(*unused)) => {
                Ok(bytes)
            }
            Some(_) => syntax("invalid padding bits in BIT STRING"),
        }
    }

    /// An object identifier, as its bytes.
    pub(crate) fn oid(&mut self) -> Read<&'a [u8]> {
        let inner = self.field(tag::OID, "ObjectIdentifier")?;
        if inner.is_empty() {
            return syntax("zero length OBJECT IDENTIFIER");
        }
        let mut parts = Self::new(inner);
        while !parts.rest().is_empty() {
            parts.base128()?;
        }
        Ok(inner)
    }

    /// Any element, whole; empty at the end.
    pub(crate) fn any(&mut self) -> Read<&'a [u8]> {
        let start = self.at;
        if self.rest().is_empty() {
            return Ok(&[]);
        }
        let head = self.head()?;
        self.take(head.length)?;
        Ok(&self.bytes[start..self.at])
    }

    /// What an explicit tag holds, if the next element has that tag.
    pub(crate) fn explicit(&mut self, number: u8) -> Read<Option<Self>> {
        if self.rest().is_empty() {
            return Ok(None);
        }
        let before = self.at;
        let head = self.head()?;
        if self.rest().is_empty() {
            return structure("explicit tag has no child");
        }
        if head.class != 2 || head.number != u64::from(number) || !head.compound && head.length > 0 {
            self.at = before;
            return Ok(None);
        }
        if head.length == 0 {
            return structure("zero length explicit tag was not an asn1.Flag");
        }
        self.take(head.length).map(|inner| Some(Self::new(inner)))
    }

    /// The contents of the next element if it has this tag and is well-formed; how Go reads certificates.
    pub(crate) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest().first() != Some(&tag) {
            return None;
        }
        let head = self.head().ok()?;
        self.take(head.length).ok()
    }
}

fn checked_integer(digits: &[u8]) -> Read<&[u8]> {
    match digits {
        [] => structure("empty integer"),
        [0, next, ..] if *next < 0x80 => structure("integer not minimally-encoded"),
        [0xff, next, ..] if *next >= 0x80 => structure("integer not minimally-encoded"),
        _ => Ok(digits),
    }
}

/// An object identifier with dots between its numbers.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut reader = Reader::new(oid);
    while let Ok(number) = reader.base128() {
        if numbers.is_empty() {
            let first = (number / 40).min(2);
            numbers.push(first);
            numbers.push(number - first * 40);
        } else {
            numbers.push(number);
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}
