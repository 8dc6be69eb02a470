//! Reading an item by its type, and picking values out of it.
//!
//! A payload is the value itself: the text of a static secret, the JSON of all others.

use gojson::{Document, Html, Item as Json, NodeId, Numbers};
use http::StatusCode;
use provider::{Calls, Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::item::{Kind, describe};
use super::wire::Field;
use super::{Akeyless, Command, DESCRIBE, GET_STATIC, MADE_TIMEOUT, error};
use crate::http::Answer;

const GET_DYNAMIC: &str = "GetDynamicSecretsValue";
const GET_ROTATED: &str = "GetRotatedSecretValue";
const GET_CERTIFICATE: &str = "GetCertificateValue";

/// Reads one item: what it is, then its value.
///
/// # Errors
/// `NotFound` when Akeyless says that it has no such item; `Invalid` when it has no such version.
pub(super) async fn read(store: &Akeyless, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata: _ } = read;
    let version = number(version.as_deref().unwrap_or_default())?;
    let kind = describe(store, key, None).await?.kind;
    value_of(store, key, kind, version, None).await.map(Payload)
}

/// Nothing and 0 are the newest version.
fn number(version: &str) -> Result<i32, Error> {
    if version.is_empty() {
        return Ok(0);
    }
    version.parse().map_err(|_| {
        let text = format!("remoteRef.version: {} is not the number of a version", gojson::quote(version));
        Error::new(ErrorKind::Invalid, GET_STATIC, text)
    })
}

/// The value of an item of that type.
///
/// Source: Akeyless V2 API, "Get secret value", "Get dynamic secret value", "Get rotated secret value", "Get certificate
/// value".
///
/// # Errors
/// `NotFound` when Akeyless says that there is no such item any more.
pub(super) async fn value_of(
    store: &Akeyless,
    name: &str,
    kind: Kind,
    version: i32,
    calls: Option<&dyn Calls>,
) -> Result<SecretBytes, Error> {
    let names = [name];
    let mut fields = match kind {
        Kind::Static => vec![("names", Field::Texts(&names)), ("version", Field::Number(version))],
        Kind::Rotated => vec![("names", Field::Text(name)), ("version", Field::Number(version))],
        Kind::Certificate => vec![("name", Field::Text(name)), ("version", Field::Number(version))],
        Kind::Dynamic => vec![("name", Field::Text(name))],
        Kind::Other => {
            let text =
                "invalid item type: only static, dynamic and rotated secrets and certificates have a value to read";
            return Err(Error::new(ErrorKind::Invalid, DESCRIBE, text));
        }
    };
    if store.ignore_cache && kind != Kind::Dynamic {
        fields.push(("ignore-cache", Field::Text("true")));
    }
    let (mut command, cannot) = match kind {
        Kind::Dynamic => {
            (Command::new(GET_DYNAMIC, "get-dynamic-secret-value", &fields), "can't get dynamic secret value")
        }
        Kind::Rotated => {
            (Command::new(GET_ROTATED, "get-rotated-secret-value", &fields), "can't get rotated secret value")
        }
        Kind::Certificate => {
            (Command::new(GET_CERTIFICATE, "get-certificate-value", &fields), "can't get certificate value")
        }
        Kind::Static | Kind::Other => (Command::new(GET_STATIC, "get-secret-value", &fields), "can't get secret value"),
    };
    if matches!(kind, Kind::Dynamic | Kind::Rotated) {
        command.timeout = MADE_TIMEOUT;
    }
    let operation = command.operation;
    let answer = store.send(command, calls).await?;
    let origin = store.wire.origin();
    if answer.status != StatusCode::OK {
        if version != 0 && error::is_missing_item(&answer) {
            let text = format!("{cannot}: the item has no version {version}; check remoteRef.version");
            return Err(Error::new(ErrorKind::Invalid, operation, text));
        }
        let error = error::of_answer(&answer, operation, &origin);
        return Err(if error::is_missing_item(&answer) { error } else { error.context(cannot) });
    }
    value_in(&answer, name, kind).ok_or_else(|| error::not_akeyless(operation, &origin).context(cannot))
}

/// The value in an answer. Pure.
fn value_in(answer: &Answer, name: &str, kind: Kind) -> Option<SecretBytes> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let root = document.root();
    let Json::Object(members) = document.item(root) else { return None };
    let json = |id: NodeId| document.compact(id, Numbers::Float64, Html::Escape).ok().map(SecretBytes::new);
    match kind {
        Kind::Static => {
            // Akeyless knows items with and without the slash in front.
            let bare = name.trim_start_matches('/');
            let id = members.get(name).or_else(|| members.get(bare)).or_else(|| members.get(&format!("/{bare}")))?;
            match document.item(*id) {
                Json::Text(text) => Some(SecretBytes::from(text)),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
            }
        }
        Kind::Rotated => {
            let Some(value) = members.get("value") else { return json(root) };
            let Json::Object(_) = document.item(*value) else { return None };
            match (document.member(*value, "payload"), document.member(*value, "target_value")) {
                (Some(payload), _) => document.bytes(payload, Numbers::Float64).ok().map(SecretBytes::new),
                (None, Some(target)) => json(target),
                (None, None) => json(*value),
            }
        }
        Kind::Dynamic | Kind::Certificate => (!members.is_empty()).then(|| json(root)).flatten(),
        Kind::Other => None,
    }
}

