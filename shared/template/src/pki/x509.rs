//! Certificates, read in the order and with the complaints of Go's `crypto/x509`: what is looked at is checked, and the
//! rest is kept as it is.
//!
//! Deliberately not here: trust. No signature, date or use is verified, as in the reference.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::der::tag::{self, SEQUENCE};
use super::der::{self, Bytes};
use super::keys::{Curve, DSA, EC, ED25519, RSA};
use super::subject::{Name, name};
use crate::text::quoted;

/// What template functions want of a certificate.
#[derive(Clone)]
pub(crate) struct Certificate<'a> {
    /// The whole, encoded.
    pub(crate) raw: &'a [u8],
    pub(crate) subject: Name,
    /// The subject, encoded.
    pub(crate) raw_subject: &'a [u8],
    /// The public key with its algorithm, encoded.
    pub(crate) public_info: &'a [u8],
    /// The authority key identifier, if there is one.
    pub(crate) authority: Option<&'a [u8]>,
    /// The subject key identifier; empty if there is none.
    pub(crate) subject_key: &'a [u8],
    names: Names,
}

/// Alternative names by kind.
#[derive(Clone, Default)]
struct Names {
    dns: Vec<String>,
    ips: Vec<String>,
    emails: Vec<String>,
    uris: Vec<String>,
}

/// One certificate and nothing else.
///
/// # Errors
///
/// Go's texts.
pub(crate) fn certificate(der: &[u8]) -> Result<Certificate<'_>, String> {
    let found = parse(der)?;
    if found.raw.len() == der.len() { Ok(found) } else { Err("x509: trailing data".into()) }
}

/// Certificates one after the other.
pub(crate) fn certificates(der: &[u8]) -> Result<Vec<Certificate<'_>>, String> {
    let mut rest = der;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let one = parse(rest)?;
        rest = rest.get(one.raw.len()..).unwrap_or_default();
        found.push(one);
    }
    Ok(found)
}

fn malformed(what: &str) -> String {
    format!("x509: malformed {what}")
}

fn invalid(what: &str) -> String {
    format!("x509: invalid {what}")
}

fn parse(der: &[u8]) -> Result<Certificate<'_>, String> {
    let broken = || malformed("certificate");
    let mut input = Bytes(der);
    let raw = input.whole(SEQUENCE).ok_or_else(broken)?;
    let mut input = Bytes(Bytes(raw).read(SEQUENCE).ok_or_else(broken)?);
    let mut tbs = Bytes(input.read(SEQUENCE).ok_or_else(|| malformed("tbs certificate"))?);

    let version = match tbs.maybe(tag::explicit(0)).ok_or_else(|| malformed("version"))? {
        None => 0,
        Some(inner) => {
            let mut inner = Bytes(inner);
            let bytes = inner.int().filter(|_| inner.is_empty()).ok_or_else(|| malformed("version"))?;
            der::int(bytes).ok().filter(|v| *v >= 0).ok_or_else(|| malformed("version"))?
        }
    };
    if version > 2 {
        return Err(invalid("version"));
    }
    let serial = tbs.int().ok_or_else(|| malformed("serial number"))?;
    if serial.first().is_some_and(|b| b & 0x80 != 0) {
        return Err("x509: negative serial number".into());
    }
    let inner = tbs.read(SEQUENCE).ok_or_else(|| malformed("signature algorithm identifier"))?;
    let outer = input.read(SEQUENCE).ok_or_else(|| malformed("algorithm identifier"))?;
    if inner != outer {
        return Err("x509: inner and outer signature algorithm identifiers don't match".into());
    }
    algorithm(inner)?;
    name(tbs.whole(SEQUENCE).ok_or_else(|| malformed("issuer"))?)?;
    let mut validity = Bytes(tbs.read(SEQUENCE).ok_or_else(|| malformed("validity"))?);
    time(&mut validity)?;
    time(&mut validity)?;
    let raw_subject = tbs.whole(SEQUENCE).ok_or_else(|| malformed("issuer"))?;
    let subject = name(raw_subject)?;
    let public_info = tbs.whole(SEQUENCE).ok_or_else(|| malformed("spki"))?;
    let mut key = Bytes(Bytes(public_info).read(SEQUENCE).ok_or_else(|| malformed("spki"))?);
    let (id, parameters) = algorithm(key.read(SEQUENCE).ok_or_else(|| malformed("public key algorithm identifier"))?)?;
    let (padding, bits) = key.bits().ok_or_else(|| malformed("subjectPublicKey"))?;
    public_key(&id, parameters, &aligned(padding, bits))?;

    let names = Names::default();
    let mut found = Certificate { raw, subject, raw_subject, public_info, authority: None, subject_key: &[], names };
    if version > 0 {
        tbs.maybe(tag::implicit(1)).ok_or_else(|| malformed("issuerUniqueID"))?;
        tbs.maybe(tag::implicit(2)).ok_or_else(|| malformed("subjectUniqueID"))?;
    }
    if version == 2
        && let Some(list) = tbs.maybe(tag::explicit(3)).ok_or_else(|| malformed("extensions"))?
    {
        extensions(&mut found, list)?;
    }
    input.bits().ok_or_else(|| malformed("signature"))?;
    Ok(found)
}

