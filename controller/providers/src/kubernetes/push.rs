//! Pushing Secrets: one is read and compared first, and requests fail if it changed meanwhile.
//!
//! A Secret of the other cluster bears no mark of ours, as in the reference. What isn't pushed (owner references, unknown
//! fields) goes back as it was read. Deliberately not here: what a Secret is to become (`desired.rs`).
//!
//! Source: Kubernetes API, "Secret": get, create, replace with `metadata.resourceVersion`, delete with `preconditions`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::{Document, Html, Item, NodeId, Numbers};
use http::{Method, StatusCode};
use provider::{Calls, Error, Place, Push, Pushed, Removed, Write};
use secret::{SecretBytes, SecretMap};
use serde_json::Value;

use super::desired::{Content, PUSH, Settings, Texts, invalid, namespace, wished};
use super::{Kubernetes, READ, error};
use crate::cluster::{Call, is_name};
use crate::http::Answer;

const CREATE: &str = "CreateSecret";
const UPDATE: &str = "UpdateSecret";
const DELETE: &str = "DeleteSecret";

/// A Secret as the API server has it.
struct Remote<'a> {
    document: Document<'a>,
    content: Content,
    uid: String,
    version: String,
}

fn texts(document: &Document<'_>, of: NodeId, name: &str) -> Texts {
    let Some(Item::Object(members)) = document.member(of, name).map(|id| document.item(id)) else {
        return Texts::new();
    };
    members.iter().map(|(key, id)| (key.clone(), text(document, *id).unwrap_or_default().to_owned())).collect()
}

fn text<'d>(document: &'d Document<'_>, id: NodeId) -> Option<&'d str> {
    match document.item(id) {
        Item::Text(text) => Some(text),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    }
}

impl<'a> Remote<'a> {
    fn parse(body: &'a SecretBytes) -> Option<Self> {
        let document = Document::parse(body.expose()).ok()?;
        let root = document.root();
        let field = |of, name| document.member(of, name).and_then(|id| text(&document, id)).map(str::to_owned);
        if field(root, "kind").as_deref() != Some("Secret") {
            return None;
        }
        let metadata = document.member(root, "metadata")?;
        let decode = |(key, value): (String, String)| {
            Some((key, SecretBytes::new(STANDARD.decode(SecretBytes::from(value).expose()).ok()?)))
        };
        let data: Option<SecretMap> = texts(&document, root, "data").into_iter().map(decode).collect();
        let content = Content {
            type_: field(root, "type").unwrap_or_default(),
            data: data?,
            labels: texts(&document, metadata, "labels"),
            annotations: texts(&document, metadata, "annotations"),
        };
        let (uid, version) = (field(metadata, "uid")?, field(metadata, "resourceVersion")?);
        Some(Self { content, uid, version, document })
    }

    fn members(&self, of: NodeId) -> BTreeMap<String, SecretBytes> {
        let Item::Object(members) = self.document.item(of) else { return BTreeMap::new() };
        let json = |id| self.document.compact(id, Numbers::Literal, Html::Keep).unwrap_or_default();
        members.iter().map(|(key, id)| (key.clone(), SecretBytes::new(json(*id)))).collect()
    }

    /// The whole object with this content.
    fn with(&self, content: &Content) -> SecretBytes {
        let root = self.document.root();
        let metadata = self.document.member(root, "metadata").map(|id| self.members(id)).unwrap_or_default();
        object_with(self.members(root), metadata, content)
    }
}

fn json_texts(map: &Texts) -> SecretBytes {
    SecretBytes::new(gojson::string_map(map.iter().map(|(key, value)| (key.as_str(), value.as_bytes())), Html::Keep))
}

fn object_with(
    mut root: BTreeMap<String, SecretBytes>,
    mut metadata: BTreeMap<String, SecretBytes>,
    content: &Content,
) -> SecretBytes {
    let Content { type_, data, labels, annotations } = content;
    metadata.insert("labels".to_owned(), json_texts(labels));
    metadata.insert("annotations".to_owned(), json_texts(annotations));
    let encoded: BTreeMap<&String, SecretBytes> =
        data.iter().map(|(key, value)| (key, SecretBytes::from(STANDARD.encode(value.expose())))).collect();
    let pairs = encoded.iter().map(|(key, value)| (key.as_str(), value.expose()));
    let mut quoted = Vec::new();
    gojson::write_string(&mut quoted, type_.as_bytes(), Html::Keep);
    root.insert("data".to_owned(), SecretBytes::new(gojson::string_map(pairs, Html::Keep)));
    root.insert("metadata".to_owned(), object(&metadata));
    root.insert("type".to_owned(), SecretBytes::new(quoted));
    object(&root)
}

