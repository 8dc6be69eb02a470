//! A service account key: a JWT that it signs is exchanged for a token.
//!
//! Source: Google, "Using OAuth 2.0 for Server to Server Applications", and RFC 7523.

use std::borrow::Cow;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gojson::{Document, Item};
use http::HeaderMap;
use provider::Error;
use reqwest::Url;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Ask, Authority, FORM, Granted, LIFETIME, SCOPE, error, invalid, now, seconds};
use crate::http::{form, url};

const OPERATION: &str = "Token";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Clocks differ.
const SKEW: Duration = Duration::from_secs(10);
const HINT: &str = "whether the service account and its key exist, token_uri of the key, and the clock of the node";

/// The key, parsed.
pub(crate) struct ServiceAccountKey {
    pub(super) email: String,
    id: String,
    pair: KeyPair,
    token_url: Url,
    pub(super) project: Option<String>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default, borrow)]
    private_key: Cow<'a, str>,
    #[serde(default)]
    token_uri: String,
    #[serde(default)]
    project_id: Option<String>,
}

impl ServiceAccountKey {
    /// Out of the JSON that Google hands out.
    pub(super) fn parse(json: &[u8]) -> Result<Self, Error> {
        let bad = |text: &str| invalid("Open", format!("{text}; create a key of type JSON and store the whole file"));
        let file: File<'_> = serde_json::from_slice(json).map_err(|_| bad("it is not the JSON of a key"))?;
        let File { type_, client_email, private_key_id, private_key, token_uri, project_id } = file;
        let pem = SecretBytes::from(private_key.into_owned());
        if type_ != "service_account" {
            let text = format!("'type' field is {} (expected \"service_account\")", gojson::quote(&type_));
            return Err(bad(&text));
        }
        if client_email.is_empty() {
            return Err(bad("'client_email' is missing"));
        }
        let der = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| bad("'private_key' is not a key in PEM"))?;
        let der = Zeroizing::new(der);
        let pair = match &*der {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        };
        let token_uri = if token_uri.is_empty() { TOKEN_URL } else { &token_uri };
        Ok(Self {
            email: client_email,
            id: private_key_id,
            pair: pair.ok_or_else(|| bad("'private_key' is no RSA key of at least 2048 bits"))?,
            token_url: url(token_uri, "'token_uri' of the key")?,
            project: project_id.filter(|id| !id.is_empty()),
        })
    }

    pub(super) async fn grant(&self, authority: &Authority) -> Result<Granted, Error> {
        authority.exchange(self.ask(("scope", SCOPE))?).await
    }

    /// An ID token for `audience`.
    pub(super) async fn id_token(&self, audience: &str, authority: &Authority) -> Result<SecretBytes, Error> {
        let answer = authority.post(self.ask(("target_audience", audience))?).await?;
        let document = Document::parse(answer.body.expose()).ok();
        match document.as_ref().and_then(|d| d.member(d.root(), "id_token").map(|id| d.item(id))) {
            Some(Item::Text(token)) if !token.is_empty() => Ok(SecretBytes::from(token)),
            _ => Err(error::no_token(OPERATION, &self.token_url.origin().ascii_serialization())),
        }
    }

    fn ask(&self, purpose: (&str, &str)) -> Result<Ask<'static>, Error> {
        let assertion = self.assertion(seconds(now()), purpose)?;
        let body = form(&[("grant_type", GRANT.as_bytes()), ("assertion", assertion.expose())]);
        let url = self.token_url.clone();
        Ok(Ask { operation: OPERATION, url, content_type: FORM, headers: HeaderMap::new(), body, hint: HINT })
    }

    /// The JWT, at `now` in seconds since 1970. `purpose` is the claim that says what kind of token it is for.
    fn assertion(&self, now: u64, purpose: (&str, &str)) -> Result<SecretBytes, Error> {
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if !self.id.is_empty() {
            header["kid"] = self.id.as_str().into();
        }
        let issued = now.saturating_sub(SKEW.as_secs());
        let claims = json!({"iss": self.email, "aud": self.token_url.as_str(), "iat": issued,
            "exp": issued + LIFETIME.as_secs(), purpose.0: purpose.1});
        let mut jwt = URL_SAFE_NO_PAD.encode(header.to_string());
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut jwt);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), jwt.as_bytes(), &mut signature)
            .map_err(|_| invalid(OPERATION, "the service account key can't sign"))?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(SecretBytes::from(jwt))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;

    fn pem(pair: &KeyPair) -> String {
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'static> = pair.as_der().unwrap();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    #[test]
    fn a_key_signs_what_google_wants_to_read() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let file = json!({"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key_id": "7",
            "private_key": pem(&pair), "project_id": "p"});
        let key = ServiceAccountKey::parse(file.to_string().as_bytes()).unwrap();
        assert_eq!(key.project.as_deref(), Some("p"));
        let jwt = key.assertion(1_000_010, ("scope", SCOPE)).unwrap();
        let (signed, signature) = jwt.expose_str().unwrap().rsplit_once('.').unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "7"}));
        let want = json!({"iss": "a@p.iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token",
            "scope": "https://www.googleapis.com/auth/cloud-platform", "iat": 1_000_000, "exp": 1_003_600});
        assert_eq!(parts[1], want);
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let cases = [
            ("canary".to_owned(), "it is not the JSON of a key"),
            (r#"{"type":"canary"}"#.replace("canary", "authorized_user"), "'type' field is \"authorized_user\" (expected"),
            (r#"{"type":"service_account"}"#.to_owned(), "'client_email' is missing"),
            (
                r#"{"type":"service_account","client_email":"e","private_key":"canary"}"#.to_owned(),
                "'private_key' is not a key in PEM",
            ),
            (
                r#"{"type":"service_account","client_email":"e","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}"#
                    .to_owned(),
                "'private_key' is no RSA key",
            ),
        ];
        for (json, text) in cases {
            let error = ServiceAccountKey::parse(json.as_bytes()).err().unwrap().to_string();
            assert!(error.starts_with(text) && !error.contains("canary"), "{error}");
        }
    }
}
