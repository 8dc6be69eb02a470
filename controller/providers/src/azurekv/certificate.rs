//! Certificates that users hand in: a client's with its key, to sign a login with, and those that are pushed.
//!
//! Deliberately not here: PKCS#12 itself (`template`), and trust. Nothing here verifies a certificate.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gojson::Html;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secret::SecretBytes;
use zeroize::Zeroizing;

/// How long an assertion is good for, in seconds. It is used at once.
const LIFETIME: i64 = 600;

/// A client's certificate and key.
pub(super) struct ClientCertificate {
    certificate: Vec<u8>,
    key: KeyPair,
}

/// What an assertion says, beside the certificate.
pub(super) struct Claims<'a> {
    /// The URL that the assertion is sent to.
    pub(super) audience: &'a str,
    pub(super) client: &'a str,
    /// Seconds since the epoch.
    pub(super) now: i64,
    /// Never the same twice.
    pub(super) id: &'a str,
}

impl ClientCertificate {
    /// Certificate and private key, in PEM or in a PKCS#12 file without a password.
    ///
    /// # Errors
    /// What is wrong, without any of what was given.
    pub(super) fn of(given: &[u8]) -> Result<Self, &'static str> {
        let (certificates, key) = if has_pem(given) { pem(given)? } else { pkcs12(given)? };
        let public = key.public_key().as_ref();
        // Of a chain only the one with this key is the client's; a certificate holds its public key as it is.
        let own = certificates.into_iter().find(|certificate| certificate.windows(public.len()).any(|w| w == public));
        let certificate = own.ok_or("the private key belongs to none of the certificates")?;
        Ok(Self { certificate, key })
    }

    /// A signed statement of who the client is.
    ///
    /// Source: Microsoft identity platform, "Application authentication certificate credentials". RS256 and the thumbprint
    /// in SHA-1 are what AD FS and all clouds take.
    ///
    /// # Errors
    /// If the key can't sign, such as one that is too short.
    pub(super) fn assertion(&self, claims: &Claims<'_>) -> Result<SecretBytes, &'static str> {
        let Claims { audience, client, now, id } = claims;
        let thumbprint = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
        let thumbprint = URL_SAFE_NO_PAD.encode(thumbprint.as_ref());
        let header = gojson::string_map(
            [("alg", b"RS256".as_slice()), ("typ", b"JWT"), ("x5t", thumbprint.as_bytes())],
            Html::Keep,
        );
        let mut body = Vec::new();
        for (prefix, text) in [("{\"aud\":", audience), (",\"iss\":", client), (",\"sub\":", client), (",\"jti\":", id)]
        {
            body.extend_from_slice(prefix.as_bytes());
            gojson::write_string(&mut body, text.as_bytes(), Html::Keep);
        }
        body.extend_from_slice(format!(",\"nbf\":{now},\"exp\":{}}}", now + LIFETIME).as_bytes());
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| "the private key can't sign")?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(SecretBytes::from(token))
    }
}

type Pair = (Vec<Vec<u8>>, KeyPair);

/// Whether there is PEM in it, be it whole or not.
pub(super) fn has_pem(given: &[u8]) -> bool {
    given.windows(11).any(|window| window == b"-----BEGIN ")
}

fn pem(given: &[u8]) -> Result<Pair, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(given).map_err(|_| "no private key found in PEM file")?;
    let key = Zeroizing::new(key);
    let key = match &*key {
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err("the private key is not an RSA key, which Entra ID needs"),
    };
    let key = key.map_err(|_| "the private key is not an RSA key of at least 2048 bits, which Entra ID needs")?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(given).collect();
    let certificates = certificates.map_err(|_| "failed to parse PEM certificate")?;
    if certificates.is_empty() {
        return Err("no certificate found in PEM file");
    }
    Ok((certificates.iter().map(|certificate| certificate.to_vec()).collect(), key))
}

fn pkcs12(given: &[u8]) -> Result<Pair, &'static str> {
    let text = "neither PEM nor a PKCS#12 file without a password";
    let store = template::open_pkcs12(given, b"").map_err(|_| text)?;
    let key = KeyPair::from_pkcs8(&store.key)
        .map_err(|_| "the private key is not an RSA key of at least 2048 bits, which Entra ID needs")?;
    Ok((store.certificates.iter().map(|certificate| certificate.to_vec()).collect(), key))
}

