//! Reading a Secret of the other cluster, and picking values out of it.
//!
//! A payload is a JSON object: of a Secret's data, key to base64; of its metadata, `labels` and `annotations`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::{Document, Html, Item, NodeId, Numbers};
use http::StatusCode;
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::{Kubernetes, READ, error};
use crate::cluster::{Call, is_name};

/// Reads one Secret.
///
/// Source: Kubernetes API, "Secret, get". `version` has no meaning here.
///
/// # Errors
/// `NotFound` when the API server says that it has no such Secret.
pub(super) async fn read(store: &Kubernetes, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version: _, metadata } = read;
    if !is_name(key) {
        let text = format!("remoteRef.key: {} is not the name of a Secret", gojson::quote(key));
        return Err(Error::new(ErrorKind::Invalid, READ, text));
    }
    let path = ["api", "v1", "namespaces", &store.namespace, "secrets", key];
    let answer = store.cluster.send(&Call::get(READ, &path)).await?;
    if error::is_missing_secret(&answer) {
        return Err(Error::not_found(READ));
    }
    if answer.status != StatusCode::OK {
        let what = format!("get secret {} of namespace {}", gojson::quote(key), gojson::quote(&store.namespace));
        return Err(error::of_answer(store, &answer, READ, &what));
    }
    let document = Document::parse(answer.body.expose()).map_err(|_| not_a_secret(store))?;
    let is_secret =
        matches!(document.member(document.root(), "kind").map(|id| document.item(id)), Some(Item::Text("Secret")));
    if !is_secret {
        return Err(not_a_secret(store));
    }
    let json = if *metadata { metadata_of(&document) } else { data_of(&document, document.root()) };
    json.map(|json| Payload(SecretBytes::new(json))).ok_or_else(|| not_a_secret(store))
}

/// The whole data of a Secret inside of a list, as [`value`] gives it without a property.
pub(super) fn whole_data(document: &Document<'_>, secret: NodeId) -> Option<SecretBytes> {
    let payload = Payload(SecretBytes::new(data_of(document, secret)?));
    data_as_json(&payload).ok()
}

fn not_a_secret(store: &Kubernetes) -> Error {
    store.cluster.not_that("a Secret", READ)
}

fn compact(document: &Document<'_>, id: NodeId) -> Option<Vec<u8>> {
    document.compact(id, Numbers::Literal, Html::Keep).ok()
}

fn data_of(document: &Document<'_>, secret: NodeId) -> Option<Vec<u8>> {
    match document.member(secret, "data") {
        Some(id) if !matches!(document.item(id), Item::Null) => compact(document, id),
        _ => Some(b"{}".to_vec()),
    }
}

fn metadata_of(document: &Document<'_>) -> Option<Vec<u8>> {
    let metadata = document.member(document.root(), "metadata")?;
    let part = |name| match document.member(metadata, name) {
        Some(id) => compact(document, id),
        None => Some(b"null".to_vec()),
    };
    let (annotations, labels) = (part("annotations")?, part("labels")?);
    Some([b"{\"annotations\":".as_slice(), &annotations, b",\"labels\":", &labels, b"}"].concat())
}

fn malformed() -> Error {
    Error::new(ErrorKind::Malformed, READ, "failed to unmarshal secret: invalid JSON format")
}

/// Data keys to their decoded values.
fn data(payload: &Payload) -> Result<SecretMap, Error> {
    let document = Document::parse(payload.0.expose()).map_err(|_| malformed())?;
    let Item::Object(members) = document.item(document.root()) else { return Err(malformed()) };
    let mut data = SecretMap::new();
    for (key, id) in members {
        let Item::Text(text) = document.item(*id) else { return Err(malformed()) };
        data.insert(key.clone(), SecretBytes::new(STANDARD.decode(text).map_err(|_| malformed())?));
    }
    Ok(data)
}

fn data_as_json(payload: &Payload) -> Result<SecretBytes, Error> {
    let data = data(payload)?;
    let pairs = data.iter().map(|(key, value)| (key.as_str(), value.expose()));
    Ok(SecretBytes::new(gojson::string_map(pairs, Html::Keep)))
}

/// Labels and annotations; what isn't set is `None`.
struct Metadata {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Metadata {
    fn of(payload: &Payload) -> Result<Self, Error> {
        let document = Document::parse(payload.0.expose()).map_err(|_| malformed())?;
        let part = |name| match document.member(document.root(), name).map(|id| document.item(id)) {
            Some(Item::Object(members)) => {
                let text = |id: &NodeId| match document.item(*id) {
                    Item::Text(text) => text.to_owned(),
                    Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => String::new(),
                };
                Some(members.iter().map(|(key, id)| (key.clone(), text(id))).collect())
            }
            _ => None,
        };
        Ok(Self { labels: part("labels"), annotations: part("annotations") })
    }

    fn part(&self, name: &str) -> Option<Option<&BTreeMap<String, String>>> {
        match name {
            "labels" => Some(self.labels.as_ref()),
            "annotations" => Some(self.annotations.as_ref()),
            _ => None,
        }
    }

    fn json(part: Option<&BTreeMap<String, String>>) -> Vec<u8> {
        match part {
            None => b"null".to_vec(),
            Some(pairs) => gojson::string_map(pairs.iter().map(|(k, v)| (k.as_str(), v.as_bytes())), Html::Keep),
        }
    }