/// An algorithm's identifier and encoded parameters.
fn algorithm(der: &[u8]) -> Result<(String, &[u8]), String> {
    let mut fields = Bytes(der);
    let id = fields.oid().ok_or_else(|| malformed("OID"))?;
    if fields.is_empty() {
        return Ok((id, &[]));
    }
    let (.., parameters) = fields.any().ok_or_else(|| malformed("parameters"))?;
    Ok((id, parameters))
}

/// Bits moved to the right end of their bytes.
fn aligned(padding: u8, bits: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    bits.iter()
        .map(|byte| {
            let word = carry << 8 | u16::from(*byte);
            carry = u16::from(*byte);
            (word >> padding).to_be_bytes()[1]
        })
        .collect()
}

fn time(der: &mut Bytes<'_>) -> Result<(), String> {
    let (tag, name, year) = if der.peek(tag::UTC_TIME) {
        (tag::UTC_TIME, "UTCTime", 2)
    } else if der.peek(tag::GENERALIZED_TIME) {
        (tag::GENERALIZED_TIME, "GeneralizedTime", 4)
    } else {
        return Err("x509: unsupported time format".into());
    };
    der.read(tag).filter(|text| is_time(text, year)).map(|_| ()).ok_or_else(|| malformed(name))
}

/// Whether a text is a date with this many digits of the year, a time, and a zone. Two-digit years may lack seconds.
fn is_time(text: &[u8], year: usize) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (stamp, zone) = text.split_at(digits);
    let number = |from: usize, count: usize| -> u32 {
        stamp.get(from..from + count).unwrap_or_default().iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'))
    };
    if digits != year + 10 && !(year == 2 && digits == 10) {
        return false;
    }
    let full = if year == 4 { number(0, 4) } else { number(0, 2) + if number(0, 2) < 69 { 2000 } else { 1900 } };
    let leap = full % 4 == 0 && (full % 100 != 0 || full % 400 == 0);
    let days = match number(year, 2) {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let zone_fits = match zone {
        b"Z" => true,
        [b'+' | b'-', h1, h2, m1, m2] => {
            let all = [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit());
            all && zone[1..] != *b"0000" && (*h1, *h2) <= (b'2', b'3') && *m1 < b'6'
        }
        _ => false,
    };
    let seconds = if digits > year + 8 { number(year + 8, 2) } else { 0 };
    zone_fits
        && (1..=days).contains(&number(year + 2, 2))
        && number(year + 4, 2) < 24
        && number(year + 6, 2) < 60
        && seconds < 60
}

