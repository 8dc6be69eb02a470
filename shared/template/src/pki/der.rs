//! DER as Go's two readers take it: `encoding/asn1`, whose complaints reach users, and `cryptobyte`; and a small writer.
//!
//! Deliberately not here: what the bytes mean (see `x509`, `keys` and `eso::pkcs12`). Source: Go 1.26, `encoding/asn1`.

use zeroize::Zeroizing;

/// Tags as they are written, with class and form.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTETS: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const T61_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const BMP_STRING: u8 = 0x1e;
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

/// A field's Go type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Anything.
    Raw,
    /// `asn1.ObjectIdentifier`.
    Oid,
    /// `int`.
    Int,
    /// `*big.Int`.
    BigInt,
    /// `[]byte`.
    Octets,
    /// `asn1.BitString`.
    Bits,
    /// A struct of that name.
    Struct(&'static str),
    /// A slice of structs.
    List,
}

impl Shape {
    /// The universal tag, whether the encoding is compound, and the type's name; any tag will do for `Raw`.
    fn expected(self) -> (Option<u32>, bool, &'static str) {
        match self {
            Self::Raw => (None, false, "RawValue"),
            Self::Oid => (Some(6), false, "ObjectIdentifier"),
            Self::Int => (Some(2), false, "int"),
            Self::BigInt => (Some(2), false, ""),
            Self::Octets => (Some(4), false, ""),
            Self::Bits => (Some(3), false, "BitString"),
            Self::Struct(name) => (Some(16), true, name),
            Self::List => (Some(16), true, ""),
        }
    }
}

/// A field's Go tag.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tags {
    pub(crate) optional: bool,
    pub(crate) explicit: bool,
    pub(crate) tag: Option<u32>,
    pub(crate) set: bool,
}

pub(crate) const PLAIN: Tags = Tags { optional: false, explicit: false, tag: None, set: false };
pub(crate) const OPTIONAL: Tags = Tags { optional: true, ..PLAIN };
/// Explicitly tagged 0.
pub(crate) const EXPLICIT_0: Tags = Tags { explicit: true, tag: Some(0), ..PLAIN };

/// An element that was read.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u32,
    /// The contents.
    pub(crate) bytes: &'a [u8],
    /// The contents with tag and length.
    pub(crate) full: &'a [u8],
}

struct Header {
    class: u8,
    tag: u32,
    length: usize,
    compound: bool,
}

fn structure(text: &str) -> String {
    format!("asn1: structure error: {text}")
}

fn syntax(text: &str) -> String {
    format!("asn1: syntax error: {text}")
}

/// A base 128 number and where it ends.
fn base128(bytes: &[u8], from: usize) -> Result<(u32, usize), String> {
    let mut number = 0_u64;
    for (count, byte) in bytes.get(from..).unwrap_or_default().iter().enumerate() {
        if count == 5 {
            return Err(structure("base 128 integer too large"));
        }
        if count == 0 && *byte == 0x80 {
            return Err(syntax("integer is not minimally encoded"));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            let small = i32::try_from(number).map_err(|_| structure("base 128 integer too large"))?;
            return Ok((small.unsigned_abs(), from + count + 1));
        }
    }
    Err(syntax("truncated base 128 integer"))
}

fn header(bytes: &[u8], from: usize) -> Result<(Header, usize), String> {
    let truncated = || syntax("truncated tag or length");
    let first = *bytes.get(from).ok_or_else(|| "asn1: internal error in parseTagAndLength".to_owned())?;
    let mut at = from + 1;
    let mut tag = u32::from(first & 0x1f);
    if tag == 0x1f {
        (tag, at) = base128(bytes, at)?;
        if tag < 0x1f {
            return Err(syntax("non-minimal tag"));
        }
    }
    let lead = *bytes.get(at).ok_or_else(truncated)?;
    at += 1;
    let mut length = usize::from(lead & 0x7f);
    if lead & 0x80 != 0 {
        if length == 0 {
            return Err(syntax("indefinite length found (not DER)"));
        }
        let count = length;
        length = 0;
        for _ in 0..count {
            let byte = *bytes.get(at).ok_or_else(truncated)?;
            at += 1;
            if length >= 1 << 23 {
                return Err(structure("length too large"));
            }
            length = length << 8 | usize::from(byte);
            if length == 0 {
                return Err(structure("superfluous leading zeros in length"));
            }
        }
        if length < 0x80 {
            return Err(structure("non-minimal length"));
        }
    }
    Ok((Header { class: first >> 6, tag, length, compound: first & 0x20 != 0 }, at))
}