fn object(members: &BTreeMap<String, SecretBytes>) -> SecretBytes {
    let pairs = members.iter().map(|(key, json)| (key.as_str(), json.expose()));
    SecretBytes::new(gojson::object(pairs, Html::Keep))
}

fn new_object(name: &str, content: &Content) -> SecretBytes {
    let text = |text: &str| SecretBytes::from(format!("\"{text}\""));
    let root = [("apiVersion".to_owned(), text("v1")), ("kind".to_owned(), text("Secret"))];
    object_with(root.into(), [("name".to_owned(), text(name))].into(), content)
}

impl Kubernetes {
    fn checked_name<'n>(&self, key: &'n str) -> Result<&'n str, Error> {
        if is_name(key) {
            return Ok(key);
        }
        Err(invalid(PUSH, format!("remoteRef.remoteKey: {} is not the name of a Secret", gojson::quote(key))))
    }

    /// One request about a Secret, or (without name) about those of the namespace.
    async fn request(
        &self,
        operation: &'static str,
        method: Method,
        (namespace, name): (&str, Option<&str>),
        body: Option<&SecretBytes>,
        calls: &dyn Calls,
    ) -> Result<Answer, Error> {
        let path: Vec<&str> = ["api", "v1", "namespaces", namespace, "secrets"].into_iter().chain(name).collect();
        let call = Call { operation, method, path: &path, query: &[], body };
        let answer = self.cluster.send(&call).await;
        calls.made(operation, answer.as_ref().is_ok_and(|answer| answer.status.is_success()));
        answer
    }

    /// The Secret's answer; `None` if the API server says that it has none.
    async fn look(&self, namespace: &str, name: &str, calls: &dyn Calls) -> Result<Option<Answer>, Error> {
        let answer = self.request(READ, Method::GET, (namespace, Some(name)), None, calls).await?;
        if error::is_missing_secret(&answer) {
            return Ok(None);
        }
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer, READ, "get", namespace, name));
        }
        Ok(Some(answer))
    }

    fn parsed<'a>(&self, answer: &'a Answer) -> Result<Remote<'a>, Error> {
        Remote::parse(&answer.body).ok_or_else(|| self.cluster.not_that("a Secret", READ))
    }

    fn refused(&self, answer: &Answer, operation: &'static str, verb: &str, namespace: &str, name: &str) -> Error {
        let what = format!("{verb} secret {} of namespace {}", gojson::quote(name), gojson::quote(namespace));
        error::of_answer(self, answer, operation, &what)
    }

    async fn update(
        &self,
        (namespace, name): (&str, &str),
        remote: &Remote<'_>,
        content: &Content,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let body = remote.with(content);
        let answer = self.request(UPDATE, Method::PUT, (namespace, Some(name)), Some(&body), calls).await?;
        if answer.status.is_success() {
            return self.parsed(&answer).map(|_| ());
        }
        Err(self.refused(&answer, UPDATE, "update", namespace, name))
    }

    async fn remove(&self, namespace: &str, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let name = self.checked_name(key)?;
        let Some(answer) = self.look(namespace, name, calls).await? else { return Ok(Removed::Absent) };
        let remote = self.parsed(&answer)?;
        if let Some(property) = property {
            let mut rest = remote.content.clone();
            if rest.data.remove(property).is_none() {
                return Ok(Removed::Absent);
            }
            if !rest.data.is_empty() {
                self.update((namespace, name), &remote, &rest, calls).await?;
                return Ok(Removed::Deleted);
            }
        }
        let (uid, version) = (gojson::quote(&remote.uid), gojson::quote(&remote.version));
        let body = format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{{\"uid\":{uid},\"resourceVersion\":{version}}}}}"
        );
        let body = SecretBytes::from(body);
        let answer = self.request(DELETE, Method::DELETE, (namespace, Some(name)), Some(&body), calls).await?;
        match answer.status.is_success() {
            true => Ok(Removed::Deleted),
            false if error::is_missing_secret(&answer) => Ok(Removed::Absent),
            false => Err(self.refused(&answer, DELETE, "delete", namespace, name)),
        }
    }

    async fn is_there(&self, namespace: &str, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property } = place;
        let name = self.checked_name(key)?;
        let Some(answer) = self.look(namespace, name, calls).await? else { return Ok(false) };
        let content = self.parsed(&answer)?.content;
        Ok(property.as_ref().is_none_or(|property| content.data.contains_key(property)))
    }

    fn namespace_of(&self, metadata: Option<&Value>) -> Result<String, Error> {
        namespace(metadata, &self.namespace, self.is_cluster_store)
    }
}

