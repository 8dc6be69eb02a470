//! Private keys: making them, reading them from PEM, and signing certificates with them.
//!
//! Deliberately not here: the forms of keys (see `pki::keys`), and certificates (see `certificates`). Elliptic keys are made
//! of the environment's chance. RSA keys are not: the library that makes them takes no source of chance, nor does it for
//! ECDSA signatures.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use zeroize::Zeroizing;

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::pki::der::{Encoded, Reader, identifier, sequence};
use crate::pki::keys::{self, ED25519, NULL, P256, PrivateKey, PublicKey};
use crate::pki::pem;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("genPrivateKey", &[STR], generate)];

/// Steps for an RSA key of 4096 bits, at a second or so each: 10 of them in a rendering by default.
const RSA_4096: u64 = 190_000;

/// Steps for an RSA key of 2048 bits: 20 of them by default, with a signature each. Their time varies; 200 ms on average.
const RSA_2048: u64 = 80_000;

/// Steps for any other key.
const QUICK: u64 = 2_000;

const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";

/// A private key that may stand beside a certificate.
pub(super) enum Key {
    /// One that can be written.
    Private(PrivateKey),
    /// One for DSA: it is read and no more.
    Dsa,
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
            Ok(PrivateKey::Ed25519(Zeroizing::new(call.env.random(32))))
        }
        b"dsa" => {
            return Err("DSA keys can't be generated here; use rsa, ecdsa or ed25519".into());
        }
        other => return Ok(Value::str([b"Unknown type ", other].concat())),
    };
    match key.and_then(|key| Key::Private(key).pem()) {
        Ok(text) => Ok(Value::str(&*text)),
        Err(reason) => Err(format!("failed to generate private key: {reason}").into()),
    }
}

/// A new RSA key of 2048 bits, charged for.
pub(super) fn new_rsa_2048(call: &mut Call<'_>) -> Result<Key, Failure> {
    call.step(RSA_2048)?;
    let key = new_rsa(KeySize::Rsa2048).map_err(|reason| format!("error generating rsa key: {reason}"))?;
    Ok(Key::Private(key))
}

fn new_rsa(size: KeySize) -> Result<PrivateKey, String> {
    let failed = |_| "no RSA key could be made".to_owned();
    let pkcs8 = rsa::KeyPair::generate(size).and_then(|pair| pair.as_der()).map_err(failed)?;
    keys::pkcs8(pkcs8.as_ref())
}

fn new_p256(call: &Call<'_>) -> Result<PrivateKey, String> {
    // Nearly every draw is a key; 128 misses mean a broken source.
    let mut result = Err(String::new());
    for _ in 0..128 {
        result = PrivateKey::from_scalar(&P256, Zeroizing::new(call.env.random(P256.size())));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// A private key from the first block of a PEM text.
pub(super) fn parse(call: &mut Call<'_>, text: &[u8]) -> Result<Key, Failure> {
    call.charge(text.len())?;
    let Some((block, _)) = pem::decode(text) else { return Err("no PEM data in input".into()) };
    let der = &block.data;
    keys::count(call, der.len())?;
    let kind = String::from_utf8_lossy(&block.kind);
    let parsed = match (&*kind, kind.strip_suffix(" PRIVATE KEY")) {
        (pem::PRIVATE_KEY, _) => keys::pkcs8(der).map_err(|reason| format!("decoding PEM as PKCS#8: {reason}")),
        (_, None) => Err(format!("no private key data in PEM block of type {kind}")),
        (_, Some("RSA")) => keys::pkcs1(der).map_err(|reason| format!("parsing RSA private key from PEM: {reason}")),
        (_, Some("EC")) => keys::sec1(None, der).map_err(|reason| format!("parsing EC private key from PEM: {reason}")),
        (_, Some("DSA")) => {
            check_dsa(der).map_err(|reason| format!("parsing DSA private key from PEM: {reason}"))?;
            return Ok(Key::Dsa);
        }
        (_, Some(_)) => Err(format!("invalid private key type {kind}")),
    };
    parsed.map(Key::Private).map_err(Failure)
}

/// Refuses what isn't OpenSSL's form of a DSA key.
fn check_dsa(der: &[u8]) -> Result<(), String> {
    let mut fields = Reader::new(der).sequence("DSAKeyFormat")?;
    fields.int()?;
    for _ in 0..5 {
        fields.big()?;
    }
    Ok(())
}

const NO_SIGNER: &str = "x509: certificate private key does not implement crypto.Signer";

impl Key {
    /// The key as PEM, in the form that Go's sprig chooses for its kind.
    pub(super) fn pem(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Private(key) => {
                let (kind, der) = key.own_form();
                let mut out = Zeroizing::new(Vec::with_capacity(der.len() * 2 + 64));
                pem::encode(&mut out, kind, &der);
                Ok(out)
            }
            Self::Dsa => Err("DSA keys can't be written here; use rsa, ecdsa or ed25519".into()),
        }
    }

    /// The public key.
    pub(super) fn public(&self) -> Result<PublicKey, String> {
        match self {
            Self::Private(key) => key.public(),
            Self::Dsa => Err("x509: unsupported public key type: *dsa.PublicKey".into()),
        }
    }

    /// The algorithm of its signatures.
    pub(super) fn signature_algorithm(&self) -> Result<Encoded, String> {
        let no_signer = || NO_SIGNER.to_owned();
        match self {
            Self::Private(PrivateKey::Rsa(_)) => Ok(sequence(&[&identifier(SHA256_WITH_RSA), NULL])),
            Self::Private(PrivateKey::Ec(curve, ..)) => {
                Ok(sequence(&[&identifier(curve.arithmetic().ok_or_else(no_signer)?.signature)]))
            }
            Self::Private(PrivateKey::Ed25519(_)) => Ok(sequence(&[&identifier(ED25519)])),
            Self::Private(PrivateKey::X25519(_)) | Self::Dsa => Err(no_signer()),
        }
    }

    /// Signs as certificates are signed.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = || "signing failed".to_owned();
        match self {
            Self::Private(PrivateKey::Rsa(key)) => {
                let bits = key.bits();
                if !(2048..=8192).contains(&bits) {
                    return Err(format!("RSA keys of {bits} bits can't be used here; take one of 2048 to 8192 bits"));
                }
                let pair = rsa::KeyPair::from_der(&key.pkcs1()).map_err(|_| "crypto/rsa: invalid private key")?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(|_| failed())?;
                Ok(signature)
            }
            Self::Private(PrivateKey::Ec(curve, scalar, point)) => {
                let signing = curve.arithmetic().ok_or_else(failed)?.signing;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, scalar, point);
                let signature = pair.map_err(|_| failed())?.sign(&SystemRandom::new(), message);
                signature.map(|s| s.as_ref().to_vec()).map_err(|_| failed())
            }
            Self::Private(PrivateKey::Ed25519(seed)) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| failed())?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Self::Private(PrivateKey::X25519(_)) | Self::Dsa => Err(NO_SIGNER.into()),
        }
    }
}
