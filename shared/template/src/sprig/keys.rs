//! Private keys: making them, reading them from PEM, writing them, and signing.
//!
//! Deliberately not here: certificates (see `certificates`). Elliptic keys are made of the environment's chance. RSA keys
//! are not: the library that makes them takes no source of chance, nor does it for ECDSA signatures.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};

use super::{STR, pem};
use crate::asn1::{Reader, bits, dotted, element, tag};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("genPrivateKey", &[STR], generate)];

/// Steps for an RSA key of 4096 bits, at a second or so each: 10 of them in a rendering by default.
const RSA_4096: u64 = 190_000;

/// Steps for an RSA key of 2048 bits: 20 of them by default, with a signature each. Their time varies; 200 ms on average.
const RSA_2048: u64 = 80_000;

/// Steps for any other key, and for reading one.
const QUICK: u64 = 2_000;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const X25519: &[u8] = &[0x2b, 0x65, 0x6e];
const P224: &[u8] = &[0x2b, 0x81, 4, 0, 33];

/// A curve that Go names and this library signs with.
pub(super) struct Curve {
    oid: &'static [u8],
    /// Bytes of a private key.
    size: usize,
    signing: &'static EcdsaSigningAlgorithm,
    agreement: &'static agreement::Algorithm,
    /// The signature algorithm in a certificate.
    signature: &'static [u8],
}

static P256: Curve = Curve {
    oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    size: 32,
    signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
    agreement: &ECDH_P256,
    signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
};
static P384: Curve = Curve {
    oid: &[0x2b, 0x81, 4, 0, 34],
    size: 48,
    signing: &ECDSA_P384_SHA384_ASN1_SIGNING,
    agreement: &ECDH_P384,
    signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
};
static P521: Curve = Curve {
    oid: &[0x2b, 0x81, 4, 0, 35],
    size: 66,
    signing: &ECDSA_P521_SHA512_ASN1_SIGNING,
    agreement: &ECDH_P521,
    signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
};

