//! Private and public keys: the forms in which they come (PKCS#1, PKCS#8, SEC 1) and go (PKCS#8, PKIX), with Go's checks
//! and texts.
//!
//! Deliberately not here: what keys are used for. Numbers of RSA keys are wiped only in their encoded form, since
//! `num-bigint` can't.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, ParsedPublicKey, UnparsedPublicKey};
use num_bigint::BigUint;
use zeroize::Zeroizing;

use super::der::{
    Encoded, OPTIONAL, PLAIN, Reader, Shape, Tags, bits, check_bits, check_int, identifier, int, octets, oid, sequence,
    signed, tlv, unsigned,
};

pub(super) const RSA: &str = "1.2.840.113549.1.1.1";
pub(super) const EC: &str = "1.2.840.10045.2.1";
pub(super) const DSA: &str = "1.2.840.10040.4.1";
pub(super) const ED25519: &str = "1.3.101.112";
const X25519: &str = "1.3.101.110";

/// The longest RSA numbers that are worked with, in bits.
const MOST_BITS: u64 = 16_384;

const NULL: &[u8] = &[5, 0];

/// An elliptic curve.
#[derive(Debug)]
pub(super) struct Curve {
    id: &'static str,
    /// The name in Go's errors.
    name: &'static str,
    /// The bits of a coordinate.
    bits: u64,
    arithmetic: Option<&'static agreement::Algorithm>,
}

static CURVES: [Curve; 4] = [
    Curve { id: "1.3.132.0.33", name: "P224", bits: 224, arithmetic: None },
    Curve { id: "1.2.840.10045.3.1.7", name: "P256", bits: 256, arithmetic: Some(&ECDH_P256) },
    Curve { id: "1.3.132.0.34", name: "P384", bits: 384, arithmetic: Some(&ECDH_P384) },
    Curve { id: "1.3.132.0.35", name: "P521", bits: 521, arithmetic: Some(&ECDH_P521) },
];

impl Curve {
    pub(super) fn by_id(id: &str) -> Option<&'static Self> {
        CURVES.iter().find(|c| c.id == id)
    }

    /// The curve of a JWK name, such as `P-256`.
    pub(super) fn by_jwk(name: &str) -> Option<&'static Self> {
        let bits = name.strip_prefix("P-").filter(|b| *b != "224")?;
        CURVES.iter().find(|c| c.bits.to_string() == bits)
    }

    /// Bytes of a coordinate.
    fn size(&self) -> usize {
        usize::try_from(self.bits.div_ceil(8)).unwrap_or_default()
    }

    /// Refuses what is no uncompressed point of the curve. Points of P-224 are only measured.
    pub(super) fn check_point(&self, point: &[u8]) -> Result<(), String> {
        if point.len() != 1 + 2 * self.size() || point.first() != Some(&4) {
            return Err(format!("invalid {} point encoding", self.name));
        }
        let Some(algorithm) = self.arithmetic else { return Ok(()) };
        ParsedPublicKey::try_from(UnparsedPublicKey::new(algorithm, point))
            .map(|_| ())
            .map_err(|_| format!("{} point not on curve", self.name))
    }

    /// Coordinates of the curve's size, as an uncompressed point.
    fn coordinates(&self, x: &[u8], y: &[u8]) -> Result<Vec<u8>, String> {
        let mut point = vec![4];
        for coordinate in [x, y] {
            if bit_length(coordinate) > self.bits {
                return Err("overflowing coordinate".into());
            }
            point.extend_from_slice(&padded(coordinate, self.size()));
        }
        Ok(point)
    }

    /// A point from its coordinates, checked.
    fn point(&self, x: &[u8], y: &[u8]) -> Result<Vec<u8>, String> {
        let point = self.coordinates(x, y)?;
        self.check_point(&point)?;
        Ok(point)
    }
}

/// The bits of a number without leading zeros.
fn bit_length(bytes: &[u8]) -> u64 {
    let digits = stripped(bytes);
    let lead = digits.first().map_or(0, |b| b.leading_zeros());
    (digits.len() as u64 * 8).saturating_sub(u64::from(lead))
}

