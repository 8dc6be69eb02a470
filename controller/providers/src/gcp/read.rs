//! Reading a version or the metadata of a secret, and picking values out of what was read.
//!
//! A payload is the version's bytes, or the metadata as `{"annotations": …, "labels": …}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use gojson::Html;
use http::Method;
use provider::{Calls, Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;

use super::checksum::crc32c;
use super::error::{Said, Subject, malformed};
use super::names::{LATEST, last_of};
use super::wire::Call;
use super::{ACCESS, GET, GcpSm, LIST_VERSIONS};
use crate::http::Uncounted;

pub(super) const CANNOT_READ: &str = "unable to access Secret from SecretManager Client";
const ANNOTATIONS: &str = "annotations";
const LABELS: &str = "labels";

/// A secret without its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Secret {
    /// With the project's number.
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) etag: String,
}

/// Adds the reference's words, but to the sentinel of a missing secret.
pub(super) fn in_context(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { error } else { error.context(CANNOT_READ) }
}

/// Reads one remote key.
///
/// Source: Secret Manager's REST reference, "projects.secrets.versions.access" and "projects.secrets.get".
///
/// # Errors
/// `NotFound` when Google says that this secret or version doesn't exist.
pub(super) async fn read(store: &GcpSm, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata } = read;
    let calls = &Uncounted;
    if *metadata {
        let secret = get(store, key, calls).await.map_err(in_context)?;
        return Ok(Payload(SecretBytes::new(metadata_of(&secret))));
    }
    match version.as_deref().filter(|version| !version.is_empty()) {
        Some(version) => access(store, key, version, calls).await.map_err(|said| in_context(said.error)),
        None => newest(store, key, calls).await,
    }
    .map(Payload)
}

/// The latest version; where the store asks for it, the newest enabled one if that can't be read.
pub(super) async fn newest(store: &GcpSm, key: &str, calls: &dyn Calls) -> Result<SecretBytes, Error> {
    let said = match access(store, key, LATEST, calls).await {
        Ok(value) => return Ok(value),
        Err(said) => said,
    };
    if !(store.falls_back && said.switched_off) {
        return Err(in_context(said.error));
    }
    match enabled_version(store, key, calls).await.map_err(in_context)? {
        None => Err(in_context(said.error)),
        Some(version) => access(store, key, &version.to_string(), calls).await.map_err(|said| in_context(said.error)),
    }
}

/// The bytes of a version.
pub(super) async fn access(store: &GcpSm, key: &str, version: &str, calls: &dyn Calls) -> Result<SecretBytes, Said> {
    let path = store.names.payload(key, version)?;
    let subject = Subject::Secret(key);
    let call = Call { operation: ACCESS, method: Method::GET, path: &path, query: &[], body: None, subject };
    let body = store.wire.send(call, calls).await?;
    payload(&body, key, &store.wire.origin()).map_err(Said::from)
}

fn payload(body: &SecretBytes, key: &str, origin: &str) -> Result<SecretBytes, Error> {
    #[derive(Deserialize)]
    struct Version<'a> {
        #[serde(borrow)]
        payload: Data<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        #[serde(default, borrow)]
        data: Option<Cow<'a, str>>,
        data_crc32c: Option<serde_json::Value>,
    }
    let version: Version<'_> = serde_json::from_slice(body.expose()).map_err(|_| malformed(ACCESS, origin))?;
    let Data { data, data_crc32c } = version.payload;
    let Some(data) = data else {
        let text = format!("invalid secret received. no secret string for key: {key}");
        return Err(Error::new(ErrorKind::Malformed, ACCESS, text));
    };
    let bytes = STANDARD.decode(data.as_bytes()).or_else(|_| URL_SAFE.decode(data.as_bytes()));
    let bytes = bytes.map(SecretBytes::new).map_err(|_| malformed(ACCESS, origin))?;
    // 64 bits, which JSON of protocol buffers writes as text.
    let sum = match data_crc32c {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.parse().map_err(|_| malformed(ACCESS, origin))?),
        Some(other) => Some(other.as_u64().ok_or_else(|| malformed(ACCESS, origin))?),
    };
    if sum.is_some_and(|sum: u64| sum != u64::from(crc32c(bytes.expose()))) {
        let text =
            format!("{origin} answered with a payload that doesn't match its checksum dataCrc32c; it was damaged");
        return Err(Error::new(ErrorKind::Malformed, ACCESS, text));
    }
    Ok(bytes)
}

