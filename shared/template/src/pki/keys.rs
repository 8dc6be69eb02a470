//! Private and public keys: the forms in which they come (PKCS#1, PKCS#8, SEC 1) and go (PKCS#8, PKIX), with Go's checks
//! and texts.
//!
//! Deliberately not here: what keys are used for, and the numbers of RSA keys (see `rsa`).

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use zeroize::Zeroizing;

use super::der::{
    Encoded, OPTIONAL, PLAIN, Reader, Shape, Tags, bits, check_bits, check_int, identifier, octets, oid, sequence,
    signed, tag, tlv, unsigned,
};
use super::pem::PRIVATE_KEY;
use super::rsa::{RsaKey, RsaNumbers};
use crate::function::{Call, Failure};

pub(crate) const RSA: &str = "1.2.840.113549.1.1.1";
pub(crate) const EC: &str = "1.2.840.10045.2.1";
pub(crate) const DSA: &str = "1.2.840.10040.4.1";
pub(crate) const ED25519: &str = "1.3.101.112";
const X25519: &str = "1.3.101.110";

/// The parameters of RSA's algorithms.
pub(crate) const NULL: &[u8] = &[5, 0];

/// Counts the steps of reading a private key that is written in so many bytes. An operation on an elliptic curve takes
/// about as long as a thousand nodes; the checks of an RSA key grow with the square of its length, and too long ones are
/// refused before them.
pub(crate) fn count(call: &mut Call<'_>, length: usize) -> Result<(), Failure> {
    let length = u64::try_from(length.min(20_000)).unwrap_or_default();
    call.step(1_000 + length * length / 10_000)
}

/// An elliptic curve.
#[derive(Debug)]
pub(crate) struct Curve {
    id: &'static str,
    /// The name in Go's errors.
    name: &'static str,
    /// The bits of a coordinate.
    bits: u64,
    arithmetic: Option<Arithmetic>,
}

/// What is worked out on a curve.
#[derive(Debug)]
pub(crate) struct Arithmetic {
    agreement: &'static agreement::Algorithm,
    pub(crate) signing: &'static EcdsaSigningAlgorithm,
    /// The algorithm of its signatures.
    pub(crate) signature: &'static str,
}

static P224: Curve = Curve { id: "1.3.132.0.33", name: "P224", bits: 224, arithmetic: None };
pub(crate) static P256: Curve = Curve {
    id: "1.2.840.10045.3.1.7",
    name: "P256",
    bits: 256,
    arithmetic: Some(Arithmetic {
        agreement: &ECDH_P256,
        signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
        signature: "1.2.840.10045.4.3.2",
    }),
};
static P384: Curve = Curve {
    id: "1.3.132.0.34",
    name: "P384",
    bits: 384,
    arithmetic: Some(Arithmetic {
        agreement: &ECDH_P384,
        signing: &ECDSA_P384_SHA384_ASN1_SIGNING,
        signature: "1.2.840.10045.4.3.3",
    }),
};
static P521: Curve = Curve {
    id: "1.3.132.0.35",
    name: "P521",
    bits: 521,
    arithmetic: Some(Arithmetic {
        agreement: &ECDH_P521,
        signing: &ECDSA_P521_SHA512_ASN1_SIGNING,
        signature: "1.2.840.10045.4.3.4",
    }),
};
static CURVES: [&Curve; 4] = [&P224, &P256, &P384, &P521];

