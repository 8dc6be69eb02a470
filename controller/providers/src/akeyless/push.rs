//! Pushing to Akeyless: static secrets that hold a JSON object, into which what is pushed is merged.
//!
//! Deliberately not here: what an answer says about one item (`item.rs`, `read.rs`).
//!
//! Source: Akeyless V2 API, "Create secret", "Update secret value", "Delete item".

use std::collections::BTreeMap;

use async_trait::async_trait;
use gojson::{Document, Html, Item as Json, Numbers};
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Source, Write};
use secret::SecretBytes;

use super::item::{Item, Kind, describe};
use super::read::value_of;
use super::wire::Field;
use super::{Akeyless, Command, error};

/// The mark of what was pushed, the reference's own, so that each takes over from the other.
const OURS: &str = "k8s-external-secrets";
const CREATE: &str = "CreateSecret";
const UPDATE: &str = "UpdateSecretVal";
const DELETE: &str = "DeleteItem";

/// The members of a JSON object, each as JSON.
type Members = BTreeMap<String, SecretBytes>;

fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

fn members(json: &SecretBytes) -> Option<Members> {
    let document = Document::parse(json.expose()).ok()?;
    let Json::Object(members) = document.item(document.root()) else { return None };
    let compact = |id| document.compact(id, Numbers::Literal, Html::Escape).ok().map(SecretBytes::new);
    members.iter().map(|(key, id)| Some((key.clone(), compact(*id)?))).collect()
}

fn object(members: &Members) -> SecretBytes {
    let pairs = members.iter().map(|(key, json)| (key.as_str(), json.expose()));
    SecretBytes::new(gojson::object(pairs, Html::Escape))
}

/// As it will be read back: what isn't UTF-8 is U+FFFD then.
fn json_text(text: &SecretBytes) -> SecretBytes {
    let text = String::from_utf8_lossy(text.expose());
    let mut out = Vec::new();
    gojson::write_string(&mut out, text.as_bytes(), Html::Escape);
    SecretBytes::new(out)
}

/// What the value is to become, or `None` if it is so already. Pure.
///
/// Without a property the keys of the Secret become members by their own names: all, or the one that is named.
fn wished(held: Option<&Members>, push: &Push) -> Result<Option<Members>, Error> {
    let Push { source, secret_key, place: Place { key: _, property }, metadata: _ } = push;
    let Source { data, type_: _, labels: _, annotations: _ } = source.as_ref();
    let mut wished = held.cloned().unwrap_or_default();
    match (property, secret_key) {
        (Some(property), _) => {
            wished.insert(property.clone(), json_text(&push.value()?));
        }
        (None, Some(key)) => {
            wished.insert(key.clone(), json_text(&push.value()?));
        }
        (None, None) => wished.extend(data.iter().map(|(key, value)| (key.clone(), json_text(value)))),
    }
    Ok(Some(wished).filter(|wished| Some(wished) != held))
}

