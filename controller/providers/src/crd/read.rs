//! Reading an object, and picking values out of it.
//!
//! A payload is the whole object as the reference writes it: compact JSON with sorted keys.

use gojson::{Document, Html, Item, Kind, NodeId, Numbers};
use http::StatusCode;
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::config::Wanted;
use super::key::Key;
use super::resource::Resource;
use super::{BY_PROPERTY, Crd, READ};
use crate::cluster::{Call, is_missing};
use crate::http::Answer;

/// Reads one object.
///
/// Source: Kubernetes API, "get". Neither `version` nor `metadataPolicy` has a meaning here.
///
/// # Errors
/// `NotFound` when the API server says that it has no such object.
pub(super) async fn read(store: &Crd, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata: _ } = read;
    let object = Key::of(key, store.scope.kind())?;
    if version.as_deref() != Some(BY_PROPERTY) && !store.whitelist.permits(object, None) {
        let text = format!("crd: request for {} denied by whitelist rules", gojson::quote(key));
        return Err(Error::new(ErrorKind::Invalid, READ, text));
    }
    let mut resource = store.look_up().await?;
    let mut answer = get(store, &resource, object).await?;
    if is_missing(&answer, &resource.plural) {
        return Err(Error::not_found(READ));
    }
    // No path of a kind that was replaced or taken away is known to the API server.
    if answer.status == StatusCode::NOT_FOUND
        && let Some(new) = store.replacement(&resource).await?
    {
        resource = new;
        answer = get(store, &resource, object).await?;
        if is_missing(&answer, &resource.plural) {
            return Err(store.replaced(READ));
        }
    }
    let Wanted { group: _, version: _, kind } = &store.wanted;
    if answer.status != StatusCode::OK {
        let error = store.cluster.refused(&answer, READ, "read the object");
        return Err(error.context(format!("crd: failed to get {kind} {key}")));
    }
    let bad = || store.cluster.not_that(&format!("a {kind}"), READ);
    let document = Document::parse(answer.body.expose()).map_err(|_| bad())?;
    if document.text(document.root(), "kind") != Some(kind.as_str()) {
        return Err(bad());
    }
    if !resource.namespaced && has_namespace(&document, document.root()) {
        store.forget(&resource).await;
        return Err(store.replaced(READ));
    }
    whole(&document, document.root(), &store.wanted).map(Payload).ok_or_else(bad)
}

async fn get(store: &Crd, resource: &Resource, object: Key<'_>) -> Result<Answer, Error> {
    let path = store.object_path(resource, object)?;
    store.cluster.send(&Call::get(READ, &path)).await
}

/// Whether the object lies in a namespace.
pub(super) fn has_namespace(document: &Document<'_>, object: NodeId) -> bool {
    let metadata = document.member(object, "metadata");
    metadata.and_then(|metadata| document.text(metadata, "namespace")).is_some_and(|namespace| !namespace.is_empty())
}

/// A whole object as JSON. Inside of lists some lack what they are.
pub(super) fn whole(document: &Document<'_>, object: NodeId, wanted: &Wanted) -> Option<SecretBytes> {
    let json = |id| document.compact(id, Numbers::Unstructured, Html::Escape).ok();
    let Item::Object(members) = document.item(object) else { return None };
    let says_what_it_is =
        ["kind", "apiVersion"].into_iter().all(|name| document.text(object, name).is_some_and(|text| !text.is_empty()));
    if says_what_it_is {
        return json(object).map(SecretBytes::new);
    }
    let quoted = |text: &str| {
        let mut out = Vec::new();
        gojson::write_string(&mut out, text.as_bytes(), Html::Escape);
        SecretBytes::new(out)
    };
    let mut all = members
        .iter()
        .map(|(name, id)| Some((name.clone(), SecretBytes::new(json(*id)?))))
        .collect::<Option<SecretMap>>()?;
    all.insert("apiVersion".to_owned(), quoted(&wanted.api_version()));
    all.insert("kind".to_owned(), quoted(&wanted.kind));
    let pairs = all.iter().map(|(name, json)| (name.as_str(), json.expose()));
    Some(SecretBytes::new(gojson::object(pairs, Html::Escape)))
}