impl Curve {
    pub(crate) fn by_id(id: &str) -> Option<&'static Self> {
        CURVES.into_iter().find(|c| c.id == id)
    }

    /// The curve of a JWK name, such as `P-256`.
    pub(crate) fn by_jwk(name: &str) -> Option<&'static Self> {
        let bits = name.strip_prefix("P-").filter(|b| *b != "224")?;
        CURVES.into_iter().find(|c| c.bits.to_string() == bits)
    }

    /// How to work on the curve; nothing for P-224.
    pub(crate) fn arithmetic(&self) -> Option<&Arithmetic> {
        self.arithmetic.as_ref()
    }

    /// Bytes of a coordinate.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.bits.div_ceil(8)).unwrap_or_default()
    }

    /// Refuses what is no uncompressed point of the curve. Points of P-224 are only measured.
    pub(crate) fn check_point(&self, point: &[u8]) -> Result<(), String> {
        if point.len() != 1 + 2 * self.size() || point.first() != Some(&4) {
            return Err(format!("invalid {} point encoding", self.name));
        }
        let Some(arithmetic) = self.arithmetic() else { return Ok(()) };
        ParsedPublicKey::try_from(UnparsedPublicKey::new(arithmetic.agreement, point))
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
pub(super) fn bit_length(bytes: &[u8]) -> u64 {
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

/// A private key.
pub(crate) enum PrivateKey {
    Rsa(RsaKey),
    /// Scalar and public point, both of the curve's size.
    Ec(&'static Curve, Zeroizing<Vec<u8>>, Vec<u8>),
    /// The seed.
    Ed25519(Zeroizing<Vec<u8>>),
    X25519(Zeroizing<Vec<u8>>),
}

impl PrivateKey {
    /// The key in SEC 1 as it stands alone, if it is on an elliptic curve.
    fn sec1(curve: &Curve, scalar: &[u8], point: &[u8]) -> Encoded {
        let named = tlv(tag::explicit(0), &[&identifier(curve.id)]);
        sequence(&[&signed(1), &octets(scalar), &named, &tlv(tag::explicit(1), &[&bits(point)])])
    }

    /// The key in the form of its kind, with the type of its PEM block.
    pub(crate) fn own_form(&self) -> (&'static str, Encoded) {
        match self {
            Self::Rsa(key) => ("RSA PRIVATE KEY", key.pkcs1()),
            Self::Ec(curve, scalar, point) => ("EC PRIVATE KEY", Self::sec1(curve, scalar, point)),
            Self::Ed25519(_) | Self::X25519(_) => (PRIVATE_KEY, self.pkcs8()),
        }
    }

    /// The public key.
    pub(crate) fn public(&self) -> Result<PublicKey, String> {
        match self {
            Self::Rsa(key) => Ok(key.public()),
            Self::Ec(curve, _, point) => Ok(PublicKey::ec(curve, point.clone())),
            Self::Ed25519(seed) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| "ed25519: bad seed length")?;
                Ok(PublicKey::ed25519(pair.public_key().as_ref()))
            }
            Self::X25519(seed) => {
                let public = agreement::PrivateKey::from_private_key(&agreement::X25519, seed)
                    .ok()
                    .and_then(|pair| pair.compute_public_key().ok())
                    .ok_or("crypto/ecdh: invalid private key size")?;
                Ok(PublicKey { algorithm: sequence(&[&identifier(X25519)]), bits: public.as_ref().to_vec() })
            }
        }
    }

    /// A key on a curve, by its scalar of the curve's size.
    ///
    /// # Errors
    ///
    /// Go's texts if it is zero or not below the order of the curve.
    pub(crate) fn from_scalar(curve: &'static Curve, scalar: Zeroizing<Vec<u8>>) -> Result<Self, String> {
        let point = curve.multiplied(&scalar)?;
        Ok(Self::Ec(curve, scalar, point))
    }

    /// The key in PKCS#8.
    pub(crate) fn pkcs8(&self) -> Encoded {
        let wrap = |algorithm: &[&[u8]], key: &[u8]| sequence(&[&signed(0), &sequence(algorithm), &octets(key)]);
        match self {
            Self::Rsa(key) => wrap(&[&identifier(RSA), NULL], &key.pkcs1()),
            Self::Ec(curve, scalar, point) => {
                let inner = sequence(&[&signed(1), &octets(scalar), &tlv(tag::explicit(1), &[&bits(point)])]);
                wrap(&[&identifier(EC), &identifier(curve.id)], &inner)
            }
            Self::Ed25519(seed) => wrap(&[&identifier(ED25519)], &octets(seed)),
            Self::X25519(seed) => wrap(&[&identifier(X25519)], &octets(seed)),
        }
    }

    /// An EC key of a JWK. As in Go the scalar isn't compared with the point.
    pub(crate) fn ec(curve: &'static Curve, x: &[u8], y: &[u8], d: &[u8]) -> Result<Self, String> {
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
        let Some(arithmetic) = self.arithmetic() else {
            return Err("private keys on P-224 are not supported; use P-256 or larger".into());
        };
        if stripped(scalar).is_empty() {
            return Err("ecdsa: invalid public key encoding".into());
        }
        agreement::PrivateKey::from_private_key(arithmetic.agreement, scalar)
            .ok()
            .and_then(|key| key.compute_public_key().ok())
            .map(|point| point.as_ref().to_vec())
            .ok_or_else(|| "input overflows the modulus".into())
    }
}

/// A public key.
pub(crate) struct PublicKey {
    algorithm: Encoded,
    /// As a certificate's key identifier is made of.
    pub(crate) bits: Vec<u8>,
}

impl PublicKey {
    /// An RSA key by modulus and exponent.
    pub(crate) fn rsa(n: &[u8], e: i64) -> Self {
        let bits = sequence(&[&unsigned(n), &signed(e)]).to_vec();
        Self { algorithm: sequence(&[&identifier(RSA), NULL]), bits }
    }

    /// A key on an elliptic curve by its coordinates, checked.
    pub(crate) fn from_coordinates(curve: &Curve, x: &[u8], y: &[u8]) -> Result<Self, String> {
        Ok(Self::ec(curve, curve.point(x, y)?))
    }

    fn ec(curve: &Curve, point: Vec<u8>) -> Self {
        Self { algorithm: sequence(&[&identifier(EC), &identifier(curve.id)]), bits: point }
    }

    /// An Ed25519 key.
    pub(crate) fn ed25519(x: &[u8]) -> Self {
        Self { algorithm: sequence(&[&identifier(ED25519)]), bits: x.to_vec() }
    }

    /// The key with its algorithm, in PKIX, as certificates hold it.
    pub(crate) fn info(&self) -> Encoded {
        sequence(&[&self.algorithm, &bits(&self.bits)])
    }
}

/// A private key of any form.
///
/// # Errors
///
/// The reference's text, whatever the reason.
pub(crate) fn any(der: &[u8]) -> Result<PrivateKey, String> {
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
    let mut fields = outer.sequence("pkcs1PrivateKey")?;
    let version = fields.int()?;
    let mut numbers = vec![fields.big()?];
    let e = fields.int()?;
    for _ in 0..3 {
        numbers.push(fields.big()?);
    }
    let mut rest = Vec::new();
    for _ in 0..3 {
        if let Some(number) = fields.optional(Shape::BigInt, OPTIONAL)? {
            check_int(number.bytes)?;
            rest.push(number.bytes);
        }
    }
    let has_more_primes = fields.optional(Shape::List, OPTIONAL)?.is_some_and(|l| !l.bytes.is_empty());
    Ok(Pkcs1 { version, e, numbers, rest, has_more_primes, trailing: !outer.rest().is_empty() })
}

fn wrong_form(right: &str) -> String {
    format!("x509: failed to parse private key (use Parse{right}PrivateKey instead for this key format)")
}

/// A private key in PKCS#1.
///
/// # Errors
///
/// Go's texts.
pub(crate) fn pkcs1(der: &[u8]) -> Result<PrivateKey, String> {
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
    let mut fields = Reader::new(der).sequence("pkcs8")?;
    fields.int()?;
    let algorithm = fields.algorithm(PLAIN)?.ok_or_else(String::new)?;
    Ok((algorithm.id.clone(), algorithm.encoded(), fields.octets()?))
}

/// A private key in PKCS#8.
///
/// # Errors
///
/// Go's texts.
pub(crate) fn pkcs8(der: &[u8]) -> Result<PrivateKey, String> {
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
        let inner = Reader::new(key).octets().map_err(|e| format!("x509: invalid {name} private key: {e}"))?;
        Ok(Zeroizing::new(inner.to_vec()))
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
    let mut fields = Reader::new(der).sequence("ecPrivateKey")?;
    let version = fields.int()?;
    let scalar = fields.octets()?;
    let curve = fields.optional(Shape::Oid, explicit(0))?.map(|c| oid(c.bytes)).transpose()?;
    if let Some(point) = fields.optional(Shape::Bits, explicit(1))? {
        check_bits(point.bytes)?;
    }
    Ok((version, scalar, curve))
}

/// A private key in SEC 1; the curve that PKCS#8 names comes before the key's own.
///
/// # Errors
///
/// Go's texts.
pub(crate) fn sec1(curve: Option<&str>, der: &[u8]) -> Result<PrivateKey, String> {
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
    PrivateKey::from_scalar(curve, padded(scalar, curve.size()))
}