impl Akeyless {
    /// `None` if there is no such item.
    async fn described(&self, name: &str, calls: &dyn Calls) -> Result<Option<Item>, Error> {
        match describe(self, name, Some(calls)).await {
            Ok(item) => Ok(Some(item)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn held(&self, name: &str, item: &Item, cannot: &str, calls: &dyn Calls) -> Result<Members, Error> {
        let value = value_of(self, name, item.kind, 0, Some(calls)).await?;
        members(&value)
            .ok_or_else(|| invalid(UPDATE, format!("{cannot}: invalid JSON format; its value is not a JSON object")))
    }

    async fn write(&self, command: Command<'_>, calls: &dyn Calls) -> Result<(), Error> {
        let operation = command.operation;
        let answer = self.send(command, Some(calls)).await?;
        let origin = self.wire.origin();
        if !answer.status.is_success() {
            return Err(error::of_answer(&answer, operation, &origin));
        }
        // What doesn't answer so isn't Akeyless, and has written nothing.
        let document = Document::parse(answer.body.expose()).map_err(|_| error::not_akeyless(operation, &origin))?;
        match document.item(document.root()) {
            Json::Object(_) => Ok(()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => {
                Err(error::not_akeyless(operation, &origin))
            }
        }
    }

    async fn create(&self, name: &str, value: &Members, calls: &dyn Calls) -> Result<(), Error> {
        let value = object(value);
        let fields = [("name", Field::Text(name)), ("value", Field::Secret(&value)), ("tags", Field::Texts(&[OURS]))];
        self.write(Command::new(CREATE, "create-secret", &fields), calls).await
    }

    async fn update(&self, name: &str, value: &Members, calls: &dyn Calls) -> Result<(), Error> {
        let value = object(value);
        let fields = [("name", Field::Text(name)), ("value", Field::Secret(&value))];
        self.write(Command::new(UPDATE, "update-secret-val", &fields), calls).await
    }

    async fn delete_whole(&self, name: &str, calls: &dyn Calls) -> Result<Removed, Error> {
        let fields = [("name", Field::Text(name))];
        match self.write(Command::new(DELETE, "delete-item", &fields), calls).await {
            Ok(()) => Ok(Removed::Deleted),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Removed::Absent),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Write for Akeyless {
    /// As in the reference a secret that lacks the mark is written to as well, and stays without it.
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let Push { source: _, secret_key: _, place: Place { key, property: _ }, metadata: _ } = push;
        let Some(item) = self.described(key, calls).await? else {
            let created = wished(None, push)?.unwrap_or_default();
            self.create(key, &created, calls).await?;
            return Ok(Pushed::Written);
        };
        if item.kind != Kind::Static {
            let text = "the item is not a static secret, and no other can be pushed to; choose another remoteKey";
            return Err(invalid(UPDATE, text));
        }
        let held = self.held(key, &item, "failed to unmarshal remote secret", calls).await?;
        let Some(wished) = wished(Some(&held), push)? else { return Ok(Pushed::Unchanged) };
        self.update(key, &wished, calls).await?;
        Ok(Pushed::Written)
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let Some(item) = self.described(key, calls).await? else { return Ok(Removed::Absent) };
        if item.kind != Kind::Static || !item.tags.iter().any(|tag| tag == OURS) {
            return Ok(Removed::Foreign);
        }
        let Some(property) = property else { return self.delete_whole(key, calls).await };
        let mut rest = self.held(key, &item, "failed to unmarshal secret for deletion", calls).await?;
        if rest.remove(property).is_none() {
            return Ok(Removed::Absent);
        }
        if rest.is_empty() {
            return self.delete_whole(key, calls).await;
        }
        self.update(key, &rest, calls).await?;
        Ok(Removed::Deleted)
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property } = place;
        let Some(item) = self.described(key, calls).await? else { return Ok(false) };
        let Some(property) = property else { return Ok(true) };
        if item.kind == Kind::Dynamic {
            // Asking would make new credentials.
            return Err(invalid(
                UPDATE,
                "the item is a dynamic secret, which can't be pushed to; choose another remoteKey",
            ));
        }
        let held = self.held(key, &item, "failed to unmarshal secret", calls).await?;
        Ok(held.contains_key(property))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_the_value_becomes() {
        let source = [("a", "1"), ("b", "<2>")];
        let data = source.into_iter().map(|(key, value)| (key.to_owned(), SecretBytes::from(value))).collect();
        let source = Arc::new(Source { data, ..Source::default() });
        let whole = r#"{"a":"1","b":"\u003c2\u003e"}"#;
        type Case = (
            Option<&'static str>,
            Option<&'static str>,
            Option<&'static str>,
            Result<Option<&'static str>, &'static str>,
        );
        let cases: [Case; 11] = [
            (None, None, None, Ok(Some(whole))),
            (Some(r#"{ "b":"<2>", "a":"1" }"#), None, None, Ok(None)),
            (
                Some(r#"{"n":12345678901234567890,"a":"0"}"#),
                None,
                None,
                Ok(Some(r#"{"a":"1","b":"\u003c2\u003e","n":12345678901234567890}"#)),
            ),
            (None, Some("a"), None, Ok(Some(r#"{"a":"1"}"#))),
            (Some(whole), Some("a"), None, Ok(None)),
            (None, Some("a"), Some("p.q"), Ok(Some(r#"{"p.q":"1"}"#))),
            (Some(r#"{"p":"0","x":[1]}"#), Some("a"), Some("p"), Ok(Some(r#"{"p":"1","x":[1]}"#))),
            (Some(r#"{"p":"1"}"#), Some("a"), Some("p"), Ok(None)),
            (None, None, Some("p"), Ok(Some(r#"{"p":"{\"a\":\"1\",\"b\":\"\u003c2\u003e\"}"}"#))),
            (None, Some("z"), Some("p"), Err("failed to find secret key in secret with key: z")),
            (None, Some("z"), None, Err("failed to find secret key in secret with key: z")),
        ];
        for (held, secret_key, property, want) in cases {
            let held = held.map(|json| members(&SecretBytes::from(json)).unwrap());
            let place = Place { key: "/k".to_owned(), property: property.map(str::to_owned) };
            let push =
                Push { source: source.clone(), secret_key: secret_key.map(str::to_owned), place, metadata: None };
            let got = wished(held.as_ref(), &push).map(|wished| wished.map(|wished| object(&wished)));
            let got = got.as_ref().map(|json| json.as_ref().map(|json| json.expose_str().unwrap()));
            assert_eq!(got.map_err(ToString::to_string), want.map_err(str::to_owned), "{secret_key:?} {property:?}");
        }
        for no_object in ["", "null", "[1]", "text"] {
            assert!(members(&SecretBytes::from(no_object)).is_none(), "{no_object}");
        }
    }
}