/// The certificate in a value that is to be pushed: the first of a PKCS#12 file without a password, DER, or PEM.
pub(super) fn pushed(value: &[u8]) -> Option<Vec<u8>> {
    if has_pem(value) {
        return CertificateDer::from_pem_slice(value).ok().map(|certificate| certificate.to_vec());
    }
    match template::open_pkcs12(value, b"") {
        Ok(store) => store.certificates.first().map(|certificate| certificate.to_vec()),
        Err(_) => is_certificate(value).then(|| value.to_vec()),
    }
}

/// Whether this is the outer form of a certificate in DER: a sequence of the signed part (a sequence), an algorithm (a
/// sequence), and a bit string, and nothing else.
fn is_certificate(der: &[u8]) -> bool {
    let parts = || {
        let (0x30, contents, []) = element(der)? else { return None };
        let (signed, _, rest) = element(contents)?;
        let (algorithm, _, rest) = element(rest)?;
        let (signature, _, rest) = element(rest)?;
        Some((signed, algorithm, signature, rest.is_empty()))
    };
    parts() == Some((0x30, 0x30, 0x03, true))
}

/// The first DER element: its tag, its contents, and what follows it.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&lead, rest) = rest.split_first()?;
    let (length, rest) = match lead {
        0..=0x7f => (usize::from(lead), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(lead - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    const CLIENT_PEM: &str = include_str!("../../testdata/azurekv/client.pem");
    const CLIENT_PFX: &[u8] = include_bytes!("../../testdata/azurekv/client.pfx");
    const EC_PEM: &str = include_str!("../../testdata/azurekv/ec.pem");

    fn json(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_is_signed_by_the_key_of_its_certificate_whatever_the_file() {
        for given in [CLIENT_PEM.as_bytes(), CLIENT_PFX] {
            let client = ClientCertificate::of(given).unwrap();
            let claims = Claims { audience: "https://login/t/oauth2/v2.0/token", client: "app", now: 1_000, id: "i" };
            let token = client.assertion(&claims).unwrap();
            let parts: Vec<&str> = token.expose_str().unwrap().split('.').collect();
            let [header, body, signature] = parts[..] else { panic!("{} parts", parts.len()) };
            // `openssl x509 -fingerprint -sha1`, in base64.
            let thumbprint = include_str!("../../testdata/azurekv/client.x5t").trim();
            assert_eq!(json(header), serde_json::json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint}));
            let want = serde_json::json!({"aud": "https://login/t/oauth2/v2.0/token", "iss": "app", "sub": "app",
                "jti": "i", "nbf": 1000, "exp": 1600});
            assert_eq!(json(body), want);
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, client.key.public_key().as_ref());
            key.verify(format!("{header}.{body}").as_bytes(), &signature).unwrap();
        }
    }

    #[test]
    fn what_cannot_sign_is_refused_with_its_reason() {
        let (key, certificate) = CLIENT_PEM.split_once("-----BEGIN CERTIFICATE").unwrap();
        let certificate = format!("-----BEGIN CERTIFICATE{certificate}");
        let other = EC_PEM.split_once("-----BEGIN CERTIFICATE").unwrap().1;
        let cases = [
            ("canary".to_owned(), "neither PEM nor a PKCS#12 file"),
            (key.to_owned(), "no certificate found in PEM file"),
            (certificate, "no private key found in PEM file"),
            (EC_PEM.to_owned(), "the private key is not an RSA key"),
            (format!("{key}-----BEGIN CERTIFICATE{other}"), "the private key belongs to none"),
        ];
        for (given, want) in cases {
            let error = ClientCertificate::of(given.as_bytes()).err().unwrap();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn a_pushed_certificate_may_be_pkcs12_der_or_pem() {
        let der = pushed(CLIENT_PEM.as_bytes()).unwrap();
        assert!(is_certificate(&der));
        assert_eq!(pushed(CLIENT_PFX), Some(der.clone()));
        assert_eq!(pushed(&der), Some(der.clone()));
        let mut trailing = der;
        trailing.push(0);
        for bad in [b"canary".as_slice(), b"", b"\x30\x03\x02\x01\x00", b"-----BEGIN RUBBISH-----", &trailing] {
            assert_eq!(pushed(bad), None);
        }
    }
}