/// A private key.
pub(super) enum Key {
    /// With its PKCS#1 form.
    Rsa { pair: rsa::KeyPair, pkcs1: Vec<u8> },
    /// With its scalar.
    Ec { curve: &'static Curve, pair: EcdsaKeyPair, scalar: Vec<u8> },
    /// With its seed.
    Ed25519 { pair: Ed25519KeyPair, seed: Vec<u8> },
    /// Well-formed, but it can't be used, for this reason.
    Unfit(String),
}

fn generate(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let key = match bytes(&a[0]) {
        b"" | b"rsa" => {
            call.step(RSA_4096)?;
            new_rsa(KeySize::Rsa4096)
        }
        b"ecdsa" => {
            call.step(QUICK)?;
            new_p256(call)
        }
        b"ed25519" => {
            call.step(QUICK)?;
            Key::ed25519(&call.env.random(32))
        }
        b"dsa" => {
            return Err("DSA keys can't be generated here; use rsa, ecdsa or ed25519".into());
        }
        other => return Ok(Value::str([b"Unknown type ", other].concat())),
    };
    match key.and_then(|key| key.pem()) {
        Ok(text) => Ok(Value::str(text)),
        Err(reason) => Err(format!("failed to generate private key: {reason}").into()),
    }
}

/// A new RSA key of 2048 bits, charged for.
pub(super) fn new_rsa_2048(call: &mut Call<'_>) -> Result<Key, Failure> {
    call.step(RSA_2048)?;
    new_rsa(KeySize::Rsa2048).map_err(|reason| format!("error generating rsa key: {reason}").into())
}

fn new_rsa(size: KeySize) -> Result<Key, String> {
    let failed = |_| "no RSA key could be made".to_owned();
    let pair = rsa::KeyPair::generate(size).map_err(failed)?;
    let pkcs8 = pair.as_der().map_err(failed)?;
    let mut fields = Reader::new(pkcs8.as_ref()).sequence("pkcs8")?;
    fields.int()?;
    fields.any()?;
    let pkcs1 = fields.octets()?.to_vec();
    Ok(Key::Rsa { pair, pkcs1 })
}

fn new_p256(call: &Call<'_>) -> Result<Key, String> {
    // Nearly every draw is a key; 128 misses mean a broken source.
    let mut result = Err(String::new());
    for _ in 0..128 {
        result = Key::ec(&P256, &call.env.random(P256.size));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// A private key from the first block of a PEM text.
pub(super) fn parse(call: &mut Call<'_>, text: &[u8]) -> Result<Key, Failure> {
    call.step(QUICK)?;
    let Some((block, _)) = pem::decode(text) else { return Err("no PEM data in input".into()) };
    let der = &block.data;
    let parsed = if block.kind == b"PRIVATE KEY" {
        parse_pkcs8(der).map_err(|reason| format!("decoding PEM as PKCS#8: {reason}"))
    } else {
        let name = String::from_utf8_lossy(&block.kind);
        match block.kind.strip_suffix(b" PRIVATE KEY") {
            None => Err(format!("no private key data in PEM block of type {name}")),
            Some(b"RSA") => parse_pkcs1(der).map_err(|reason| format!("parsing RSA private key from PEM: {reason}")),
            Some(b"EC") => parse_ec(None, der).map_err(|reason| format!("parsing EC private key from PEM: {reason}")),
            Some(b"DSA") => parse_dsa(der).map_err(|reason| format!("parsing DSA private key from PEM: {reason}")),
            Some(_) => Err(format!("invalid private key type {name}")),
        }
    };
    parsed.map_err(Failure)
}

const NO_SIGNER: &str = "x509: certificate private key does not implement crypto.Signer";

/// The fields of a PKCS#8 key: the algorithm, its parameters as a whole element, the key.
fn pkcs8_fields(der: &[u8]) -> Result<[&[u8]; 3], String> {
    let mut fields = Reader::new(der).sequence("pkcs8")?;
    fields.int()?;
    let mut algorithm = fields.sequence("AlgorithmIdentifier")?;
    let oid = algorithm.oid()?;
    let parameters = algorithm.any()?;
    Ok([oid, parameters, fields.octets()?])
}

struct EcFields<'a> {
    version: i64,
    scalar: &'a [u8],
    curve: Option<&'a [u8]>,
}

fn ec_fields(der: &[u8]) -> Result<EcFields<'_>, String> {
    let mut fields = Reader::new(der).sequence("ecPrivateKey")?;
    let version = fields.int()?;
    let scalar = fields.octets()?;
    let curve = match fields.explicit(0)? {
        Some(mut inner) => Some(inner.oid()?),
        None => None,
    };
    if let Some(mut public) = fields.explicit(1)? {
        public.bit_string()?;
    }
    Ok(EcFields { version, scalar, curve })
}

struct Pkcs1Fields<'a> {
    version: i64,
    /// All fields but the version.
    numbers: &'a [u8],
    /// n, d, p and q, and the three that are derived from them, if they are there.
    values: Vec<&'a [u8]>,
    /// What follows the structure.
    rest: &'a [u8],
}

fn pkcs1_fields(der: &[u8]) -> Result<Pkcs1Fields<'_>, String> {
    let mut outer = Reader::new(der);
    let mut fields = outer.sequence("pkcs1PrivateKey")?;
    let version = fields.int()?;
    let numbers = fields.rest();
    let mut values = vec![fields.big()?];
    fields.int()?;
    for _ in 0..3 {
        values.push(fields.big()?);
    }
    for _ in 0..3 {
        if fields.rest().first() == Some(&tag::INTEGER) {
            values.push(fields.big()?);
        }
    }
    // More primes than two.
    fields.any()?;
    Ok(Pkcs1Fields { version, numbers, values, rest: outer.rest() })
}

/// The hint of Go's parsers where another of them would do.
fn try_instead(name: &str) -> String {
    format!("x509: failed to parse private key (use {name} instead for this key format)")
}

fn parse_pkcs8(der: &[u8]) -> Result<Key, String> {
    let [algorithm, parameters, key] = match pkcs8_fields(der) {
        Ok(fields) => fields,
        Err(_) if ec_fields(der).is_ok() => return Err(try_instead("ParseECPrivateKey")),
        Err(_) if pkcs1_fields(der).is_ok() => return Err(try_instead("ParsePKCS1PrivateKey")),
        Err(reason) => return Err(reason),
    };
    match algorithm {
        RSA => parse_pkcs1(key)
            .map_err(|reason| format!("x509: failed to parse RSA private key embedded in PKCS#8: {reason}")),
        EC => parse_ec(Reader::new(parameters).oid().ok(), key)
            .map_err(|reason| format!("x509: failed to parse EC private key embedded in PKCS#8: {reason}")),
        ED25519 => Key::ed25519(edwards_seed("Ed25519", parameters, key)?),
        X25519 => {
            edwards_seed("X25519", parameters, key)?;
            Ok(Key::Unfit(NO_SIGNER.into()))
        }
        other => Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {}", dotted(other))),
    }
}