fn stripped(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|b| **b == 0).count()..]
}

/// A number in so many bytes; it must not be longer.
fn padded(bytes: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
    let digits = stripped(bytes);
    let mut out = Zeroizing::new(vec![0; size.saturating_sub(digits.len())]);
    out.reserve_exact(digits.len());
    out.extend_from_slice(digits);
    out
}

/// The numbers of an RSA key whose primes are two.
pub(super) struct RsaKey {
    n: BigUint,
    e: i64,
    d: BigUint,
    primes: [BigUint; 2],
    /// d mod p-1, d mod q-1, and the inverse of q mod p.
    rest: [BigUint; 3],
}

/// The numbers of an RSA key as they came.
pub(super) struct RsaNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: i64,
    pub(super) d: &'a [u8],
    pub(super) primes: [&'a [u8]; 2],
    /// What follows from the others, if it came.
    pub(super) rest: Option<[&'a [u8]; 3]>,
}

/// Refuses a modulus that Go's arithmetic refuses.
fn modulus(bytes: &[u8]) -> Result<BigUint, String> {
    let n = BigUint::from_bytes_be(bytes);
    if n.bits() < 2 { Err("modulus must be > 1".into()) } else { Ok(n) }
}

/// A number below a modulus.
fn below(bytes: &[u8], modulus: &BigUint) -> Result<BigUint, String> {
    let n = BigUint::from_bytes_be(bytes);
    match &n < modulus {
        true => Ok(n),
        false if n.bits() > modulus.bits().div_ceil(64) * 64 => Err("input overflows the modulus size".into()),
        false => Err("input overflows the modulus".into()),
    }
}

impl RsaNumbers<'_> {
    /// The key, with all its numbers checked against each other.
    ///
    /// # Errors
    ///
    /// Go's texts; and that a number is too long to be worked with.
    pub(super) fn key(&self) -> Result<RsaKey, String> {
        let all = [self.n, self.d].into_iter().chain(self.primes).chain(self.rest.into_iter().flatten());
        if all.into_iter().any(|b| bit_length(b) > MOST_BITS) {
            return Err(format!("crypto/rsa: keys of more than {MOST_BITS} bits are not supported"));
        }
        let n = modulus(self.n)?;
        let (p, q) = (modulus(self.primes[0])?, modulus(self.primes[1])?);
        let d = below(self.d, &n)?;
        let one = BigUint::from(1_u8);
        let rest = match self.rest {
            Some([dp, dq, inverse]) => [BigUint::from_bytes_be(dp), BigUint::from_bytes_be(dq), below(inverse, &p)?],
            None => {
                let (less_p, less_q) = (&p - &one, &q - &one);
                if less_p.bits() < 2 || less_q.bits() < 2 {
                    return Err("modulus must be > 1".into());
                }
                if !p.bit(0) {
                    return Err("crypto/rsa: p is even".into());
                }
                [&d % less_p, &d % less_q, (&q % &p).modinv(&p).unwrap_or_default()]
            }
        };
        let key = RsaKey { n, e: self.e, d, primes: [p, q], rest };
        key.check().map_err(|text| format!("crypto/rsa: {text}"))?;
        Ok(key)
    }
}

impl RsaKey {
    /// The bits of the modulus.
    pub(super) fn bits(&self) -> u64 {
        self.n.bits()
    }