/// The number of the newest version that is enabled.
pub(super) async fn enabled_version(store: &GcpSm, key: &str, calls: &dyn Calls) -> Result<Option<u64>, Error> {
    #[derive(Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    #[derive(Default)]
    struct Page {
        versions: Vec<Version>,
        next_page_token: String,
    }
    #[derive(Deserialize)]
    struct Version {
        name: String,
    }
    let path = store.names.versions(key)?;
    let (mut newest, mut token) = (None, String::new());
    loop {
        let mut query = vec![("filter", "state:ENABLED"), ("pageSize", "1000")];
        query.extend(Some(("pageToken", token.as_str())).filter(|(_, token)| !token.is_empty()));
        let subject = Subject::Secret(key);
        let call =
            Call { operation: LIST_VERSIONS, method: Method::GET, path: &path, query: &query, body: None, subject };
        let body = store.wire.send(call, calls).await?;
        let bad = || malformed(LIST_VERSIONS, &store.wire.origin());
        let page: Page = serde_json::from_slice(body.expose()).map_err(|_| bad())?;
        for version in page.versions {
            let number = last_of(&version.name, "versions").and_then(|number| number.parse::<u64>().ok());
            newest = newest.max(Some(number.ok_or_else(bad)?));
        }
        if page.next_page_token.is_empty() {
            return Ok(newest);
        }
        if page.next_page_token == token {
            return Err(bad());
        }
        token = page.next_page_token;
    }
}

/// A secret without its versions.
pub(super) async fn get(store: &GcpSm, key: &str, calls: &dyn Calls) -> Result<Secret, Error> {
    let path = store.names.secret(key)?;
    let subject = Subject::Secret(key);
    let call = Call { operation: GET, method: Method::GET, path: &path, query: &[], body: None, subject };
    let body = store.wire.send(call, calls).await?;
    secret(&body, key, GET, &store.wire.origin())
}

/// A secret in an answer, which must be the one that was asked for.
pub(super) fn secret(body: &SecretBytes, key: &str, operation: &'static str, origin: &str) -> Result<Secret, Error> {
    let secret: Option<Secret> = serde_json::from_slice(body.expose()).ok();
    secret.filter(|secret| last_of(&secret.name, "secrets") == Some(key)).ok_or_else(|| malformed(operation, origin))
}

fn json_of(map: &BTreeMap<String, String>) -> Vec<u8> {
    if map.is_empty() {
        return b"null".to_vec(); // As Go writes a map that isn't there.
    }
    gojson::string_map(map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())), Html::Escape)
}

fn metadata_of(secret: &Secret) -> Vec<u8> {
    let (annotations, labels) = (json_of(&secret.annotations), json_of(&secret.labels));
    [b"{\"annotations\":", annotations.as_slice(), b",\"labels\":", labels.as_slice(), b"}"].concat()
}

/// The whole payload; with a property, the key that is spelt so, else the gjson path. Of metadata: see [`metadata_value`].
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let Some(property) = reference.property.as_deref().filter(|property| !property.is_empty()) else {
        return Ok(payload.0.clone());
    };
    let RemoteRef { read: ReadKey { key, version: _, metadata }, property: _ } = reference;
    if *metadata {
        return metadata_value(payload, key, property);
    }
    if !gojson::valid(payload.0.expose()) {
        return Err(Error::new(ErrorKind::Malformed, ACCESS, "unable to unmarshal secret from JSON: it is not JSON"));
    }
    gojson::property::dotted_first(payload.0.expose(), property).map(SecretBytes::new).ok_or_else(|| {
        let text = format!("key {property} does not exist in secret {key}");
        Error::new(ErrorKind::BadProperty, ACCESS, text)
    })
}

/// `annotations` and `labels` are all of them, `annotations.<name>` and `labels.<name>` one, its name as it is.
fn metadata_value(payload: &Payload, key: &str, property: &str) -> Result<SecretBytes, Error> {
    for (kind, singular) in [(ANNOTATIONS, "annotation"), (LABELS, "label")] {
        let Some(rest) = property.strip_prefix(kind) else { continue };
        if rest.is_empty() {
            let all = gojson::get(payload.0.expose(), kind).into_text();
            return Ok(SecretBytes::new(if all.is_empty() { b"null".to_vec() } else { all }));
        }
        let Some(name) = rest.strip_prefix('.').filter(|name| !name.is_empty()) else { continue };
        let members = gojson::get(payload.0.expose(), kind).into_text();
        let members = gojson::object_to_map(&members).unwrap_or_default();
        let found = members.into_iter().find(|(found, _)| found == name);
        return found.map(|(_, value)| SecretBytes::new(value)).ok_or_else(|| {
            let text = format!("{singular} with key {name} does not exist in secret {key}");
            Error::new(ErrorKind::BadProperty, GET, text)
        });
    }
    let text =
        format!("invalid property {property}: metadata property should start with either {ANNOTATIONS} or {LABELS}");
    Err(Error::new(ErrorKind::Invalid, GET, text))
}