/// Fields in order, as Go fills a struct. What follows the last field is passed over, as Go does.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next field; `None` if it is optional and not there.
    ///
    /// # Errors
    ///
    /// Go's texts.
    pub(crate) fn optional(&mut self, shape: Shape, tags: Tags) -> Result<Option<Element<'a>>, String> {
        let start = self.at;
        if start == self.bytes.len() {
            return if tags.optional { Ok(None) } else { Err(syntax("sequence truncated")) };
        }
        let (mut head, mut at) = header(self.bytes, start)?;
        if tags.explicit {
            if at == self.bytes.len() {
                return Err(structure("explicit tag has no child"));
            }
            if head.class != 2 || Some(head.tag) != tags.tag || !(head.length == 0 || head.compound) {
                return if tags.optional { Ok(None) } else { Err(structure("explicitly tagged member didn't match")) };
            }
            if shape != Shape::Raw {
                if head.length == 0 {
                    return Err(structure("zero length explicit tag was not an asn1.Flag"));
                }
                (head, at) = header(self.bytes, at)?;
            }
        }
        let (universal, compound, name) = shape.expected();
        let implicit = tags.tag.filter(|_| !tags.explicit);
        let (class, wanted) = match implicit {
            Some(tag) => (2, Some(tag)),
            None if universal.is_some() && tags.set => (0, Some(17)),
            None => (0, universal),
        };
        let mismatch = wanted.is_some_and(|w| head.class != class || head.tag != w)
            || (universal.is_some() && head.compound != compound);
        if mismatch {
            if tags.optional {
                return Ok(None);
            }
            return Err(structure(&format!(
                "tags don't match ({} vs {{class:{} tag:{} length:{} isCompound:{}}}) {{optional:false explicit:{} \
                 application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:{} \
                 omitEmpty:false}} {name} @{at}",
                wanted.unwrap_or_default(),
                head.class,
                head.tag,
                head.length,
                head.compound,
                tags.explicit,
                tags.set,
            )));
        }
        let end = at.saturating_add(head.length);
        let Some(bytes) = self.bytes.get(at..end) else { return Err(syntax("data truncated")) };
        self.at = end;
        Ok(Some(Element { tag: head.tag, bytes, full: self.bytes.get(start..end).unwrap_or_default() }))
    }

    /// The next field.
    pub(crate) fn field(&mut self, shape: Shape, tags: Tags) -> Result<Element<'a>, String> {
        self.optional(shape, tags)?.ok_or_else(|| syntax("sequence truncated"))
    }

    /// The fields of the next field, a struct of that name.
    pub(crate) fn sequence(&mut self, name: &'static str) -> Result<Self, String> {
        self.field(Shape::Struct(name), PLAIN).map(|element| Self::new(element.bytes))
    }

    /// The next field, bytes.
    pub(crate) fn octets(&mut self) -> Result<&'a [u8], String> {
        self.field(Shape::Octets, PLAIN).map(|element| element.bytes)
    }

    /// The next field, an integer of any size, as its bytes with the sign.
    pub(crate) fn big(&mut self) -> Result<&'a [u8], String> {
        let element = self.field(Shape::BigInt, PLAIN)?;
        check_int(element.bytes).map(|()| element.bytes)
    }

    /// The next field, an object identifier with dots.
    pub(crate) fn oid(&mut self) -> Result<String, String> {
        oid(self.field(Shape::Oid, PLAIN)?.bytes)
    }

    /// The next field, an `int`.
    pub(crate) fn int(&mut self) -> Result<i64, String> {
        int(self.field(Shape::Int, PLAIN)?.bytes)
    }

    /// The next field, an algorithm with its parameters as they are encoded.
    pub(crate) fn algorithm(&mut self, tags: Tags) -> Result<Option<Algorithm<'a>>, String> {
        let Some(element) = self.optional(Shape::Struct("AlgorithmIdentifier"), tags)? else { return Ok(None) };
        let mut fields = Reader::new(element.bytes);
        let id = fields.oid()?;
        let parameters = fields.optional(Shape::Raw, OPTIONAL)?;
        Ok(Some(Algorithm { id, parameters }))
    }
}