    /// `labels`, `labels.<key>`, or `labels.<key>.<gjson path>`; the same for annotations. Keys have dots as well, so
    /// the whole rest is tried as a key first.
    fn select(&self, property: &str) -> Option<Vec<u8>> {
        let Some((name, rest)) = property.split_once('.') else { return self.part(property).map(Self::json) };
        let pairs = self.part(name)??;
        let value = gojson::property::data_key(|key| pairs.get(key).map(String::as_bytes), rest)?;
        Some(value.into_owned())
    }
}

fn property(reference: &RemoteRef) -> Option<&str> {
    reference.property.as_deref().filter(|p| !p.is_empty())
}

/// All data (or metadata) as JSON; with a property, the data key that is spelt so, else a gjson path inside of the data
/// key before the first dot.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let missing = |property: &str, of: &str| {
        let key = gojson::quote(&reference.read.key);
        Error::new(ErrorKind::BadProperty, READ, format!("property {property} does not exist in {of} of secret {key}"))
    };
    match (property(reference), reference.read.metadata) {
        (None, true) => Ok(payload.0.clone()),
        (Some(property), true) => {
            let found = Metadata::of(payload)?.select(property);
            found.map(SecretBytes::new).ok_or_else(|| missing(property, "metadata"))
        }
        (None, false) => data_as_json(payload),
        (Some(property), false) => {
            let data = data(payload)?;
            let found = gojson::property::data_key(|key| data.get(key).map(SecretBytes::expose), property);
            found.map(|v| SecretBytes::new(v.into_owned())).ok_or_else(|| missing(property, "data"))
        }
    }
}

/// All data keys (or `labels` and `annotations`); with a property, the members of the JSON object under that key, each
/// as JSON text: strings keep their quotes, as in the reference.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let all = if reference.read.metadata {
        let metadata = Metadata::of(payload)?;
        let json = |part: &Option<BTreeMap<String, String>>| SecretBytes::new(Metadata::json(part.as_ref()));
        SecretMap::from([
            ("labels".to_owned(), json(&metadata.labels)),
            ("annotations".to_owned(), json(&metadata.annotations)),
        ])
    } else {
        data(payload)?
    };
    let Some(property) = property(reference) else { return Ok(all) };
    let Some(object) = all.get(property) else {
        let text = format!("property {property} does not exist in key {}", reference.read.key);
        return Err(Error::new(ErrorKind::BadProperty, READ, text));
    };
    let document = Document::parse(object.expose()).map_err(|_| malformed())?;
    let members = document.members("map[string]interface {}").map_err(|_| malformed())?;
    let json = |id: NodeId| document.compact(id, Numbers::Float64, Html::Keep).map_err(|_| malformed());
    members.into_iter().flatten().map(|(key, id)| Ok((key.clone(), SecretBytes::new(json(*id)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"{"kind":"Secret","metadata":{"labels":{"app.kubernetes.io/name":"x","team":"{\"a\":{\"b\":1}}"}},
        "data":{"app":"eyJhIjp7ImIiOiJjIn0sImsiOiJ2IiwibiI6MS41MH0=","bin":"/wA=","dot.ted":"ZA=="}}"#;

    fn payload(metadata: bool) -> Payload {
        let document = Document::parse(SECRET.as_bytes()).unwrap();
        let json = if metadata { metadata_of(&document) } else { data_of(&document, document.root()) };
        Payload(SecretBytes::new(json.unwrap()))
    }

    fn reference(metadata: bool, property: &str) -> RemoteRef {
        RemoteRef {
            read: ReadKey { key: "my-secret".to_owned(), version: None, metadata },
            property: Some(property.to_owned()),
        }
    }

    #[test]
    fn properties_select_data_keys_and_what_is_in_them() {
        let cases = [
            (false, "app.k", Ok("v")),
            (false, "app.a", Ok(r#"{"b":"c"}"#)),
            (false, "dot.ted", Ok("d")),
            (
                false,
                "",
                Ok(r#"{"app":"{\"a\":{\"b\":\"c\"},\"k\":\"v\",\"n\":1.50}","bin":"\ufffd\u0000","dot.ted":"d"}"#),
            ),
            (false, "app.z", Err("property app.z does not exist in data of secret \"my-secret\"")),
            (true, "labels.app.kubernetes.io/name", Ok("x")),
            (true, "labels.team.a.b", Ok("1")),
            (true, "annotations", Ok("null")),
            (true, "labels", Ok(r#"{"app.kubernetes.io/name":"x","team":"{\"a\":{\"b\":1}}"}"#)),
            (
                true,
                "",
                Ok(r#"{"annotations":null,"labels":{"app.kubernetes.io/name":"x","team":"{\"a\":{\"b\":1}}"}}"#),
            ),
            (true, "labels.z", Err("property labels.z does not exist in metadata of secret \"my-secret\"")),
            (true, "name", Err("property name does not exist in metadata of secret \"my-secret\"")),
        ];
        for (metadata, property, want) in cases {
            let got = value(&payload(metadata), &reference(metadata, property));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property}");
        }
    }

    #[test]
    fn maps_are_data_keys_or_the_members_of_one_as_json() {
        let shown = |metadata, property: &str| {
            map(&payload(metadata), &reference(metadata, property))
                .map(|m| {
                    m.iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v.expose()))).collect::<Vec<_>>()
                })
                .map_err(|e| (e.kind(), e.to_string()))
        };
        assert_eq!(shown(false, "app").unwrap(), [r#"a={"b":"c"}"#, r#"k="v""#, "n=1.5"]);
        assert_eq!(shown(false, "").unwrap().len(), 3);
        assert_eq!(shown(true, "labels").unwrap(), [r#"app.kubernetes.io/name="x""#, r#"team="{\"a\":{\"b\":1}}""#]);
        let want = (ErrorKind::BadProperty, "property z does not exist in key my-secret".to_owned());
        assert_eq!(shown(false, "z").unwrap_err(), want);
        let want = (ErrorKind::Malformed, "failed to unmarshal secret: invalid JSON format".to_owned());
        assert_eq!(shown(false, "bin").unwrap_err(), want);
    }
}
