//! Reading a secret or its metadata, and picking values out of what was read.
//!
//! A payload is the KV data (or the metadata) as compact JSON with sorted keys, numbers as Vault spelt them.

use gojson::{Document, Html, Item, NodeId, Numbers};
use http::{Method, StatusCode};
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use api::VaultVersion;

use super::product::{Peer, Product};
use super::{Ask, READ, Vault, error};
use crate::http::Answer;

/// What Vault itself says of a secret, next to its custom metadata.
const SYSTEM_METADATA: [&str; 3] = ["created_time", "current_version", "delete_version_after"];

/// Reads one remote key.
///
/// Source: Vault HTTP API, "KV secrets engine, version 1" and "version 2": read secret (version), read secret metadata.
///
/// # Errors
/// `NotFound` when Vault itself says that key or version doesn't exist or was deleted.
pub(super) async fn read(vault: &Vault, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata } = read;
    if *metadata {
        return read_metadata(vault, key).await;
    }
    let version = version.as_deref().filter(|v| !v.is_empty()).map(|v| ("version", v));
    let answer = get(vault, &vault.paths.data(key)?, version).await?;
    data(&answer, vault.paths.version, vault.wire.peer()).map(Payload)
}

async fn read_metadata(vault: &Vault, key: &str) -> Result<Payload, Error> {
    if vault.paths.version == VaultVersion::V1 {
        let text = "cannot perform metadata fetch operations with kv version v1";
        return Err(Error::new(ErrorKind::Invalid, READ, text));
    }
    let (path, older) = vault.paths.metadata(key)?;
    let mut answer = get(vault, &path, None).await?;
    if let (StatusCode::NOT_FOUND, Some(older)) = (answer.status, older) {
        answer = get(vault, &older, None).await?;
    }
    metadata(&answer, vault.wire.peer()).map(Payload)
}

/// One read.
pub(super) async fn get(vault: &Vault, path: &[String], query: Option<(&'static str, &str)>) -> Result<Answer, Error> {
    let ask = Ask { operation: READ, method: Method::GET, path, query, body: None };
    vault.ask(ask).await.map_err(|e| e.context(vault.wire.peer().product.cannot_read()))
}

/// The KV data of an answer.
pub(super) fn data(answer: &Answer, version: VaultVersion, peer: &Peer) -> Result<SecretBytes, Error> {
    let bad = || error::of_answer(answer, READ, peer).context(peer.product.cannot_read());
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND if error::is_plain_not_found(answer) => return Err(Error::not_found(READ)),
        StatusCode::NOT_FOUND => {}
        _ => return Err(bad()),
    }
    let found = answer.status == StatusCode::OK;
    let document = parse(answer, peer).map_err(|e| if found { e } else { bad() })?;
    let outer = document.member(document.root(), "data");
    let data = match version {
        VaultVersion::V1 => outer,
        VaultVersion::V2 => outer.and_then(|id| document.member(id, "data")),
    };
    match data.map(|id| (id, document.item(id))) {
        Some((id, Item::Object(_))) if found => compact(&document, id),
        // Version 2 answers a deleted version with 404 and its metadata, the data being null.
        Some((_, Item::Null)) if version == VaultVersion::V2 => Err(Error::not_found(READ)),
        _ if !found => Err(bad()),
        None | Some((_, Item::Null)) => Err(malformed("failed to find data field", version, peer.product)),
        Some((_, Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Array(_) | Item::Object(_))) => {
            Err(malformed("failed to unmarshall JSON: the data field is not an object", version, peer.product))
        }
    }
}

pub(super) fn malformed(text: &str, version: VaultVersion, product: Product) -> Error {
    let field = product.field("version");
    let text = format!("{text}; check that the mount has KV version {version}, as {field} says");
    Error::new(ErrorKind::Malformed, READ, text)
}

