//! Pushing secrets: the ownership mark, the merge of a property, and writes that notice each other.
//!
//! Version 2 keeps the mark in the custom metadata, version 1 inside of the data itself, both as the reference does.
//! Deliberately not here: what an answer says about a secret (`read.rs`), paths (`path.rs`).
//!
//! Source: Vault HTTP API, "KV secrets engine": create/update secret (with `options.cas`), create/update metadata, delete
//! metadata and all versions.

use std::collections::BTreeMap;

use api::VaultVersion;
use async_trait::async_trait;
use gojson::{Document, Html, Item, Numbers};
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Payload, Place, Push, Pushed, ReadKey, RemoteRef, Removed, Write};
use secret::SecretBytes;

use super::product::Peer;
use super::read::{data, parse, value};
use super::{Ask, READ, Vault, error};
use crate::http::Answer;
use crate::ownership::{MANAGED_BY, US, foreign, is_ours};

const WRITE: &str = "WriteSecretData";
const DELETE: &str = "DeleteSecret";
const CANNOT_WRITE: &str = "cannot write secret data to Vault";
/// Where version 1 keeps the mark, and what version 2 calls the place.
const CUSTOM_METADATA: &str = "custom_metadata";

/// The members of a JSON object, each as JSON.
type Members = BTreeMap<String, SecretBytes>;

/// Custom metadata.
type Custom = BTreeMap<String, String>;

/// What is at a place.
struct Remote {
    /// The data of the newest version, without version 1's mark; `None` if there is none, or it is deleted.
    data: Option<Members>,
    /// The number of the newest version, which a write names so that it fails if another came meanwhile; 0 if there is none.
    version: u64,
    custom: Custom,
    ours: bool,
}

fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

fn members(json: &[u8]) -> Option<Members> {
    let document = Document::parse(json).ok()?;
    let Item::Object(members) = document.item(document.root()) else { return None };
    let compact = |id| document.compact(id, Numbers::Literal, Html::Keep).ok().map(SecretBytes::new);
    members.iter().map(|(key, id)| Some((key.clone(), compact(*id)?))).collect()
}

fn texts(map: &Custom) -> Vec<u8> {
    gojson::string_map(map.iter().map(|(key, value)| (key.as_str(), value.as_bytes())), Html::Keep)
}

/// As it will be read back: what isn't UTF-8 is U+FFFD then.
fn json_text(text: &[u8]) -> SecretBytes {
    let text = String::from_utf8_lossy(text);
    let mut out = Vec::new();
    gojson::write_string(&mut out, text.as_bytes(), Html::Keep);
    SecretBytes::new(out)
}

/// What the data is to become, or `None` if it is so already. Pure.
fn wished(
    held: Option<&Members>,
    property: Option<&str>,
    value: &SecretBytes,
    version: VaultVersion,
) -> Result<Option<Members>, Error> {
    let wished = match property {
        None => {
            let text = "error unmarshalling vault secret: invalid JSON format; without a property the value must be a \
                        JSON object";
            let not_json = || invalid(WRITE, text);
            let mut wished = members(value.expose()).ok_or_else(not_json)?;
            if version == VaultVersion::V1 {
                wished.remove(CUSTOM_METADATA);
            }
            wished
        }
        Some(CUSTOM_METADATA) if version == VaultVersion::V1 => {
            let text = "property custom_metadata: KV version 1 keeps the mark of what was pushed there; take another";
            return Err(invalid(WRITE, text));
        }
        Some(property) => {
            let mut wished = held.cloned().unwrap_or_default();
            let was = wished.insert(property.to_owned(), json_text(value.expose()));
            if was.is_some_and(|json| json.expose().first() != Some(&b'"')) {
                let text = format!("error converting {property} to string: there is something else, which is kept");
                return Err(invalid(WRITE, text));
            }
            wished
        }
    };
    Ok(Some(wished).filter(|wished| !held.is_some_and(|held| same(held, wished, version))))
}