    fn check(&self) -> Result<(), &'static str> {
        let Self { n, e, d, primes: [p, q], rest: [dp, dq, inverse] } = self;
        let one = BigUint::from(1_u8);
        if !n.bit(0) {
            return Err("public modulus is even");
        }
        if *e < 2 {
            return Err("public exponent too small or negative");
        }
        if e % 2 == 0 {
            return Err("public exponent is even");
        }
        let Some(exponent) = u32::try_from(*e).ok().filter(|e| i32::try_from(*e).is_ok()) else {
            return Err("public exponent too large");
        };
        if p >= n || q >= n {
            return Err("invalid prime");
        }
        if (p * q) % n != BigUint::ZERO {
            return Err("p * q != n");
        }
        for (prime, part) in [(p, dp), (q, dq)] {
            let less = prime - &one;
            if less.bits() < 2 {
                return Err("invalid prime");
            }
            if part >= &less || (part * exponent) % less != one {
                return Err("invalid CRT exponent");
            }
        }
        if (q * inverse) % p != one {
            return Err("invalid CRT coefficient");
        }
        if d % (p - &one) != *dp {
            return Err("d does not match dP");
        }
        if d % (q - &one) != *dq {
            return Err("d does not match dQ");
        }
        let apart = if p > q { p - q } else { q - p };
        if apart == BigUint::ZERO {
            return Err("p == q");
        }
        if apart.bits() + 100 <= n.bits() / 2 {
            return Err("|p - q| too small");
        }
        if d.bits() <= n.bits() / 2 {
            return Err("d too small");
        }
        Ok(())
    }

    fn pkcs1(&self) -> Encoded {
        let encode = |n: &BigUint| unsigned(&Zeroizing::new(n.to_bytes_be()));
        let Self { n, e, d, primes: [p, q], rest: [dp, dq, inverse] } = self;
        let mut body = Zeroizing::new(signed(0).to_vec());
        body.reserve(usize::try_from(n.bits()).unwrap_or_default());
        body.extend_from_slice(&encode(n));
        body.extend_from_slice(&signed(*e));
        for number in [d, p, q, dp, dq, inverse] {
            body.extend_from_slice(&encode(number));
        }
        sequence(&[&body])
    }
}

/// A private key.
pub(super) enum PrivateKey {
    Rsa(RsaKey),
    /// Scalar and public point, both of the curve's size.
    Ec(&'static Curve, Zeroizing<Vec<u8>>, Vec<u8>),
    /// The seed.
    Ed25519(Zeroizing<Vec<u8>>),
    X25519(Zeroizing<Vec<u8>>),
}

impl PrivateKey {
    /// The key in PKCS#8.
    pub(super) fn pkcs8(&self) -> Encoded {
        let wrap = |algorithm: &[&[u8]], key: &[u8]| sequence(&[&signed(0), &sequence(algorithm), &octets(key)]);
        match self {
            Self::Rsa(key) => wrap(&[&identifier(RSA), NULL], &key.pkcs1()),
            Self::Ec(curve, scalar, point) => {
                let inner = sequence(&[&signed(1), &octets(scalar), &tlv(0xa1, &[&bits(point)])]);
                wrap(&[&identifier(EC), &identifier(curve.id)], &inner)
            }
            Self::Ed25519(seed) => wrap(&[&identifier(ED25519)], &octets(seed)),
            Self::X25519(seed) => wrap(&[&identifier(X25519)], &octets(seed)),
        }
    }

    /// An EC key of a JWK. As in Go the scalar isn't compared with the point.
    pub(super) fn ec(curve: &'static Curve, x: &[u8], y: &[u8], d: &[u8]) -> Result<Self, String> {
        curve.coordinates(x, y)?;
        if bit_length(d) > curve.bits {
            return Err("ecdsa: private key scalar too large".into());
        }
        if stripped(d).is_empty() {
            return Err("ecdsa: private key scalar is zero or negative".into());
        }
        let point = curve.point(x, y)?;
        let scalar = padded(d, curve.size());
        curve.multiplied(&scalar)?;
        Ok(Self::Ec(curve, scalar, point))
    }
}

impl Curve {
    /// The public point of a scalar of the curve's size.
    fn multiplied(&self, scalar: &[u8]) -> Result<Vec<u8>, String> {
        let Some(algorithm) = self.arithmetic else {
            return Err("private keys on P-224 are not supported; use P-256 or larger".into());
        };
        if stripped(scalar).is_empty() {
            return Err("ecdsa: invalid public key encoding".into());
        }
        agreement::PrivateKey::from_private_key(algorithm, scalar)
            .ok()
            .and_then(|key| key.compute_public_key().ok())
            .map(|point| point.as_ref().to_vec())
            .ok_or_else(|| "input overflows the modulus".into())
    }
}

/// The public key of an EC JWK, in PKIX.
pub(super) fn ec_public(curve: &Curve, x: &[u8], y: &[u8]) -> Result<Encoded, String> {
    let point = curve.point(x, y)?;
    Ok(sequence(&[&sequence(&[&identifier(EC), &identifier(curve.id)]), &bits(&point)]))
}

/// An RSA public key, in PKIX.
pub(super) fn rsa_public(n: &[u8], e: i64) -> Encoded {
    let key = sequence(&[&unsigned(n), &signed(e)]);
    sequence(&[&sequence(&[&identifier(RSA), NULL]), &bits(&key)])
}

/// An Ed25519 public key, in PKIX.
pub(super) fn ed25519_public(x: &[u8]) -> Encoded {
    sequence(&[&sequence(&[&identifier(ED25519)]), &bits(x)])
}

/// A private key of any form.
///
/// # Errors
///
/// The reference's text, whatever the reason.
pub(super) fn any(der: &[u8]) -> Result<PrivateKey, String> {
    pkcs1(der)
        .or_else(|_| pkcs8(der))
        .or_else(|_| sec1(None, der))
        .map_err(|_| "unable to parse private key type".into())
}

/// The fields of a PKCS#1 key.
struct Pkcs1<'a> {
    version: i64,
    e: i64,
    /// n, d, p, q.
    numbers: Vec<&'a [u8]>,
    rest: Vec<&'a [u8]>,
    has_more_primes: bool,
    trailing: bool,
}