/// System and custom metadata as one object of strings.
pub(super) fn metadata(answer: &Answer, peer: &Peer) -> Result<SecretBytes, Error> {
    match answer.status {
        StatusCode::OK => {}
        // In the reference this is no sign that the secret is gone, so it leads to no deletion.
        StatusCode::NOT_FOUND if error::is_plain_not_found(answer) => {
            return Err(Error::new(ErrorKind::Invalid, READ, "secret not found"));
        }
        _ => return Err(error::of_answer(answer, READ, peer).context(peer.product.cannot_read())),
    }
    let document = parse(answer, peer)?;
    let Some(data) = document.member(document.root(), "data") else {
        return Err(malformed("failed to find data field", VaultVersion::V2, peer.product));
    };
    let mut values = std::collections::BTreeMap::new();
    let mut keep = |name: &str, id: NodeId| {
        if let (false, Ok(text)) = (matches!(document.item(id), Item::Null), document.bytes(id, Numbers::Literal)) {
            values.insert(name.to_owned(), text);
        }
    };
    for name in SYSTEM_METADATA {
        if let Some(id) = document.member(data, name) {
            keep(name, id);
        }
    }
    if let Some(Item::Object(custom)) = document.member(data, "custom_metadata").map(|id| document.item(id)) {
        for (name, id) in custom {
            keep(name, *id);
        }
    }
    let pairs = values.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Ok(SecretBytes::new(gojson::string_map(pairs, Html::Escape)))
}

pub(super) fn parse<'a>(answer: &'a Answer, peer: &Peer) -> Result<Document<'a>, Error> {
    Document::parse_first(answer.body.expose()).map_err(|_| {
        let text = format!(
            "{}: the answer of {peer} is not JSON; does something other than {} answer there? check {}",
            peer.product.cannot_read(),
            peer.product.name(),
            peer.product.field("server")
        );
        Error::new(ErrorKind::Malformed, READ, text)
    })
}

fn compact(document: &Document<'_>, id: NodeId) -> Result<SecretBytes, Error> {
    let json = document.compact(id, Numbers::Literal, Html::Escape);
    json.map(SecretBytes::new).map_err(|_| not_an_object())
}

fn not_an_object() -> Error {
    Error::new(ErrorKind::Malformed, READ, "failed to unmarshall JSON: the value is not a JSON object")
}

/// The whole data as JSON; with a property, the key that is spelt so, else the gjson path.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let property = reference.property.as_deref().unwrap_or_default();
    let data = Document::parse_first(payload.0.expose()).map_err(|_| not_an_object())?;
    match gojson::property::vault(&data, property) {
        Ok(Some(value)) => Ok(SecretBytes::new(value)),
        Ok(None) => {
            let text = format!("cannot find secret data for key: {}", gojson::quote(property));
            Err(Error::new(ErrorKind::BadProperty, READ, text))
        }
        Err(_) => Err(not_an_object()),
    }
}

