//! Private keys that are pushed: from PEM to the JSON Web Key that Key Vault imports, and whether the vault has it already.
//!
//! Deliberately not here: whether a key is any good. Key Vault judges that.

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gojson::{Document, Html};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secret::SecretBytes;

use super::certificate::{element, has_pem};

const UNREADABLE: &str = "it holds no private key that can be read";

/// A private key as a JWK.
pub(super) struct Jwk {
    kty: &'static str,
    curve: Option<&'static str>,
    /// Names and bytes, most significant first.
    numbers: Vec<(&'static str, SecretBytes)>,
}

/// The curves that Key Vault knows: name, bytes of a coordinate, how to read keys on it.
static CURVES: [(&str, usize, &EcdsaSigningAlgorithm); 3] = [
    ("P-256", 32, &ECDSA_P256_SHA256_ASN1_SIGNING),
    ("P-384", 48, &ECDSA_P384_SHA384_ASN1_SIGNING),
    ("P-521", 66, &ECDSA_P521_SHA512_ASN1_SIGNING),
];

impl Jwk {
    /// A private key in PEM (PKCS#8, PKCS#1, SEC 1); whatever isn't PEM is a symmetric key, as in the reference.
    ///
    /// # Errors
    /// What is wrong, without any of what was given.
    pub(super) fn of(value: &[u8]) -> Result<Self, &'static str> {
        if !has_pem(value) {
            return Ok(Self { kty: "oct", curve: None, numbers: vec![("k", SecretBytes::new(value.to_vec()))] });
        }
        let key = PrivateKeyDer::from_pem_slice(value).map_err(|_| UNREADABLE)?;
        match &key {
            PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()).ok_or(UNREADABLE),
            PrivateKeyDer::Sec1(key) => ec(key.secret_sec1_der()).ok_or(UNREADABLE),
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                ec(der).or_else(|| rsa(pkcs8(der)?)).ok_or("it is neither an RSA key nor one on P-256, P-384 or P-521")
            }
            _ => Err(UNREADABLE),
        }
    }

    /// The key in JSON.
    pub(super) fn json(&self) -> SecretBytes {
        let Self { kty, curve, numbers } = self;
        let mut members = vec![("kty", SecretBytes::from(*kty))];
        members.extend(curve.map(|curve| ("crv", SecretBytes::from(curve))));
        members.extend(
            numbers.iter().map(|(name, number)| (*name, SecretBytes::from(URL_SAFE_NO_PAD.encode(number.expose())))),
        );
        SecretBytes::new(gojson::string_map(members.iter().map(|(name, text)| (*name, text.expose())), Html::Keep))
    }

    /// Whether a JWK of the vault is this key's public half. Of a symmetric key it shows nothing.
    pub(super) fn is_held(&self, held: &SecretBytes) -> bool {
        let Ok(document) = Document::parse(held.expose()) else { return false };
        let said = |name: &str| document.text(document.root(), name);
        let decoded = |name: &str| URL_SAFE_NO_PAD.decode(said(name)?.trim_end_matches('=')).ok();
        let public: &[&str] = match self.kty {
            "RSA" => &["n", "e"],
            "EC" => &["x", "y"],
            _ => return false,
        };
        // Keys in hardware say so behind a hyphen.
        let same_kind = said("kty").is_some_and(|kty| kty.split('-').next() == Some(self.kty));
        let same = |(name, number): &(&str, SecretBytes)| {
            !public.contains(name) || decoded(name).is_some_and(|held| digits(&held) == digits(number.expose()))
        };
        same_kind && said("crv") == self.curve && self.numbers.iter().all(same)
    }
}

fn digits(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The key inside of PKCS#8: a sequence of version, algorithm, and the key in octets.
fn pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (0x30, contents, _) = element(der)? else { return None };
    let (0x02, _, rest) = element(contents)? else { return None };
    let (0x30, _, rest) = element(rest)? else { return None };
    let (0x04, key, _) = element(rest)? else { return None };
    Some(key)
}

/// PKCS#1: a sequence of the version and eight numbers.
fn rsa(der: &[u8]) -> Option<Jwk> {
    let (0x30, mut rest, _) = element(der)? else { return None };
    let mut number = || {
        let (0x02, number, after) = element(rest)? else { return None };
        rest = after;
        Some(number)
    };
    if digits(number()?) != b"" {
        return None; // Keys of more than two primes.
    }
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let numbers = names.into_iter().map(|name| Some((name, SecretBytes::new(digits(number()?).to_vec()))));
    Some(Jwk { kty: "RSA", curve: None, numbers: numbers.collect::<Option<_>>()? })
}