fn pkcs1_fields(der: &[u8]) -> Result<Pkcs1<'_>, String> {
    let mut outer = Reader::new(der);
    let mut fields = Reader::new(outer.field(Shape::Struct("pkcs1PrivateKey"), PLAIN)?.bytes);
    let big = |bytes| check_int(bytes).map(|()| bytes);
    let version = fields.int()?;
    let mut numbers = vec![big(fields.field(Shape::BigInt, PLAIN)?.bytes)?];
    let e = fields.int()?;
    for _ in 0..3 {
        numbers.push(big(fields.field(Shape::BigInt, PLAIN)?.bytes)?);
    }
    let mut rest = Vec::new();
    for _ in 0..3 {
        if let Some(number) = fields.optional(Shape::BigInt, OPTIONAL)? {
            rest.push(big(number.bytes)?);
        }
    }
    let has_more_primes = fields.optional(Shape::List, OPTIONAL)?.is_some_and(|l| !l.bytes.is_empty());
    Ok(Pkcs1 { version, e, numbers, rest, has_more_primes, trailing: !outer.rest().is_empty() })
}

fn wrong_form(right: &str) -> String {
    format!("x509: failed to parse private key (use Parse{right}PrivateKey instead for this key format)")
}

fn pkcs1(der: &[u8]) -> Result<PrivateKey, String> {
    let fields = match pkcs1_fields(der) {
        Ok(fields) if fields.trailing => return Err("asn1: syntax error: trailing data".into()),
        Ok(fields) => fields,
        Err(_) if sec1_fields(der).is_ok() => return Err(wrong_form("EC")),
        Err(_) if pkcs8_fields(der).is_ok() => return Err(wrong_form("PKCS8")),
        Err(text) => return Err(text),
    };
    if fields.version > 1 {
        return Err("x509: unsupported private key version".into());
    }
    let mut all = fields.numbers.iter().chain(&fields.rest);
    if all.any(|n| stripped(n).is_empty() || n.first().is_some_and(|b| b & 0x80 != 0)) {
        return Err("x509: private key contains zero or negative value".into());
    }
    if fields.has_more_primes {
        return Err("x509: RSA keys of more than two primes are not supported".into());
    }
    let [n, d, p, q] = fields.numbers[..] else { return Err("x509: incomplete RSA key".into()) };
    let rest = <[&[u8]; 3]>::try_from(fields.rest).ok();
    RsaNumbers { n, e: fields.e, d, primes: [p, q], rest }.key().map(PrivateKey::Rsa)
}