#[async_trait]
impl Write for Kubernetes {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let Place { key, property } = &push.place;
        if property.is_none() && push.secret_key.is_some() {
            let text = "requires property in RemoteRef to push secret value if secret key is defined";
            return Err(invalid(PUSH, text));
        }
        let settings = Settings::of(push, &self.namespace, self.is_cluster_store)?;
        let (name, namespace) = (self.checked_name(key)?, settings.namespace.as_str());
        let Some(answer) = self.look(namespace, name, calls).await? else {
            let body = new_object(name, &wished(None, push, &settings)?);
            let answer = self.request(CREATE, Method::POST, (namespace, None), Some(&body), calls).await?;
            if answer.status.is_success() {
                return self.parsed(&answer).map(|_| Pushed::Written);
            }
            return Err(self.refused(&answer, CREATE, "create", namespace, name));
        };
        let remote = self.parsed(&answer)?;
        let wished = wished(Some(&remote.content), push, &settings)?;
        if wished == remote.content {
            return Ok(Pushed::Unchanged);
        }
        self.update((namespace, name), &remote, &wished, calls).await?;
        Ok(Pushed::Written)
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        self.remove(&self.namespace, place, calls).await
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        self.is_there(&self.namespace, place, calls).await
    }

    async fn delete_entry(&self, place: &Place, metadata: Option<&Value>, calls: &dyn Calls) -> Result<Removed, Error> {
        self.remove(&self.namespace_of(metadata)?, place, calls).await
    }

    async fn exists_entry(&self, place: &Place, metadata: Option<&Value>, calls: &dyn Calls) -> Result<bool, Error> {
        self.is_there(&self.namespace_of(metadata)?, place, calls).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_pushed_goes_back_as_it_was_read() {
        let body = SecretBytes::from(
            r#"{"apiVersion":"v1","kind":"Secret","immutable":false,"type":"Opaque","data":{"a":"MQ=="},"new":{"b":[1.50]},
            "metadata":{"name":"n","uid":"u","resourceVersion":"7","finalizers":["f"],"labels":{"old":"1"}}}"#,
        );
        let remote = Remote::parse(&body).unwrap();
        let mut content = remote.content.clone();
        content.data.insert("b".to_owned(), SecretBytes::new(vec![0xff]));
        content.annotations.insert("\"".to_owned(), "x".to_owned());
        let want = r#"{"apiVersion":"v1","data":{"a":"MQ==","b":"/w=="},"immutable":false,"kind":"Secret","metadata":{"annotations":{"\"":"x"},"finalizers":["f"],"labels":{"old":"1"},"name":"n","resourceVersion":"7","uid":"u"},"new":{"b":[1.50]},"type":"Opaque"}"#;
        assert_eq!(remote.with(&content).expose_str(), Some(want));
        let new = r#"{"apiVersion":"v1","data":{},"kind":"Secret","metadata":{"annotations":{},"labels":{},"name":"n"},"type":""}"#;
        assert_eq!(new_object("n", &Content::default()).expose_str(), Some(new));
    }

    #[test]
    fn only_a_secret_with_a_version_is_one() {
        for body in [
            "canary",
            r#"{"kind":"Status","metadata":{"uid":"u","resourceVersion":"1"}}"#,
            r#"{"kind":"Secret","metadata":{"uid":"u"}}"#,
            r#"{"kind":"Secret","metadata":{"uid":"u","resourceVersion":"1"},"data":{"a":"%"}}"#,
        ] {
            assert!(Remote::parse(&body.into()).is_none(), "{body}");
        }
    }
}
