//! AWS's side of a signature: whether one holds, after its specification and not with the library that made it.
//!
//! Source: AWS, "Create a signed AWS API request".

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A POST as somebody got it to pass on to AWS. Names of headers are in small letters; the host is the address's.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Passed {
    /// Out of base64, with headers as a JSON object of lists.
    pub(crate) fn decoded(url: &Value, headers: &Value, body: &Value) -> Self {
        let text = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
        let headers: BTreeMap<String, [String; 1]> = serde_json::from_str(&text(headers)).unwrap();
        let headers = headers.into_iter().map(|(name, [value])| (name.to_ascii_lowercase(), value)).collect();
        Self { url: text(url), headers, body: text(body) }
    }

    /// `key/date/region/service/aws4_request`, the names of the signed headers, and the signature.
    pub(crate) fn authorization(&self) -> Option<(String, String, String)> {
        let rest = self.headers.get("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let mut parts = rest.split(", ");
        let mut part = |name: &str| parts.next()?.strip_prefix(name).map(str::to_owned);
        Some((part("Credential=")?, part("SignedHeaders=")?, part("Signature=")?))
    }

    /// Who signed, if the signature holds with `secret`.
    pub(crate) fn signer(&self, secret: &str) -> Option<String> {
        let (credential, names, signature) = self.authorization()?;
        let (host, query) = self.url.strip_prefix("https://")?.split_once('/')?;
        let headers: Option<String> = names
            .split(';')
            .map(|name| {
                let value = if name == "host" { host } else { self.headers.get(name)?.trim() };
                Some(format!("{name}:{value}\n"))
            })
            .collect();
        let query = query.strip_prefix('?').unwrap_or(query);
        let canonical = format!("POST\n/\n{query}\n{}\n{names}\n{}", headers?, sha256(self.body.as_bytes()));
        let (key, scope) = credential.split_once('/')?;
        let date = self.headers.get("x-amz-date")?;
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut secret = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/').chain([text.as_str()]) {
            secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), part.as_bytes()).as_ref().to_vec();
        }
        (hex(&secret) == signature && date.starts_with(scope.split('/').next()?)).then(|| key.to_owned())
    }
}
