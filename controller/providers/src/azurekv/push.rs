//! Pushing secrets, keys and certificates: the ownership mark, what is as wished already, and the write.
//!
//! `remoteRef.property` has no meaning here, as in the reference: an object holds one value. Deliberately not here: the form
//! of keys (`jwk.rs`) and certificates (`certificate.rs`).
//!
//! Source: Key Vault REST API, "Set Secret", "Import Key", "Import Certificate", and the three deletions.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::{Document, Html, Item};
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};
use secret::SecretBytes;
use serde::Deserialize;

use super::bundle::Bundle;
use super::jwk::Jwk;
use super::object::{Kind, Object};
use super::wire::Call;
use super::{AzureKv, certificate, error};
use crate::http::Answer;
use crate::ownership::{MANAGED_BY, US, foreign, is_ours};
use crate::push_metadata;

const PUSH: &str = "PushSecret";
/// Without it Key Vault takes a certificate for PFX.
const PEM_POLICY: &[u8] = b",\"policy\":{\"secret_props\":{\"contentType\":\"application/x-pem-file\"}}";

/// `metadata.spec` of an entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    expiration_date: Option<String>,
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// What an object is to be.
struct Wished {
    value: Value,
    /// With the mark.
    tags: BTreeMap<String, String>,
    /// Seconds since the epoch.
    expires: Option<i64>,
    content_type: Option<String>,
}

enum Value {
    Text(SecretBytes),
    Key(Jwk),
    /// What is sent, and the certificate in it.
    Certificate {
        file: SecretBytes,
        der: Vec<u8>,
    },
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, PUSH, text)
}

impl Wished {
    /// Checks an entry. Pure.
    fn of(push: &Push, kind: Kind) -> Result<Self, Error> {
        let value = push.value()?;
        let Metadata { expiration_date, content_type, tags } = push_metadata::spec(push.metadata.as_ref(), PUSH)
            .map_err(|error| error.context("failed to parse push secret metadata"))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let expires = filled(expiration_date).map(|text| seconds(&text)).transpose()?;
        let mut tags = tags.unwrap_or_default();
        if tags.insert(MANAGED_BY.to_owned(), US.to_owned()).is_some() {
            return Err(invalid("error parsing tags in metadata: Cannot specify a 'managed-by' tag"));
        }
        let value = match kind {
            Kind::Secret => match value.expose_str() {
                Some(_) => Value::Text(value),
                None => {
                    return Err(invalid(
                        "the value is not text, which is all that a secret of Key Vault can hold; encode it, such as by \
                         the template function b64enc",
                    ));
                }
            },
            Kind::Key => Value::Key(
                Jwk::of(value.expose())
                    .map_err(|why| invalid(format!("could not load private key {}: {why}", push.place.key)))?,
            ),
            Kind::Certificate => {
                let text = "value from secret is not a valid certificate: could not parse certificate value as PKCS#12 \
                            (without a password), DER or PEM";
                let der = certificate::pushed(value.expose()).ok_or_else(|| invalid(text))?;
                Value::Certificate { file: value, der }
            }
        };
        Ok(Self { value, tags, expires, content_type: filled(content_type) })
    }

    /// Whether the vault holds it already. Tags of others stay until the next write, which leaves them out.
    fn is_held(&self, held: &Bundle) -> bool {
        let same = match &self.value {
            Value::Text(text) => {
                let content_type = self.content_type.is_none() || self.content_type == held.content_type;
                *text == held.value && self.expires == held.expires && content_type
            }
            Value::Key(jwk) => jwk.is_held(&held.value),
            Value::Certificate { file: _, der } => der == held.value.expose(),
        };
        same && self.tags.iter().all(|(name, value)| held.tags.get(name) == Some(value))
    }

    /// The body that writes it.
    fn body(&self) -> SecretBytes {
        let tags = self.tags.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let tags = gojson::string_map(tags, Html::Keep);
        let mut out = Vec::new();
        match &self.value {
            Value::Text(text) => {
                out.extend_from_slice(b"{\"value\":");
                gojson::write_string(&mut out, text.expose(), Html::Keep);
                if let Some(content_type) = &self.content_type {
                    out.extend_from_slice(b",\"contentType\":");
                    gojson::write_string(&mut out, content_type.as_bytes(), Html::Keep);
                }
                let expires = self.expires.map_or_else(String::new, |seconds| format!(",\"exp\":{seconds}"));
                out.extend_from_slice(format!(",\"attributes\":{{\"enabled\":true{expires}}}").as_bytes());
            }
            Value::Key(jwk) => {
                out.extend_from_slice(b"{\"key\":");
                out.extend_from_slice(jwk.json().expose());
                out.extend_from_slice(b",\"attributes\":{\"enabled\":true}");
            }
            Value::Certificate { file, der: _ } => {
                out.extend_from_slice(b"{\"value\":\"");
                out.extend_from_slice(STANDARD.encode(file.expose()).as_bytes());
                out.push(b'"');
                if certificate::has_pem(file.expose()) {
                    out.extend_from_slice(PEM_POLICY);
                }
            }
        }
        out.extend_from_slice(b",\"tags\":");
        out.extend_from_slice(&tags);
        out.push(b'}');
        SecretBytes::new(out)
    }
}