/// An algorithm and its parameters.
pub(crate) struct Algorithm<'a> {
    pub(crate) id: String,
    pub(crate) parameters: Option<Element<'a>>,
}

impl<'a> Algorithm<'a> {
    /// The parameters with tag and length; empty if there are none.
    pub(crate) fn encoded(&self) -> &'a [u8] {
        self.parameters.map_or(&[], |p| p.full)
    }
}

/// The elements of a slice of structs.
pub(crate) fn elements(bytes: &[u8]) -> Result<Vec<Element<'_>>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (head, body) = header(bytes, at)?;
        if head.class != 0 || !head.compound || head.tag != 16 {
            return Err(structure("sequence tag mismatch"));
        }
        at = body.saturating_add(head.length);
        let Some(contents) = bytes.get(body..at) else { return Err(syntax("truncated sequence")) };
        found.push(Element { tag: 16, bytes: contents, full: bytes.get(start..at).unwrap_or_default() });
    }
    Ok(found)
}

/// An object identifier with dots.
pub(crate) fn oid(bytes: &[u8]) -> Result<String, String> {
    if bytes.is_empty() {
        return Err(syntax("zero length OBJECT IDENTIFIER"));
    }
    let (first, mut at) = base128(bytes, 0)?;
    let mut text = if first < 80 { format!("{}.{}", first / 40, first % 40) } else { format!("2.{}", first - 80) };
    while at < bytes.len() {
        let part;
        (part, at) = base128(bytes, at)?;
        text.push_str(&format!(".{part}"));
    }
    Ok(text)
}

/// Refuses integers that are empty or longer than they need to be.
pub(crate) fn check_int(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [] => Err(structure("empty integer")),
        [0, second, ..] if second & 0x80 == 0 => Err(structure("integer not minimally-encoded")),
        [0xff, second, ..] if second & 0x80 != 0 => Err(structure("integer not minimally-encoded")),
        _ => Ok(()),
    }
}

/// A Go `int`.
pub(crate) fn int(bytes: &[u8]) -> Result<i64, String> {
    check_int(bytes)?;
    if bytes.len() > 8 {
        return Err(structure("integer too large"));
    }
    let start = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
    Ok(bytes.iter().fold(start, |n, b| n << 8 | i64::from(*b)))
}

/// Refuses bit strings that Go refuses.
pub(crate) fn check_bits(bytes: &[u8]) -> Result<(), String> {
    let Some((padding, bits)) = bytes.split_first() else { return Err(syntax("zero length BIT STRING")) };
    let dirty = match bits.last() {
        None => *padding > 0,
        Some(last) => *padding > 7 || last & ((1 << padding) - 1) != 0,
    };
    if *padding > 7 || dirty { Err(syntax("invalid padding bits in BIT STRING")) } else { Ok(()) }
}