/// Whether both are the same to Vault. Version 2 keeps numbers as float64: what comes back is spelt otherwise.
fn same(one: &Members, other: &Members, version: VaultVersion) -> bool {
    let kept = |json: &SecretBytes| match version {
        VaultVersion::V1 => None,
        VaultVersion::V2 => {
            let document = Document::parse(json.expose()).ok()?;
            document.compact(document.root(), Numbers::Float64, Html::Keep).ok().map(SecretBytes::new)
        }
    };
    let same = |(one, other): (&SecretBytes, &SecretBytes)| {
        one == other || kept(one).is_some_and(|it| kept(other) == Some(it))
    };
    one.len() == other.len() && one.iter().all(|(key, json)| other.get(key).is_some_and(|other| same((json, other))))
}

/// The custom metadata with the mark.
fn marked(custom: &Custom) -> Custom {
    let mut custom = custom.clone();
    custom.insert(MANAGED_BY.to_owned(), US.to_owned());
    custom
}

/// The body of a write of data.
fn body(members: &Members, remote: &Remote, version: VaultVersion) -> SecretBytes {
    let mut pairs: BTreeMap<&str, &[u8]> = members.iter().map(|(key, json)| (key.as_str(), json.expose())).collect();
    SecretBytes::new(match version {
        VaultVersion::V1 => {
            let mark = texts(&marked(&remote.custom));
            pairs.insert(CUSTOM_METADATA, &mark);
            gojson::object(pairs, Html::Keep)
        }
        VaultVersion::V2 => {
            let data = SecretBytes::new(gojson::object(pairs, Html::Keep));
            let options = format!("{{\"cas\":{}}}", remote.version);
            gojson::object([("data", data.expose()), ("options", options.as_bytes())], Html::Keep)
        }
    })
}

/// Custom metadata, and the number of the newest version, out of an answer about metadata.
fn metadata_of(answer: &Answer, peer: &Peer) -> Result<Option<(Custom, u64)>, Error> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND if error::is_plain_not_found(answer) => return Ok(None),
        _ => return Err(error::of_answer(answer, READ, peer).context(peer.product.cannot_read())),
    }
    let document = parse(answer, peer)?;
    let data = document.member(document.root(), "data");
    let custom = data.and_then(|data| document.member(data, CUSTOM_METADATA));
    let current = data.and_then(|data| number(&document, data, "current_version"));
    Ok(Some((custom.map(|id| strings(&document, id)).unwrap_or_default(), current.unwrap_or_default())))
}

fn strings(document: &Document<'_>, id: gojson::NodeId) -> Custom {
    let Item::Object(members) = document.item(id) else { return Custom::new() };
    let text = |id| document.bytes(id, Numbers::Literal).ok().and_then(|text| String::from_utf8(text).ok());
    members.iter().filter_map(|(key, id)| Some((key.clone(), text(*id)?))).collect()
}

fn number(document: &Document<'_>, of: gojson::NodeId, name: &str) -> Option<u64> {
    match document.item(document.member(of, name)?) {
        Item::Number(text) => text.parse().ok(),
        Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_) => None,
    }
}

/// The number of the version that an answer about data tells of, be it deleted.
fn version_of(answer: &Answer) -> u64 {
    let Ok(document) = Document::parse_first(answer.body.expose()) else { return 0 };
    let data = document.member(document.root(), "data");
    let metadata = data.and_then(|data| document.member(data, "metadata"));
    metadata.and_then(|metadata| number(&document, metadata, "version")).unwrap_or_default()
}

impl Vault {
    async fn call(
        &self,
        call: &'static str,
        method: Method,
        path: &[String],
        body: Option<SecretBytes>,
        calls: &dyn Calls,
    ) -> Result<Answer, Error> {
        let reads = method == Method::GET;
        let answer = self.ask(Ask { operation: call, method, path, query: None, body }).await;
        let good = |answer: &Answer| answer.status.is_success() || (reads && answer.status == StatusCode::NOT_FOUND);
        calls.made(call, answer.as_ref().is_ok_and(good));
        answer.map_err(|error| if reads { error.context(self.wire.peer().product.cannot_read()) } else { error })
    }