fn seconds(text: &str) -> Result<i64, Error> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_second).map_err(|_| {
        invalid(format!(
            "error parsing expiration date in metadata: {} is no time. Expected format: YYYY-MM-DDTHH:MM:SSZ (RFC3339). \
             Example: 2024-12-31T20:00:00Z",
            gojson::quote(text)
        ))
    })
}

/// Whether this can be a vault's answer to a write.
fn is_object(json: &[u8]) -> bool {
    let document = Document::parse(json);
    document.is_ok_and(|document| matches!(document.item(document.root()), Item::Object(_)))
}

impl AzureKv {
    /// What is there; nothing if the vault says so.
    async fn held(&self, object: Object<'_>, calls: &dyn Calls) -> Result<Option<Bundle>, Error> {
        match self.bundle(&self.looked(object, calls).await?, object.kind) {
            Ok(bundle) => Ok(Some(bundle)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn looked(&self, object: Object<'_>, calls: &dyn Calls) -> Result<Answer, Error> {
        let answer = self.get(object, None).await;
        let good = |answer: &Answer| answer.status.is_success() || answer.status == StatusCode::NOT_FOUND;
        calls.made(object.kind.get(), answer.as_ref().is_ok_and(good));
        answer
    }

    async fn change(
        &self,
        operation: &'static str,
        method: Method,
        segments: &[&str],
        body: Option<SecretBytes>,
        calls: &dyn Calls,
    ) -> Result<Answer, Error> {
        let url = self.wire.url(segments);
        let answer = self.wire.send(&Call { operation, method, url: &url, body }).await;
        calls.made(operation, answer.as_ref().is_ok_and(|answer| answer.status.is_success()));
        answer
    }
}

#[async_trait]
impl Write for AzureKv {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let object = Object::of(&push.place.key, PUSH)?;
        let (kind, name) = (object.kind, object.name);
        let mut wished = Wished::of(push, kind)?;
        let place = format!("cannot get {} {name}", kind.word());
        if let Some(held) = self.held(object, calls).await.map_err(|error| error.context(&place))? {
            if !is_ours(&held.tags) {
                return Err(foreign(PUSH).context(place));
            }
            if wished.expires.is_none() && self.modern {
                // The reference's newer client knows nothing of dates; whoever set one by hand keeps it.
                wished.expires = held.expires;
            }
            if wished.is_held(&held) {
                return Ok(Pushed::Unchanged);
            }
            // What isn't said isn't changed.
            wished.content_type = wished.content_type.or(held.content_type);
        }
        let (method, segments, failed) = match kind {
            Kind::Secret => (Method::PUT, vec![kind.collection(), name], "could not set secret"),
            Kind::Key => (Method::PUT, vec![kind.collection(), name], "could not import key"),
            Kind::Certificate => {
                (Method::POST, vec![kind.collection(), name, "import"], "could not import certificate")
            }
        };
        let answer = self.change(kind.set(), method, &segments, Some(wished.body()), calls).await;
        let failed = |error: Error| error.context(format!("{failed} {name}"));
        let answer = answer.map_err(failed)?;
        let taken = answer.status.is_success() && is_object(answer.body.expose());
        if taken {
            Ok(Pushed::Written)
        } else {
            Err(failed(error::of_answer(&answer, kind.set(), &self.wire.origin())))
        }
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let object = Object::of(&place.key, PUSH)?;
        let (kind, name) = (object.kind, object.name);
        let held = self.held(object, calls).await;
        let held = held.map_err(|error| error.context(format!("error getting {} {name}", kind.word())))?;
        match held {
            None => return Ok(Removed::Absent),
            Some(held) if !is_ours(&held.tags) => return Ok(Removed::Foreign),
            Some(_) => {}
        }
        let failed = |error: Error| error.context(format!("error deleting {} {name}", kind.word()));
        let answer = self.change(kind.delete(), Method::DELETE, &[kind.collection(), name], None, calls).await;
        let answer = answer.map_err(failed)?;
        match answer.status.is_success() {
            true => Ok(Removed::Deleted),
            false if error::is_missing(&answer, kind) => Ok(Removed::Absent),
            false => Err(failed(error::of_answer(&answer, kind.delete(), &self.wire.origin()))),
        }
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let object = Object::of(&place.key, PUSH)?;
        let answer = self.looked(object, calls).await?;
        if error::is_disabled(&answer) {
            return Ok(true);
        }
        match self.bundle(&answer, object.kind) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use provider::Source;
    use serde_json::json;

    use super::*;

    const PEM: &str = include_str!("../../testdata/azurekv/client.pem");
    const PFX: &[u8] = include_bytes!("../../testdata/azurekv/client.pfx");

    fn wished(kind: Kind, value: &[u8], spec: serde_json::Value) -> Result<Wished, Error> {
        let data = [("k".to_owned(), SecretBytes::new(value.to_vec()))].into();
        let metadata = json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec});
        let push = Push {
            source: Arc::new(Source { data, ..Source::default() }),
            secret_key: Some("k".to_owned()),
            place: Place { key: "app".to_owned(), property: None },
            metadata: Some(metadata),
        };
        Wished::of(&push, kind)
    }

    #[test]
    fn an_entry_that_cannot_work_is_refused_before_any_request() {
        let cases = [
            (
                Kind::Secret,
                b"v".as_slice(),
                json!({"expirationDate": "soon"}),
                "error parsing expiration date in metadata: \"soon\"",
            ),
            (
                Kind::Secret,
                b"v",
                json!({"tags": {"managed-by": "me"}}),
                "error parsing tags in metadata: Cannot specify",
            ),
            (Kind::Secret, b"v", json!({"tag": {}}), "failed to parse push secret metadata: failed to parse"),
            (Kind::Secret, b"\xff", json!({}), "the value is not text"),
            (Kind::Certificate, b"canary", json!({}), "value from secret is not a valid certificate"),
            (Kind::Key, b"-----BEGIN canary", json!({}), "could not load private key app: it holds no private key"),
        ];
        for (kind, value, spec, text) in cases {
            let error = wished(kind, value, spec).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_body_says_all_that_is_wished() {
        let spec =
            json!({"expirationDate": "2024-12-31T21:00:00+01:00", "contentType": "text/plain", "tags": {"a": "b"}});
        let cases = [
            (
                Kind::Secret,
                b"v\"<".as_slice(),
                spec,
                json!({"value": "v\"<", "contentType": "text/plain", "attributes": {"enabled": true, "exp": 1_735_675_200},
                    "tags": {"a": "b", "managed-by": "external-secrets"}}),
            ),
            (
                Kind::Secret,
                b"v",
                json!({"contentType": "", "expirationDate": ""}),
                json!({"value": "v", "attributes": {"enabled": true}, "tags": {"managed-by": "external-secrets"}}),
            ),
            (
                Kind::Key,
                b"key",
                json!({}),
                json!({"key": {"kty": "oct", "k": "a2V5"}, "attributes": {"enabled": true},
                    "tags": {"managed-by": "external-secrets"}}),
            ),
            (
                Kind::Certificate,
                PEM.as_bytes(),
                json!({}),
                json!({"value": STANDARD.encode(PEM), "policy": {"secret_props": {"contentType": "application/x-pem-file"}},
                    "tags": {"managed-by": "external-secrets"}}),
            ),
            (
                Kind::Certificate,
                PFX,
                json!({}),
                json!({"value": STANDARD.encode(PFX), "tags": {"managed-by": "external-secrets"}}),
            ),
        ];
        for (kind, value, spec, want) in cases {
            let body: serde_json::Value =
                serde_json::from_slice(wished(kind, value, spec).unwrap().body().expose()).unwrap();
            assert_eq!(body, want);
        }
    }

    #[test]
    fn what_is_as_wished_is_told_from_what_is_not() {
        let dated = json!({"expirationDate": "2024-12-31T20:00:00Z"});
        let held = |more: serde_json::Value| {
            let mut held = json!({"value": "v", "tags": {"managed-by": "external-secrets", "other": "x"}});
            held.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            held
        };
        let cases = [
            (json!({}), held(json!({})), true),
            (json!({}), held(json!({"contentType": "text/plain"})), true),
            (json!({}), held(json!({"value": "w"})), false),
            (json!({}), held(json!({"attributes": {"exp": 1_735_675_200}})), false),
            (dated.clone(), held(json!({"attributes": {"exp": 1_735_675_200}})), true),
            (dated, held(json!({"attributes": {"exp": 1_735_675_201}})), false),
            (json!({"contentType": "a/b"}), held(json!({"contentType": "a/b"})), true),
            (json!({"contentType": "a/b"}), held(json!({})), false),
            (json!({"tags": {"other": "x"}}), held(json!({})), true),
            (json!({"tags": {"other": "y"}}), held(json!({})), false),
        ];
        for (spec, held, want) in cases {
            let bundle = Bundle::of(Kind::Secret, held.to_string().as_bytes(), false).unwrap();
            assert_eq!(wished(Kind::Secret, b"v", spec.clone()).unwrap().is_held(&bundle), want, "{spec} {held}");
        }
    }
}
