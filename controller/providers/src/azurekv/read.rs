//! Reading one object, and picking values out of it.
//!
//! A payload is the object's value, or of its metadata a JSON object of texts.

use gojson::property::path_first;
use http::{Method, StatusCode};
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::bundle::Bundle;
use super::config::VAULT_URL;
use super::object::{Kind, Object, version};
use super::wire::Call;
use super::{AzureKv, error};
use crate::http::Answer;

const PICK: &str = "GetSecret";

impl AzureKv {
    /// Asks for an object, in its newest version if none is named.
    ///
    /// Source: Key Vault REST API, "Get Secret", "Get Key", "Get Certificate".
    pub(super) async fn get(&self, object: Object<'_>, version: Option<&str>) -> Result<Answer, Error> {
        let segments: Vec<&str> = [object.kind.collection(), object.name].into_iter().chain(version).collect();
        let url = self.wire.url(&segments);
        self.wire.send(&Call { operation: object.kind.get(), method: Method::GET, url: &url, body: None }).await
    }

    /// What an answer says about an object.
    ///
    /// # Errors
    /// `NotFound` if the vault says that it has no such object or version.
    pub(super) fn bundle(&self, answer: &Answer, kind: Kind) -> Result<Bundle, Error> {
        if error::is_missing(answer, kind) {
            return Err(Error::not_found(kind.get()));
        }
        if answer.status != StatusCode::OK {
            return Err(error::of_answer(answer, kind.get(), &self.wire.origin()));
        }
        Bundle::of(kind, answer.body.expose(), self.modern).ok_or_else(|| {
            let text = format!(
                "the answer of {} is not a {} of Key Vault; check {VAULT_URL}",
                self.wire.origin(),
                kind.word()
            );
            Error::new(ErrorKind::Malformed, kind.get(), text)
        })
    }
}

/// Reads one object.
pub(super) async fn read(store: &AzureKv, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version: wanted, metadata } = read;
    let object = Object::of(key, PICK)?;
    let answer = store.get(object, version(wanted.as_deref(), PICK)?).await?;
    let bundle = store.bundle(&answer, object.kind)?;
    Ok(Payload(if *metadata { bundle.metadata(store.modern) } else { bundle.value }))
}

fn missing_property(property: &str, key: &str) -> Error {
    Error::new(ErrorKind::BadProperty, PICK, format!("property {property} does not exist in key {key}"))
}

/// The whole value; with a property that of the path, or of the key that is spelt so. A certificate has no properties.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let ReadKey { key, version: _, metadata } = &reference.read;
    let property = reference.property.as_deref().unwrap_or_default();
    let kind = Object::of(key, PICK)?.kind;
    if property.is_empty() || (kind == Kind::Certificate && !metadata) {
        return Ok(payload.0.clone());
    }
    if *metadata {
        return tag(payload, property);
    }
    path_first(payload.0.expose(), property).map(SecretBytes::new).ok_or_else(|| missing_property(property, key))
}

fn tags(payload: &Payload) -> Result<SecretMap, Error> {
    let tags = gojson::object_to_map(payload.0.expose()).map_err(|_| not_an_object())?;
    Ok(tags.into_iter().map(|(name, value)| (name, SecretBytes::new(value))).collect())
}

/// The tag of this name, else what a path finds in the tag before the first dot.
fn tag(payload: &Payload, property: &str) -> Result<SecretBytes, Error> {
    let mut tags = tags(payload)?;
    if let Some(value) = tags.remove(property) {
        return Ok(value);
    }
    match property.split_once('.').and_then(|(name, path)| Some((tags.remove(name)?, path))) {
        Some((value, "")) => Ok(value),
        Some((value, path)) => {
            path_first(value.expose(), path).map(SecretBytes::new).ok_or_else(|| missing_property(path, property))
        }
        None => Err(Error::new(ErrorKind::BadProperty, PICK, format!("tag {property} does not exist"))),
    }
}

fn not_an_object() -> Error {
    let text = "error unmarshalling json data: the value is not a JSON object";
    Error::new(ErrorKind::Malformed, PICK, text)
}

/// The members of the object that [`value`] gives; of metadata the tags, named `<secret>_<tag>`, and those that are JSON
/// objects of texts as `<secret>_<tag>_<member>`.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let Object { kind, name } = Object::of(&reference.read.key, PICK)?;
    let unfit = match kind {
        Kind::Secret => None,
        Kind::Certificate => Some("cannot get use dataFrom to get certificate secret; name it under data"),
        Kind::Key => Some("cannot get use dataFrom to get key secret; name it under data"),
    };
    if let Some(text) = unfit {
        return Err(Error::new(ErrorKind::Invalid, PICK, text));
    }
    let value = value(payload, reference)?;
    if !reference.read.metadata {
        let members = gojson::object_to_map(value.expose()).map_err(|_| not_an_object())?;
        return Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect());
    }
    if let Some(property) = reference.property.as_deref().filter(|property| !property.is_empty()) {
        return Ok([(format!("{name}_{property}"), value)].into());
    }
    let mut map = SecretMap::new();
    for (tag, value) in tags(payload)? {
        match texts(value.expose()) {
            Some(members) => {
                map.extend(members.into_iter().map(|(key, value)| (format!("{name}_{tag}_{key}"), value)));
            }
            None => drop(map.insert(format!("{name}_{tag}"), value)),
        }
    }
    Ok(map)
}