/// The whole value; with a property, the key that is spelt so, dots included, else the gjson path.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let key = &reference.read.key;
    let property = reference.property.as_deref().unwrap_or_default();
    if !property.is_empty() {
        return gojson::property::dotted_first(payload.0.expose(), property).map(SecretBytes::new).ok_or_else(|| {
            let text = format!("key {property} does not exist in value {key}");
            Error::new(ErrorKind::BadProperty, GET_STATIC, text)
        });
    }
    if payload.0.is_empty() {
        let text = format!("invalid value received, found no value string : {key}");
        return Err(Error::new(ErrorKind::Malformed, GET_STATIC, text));
    }
    Ok(payload.0.clone())
}

/// The members of the JSON object that [`value`] gives.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let object = value(payload, reference)?;
    let members = gojson::object_to_map(object.expose()).map_err(|_| {
        let text = "unable to unmarshal secret from JSON: the value is not a JSON object";
        Error::new(ErrorKind::Malformed, GET_STATIC, text)
    })?;
    Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn each_type_has_its_value() {
        use Kind::{Certificate, Dynamic, Other, Rotated, Static};
        let cases = [
            (Static, r#"{"/a/b":"v"}"#, Some("v")),
            (Static, r#"{"a/b":"v"}"#, Some("v")),
            (Static, r#"{"/a/b":""}"#, Some("")),
            (Static, r#"{"/a/b":{"x":1}}"#, None),
            (Static, r#"{"/c":"v"}"#, None),
            (Static, "{}", None),
            (Static, "<html>", None),
            (Dynamic, r#"{"user":"<","n":1.50}"#, Some(r#"{"n":1.5,"user":"\u003c"}"#)),
            (Dynamic, "{}", None),
            (Dynamic, "[]", None),
            (Rotated, r#"{"value":{"payload":"p","target_value":{}}}"#, Some("p")),
            (Rotated, r#"{"value":{"target_value":{"b":1,"a":2}}}"#, Some(r#"{"a":2,"b":1}"#)),
            (Rotated, r#"{"value":{"username":"u"}}"#, Some(r#"{"username":"u"}"#)),
            (Rotated, r#"{"username":"u"}"#, Some(r#"{"username":"u"}"#)),
            (Rotated, r#"{"value":"v"}"#, None),
            (
                Certificate,
                r#"{"private_key_pem":"K","certificate_pem":"C"}"#,
                Some(r#"{"certificate_pem":"C","private_key_pem":"K"}"#),
            ),
            (Other, r#"{"/a/b":"v"}"#, None),
        ];
        for (kind, body, want) in cases {
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::from(body) };
            let got = value_in(&answer, "/a/b", kind);
            assert_eq!(got.as_ref().and_then(SecretBytes::expose_str), want, "{kind:?} {body}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        let cases =
            [("", Some(0)), ("0", Some(0)), ("3", Some(3)), ("-1", Some(-1)), ("v3", None), ("2147483648", None)];
        for (version, want) in cases {
            assert_eq!(number(version).ok(), want, "{version}");
        }
    }

    #[test]
    fn values_are_selected_as_in_the_reference() {
        let payload = |text: &str| Payload(SecretBytes::from(text));
        let reference = |property: &str| RemoteRef {
            read: ReadKey { key: "/k".to_owned(), version: None, metadata: false },
            property: Some(property.to_owned()),
        };
        let json = r#"{"a":{"b":"c","n":1.50},"a.b":"exact"}"#;
        let cases = [
            ("plain", "", Ok("plain")),
            (json, "a.b", Ok("exact")),
            (json, "a.n", Ok("1.5")),
            (json, "z", Err("key z does not exist in value /k")),
            ("", "", Err("invalid value received, found no value string : /k")),
        ];
        for (text, property, want) in cases {
            let got = value(&payload(text), &reference(property));
            let got = got.as_ref().map(|value| value.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(got, want.map_err(str::to_owned), "{property}");
        }
        let got = map(&payload(json), &reference("a")).unwrap();
        let shown: Vec<_> = got.iter().map(|(key, value)| (key.as_str(), value.expose_str().unwrap())).collect();
        assert_eq!(shown, [("b", "c"), ("n", "1.50")]);
        assert_eq!(map(&payload("plain"), &reference("")).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