    fn done(&self, answer: &Answer, call: &'static str) -> Result<(), Error> {
        if answer.status.is_success() { Ok(()) } else { Err(error::of_answer(answer, call, self.wire.peer())) }
    }

    /// Looks at what is there, and whose it is.
    async fn remote(&self, key: &str, calls: &dyn Calls) -> Result<Remote, Error> {
        let peer = self.wire.peer();
        let answer = self.call(READ, Method::GET, &self.paths.data(key)?, None, calls).await?;
        let held = match data(&answer, self.paths.version, peer) {
            Ok(json) => Some(members(json.expose()).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match self.paths.version {
            VaultVersion::V1 => Ok(remote_v1(held)),
            VaultVersion::V2 => {
                let version = version_of(&answer);
                let (path, older) = self.paths.metadata(key)?;
                let answer = self.call(READ, Method::GET, &path, None, calls).await?;
                let (custom, _) = metadata_of(&answer, peer)?.unwrap_or_default();
                let mut ours = is_ours(&custom);
                if let (false, true, Some(older)) = (ours, held.is_some(), older) {
                    // The reference marks a key that begins with the mount at this place, where there is no data.
                    let answer = self.call(READ, Method::GET, &older, None, calls).await?;
                    let hidden = answer.status == StatusCode::FORBIDDEN;
                    let found = if hidden { None } else { metadata_of(&answer, peer)? };
                    ours = found.is_some_and(|(custom, version)| version == 0 && is_ours(&custom));
                }
                Ok(Remote { data: held, version, custom, ours })
            }
        }
    }

    /// Writes data; of version 2 the mark first, so that nothing is ever there that isn't known to be ours.
    async fn write(&self, key: &str, members: &Members, remote: &Remote, calls: &dyn Calls) -> Result<(), Error> {
        let mark = match self.paths.version {
            VaultVersion::V2 if !is_ours(&remote.custom) => Some(self.paths.metadata(key)?.0),
            VaultVersion::V1 | VaultVersion::V2 => None,
        };
        if let Some(path) = &mark {
            let body = custom_body(&marked(&remote.custom));
            self.done(&self.call(WRITE, Method::PUT, path, Some(body), calls).await?, WRITE)?;
        }
        let body = body(members, remote, self.paths.version);
        let answer = self.call(WRITE, Method::PUT, &self.paths.data(key)?, Some(body), calls).await?;
        if let Some(path) = mark.filter(|_| remote.data.is_none() && error::is_conflict(&answer)) {
            // Somebody else made it meanwhile: it isn't ours. If this fails too, the conflict is what to tell of.
            drop(self.call(WRITE, Method::PUT, &path, Some(custom_body(&remote.custom)), calls).await);
        }
        self.done(&answer, WRITE)?;
        self.written(&answer, WRITE)
    }

    /// Version 2 tells of the version that a write has made; what doesn't isn't Vault.
    fn written(&self, answer: &Answer, call: &'static str) -> Result<(), Error> {
        let made = || {
            let document = Document::parse_first(answer.body.expose()).ok()?;
            number(&document, document.member(document.root(), "data")?, "version")
        };
        if self.paths.version == VaultVersion::V1 || made().is_some() {
            return Ok(());
        }
        Err(error::of_answer(answer, call, self.wire.peer()))
    }

    /// Deletes the secret; of version 2 all versions and the metadata in one request, so that it can't be half-deleted.
    async fn delete_whole(&self, key: &str, calls: &dyn Calls) -> Result<(), Error> {
        let path = match self.paths.version {
            VaultVersion::V1 => self.paths.data(key)?,
            VaultVersion::V2 => self.paths.metadata(key)?.0,
        };
        self.done(&self.call(DELETE, Method::DELETE, &path, None, calls).await?, DELETE)
    }

    async fn delete_property(
        &self,
        key: &str,
        rest: &Members,
        remote: &Remote,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let body = body(rest, remote, self.paths.version);
        let answer = self.call(DELETE, Method::PUT, &self.paths.data(key)?, Some(body), calls).await?;
        self.done(&answer, DELETE)?;
        self.written(&answer, DELETE)
    }
}

fn remote_v1(held: Option<Members>) -> Remote {
    let mut held = held;
    let mark = held.as_mut().and_then(|held| held.remove(CUSTOM_METADATA)).unwrap_or_default();
    let custom = Document::parse(mark.expose()).map(|mark| strings(&mark, mark.root())).unwrap_or_default();
    Remote { data: held, version: 0, ours: is_ours(&custom), custom }
}

fn custom_body(custom: &Custom) -> SecretBytes {
    SecretBytes::new(gojson::object([(CUSTOM_METADATA, texts(custom).as_slice())], Html::Keep))
}

#[async_trait]
impl Write for Vault {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        // The reference heeds no metadata here either.
        let Push { source: _, secret_key: _, place: Place { key, property }, metadata: _ } = push;
        let value = push.value()?;
        let remote = self.remote(key, calls).await?;
        if remote.data.is_some() && !remote.ours {
            return Err(foreign(WRITE));
        }
        let Some(members) = wished(remote.data.as_ref(), property.as_deref(), &value, self.paths.version)? else {
            return Ok(Pushed::Unchanged);
        };
        self.write(key, &members, &remote, calls).await.map_err(|error| error.context(CANNOT_WRITE))?;
        Ok(Pushed::Written)
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let remote = self.remote(key, calls).await?;
        let Some(held) = &remote.data else { return Ok(Removed::Absent) };
        if !remote.ours {
            return Ok(Removed::Foreign);
        }
        let failed = |error: Error| error.context(format!("could not delete secret {key}"));
        if let Some(property) = property {
            let mut rest = held.clone();
            if rest.remove(property).is_none() {
                return Ok(Removed::Absent);
            }
            if !rest.is_empty() {
                self.delete_property(key, &rest, &remote, calls).await.map_err(failed)?;
                return Ok(Removed::Deleted);
            }
        }
        self.delete_whole(key, calls).await.map_err(failed)?;
        Ok(Removed::Deleted)
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property } = place;
        let answer = self.call(READ, Method::GET, &self.paths.data(key)?, None, calls).await?;
        let read = ReadKey { key: key.clone(), version: None, metadata: false };
        let reference = RemoteRef { read, property: property.clone() };
        let found =
            data(&answer, self.paths.version, self.wire.peer()).and_then(|data| value(&Payload(data), &reference));
        match found {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BadProperty) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_data_becomes() {
        use VaultVersion::{V1, V2};
        let same = Ok(None);
        type Case = (Option<&'static str>, Option<&'static str>, &'static str, VaultVersion, Wished);
        type Wished = Result<Option<&'static str>, &'static str>;
        let cases: [Case; 20] = [
            (None, None, r#"{"b":1,"a":"x"}"#, V2, Ok(Some(r#"{"a":"x","b":1}"#))),
            (None, None, "{}", V2, Ok(Some("{}"))),
            (Some(r#"{"a":"x","b":1}"#), None, r#" {"b":1, "a":"\u0078"}"#, V2, same),
            (Some(r#"{"a":{"b":[1,{"c":null}]}}"#), None, r#"{"a":{"b":[1,{"c":null}]}}"#, V2, same),
            (Some(r#"{"a":{"b":[1]}}"#), None, r#"{"a":{"b":[2]}}"#, V2, Ok(Some(r#"{"a":{"b":[2]}}"#))),
            (Some(r#"{"a":"x"}"#), None, r#"{"b":"y"}"#, V2, Ok(Some(r#"{"b":"y"}"#))),
            (
                None,
                None,
                r#"{"n":12345678901234567890,"f":1.50}"#,
                V2,
                Ok(Some(r#"{"f":1.50,"n":12345678901234567890}"#)),
            ),
            (Some(r#"{"n":1000,"f":[1.5]}"#), None, r#"{"n":1e3,"f":[1.50]}"#, V2, same),
            (Some(r#"{"n":1000}"#), None, r#"{"n":1e3}"#, V1, Ok(Some(r#"{"n":1e3}"#))),
            (None, None, "canary", V2, Err("error unmarshalling vault secret: invalid JSON format")),
            (None, None, "null", V2, Err("error unmarshalling vault secret: invalid JSON format")),
            (None, None, "[1]", V2, Err("error unmarshalling vault secret: invalid JSON format")),
            (None, Some("p.q"), "v\"<", V2, Ok(Some(r#"{"p.q":"v\"<"}"#))),
            (Some(r#"{"p":"v","n":{"x":1}}"#), Some("p"), "v", V2, same),
            (Some(r#"{"p":"v","n":{"x":1}}"#), Some("p"), "w", V2, Ok(Some(r#"{"n":{"x":1},"p":"w"}"#))),
            (Some(r#"{"p":5}"#), Some("p"), "5", V2, Err("error converting p to string")),
            (None, None, r#"{"a":1,"custom_metadata":2}"#, V1, Ok(Some(r#"{"a":1}"#))),
            (None, None, r#"{"a":1,"custom_metadata":2}"#, V2, Ok(Some(r#"{"a":1,"custom_metadata":2}"#))),
            (None, Some("custom_metadata"), "v", V1, Err("property custom_metadata")),
            (None, Some("custom_metadata"), "v", V2, Ok(Some(r#"{"custom_metadata":"v"}"#))),
        ];
        for (held, property, value, version, want) in cases {
            let held = held.map(|json| members(json.as_bytes()).unwrap());
            let got = wished(held.as_ref(), property, &value.into(), version);
            match (got, want) {
                (Ok(got), Ok(want)) => {
                    let pairs = got
                        .as_ref()
                        .map(|m| gojson::object(m.iter().map(|(k, v)| (k.as_str(), v.expose())), Html::Keep));
                    assert_eq!(pairs.map(|json| String::from_utf8(json).unwrap()).as_deref(), want, "{value}");
                }
                (Err(error), Err(text)) => {
                    assert!(error.to_string().starts_with(text), "{error}");
                    assert!(!error.to_string().contains("canary"), "{error}");
                }
                (got, want) => panic!("{held:?} {property:?} {value}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_settle() {
        let value = SecretBytes::new(vec![b'a', 0xff]);
        let once = wished(None, Some("p"), &value, VaultVersion::V2).unwrap().unwrap();
        // As it comes back: U+FFFD in place of what JSON can't hold.
        let back = members("{\"p\":\"a\u{fffd}\"}".as_bytes()).unwrap();
        assert!(once == back && wished(Some(&back), Some("p"), &value, VaultVersion::V2).unwrap().is_none());
    }

    #[test]
    fn bodies_name_the_version_and_version_1_holds_the_mark() {
        let members = members(br#"{"a":"x"}"#).unwrap();
        let custom = BTreeMap::from([("owner".to_owned(), "me".to_owned())]);
        let remote = Remote { data: None, version: 7, custom, ours: false };
        let cases = [
            (VaultVersion::V2, r#"{"data":{"a":"x"},"options":{"cas":7}}"#),
            (VaultVersion::V1, r#"{"a":"x","custom_metadata":{"managed-by":"external-secrets","owner":"me"}}"#),
        ];
        for (version, want) in cases {
            assert_eq!(body(&members, &remote, version).expose_str(), Some(want));
        }
    }
}