fn edwards_seed<'a>(name: &str, parameters: &[u8], key: &'a [u8]) -> Result<&'a [u8], String> {
    if !parameters.is_empty() {
        return Err(format!("x509: invalid {name} private key parameters"));
    }
    let seed = Reader::new(key).octets().map_err(|reason| format!("x509: invalid {name} private key: {reason}"))?;
    match (seed.len(), name) {
        (32, _) => Ok(seed),
        (_, "X25519") => Err("crypto/ecdh: invalid private key size".into()),
        (other, _) => Err(format!("x509: invalid {name} private key length: {other}")),
    }
}

fn parse_pkcs1(der: &[u8]) -> Result<Key, String> {
    let Pkcs1Fields { version, numbers, values, rest } = match pkcs1_fields(der) {
        Ok(fields) => fields,
        Err(_) if ec_fields(der).is_ok() => return Err(try_instead("ParseECPrivateKey")),
        Err(_) if pkcs8_fields(der).is_ok() => return Err(try_instead("ParsePKCS8PrivateKey")),
        Err(reason) => return Err(reason),
    };
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".into());
    }
    if version > 1 {
        return Err("x509: unsupported private key version".into());
    }
    if values.iter().any(|digits| digits[0] >= 0x80 || *digits == [0]) {
        return Err("x509: private key contains zero or negative value".into());
    }
    let modulus = &values[0][usize::from(values[0][0] == 0)..];
    let size = modulus.len() * 8 - usize::try_from(modulus.first().map_or(0, |b| b.leading_zeros())).unwrap_or(0);
    if !(2048..=8192).contains(&size) {
        return Ok(Key::Unfit(format!("RSA keys of {size} bits can't be used here; take one of 2048 to 8192 bits")));
    }
    // As Go writes it, whatever the version was.
    let pkcs1 = element(tag::SEQUENCE, &[&element(tag::INTEGER, &[&[0]]), numbers]);
    let pair = rsa::KeyPair::from_der(&pkcs1).map_err(|_| "crypto/rsa: invalid private key")?;
    Ok(Key::Rsa { pair, pkcs1 })
}

/// A key of SEC 1; the curve that PKCS#8 names comes before the key's own.
fn parse_ec(curve: Option<&[u8]>, der: &[u8]) -> Result<Key, String> {
    let fields = match ec_fields(der) {
        Ok(fields) => fields,
        Err(_) if pkcs8_fields(der).is_ok() => return Err(try_instead("ParsePKCS8PrivateKey")),
        Err(_) if pkcs1_fields(der).is_ok() => return Err(try_instead("ParsePKCS1PrivateKey")),
        Err(reason) => return Err(format!("x509: failed to parse EC private key: {reason}")),
    };
    if fields.version != 1 {
        return Err(format!("x509: unknown EC private key version {}", fields.version));
    }
    let oid = curve.or(fields.curve).unwrap_or_default();
    if oid == P224 {
        return Ok(Key::Unfit("P-224 keys can't be used here; take P-256".into()));
    }
    let Some(curve) = [&P256, &P384, &P521].into_iter().find(|c| c.oid == oid) else {
        return Err("x509: unknown elliptic curve".into());
    };
    let digits = &fields.scalar[fields.scalar.len().saturating_sub(curve.size)..];
    if fields.scalar[..fields.scalar.len() - digits.len()].iter().any(|b| *b != 0) {
        return Err("x509: invalid private key length".into());
    }
    Key::ec(curve, &[vec![0; curve.size - digits.len()].as_slice(), digits].concat())
}

/// OpenSSL's form of a DSA key. Such a key can stand beside a certificate, but none is signed with it.
fn parse_dsa(der: &[u8]) -> Result<Key, String> {
    let mut fields = Reader::new(der).sequence("DSAKeyFormat")?;
    fields.int()?;
    for _ in 0..5 {
        fields.big()?;
    }
    Ok(Key::Unfit(NO_SIGNER.into()))
}