/// Bytes that are read as Go's `cryptobyte` does: no high tags, and no reason why something failed.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element's tag, contents, and the whole of it.
    pub(crate) fn any(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (tag, lead) = (*self.0.first()?, *self.0.get(1)?);
        if tag & 0x1f == 0x1f {
            return None;
        }
        let mut length = usize::from(lead);
        let mut start = 2;
        if lead & 0x80 != 0 {
            let count = usize::from(lead & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let digits = self.0.get(2..2 + count)?;
            length = digits.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            if length < 128 || digits.first() == Some(&0) {
                return None;
            }
            start += count;
        }
        let whole = self.0.get(..start.checked_add(length)?)?;
        self.0 = self.0.get(whole.len()..)?;
        Some((tag, whole.get(start..)?, whole))
    }

    /// The contents of the next element, which has to have this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(t, ..)| *t == tag).map(|(_, bytes, _)| bytes)
    }

    /// The next element as it is encoded.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(t, ..)| *t == tag).map(|(.., whole)| whole)
    }

    pub(crate) fn peek(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The contents of the next element if it has this tag: `None` if it is broken, `Some(None)` if it isn't there.
    pub(crate) fn maybe(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.peek(tag) { self.read(tag).map(Some) } else { Some(None) }
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.read(tag::BOOLEAN)? {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// An integer's bytes, with sign.
    pub(crate) fn int(&mut self) -> Option<&'a [u8]> {
        self.read(tag::INTEGER).filter(|b| check_int(b).is_ok())
    }

    pub(crate) fn oid(&mut self) -> Option<String> {
        oid(self.read(tag::OID)?).ok()
    }

    /// A bit string's bytes and the number of bits that don't count.
    pub(crate) fn bits(&mut self) -> Option<(u8, &'a [u8])> {
        let bytes = self.read(tag::BIT_STRING)?;
        check_bits(bytes).ok()?;
        bytes.split_first().map(|(padding, bits)| (*padding, bits))
    }
}

/// Encoded bytes that are wiped when they go.
pub(crate) type Encoded = Zeroizing<Vec<u8>>;

/// One element.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Encoded {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 8));
    out.push(tag);
    let digits = length.to_be_bytes();
    if length < 128 {
        out.push(digits[digits.len() - 1]);
    } else {
        let skip = digits.iter().take_while(|d| **d == 0).count();
        out.push(0x80 | (digits.len() - skip).to_be_bytes()[7]);
        out.extend_from_slice(&digits[skip..]);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Encoded {
    tlv(tag::SEQUENCE, parts)
}

pub(crate) fn octets(bytes: &[u8]) -> Encoded {
    tlv(tag::OCTETS, &[bytes])
}

/// A bit string of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Encoded {
    tlv(tag::BIT_STRING, &[&[0], bytes])
}

/// An integer from an unsigned number's bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Encoded {
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    match &bytes[skip..] {
        [] => tlv(tag::INTEGER, &[&[0]]),
        digits if digits[0] & 0x80 != 0 => tlv(tag::INTEGER, &[&[0], digits]),
        digits => tlv(tag::INTEGER, &[digits]),
    }
}

/// An integer.
pub(crate) fn signed(n: i64) -> Encoded {
    let bytes = n.to_be_bytes();
    let skip = (0..7).take_while(|i| check_int(&bytes[*i..]).is_err()).count();
    tlv(tag::INTEGER, &[&bytes[skip..]])
}

/// An object identifier, given with dots.
pub(crate) fn identifier(dotted: &str) -> Encoded {
    let parts: Vec<u32> = dotted.split('.').filter_map(|p| p.parse().ok()).collect();
    let first = parts.first().copied().unwrap_or_default() * 40 + parts.get(1).copied().unwrap_or_default();
    let mut body = Vec::new();
    for part in std::iter::once(first).chain(parts.iter().skip(2).copied()) {
        let groups: Vec<u8> = (0..5).map(|i| (part >> (7 * (4 - i)) & 0x7f).to_be_bytes()[3]).collect();
        let skip = groups.iter().take(4).take_while(|g| **g == 0).count();
        for (i, group) in groups.iter().enumerate().skip(skip) {
            body.push(if i < 4 { group | 0x80 } else { *group });
        }
    }
    tlv(tag::OID, &[&body])
}