/// Algorithm, encoded parameters, and the key.
fn pkcs8_fields(der: &[u8]) -> Result<(String, &[u8], &[u8]), String> {
    let mut fields = Reader::new(Reader::new(der).field(Shape::Struct("pkcs8"), PLAIN)?.bytes);
    fields.int()?;
    let algorithm = fields.algorithm(PLAIN)?.ok_or_else(String::new)?;
    let key = fields.field(Shape::Octets, PLAIN)?;
    Ok((algorithm.id.clone(), algorithm.encoded(), key.bytes))
}

/// A private key in PKCS#8.
///
/// # Errors
///
/// Go's texts.
pub(super) fn pkcs8(der: &[u8]) -> Result<PrivateKey, String> {
    let (id, parameters, key) = match pkcs8_fields(der) {
        Ok(fields) => fields,
        Err(_) if sec1_fields(der).is_ok() => return Err(wrong_form("EC")),
        Err(_) if pkcs1_fields(der).is_ok() => return Err(wrong_form("PKCS1")),
        Err(text) => return Err(text),
    };
    let seed = |name: &str| -> Result<Zeroizing<Vec<u8>>, String> {
        if !parameters.is_empty() {
            return Err(format!("x509: invalid {name} private key parameters"));
        }
        let inner = Reader::new(key).field(Shape::Octets, PLAIN);
        let inner = inner.map_err(|e| format!("x509: invalid {name} private key: {e}"))?;
        Ok(Zeroizing::new(inner.bytes.to_vec()))
    };
    match id.as_str() {
        RSA => pkcs1(key).map_err(|e| format!("x509: failed to parse RSA private key embedded in PKCS#8: {e}")),
        EC => {
            let curve = Reader::new(parameters).oid().ok();
            sec1(curve.as_deref(), key)
                .map_err(|e| format!("x509: failed to parse EC private key embedded in PKCS#8: {e}"))
        }
        ED25519 => {
            let seed = seed("Ed25519")?;
            if seed.len() != 32 {
                return Err(format!("x509: invalid Ed25519 private key length: {}", seed.len()));
            }
            Ok(PrivateKey::Ed25519(seed))
        }
        X25519 => {
            let seed = seed("X25519")?;
            if seed.len() != 32 {
                return Err("crypto/ecdh: invalid private key size".into());
            }
            Ok(PrivateKey::X25519(seed))
        }
        _ => Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {id}")),
    }
}

/// Version, scalar, and the curve if it is named.
fn sec1_fields(der: &[u8]) -> Result<(i64, &[u8], Option<String>), String> {
    let explicit = |tag| Tags { optional: true, explicit: true, tag: Some(tag), set: false };
    let mut fields = Reader::new(Reader::new(der).field(Shape::Struct("ecPrivateKey"), PLAIN)?.bytes);
    let version = int(fields.field(Shape::Int, PLAIN)?.bytes)?;
    let scalar = fields.field(Shape::Octets, PLAIN)?.bytes;
    let curve = fields.optional(Shape::Oid, explicit(0))?.map(|c| oid(c.bytes)).transpose()?;
    if let Some(point) = fields.optional(Shape::Bits, explicit(1))? {
        check_bits(point.bytes)?;
    }
    Ok((version, scalar, curve))
}

fn sec1(curve: Option<&str>, der: &[u8]) -> Result<PrivateKey, String> {
    let (version, mut scalar, named) = match sec1_fields(der) {
        Ok(fields) => fields,
        Err(_) if pkcs8_fields(der).is_ok() => return Err(wrong_form("PKCS8")),
        Err(_) if pkcs1_fields(der).is_ok() => return Err(wrong_form("PKCS1")),
        Err(text) => return Err(format!("x509: failed to parse EC private key: {text}")),
    };
    if version != 1 {
        return Err(format!("x509: unknown EC private key version {version}"));
    }
    let curve = curve.or(named.as_deref()).and_then(Curve::by_id);
    let curve = curve.ok_or_else(|| "x509: unknown elliptic curve".to_owned())?;
    while scalar.len() > curve.size() {
        scalar = match scalar {
            [0, rest @ ..] => rest,
            _ => return Err("x509: invalid private key length".into()),
        };
    }
    let scalar = padded(scalar, curve.size());
    let point = curve.multiplied(&scalar)?;
    Ok(PrivateKey::Ec(curve, scalar, point))
}