impl Key {
    fn ec(curve: &'static Curve, scalar: &[u8]) -> Result<Self, String> {
        // Zero, or not below the order of the curve.
        let zero = scalar.iter().all(|b| *b == 0);
        let failed = if zero { "ecdsa: invalid public key encoding" } else { "input overflows the modulus" };
        let public = agreement::PrivateKey::from_private_key(curve.agreement, scalar)
            .map_err(|_| failed)?
            .compute_public_key()
            .map_err(|_| failed)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing, scalar, public.as_ref())
            .map_err(|_| failed)?;
        Ok(Self::Ec { curve, pair, scalar: scalar.to_vec() })
    }

    fn ed25519(seed: &[u8]) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| "ed25519: bad seed length")?;
        Ok(Self::Ed25519 { pair, seed: seed.to_vec() })
    }

    /// The key as PEM, in the form that Go's sprig chooses for its kind.
    pub(super) fn pem(&self) -> Result<Vec<u8>, String> {
        let (kind, data): (&[u8], _) = match self {
            Self::Rsa { pkcs1, .. } => (b"RSA PRIVATE KEY", pkcs1.clone()),
            Self::Ec { curve, pair, scalar } => {
                let version = element(tag::INTEGER, &[&[1]]);
                let scalar = element(tag::OCTETS, &[scalar]);
                let curve = element(tag::explicit(0), &[&element(tag::OID, &[curve.oid])]);
                let public = element(tag::explicit(1), &[&bits(pair.public_key().as_ref())]);
                (b"EC PRIVATE KEY", element(tag::SEQUENCE, &[&version, &scalar, &curve, &public]))
            }
            Self::Ed25519 { seed, .. } => {
                let version = element(tag::INTEGER, &[&[0]]);
                let seed = element(tag::OCTETS, &[&element(tag::OCTETS, &[seed])]);
                (b"PRIVATE KEY", element(tag::SEQUENCE, &[&version, &algorithm(ED25519, &[]), &seed]))
            }
            Self::Unfit(reason) => return Err(reason.clone()),
        };
        let mut out = Vec::new();
        pem::encode(&mut out, &pem::Block { kind: kind.to_vec(), headers: Vec::new(), data });
        Ok(out)
    }

    /// The public key's bits.
    pub(super) fn public(&self) -> Result<&[u8], String> {
        match self {
            Self::Rsa { pair, .. } => Ok(pair.public_key().as_ref()),
            Self::Ec { pair, .. } => Ok(pair.public_key().as_ref()),
            Self::Ed25519 { pair, .. } => Ok(pair.public_key().as_ref()),
            Self::Unfit(reason) => Err(reason.clone()),
        }
    }

    /// The public key with its algorithm, as certificates hold it.
    pub(super) fn public_info(&self) -> Result<Vec<u8>, String> {
        let algorithm = match self {
            Self::Rsa { .. } => algorithm(RSA, NULL),
            Self::Ec { curve, .. } => algorithm(EC, &element(tag::OID, &[curve.oid])),
            Self::Ed25519 { .. } => algorithm(ED25519, &[]),
            Self::Unfit(reason) => return Err(reason.clone()),
        };
        Ok(element(tag::SEQUENCE, &[&algorithm, &bits(self.public()?)]))
    }

    /// The algorithm of its signatures.
    pub(super) fn signature_algorithm(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa { .. } => Ok(algorithm(SHA256_WITH_RSA, NULL)),
            Self::Ec { curve, .. } => Ok(algorithm(curve.signature, &[])),
            Self::Ed25519 { .. } => Ok(algorithm(ED25519, &[])),
            Self::Unfit(reason) => Err(reason.clone()),
        }
    }

    /// Signs as certificates are signed.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "signing failed".to_owned();
        match self {
            Self::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::Ec { pair, .. } => {
                pair.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()).map_err(failed)
            }
            Self::Ed25519 { pair, .. } => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Unfit(reason) => Err(reason.clone()),
        }
    }
}

const NULL: &[u8] = &[5, 0];

fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
    element(tag::SEQUENCE, &[&element(tag::OID, &[oid]), parameters])
}