/// The members of a JSON object, if all are texts.
fn texts(json: &[u8]) -> Option<SecretMap> {
    use gojson::{Document, Item};
    let document = Document::parse(json).ok()?;
    let Item::Object(members) = document.item(document.root()) else { return None };
    let text = |id| match document.item(id) {
        Item::Text(text) => Some(SecretBytes::from(text)),
        Item::Null => Some(SecretBytes::default()),
        Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    };
    members.iter().map(|(key, id)| Some((key.clone(), text(*id)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(key: &str, property: Option<&str>, metadata: bool) -> RemoteRef {
        let read = ReadKey { key: key.to_owned(), version: None, metadata };
        RemoteRef { read, property: property.map(str::to_owned) }
    }

    fn payload(text: &str) -> Payload {
        Payload(SecretBytes::from(text))
    }

    const DATA: &str = r#"{"a":{"b":"path"},"a.b":"exact","c.d":"dotted","n":1.50}"#;
    const TAGS: &str =
        r#"{"attribute.expires":"2024","doc":"{\"a\":{\"b\":1}}","flat":"{\"x\":\"1\",\"y\":null}","owner":"me"}"#;

    #[test]
    fn a_property_is_a_path_first_and_then_a_key() {
        let missing = |property, key| Err(format!("property {property} does not exist in key {key}"));
        let cases = [
            ("k", DATA, None, Ok(DATA)),
            ("k", DATA, Some(""), Ok(DATA)),
            ("k", DATA, Some("a.b"), Ok("path")),
            ("k", DATA, Some("c.d"), Ok("dotted")),
            ("k", DATA, Some("n"), Ok("1.5")),
            ("k", DATA, Some("z"), missing("z", "k")),
            ("secret/k", "plain", Some("z"), missing("z", "secret/k")),
            ("key/k", r#"{"kty":"RSA"}"#, Some("kty"), Ok("RSA")),
            ("cert/k", "der", Some("z"), Ok("der")),
        ];
        for (key, data, property, want) in cases {
            let got = value(&payload(data), &reference(key, property, false));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want, "{key} {property:?}");
        }
    }

    #[test]
    fn a_tag_is_one_of_that_name_or_a_path_into_one() {
        let cases = [
            (None, Ok(TAGS)),
            (Some("owner"), Ok("me")),
            (Some("attribute.expires"), Ok("2024")),
            (Some("doc.a.b"), Ok("1")),
            (Some("doc."), Ok(r#"{"a":{"b":1}}"#)),
            (Some("doc.z"), Err("property z does not exist in key doc.z")),
            (Some("none"), Err("tag none does not exist")),
            (Some("none.a"), Err("tag none.a does not exist")),
            (Some(".a"), Err("tag .a does not exist")),
        ];
        for (property, want) in cases {
            let got = value(&payload(TAGS), &reference("cert/k", property, true));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property:?}");
        }
    }

    #[test]
    fn maps_are_members_or_tags_below_the_secrets_name() {
        let unfit = "error unmarshalling json data";
        let cases = [
            ("k", DATA, None, false, Ok(vec![r#"a={"b":"path"}"#, "a.b=exact", "c.d=dotted", "n=1.50"])),
            ("k", DATA, Some("a"), false, Ok(vec!["b=path"])),
            ("k", DATA, Some("n"), false, Err(unfit)),
            ("k", "canary", None, false, Err(unfit)),
            (
                "secret/k",
                TAGS,
                None,
                true,
                Ok(vec!["k_attribute.expires=2024", r#"k_doc={"a":{"b":1}}"#, "k_flat_x=1", "k_flat_y=", "k_owner=me"]),
            ),
            ("secret/k", TAGS, Some("owner"), true, Ok(vec!["k_owner=me"])),
            ("k", TAGS, Some("none"), true, Err("tag none does not exist")),
            ("cert/k", "der", None, false, Err("cannot get use dataFrom to get certificate secret")),
            ("key/k", "{}", None, true, Err("cannot get use dataFrom to get key secret")),
        ];
        for (key, data, property, metadata, want) in cases {
            let got = map(&payload(data), &reference(key, property, metadata));
            match (got, want) {
                (Ok(got), Ok(want)) => {
                    let shown: Vec<_> = got.iter().map(|(k, v)| format!("{k}={}", v.expose_str().unwrap())).collect();
                    assert_eq!(shown, want, "{key} {property:?}");
                }
                (Err(error), Err(text)) => {
                    assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
                }
                (got, want) => panic!("{key} {property:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