fn public_key(id: &str, parameters: &[u8], data: &[u8]) -> Result<(), String> {
    let negative = |n: &[u8]| n.first().is_some_and(|b| b & 0x80 != 0) || n == [0];
    match id {
        RSA => {
            if parameters != [5, 0] {
                return Err("x509: RSA key missing NULL parameters".into());
            }
            let mut fields = Bytes(Bytes(data).read(SEQUENCE).ok_or_else(|| invalid("RSA public key"))?);
            let modulus = fields.int().ok_or_else(|| invalid("RSA modulus"))?;
            let exponent = fields.int().filter(|e| e.len() <= 8).ok_or_else(|| invalid("RSA public exponent"))?;
            if negative(modulus) {
                return Err("x509: RSA modulus is not a positive number".into());
            }
            if negative(exponent) {
                return Err("x509: RSA public exponent is not a positive number".into());
            }
            Ok(())
        }
        EC => {
            let id = Bytes(parameters).oid().ok_or_else(|| invalid("ECDSA parameters"))?;
            let curve = Curve::by_id(&id).ok_or_else(|| "x509: unsupported elliptic curve".to_owned())?;
            if data.first() != Some(&4) {
                return Err("ecdsa: invalid uncompressed public key".into());
            }
            curve.check_point(data)
        }
        ED25519 if !parameters.is_empty() => Err("x509: Ed25519 key encoded with illegal parameters".into()),
        ED25519 if data.len() != 32 => Err("x509: wrong Ed25519 public key size".into()),
        DSA => {
            let public = Bytes(data).int().ok_or_else(|| invalid("DSA public key"))?;
            let mut fields = Bytes(Bytes(parameters).read(SEQUENCE).ok_or_else(|| invalid("DSA parameters"))?);
            let mut numbers = vec![public];
            for _ in 0..3 {
                numbers.push(fields.int().ok_or_else(|| invalid("DSA parameters"))?);
            }
            if numbers.into_iter().any(negative) {
                return Err("x509: zero or negative DSA parameter".into());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn extensions<'a>(found: &mut Certificate<'a>, list: &'a [u8]) -> Result<(), String> {
    let mut list = Bytes(Bytes(list).read(SEQUENCE).ok_or_else(|| malformed("extensions"))?);
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    while !list.is_empty() {
        let mut fields = Bytes(list.read(SEQUENCE).ok_or_else(|| malformed("extension"))?);
        let id = fields.oid().ok_or_else(|| malformed("extension OID field"))?;
        let critical = fields.peek(1);
        let critical = critical && fields.bool().ok_or_else(|| malformed("extension critical field"))?;
        let value = fields.read(4).ok_or_else(|| malformed("extension value field"))?;
        if !seen.insert(id.clone()) {
            return Err(format!("x509: certificate contains duplicate extension with OID \"{id}\""));
        }
        all.push((id, critical, value));
    }
    all.into_iter().try_for_each(|(id, critical, value)| extension(found, &id, critical, value))
}

fn extension<'a>(found: &mut Certificate<'a>, id: &str, critical: bool, value: &'a [u8]) -> Result<(), String> {
    let mut value = Bytes(value);
    match id {
        "2.5.29.15" => value.bits().map(|_| ()).ok_or_else(|| invalid("key usage")),
        "2.5.29.19" => basic_constraints(value).ok_or_else(|| invalid("basic constraints")),
        "2.5.29.17" => {
            found.names = alternative_names(value)?;
            Ok(())
        }
        "2.5.29.30" => name_constraints(value),
        "2.5.29.31" => distribution_points(value),
        "2.5.29.35" => {
            let broken = || invalid("authority key identifier");
            if critical {
                return Err("x509: authority key identifier incorrectly marked critical".into());
            }
            let mut fields = Bytes(value.read(SEQUENCE).ok_or_else(broken)?);
            found.authority = fields.maybe(0x80).ok_or_else(broken)?;
            Ok(())
        }
        "2.5.29.14" => {
            if critical {
                return Err("x509: subject key identifier incorrectly marked critical".into());
            }
            found.subject_key = value.read(4).ok_or_else(|| invalid("subject key identifier"))?;
            Ok(())
        }
        "2.5.29.37" => each(value, |list| list.oid().map(|_| ())).ok_or_else(|| invalid("extended key usages")),
        "2.5.29.32" => {
            let mut seen = BTreeSet::new();
            each(value, |list| {
                let policy = Bytes(list.read(SEQUENCE)?).read(6)?;
                (!policy.is_empty() && seen.insert(policy)).then_some(())
            })
            .ok_or_else(|| invalid("certificate policies"))
        }
        "2.5.29.33" => each(value, |list| {
            let mut pair = Bytes(list.read(SEQUENCE)?);
            pair.read(6)?;
            pair.read(6).map(|_| ())
        })
        .ok_or_else(|| invalid("policy mappings extension")),
        "2.5.29.36" => {
            let mut fields = Bytes(value.read(SEQUENCE).ok_or_else(|| invalid("policy constraints extension"))?);
            for tag in [0x80, 0x81] {
                let number = fields.maybe(tag).ok_or_else(|| invalid("policy constraints extension"))?;
                if number.is_some_and(|n| der::int(n).is_err()) {
                    return Err(invalid("policy constraints extension"));
                }
            }
            Ok(())
        }
        "2.5.29.54" => value.int().map(|_| ()).ok_or_else(|| invalid("inhibit any policy extension")),
        "1.3.6.1.5.5.7.1.1" => {
            if critical {
                return Err("x509: authority info access incorrectly marked critical".into());
            }
            each(value, |list| {
                let mut fields = Bytes(list.read(SEQUENCE)?);
                fields.oid()?;
                fields.maybe(0x86).map(|_| ())
            })
            .ok_or_else(|| invalid("authority info access"))
        }
        _ => Ok(()),
    }
}

/// Reads every element of a sequence.
fn each<'a>(mut value: Bytes<'a>, mut one: impl FnMut(&mut Bytes<'a>) -> Option<()>) -> Option<()> {
    let mut list = Bytes(value.read(SEQUENCE)?);
    while !list.is_empty() {
        one(&mut list)?;
    }
    Some(())
}

fn basic_constraints(mut value: Bytes<'_>) -> Option<()> {
    let mut fields = Bytes(value.read(SEQUENCE)?);
    if fields.peek(1) {
        fields.bool()?;
    }
    if fields.peek(2) {
        let length = der::int(fields.int()?).ok()?;
        return (length >= 0).then_some(());
    }
    Some(())
}

fn distribution_points(mut value: Bytes<'_>) -> Result<(), String> {
    let mut list = Bytes(value.read(SEQUENCE).ok_or_else(|| invalid("CRL distribution points"))?);
    let broken = || invalid("CRL distribution point");
    while !list.is_empty() {
        let mut point = Bytes(list.read(SEQUENCE).ok_or_else(broken)?);
        let Some(name) = point.maybe(0xa0).ok_or_else(broken)? else { continue };
        let mut names = Bytes(Bytes(name).read(0xa0).ok_or_else(broken)?);
        while names.peek(0x86) {
            names.read(0x86).ok_or_else(broken)?;
        }
    }
    Ok(())
}

/// The form of name constraints and of the addresses in them.
fn name_constraints(mut value: Bytes<'_>) -> Result<(), String> {
    let broken = || invalid("NameConstraints extension");
    let mut fields = Bytes(value.read(SEQUENCE).filter(|_| value.is_empty()).ok_or_else(broken)?);
    let permitted = fields.maybe(0xa0).ok_or_else(broken)?;
    let excluded = fields.maybe(0xa1).ok_or_else(broken)?;
    if !fields.is_empty() {
        return Err(broken());
    }
    let (permitted, excluded) = (permitted.unwrap_or_default(), excluded.unwrap_or_default());
    if permitted.is_empty() && excluded.is_empty() {
        return Err("x509: empty name constraints extension".into());
    }
    for subtrees in [permitted, excluded] {
        let mut subtrees = Bytes(subtrees);
        while !subtrees.is_empty() {
            let mut tree = Bytes(subtrees.read(SEQUENCE).ok_or_else(broken)?);
            let (tag, name, _) = tree.any().ok_or_else(broken)?;
            constraint(tag, name)?;
        }
    }
    Ok(())
}

fn constraint(tag: u8, name: &[u8]) -> Result<(), String> {
    let written = || quoted(name);
    match tag {
        0x81 | 0x82 | 0x86 if !name.is_ascii() => {
            Err(format!("x509: invalid constraint value: x509: {} cannot be encoded as an IA5String", written()))
        }
        0x82 if !is_domain(name, true) => Err(format!("x509: failed to parse dnsName constraint {}", written())),
        0x81 if !name.contains(&b'@') && !is_domain(name, true) => {
            Err(format!("x509: failed to parse rfc822Name constraint {}", written()))
        }
        0x86 if gourl::parse_ip(name).is_some() => {
            Err(format!("x509: failed to parse URI constraint {}: cannot be IP address", written()))
        }
        0x86 if !is_domain(name, true) => Err(format!("x509: failed to parse URI constraint {}", written())),
        0x87 if !matches!(name.len(), 8 | 32) => {
            Err(format!("x509: IP constraint contained value of length {}", name.len()))
        }
        0x87 => {
            let mask = &name[name.len() / 2..];
            let ones = mask.iter().take_while(|b| **b == 0xff).count();
            let edge = mask.get(ones).copied().unwrap_or_default();
            let clean = edge.count_ones() == edge.leading_ones();
            if clean && mask.iter().skip(ones + 1).all(|b| *b == 0) {
                return Ok(());
            }
            let digits: String = mask.iter().map(|b| format!("{b:02x}")).collect();
            Err(format!("x509: IP constraint contained invalid mask {digits}"))
        }
        _ => Ok(()),
    }
}

fn alternative_names(mut value: Bytes<'_>) -> Result<Names, String> {
    let mut list = Bytes(value.read(SEQUENCE).ok_or_else(|| invalid("subject alternative names"))?);
    let mut names = Names::default();
    while !list.is_empty() {
        let (tag, bytes, _) = list.any().ok_or_else(|| invalid("subject alternative name"))?;
        let text = |name: &str| -> Result<String, String> {
            let ascii = Some(bytes).filter(|b| b.is_ascii()).and_then(|b| std::str::from_utf8(b).ok());
            ascii.map(str::to_owned).ok_or_else(|| format!("x509: SAN {name} is malformed"))
        };
        match tag {
            0x81 => names.emails.push(text("rfc822Name")?),
            0x82 => names.dns.push(text("dNSName")?),
            0x86 => names.uris.push(uri(&text("uniformResourceIdentifier")?)?),
            0x87 => {
                let address = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
                let address = address.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| IpAddr::V6(Ipv6Addr::from(b))));
                let address =
                    address.map_err(|_| format!("x509: cannot parse IP address of length {}", bytes.len()))?;
                // As Go prints it: a mapped address is an IPv4 one.
                names.ips.push(address.to_canonical().to_string());
            }
            _ => {}
        }
    }
    Ok(names)
}