/// The whole object as JSON; with a property what that gjson path leads to: a string without its quotes, all else as JSON.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let Some(property) = reference.property.as_deref().filter(|property| !property.is_empty()) else {
        return Ok(payload.0.clone());
    };
    let found = gojson::get(payload.0.expose(), property);
    if !found.exists() {
        let (property, key) = (gojson::quote(property), gojson::quote(&reference.read.key));
        let text = format!("crd: property {property} not found in object {key}");
        return Err(Error::new(ErrorKind::BadProperty, READ, text));
    }
    Ok(SecretBytes::new(if found.kind() == Kind::String { found.into_text() } else { found.raw().to_vec() }))
}

/// The members of what [`value`] gives: strings without their quotes, all else as JSON. What is no object is one value
/// with the key `value`, as in the reference.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let value = value(payload, reference)?;
    match gojson::object_to_map(value.expose()) {
        Ok(members) => Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect()),
        Err(_) => Ok([("value".to_owned(), value)].into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"spec":{"n":1.50,"big":9007199254740993,"huge":12345678901234567890,"s":"a\"<b>","none":null,
        "list":[1,"x"],"json":"{\"k\":\"v\",\"d\":null}"},"metadata":{"name":"app"},"kind":"Widget","apiVersion":"example.io/v1"}"#;
    const WHOLE: &str = r#"{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"name":"app"},"spec":{"big":9007199254740993,"huge":12345678901234567000,"json":"{\"k\":\"v\",\"d\":null}","list":[1,"x"],"n":1.5,"none":null,"s":"a\"\u003cb\u003e"}}"#;

    fn wanted() -> Wanted {
        let text = str::to_owned;
        Wanted { group: text("example.io"), version: text("v1"), kind: text("Widget") }
    }

    fn payload(object: &str) -> Payload {
        let document = Document::parse(object.as_bytes()).unwrap();
        Payload(whole(&document, document.root(), &wanted()).unwrap())
    }

    fn reference(property: &str) -> RemoteRef {
        let read = ReadKey { key: "app".to_owned(), version: None, metadata: false };
        RemoteRef { read, property: Some(property.to_owned()) }
    }

    #[test]
    fn an_object_is_written_as_the_reference_writes_it() {
        assert_eq!(payload(OBJECT).0.expose_str(), Some(WHOLE));
        let of_a_list = r#"{"metadata":{"name":"app"},"data":{"a":"<"}}"#;
        let want = r#"{"apiVersion":"example.io/v1","data":{"a":"\u003c"},"kind":"Widget","metadata":{"name":"app"}}"#;
        assert_eq!(payload(of_a_list).0.expose_str(), Some(want));
    }

    #[test]
    fn properties_are_paths_and_only_strings_lose_their_quotes() {
        let cases = [
            ("", Ok(WHOLE)),
            ("spec.s", Ok("a\"<b>")),
            ("spec.n", Ok("1.5")),
            ("spec.big", Ok("9007199254740993")),
            ("spec.none", Ok("null")),
            ("spec.list", Ok(r#"[1,"x"]"#)),
            ("spec.list.#", Ok("2")),
            ("spec.list.1", Ok("x")),
            ("metadata", Ok(r#"{"name":"app"}"#)),
            ("spec.z", Err("crd: property \"spec.z\" not found in object \"app\"")),
        ];
        for (property, want) in cases {
            let got = value(&payload(OBJECT), &reference(property));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property}");
        }
    }

    #[test]
    fn maps_are_members_and_what_has_none_is_one_value() {
        let cases = [
            ("", vec!["apiVersion=example.io/v1", "kind=Widget", r#"metadata={"name":"app"}"#, "spec="]),
            ("metadata", vec!["name=app"]),
            ("spec.json", vec!["d=", "k=v"]),
            ("spec.n", vec!["value=1.5"]),
            ("spec.s", vec!["value=a\"<b>"]),
            ("spec.list", vec![r#"value=[1,"x"]"#]),
            ("spec.none", vec![]),
        ];
        for (property, want) in cases {
            let got = map(&payload(OBJECT), &reference(property)).unwrap();
            let mut shown: Vec<_> =
                got.iter().map(|(key, value)| format!("{key}={}", value.expose_str().unwrap())).collect();
            if property.is_empty() {
                shown[3].truncate("spec=".len());
            }
            assert_eq!(shown, want, "{property}");
        }
        assert_eq!(map(&payload(OBJECT), &reference("z")).unwrap_err().kind(), ErrorKind::BadProperty);
    }
}