/// The members of the JSON object that [`value`] gives.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let object = value(payload, reference)?;
    let members = gojson::object_to_map(object.expose()).map_err(|_| {
        let text = "unable to unmarshal secret from JSON: the value is not a JSON object";
        Error::new(ErrorKind::Malformed, ACCESS, text)
    })?;
    Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_what_google_says_and_what_its_checksum_confirms() {
        let sum = crc32c(b"value");
        let good = STANDARD.encode("value");
        let cases = [
            (json!({"payload": {"data": good}}), Ok("value")),
            (json!({"payload": {"data": good, "dataCrc32c": sum.to_string()}}), Ok("value")),
            (json!({"payload": {"data": good, "dataCrc32c": sum}}), Ok("value")),
            (json!({"payload": {"data": ""}}), Ok("")),
            (json!({"payload": {"data": "_-8="}}), Err("")),
            (json!({"payload": {"data": good, "dataCrc32c": "1"}}), Err("doesn't match its checksum")),
            (json!({"payload": {"data": good, "dataCrc32c": "canary"}}), Err("Secret Manager wouldn't")),
            (json!({"payload": {}}), Err("invalid secret received. no secret string for key: k")),
            (json!({"payload": {"data": "canary!"}}), Err("Secret Manager wouldn't")),
            (json!({"payload": "canary"}), Err("Secret Manager wouldn't")),
            (json!({}), Err("Secret Manager wouldn't")),
            (json!("canary"), Err("Secret Manager wouldn't")),
        ];
        for (body, want) in cases {
            let got = payload(&body.to_string().into(), "k", "https://h");
            match (&got, want) {
                (Ok(value), Ok(want)) => assert_eq!(value.expose(), want.as_bytes(), "{body}"),
                (Ok(value), Err("")) => assert_eq!(value.expose(), b"\xff\xef", "{body}"),
                (Err(error), Err(text)) => {
                    assert_eq!(error.kind(), ErrorKind::Malformed);
                    assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
                }
                (got, want) => panic!("{body}: {got:?}, not {want:?}"),
            }
        }
    }

    fn reference(metadata: bool, property: &str) -> RemoteRef {
        let read = ReadKey { key: "k".to_owned(), version: None, metadata };
        RemoteRef { read, property: Some(property.to_owned()) }
    }

    fn check(metadata: bool, payload: &str, cases: &[(&str, Result<&str, &str>)]) {
        let payload = Payload(SecretBytes::from(payload));
        for (property, want) in cases {
            let got = value(&payload, &reference(metadata, property));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property}");
        }
    }

    #[test]
    fn values_and_maps_follow_the_references_rules() {
        let json = r#"{"a.b":"exact","a":{"b":"path","n":1.50},"o":null}"#;
        check(
            false,
            json,
            &[("", Ok(json)), ("a.b", Ok("exact")), ("a.n", Ok("1.5")), ("z", Err("key z does not exist in secret k"))],
        );
        check(
            false,
            "canary",
            &[("a", Err("unable to unmarshal secret from JSON: it is not JSON")), ("", Ok("canary"))],
        );
        let got = map(&Payload(SecretBytes::from(json)), &reference(false, "")).unwrap();
        let shown: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
        assert_eq!(shown, [("a", r#"{"b":"path","n":1.50}"#), ("a.b", "exact"), ("o", "")]);
        let error = map(&Payload(SecretBytes::from("canary")), &reference(false, "")).unwrap_err();
        assert!(error.to_string().ends_with("the value is not a JSON object"), "{error}");
    }

    #[test]
    fn metadata_is_picked_by_kind_and_name() {
        let secret = Secret {
            labels: [("owner".to_owned(), "me".to_owned())].into(),
            annotations: [("a.b/c".to_owned(), "<".to_owned())].into(),
            ..Secret::default()
        };
        let all = String::from_utf8(metadata_of(&secret)).unwrap();
        assert_eq!(all, r#"{"annotations":{"a.b/c":"\u003c"},"labels":{"owner":"me"}}"#);
        check(
            true,
            &all,
            &[
                ("", Ok(&all)),
                ("labels", Ok(r#"{"owner":"me"}"#)),
                ("labels.owner", Ok("me")),
                ("annotations.a.b/c", Ok("<")),
                ("annotations.none", Err("annotation with key none does not exist in secret k")),
                ("labels.none", Err("label with key none does not exist in secret k")),
                (
                    "owner",
                    Err("invalid property owner: metadata property should start with either annotations or labels"),
                ),
            ],
        );
        let bare = String::from_utf8(metadata_of(&Secret::default())).unwrap();
        assert_eq!(bare, r#"{"annotations":null,"labels":null}"#);
        check(true, &bare, &[("labels", Ok("null")), ("labels.x", Err("label with key x does not exist in secret k"))]);
    }
}