/// A URI as Go prints it after it has taken it apart.
fn uri(text: &str) -> Result<String, String> {
    let refused = |why: &str| format!("x509: cannot parse URI {}: {why}", quoted(text.as_bytes()));
    let url = gourl::parse(text.as_bytes()).map_err(|why| refused(&why.to_string()))?;
    if !is_domain(&url.host, false) {
        return Err(refused("invalid domain"));
    }
    Ok(String::from_utf8_lossy(&url.text()).into_owned())
}

/// Whether a name has the form that Go asks of domains in certificates. An empty one has.
fn is_domain(name: &[u8], constraint: bool) -> bool {
    if name.is_empty() {
        return true;
    }
    let labels = if constraint { name.strip_prefix(b".").unwrap_or(name) } else { name };
    !name.ends_with(b".")
        && labels.iter().all(|b| (33..=126).contains(b))
        && labels.split(|b| *b == b'.').all(|label| !label.is_empty())
}

impl Certificate<'_> {
    /// All alternative names: DNS names, addresses, mail addresses, URIs.
    pub(crate) fn alternative_names(&self) -> Vec<&str> {
        let Names { dns, ips, emails, uris } = &self.names;
        [dns, ips, emails, uris].into_iter().flatten().map(String::as_str).collect()
    }
}