fn ec(der: &[u8]) -> Option<Jwk> {
    let (curve, size, pair) = CURVES.iter().find_map(|(curve, size, algorithm)| {
        Some((*curve, *size, EcdsaKeyPair::from_private_key_der(algorithm, der).ok()?))
    })?;
    let point = pair.public_key().as_ref().strip_prefix(&[4])?;
    let (x, y) = point.split_at_checked(size)?;
    let scalar: EcPrivateKeyBin<'static> = pair.private_key().as_be_bytes().ok()?;
    let own = |bytes: &[u8]| SecretBytes::new(bytes.to_vec());
    Some(Jwk {
        kty: "EC",
        curve: Some(curve),
        numbers: vec![("d", own(scalar.as_ref())), ("x", own(x)), ("y", own(y))],
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RSA_PEM: &str = include_str!("../../testdata/azurekv/client.pem");
    const EC_PEM: &str = include_str!("../../testdata/azurekv/ec.pem");

    fn shown(value: &[u8]) -> Value {
        serde_json::from_slice(Jwk::of(value).unwrap().json().expose()).unwrap()
    }

    /// The same key in PKCS#1 and SEC 1, and in PKCS#8.
    fn forms() -> [(&'static str, String); 2] {
        let pem = |label: &str, der: &[u8]| {
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        let rsa = PrivateKeyDer::from_pem_slice(RSA_PEM.as_bytes()).unwrap();
        let ec = PrivateKeyDer::from_pem_slice(EC_PEM.as_bytes()).unwrap();
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, ec.secret_der()).unwrap();
        [
            (RSA_PEM, pem("RSA PRIVATE KEY", pkcs8(rsa.secret_der()).unwrap())),
            (EC_PEM, pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref())),
        ]
    }

    #[test]
    fn both_forms_of_a_key_are_the_same_jwk_that_the_vault_shows_the_public_half_of() {
        for (one, other) in forms() {
            let jwk = shown(one.as_bytes());
            assert_eq!(shown(other.as_bytes()), jwk);
            let names: Vec<&String> = jwk.as_object().unwrap().keys().collect();
            let public: &[&str] = match jwk["kty"].as_str().unwrap() {
                "RSA" => {
                    assert_eq!(names, ["d", "dp", "dq", "e", "kty", "n", "p", "q", "qi"]);
                    assert_eq!(jwk["e"], "AQAB");
                    &["e", "n"]
                }
                _ => {
                    assert_eq!(names, ["crv", "d", "kty", "x", "y"]);
                    assert_eq!(jwk["crv"], "P-256");
                    &["crv", "x", "y"]
                }
            };
            let mut held = json!({"kid": "https://v/keys/k/1", "kty": format!("{}-HSM", jwk["kty"].as_str().unwrap())});
            for name in public {
                held[*name] = jwk[*name].clone();
            }
            let is_held = |held: &Value| Jwk::of(one.as_bytes()).unwrap().is_held(&SecretBytes::from(held.to_string()));
            assert!(is_held(&held), "{held}");
            for name in public {
                let mut changed = held.clone();
                changed[*name] = json!("AQAC");
                assert!(!is_held(&changed), "{changed}");
            }
        }
    }

    #[test]
    fn what_is_no_pem_is_symmetric_and_bad_pem_is_refused() {
        assert_eq!(shown(b"key"), json!({"kty": "oct", "k": "a2V5"}));
        assert!(!Jwk::of(b"key").unwrap().is_held(&SecretBytes::from(r#"{"kty":"oct"}"#)));
        let cases = [
            ("-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----\n", "it holds no private key"),
            ("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n", "it is neither an RSA key"),
            ("-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5\n-----END RSA PRIVATE KEY-----\n", "it holds no private key"),
            ("-----BEGIN PRIVATE KEY-----\ncanary", "it holds no private key"),
        ];
        for (pem, text) in cases {
            assert!(Jwk::of(pem.as_bytes()).err().unwrap().starts_with(text), "{pem}");
        }
    }
}