/// The members of the object that [`value`] gives. Numbers go through float64 here, as in the reference.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let json = value(payload, reference)?;
    let object = Document::parse(json.expose()).map_err(|_| not_an_object())?;
    let members = object.members("map[string]interface {}").map_err(|_| not_an_object())?;
    let bytes = |id: NodeId| object.bytes(id, Numbers::Float64).map(SecretBytes::new).map_err(|_| not_an_object());
    members.into_iter().flatten().map(|(key, id)| Ok((key.clone(), bytes(*id)?))).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: SecretBytes::from(body) }
    }

    fn vault() -> Peer {
        Peer { product: Product::Vault, origin: "http://v".to_owned() }
    }

    #[test]
    fn data_is_what_vault_says_and_missing_only_if_vault_says_so() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, NotFound, Unavailable};
        use VaultVersion::{V1, V2};
        let deleted = r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z","destroyed":false,"version":1}},"warnings":null}"#;
        let cases = [
            (V2, 200, r#"{"data":{"data":{"b":1.50,"a":"<"},"metadata":{}}}"#, Ok(r#"{"a":"\u003c","b":1.50}"#)),
            (V1, 200, r#"{"data":{"b":1,"a":"x"}}"#, Ok(r#"{"a":"x","b":1}"#)),
            (V2, 200, r#"{"data":{"data":{}}}"#, Ok("{}")),
            (V2, 404, r#"{"errors":[]}"#, Err(NotFound)),
            (V1, 404, r#"{"errors":[]}"#, Err(NotFound)),
            (V2, 404, deleted, Err(NotFound)),
            (V2, 200, deleted, Err(NotFound)),
            (V2, 404, r#"{"errors":["no handler for route"]}"#, Err(Invalid)),
            (V1, 404, r#"{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine"]}"#, Err(Invalid)),
            (V2, 404, "", Err(Malformed)),
            (V2, 404, "<html>canary</html>", Err(Malformed)),
            (V2, 200, "", Err(Malformed)),
            (V2, 200, "{}", Err(Malformed)),
            (V1, 200, "{}", Err(Malformed)),
            (V2, 200, r#"{"data":{"b":"canary"}}"#, Err(Malformed)),
            (V2, 200, r#"{"data":{"data":"canary"}}"#, Err(Malformed)),
            (V2, 200, r#"{"data":{"data":{"a":"canary""#, Err(Malformed)),
            (V2, 200, "<html>canary</html>", Err(Malformed)),
            (V2, 403, "{}", Err(AccessDenied)),
            (V2, 500, r#"{"errors":[]}"#, Err(Unavailable)),
        ];
        for (version, status, body, want) in cases {
            let got = data(&answer(status, body), version, &vault());
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(Error::kind);
            assert_eq!(shown, want, "{version} {status} {body}");
            if let Err(error) = got {
                assert!(!error.to_string().contains("canary"), "{error}");
            }
        }
    }

    #[test]
    fn metadata_is_system_and_custom_metadata_as_strings() {
        let body = r#"{"data":{"created_time":"2026","current_version":3,"delete_version_after":null,"max_versions":0,
            "custom_metadata":{"owner":"me","n":1}}}"#;
        let got = metadata(&answer(200, body), &vault()).unwrap();
        assert_eq!(got.expose_str(), Some(r#"{"created_time":"2026","current_version":"3","n":"1","owner":"me"}"#));
        let error = metadata(&answer(404, r#"{"errors":[]}"#), &vault()).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, "secret not found"));
    }

    #[test]
    fn values_and_maps_follow_the_references_rules() {
        let payload = Payload(SecretBytes::from(
            r#"{"a":{"b":{"c":1.50}},"a.b":"exact","big":12345678901234567890,"l":["x"],"n":null}"#,
        ));
        let reference = |property: Option<&str>| RemoteRef {
            read: ReadKey { key: "k".to_owned(), version: None, metadata: false },
            property: property.map(str::to_owned),
        };
        let values = [
            (Some("a.b"), Ok("exact")),
            (Some("a.b.c"), Ok("1.5")),
            (Some("big"), Ok("12345678901234567890")),
            (Some("n"), Ok("")),
            (Some("z"), Err("cannot find secret data for key: \"z\"")),
        ];
        for (property, want) in values {
            let got = value(&payload, &reference(property));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property:?}");
        }
        assert_eq!(value(&payload, &reference(Some("z"))).unwrap_err().kind(), ErrorKind::BadProperty);

        let got = map(&payload, &reference(None)).unwrap();
        let shown: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
        let want = [
            ("a", r#"{"b":{"c":1.5}}"#),
            ("a.b", "exact"),
            ("big", "12345678901234567000"),
            ("l", r#"["x"]"#),
            ("n", ""),
        ];
        assert_eq!(shown, want);
        let nested = map(&payload, &reference(Some("a"))).unwrap();
        assert_eq!(nested.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(map(&payload, &reference(Some("big"))).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
