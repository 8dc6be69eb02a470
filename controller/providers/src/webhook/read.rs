//! Reading, and picking values out of what was read. A payload is an answer's body as it is.

use gojson::jsonpath::{JsonPath, Selected};
use gojson::{Document, Html, Item, NodeId, Numbers};
use http::StatusCode;
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::request::About;
use super::wire::Wire;
use super::{CALL, error};
use crate::template_env::env;

/// What a reference asks the server for. A property that has a part in the request goes behind the version, after its length.
pub(super) fn key(reference: &RemoteRef, with_property: bool) -> ReadKey {
    let RemoteRef { read: ReadKey { key, version, metadata: _ }, property } = reference;
    // The reference knows no metadata here: it answers with the value.
    let plain = ReadKey { key: key.clone(), version: version.clone().filter(|v| !v.is_empty()), metadata: false };
    let property = property.as_deref().unwrap_or_default();
    if !with_property {
        return plain;
    }
    let version = plain.version.unwrap_or_default();
    ReadKey { version: Some(format!("{}:{version}{property}", version.len())), ..plain }
}

/// Version and property out of what [`key`] made.
pub(super) fn parts(key: &ReadKey, with_property: bool) -> (&str, &str) {
    let version = key.version.as_deref().unwrap_or_default();
    if !with_property {
        return (version, "");
    }
    let split = version.split_once(':').and_then(|(length, rest)| rest.split_at_checked(length.parse().ok()?));
    split.unwrap_or((version, ""))
}

/// Makes one request.
///
/// # Errors
/// `NotFound` for the status 404, whoever answers it.
pub(super) async fn read(wire: &Wire, about: About) -> Result<Payload, Error> {
    let answer = wire.send(about).await?;
    match answer.status {
        status if status.is_success() => Ok(Payload(answer.body)),
        StatusCode::NOT_FOUND => Err(Error::not_found(CALL)),
        _ => Err(error::of_answer(&answer)),
    }
}

/// A path with the text that errors show of it.
pub(super) struct Path {
    shown: String,
    path: JsonPath,
}

/// The path for a reference, if the store has one.
///
/// # Errors
/// `Invalid` if it can't be rendered or is no path.
pub(super) fn path(wire: &Wire, reference: &RemoteRef, namespace: &str) -> Result<Option<Path>, Error> {
    let Some(text) = &wire.templates().json_path else { return Ok(None) };
    let RemoteRef { read: ReadKey { key, version, metadata: _ }, property } = reference;
    let about =
        About::read(key, version.as_deref().unwrap_or_default(), property.as_deref().unwrap_or_default(), namespace);
    let rendered = text.render(&about.data(wire.secrets(), false), &env(), CALL)?;
    let rendered = String::from_utf8_lossy(&rendered);
    if rendered.is_empty() {
        return Ok(None);
    }
    // What is made of a Secret stays hidden.
    let shown = if text.tells_secrets() { text.field().to_owned() } else { rendered.clone().into_owned() };
    match JsonPath::parse(&rendered) {
        Ok(path) => Ok(Some(Path { shown, path })),
        Err(fault) => {
            Err(Error::new(ErrorKind::Invalid, CALL, format!("failed to get response path {shown}: {fault}")))
        }
    }
}

/// The whole answer, or the one value that the path leads to.
///
/// # Errors
/// `Malformed` if the answer isn't JSON, `BadProperty` if the path leads nowhere.
pub(super) fn value(payload: &Payload, path: Option<&Path>) -> Result<SecretBytes, Error> {
    let Some(path) = path else { return Ok(payload.0.clone()) };
    let document = parse(payload.0.expose(), "failed to parse response json")?;
    let mut at = match select(path, &document)? {
        Selected::One(id) => Some(id),
        Selected::FirstOf(first) => first,
    };
    // Of lists in lists the first each.
    while let Some(id) = at
        && let Item::Array(items) = document.item(id)
    {
        at = items.first().copied();
    }
    let Some(id) = at else {
        return Err(Error::new(ErrorKind::BadProperty, CALL, "filter worked but didn't get any result"));
    };
    single(&document, id).map(SecretBytes::new)
}

/// A value as text: numbers without a fraction, objects as JSON.
fn single(document: &Document<'_>, id: NodeId) -> Result<Vec<u8>, Error> {
    match document.item(id) {
        Item::Number(literal) => match literal.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(format!("{number:.0}").into_bytes()),
            Ok(_) | Err(_) => Err(malformed("failed to parse response json: a number is too large")),
        },
        Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_) => bytes(document, id),
    }
}

/// The members of the JSON object that the answer is, or the path leads to; also of one that is written in a text.
///
/// # Errors
/// As [`value`]; `Malformed` if there is no object.
pub(super) fn map(payload: &Payload, path: Option<&Path>) -> Result<SecretMap, Error> {
    let document = parse(payload.0.expose(), "failed to parse response json")?;
    let at = match path.map(|path| select(path, &document)).transpose()? {
        None => document.root(),
        Some(Selected::One(id)) => id,
        Some(Selected::FirstOf(_)) => return Err(wrong_type("[]interface {}")),
    };
    if let Item::Text(text) = document.item(at) {
        let inner = parse(text.as_bytes(), "failed to parse response json from jsonpath")?;
        return members(&inner, inner.root());
    }
    members(&document, at)
}

fn members(document: &Document<'_>, at: NodeId) -> Result<SecretMap, Error> {
    let go_type = match document.item(at) {
        Item::Object(members) => {
            let member = |(key, id): (&String, &NodeId)| Ok((key.clone(), SecretBytes::new(bytes(document, *id)?)));
            return members.iter().map(member).collect();
        }
        Item::Null => "<nil>",
        Item::Bool(_) => "bool",
        Item::Number(_) => "float64",
        Item::Text(_) => "string",
        Item::Array(_) => "[]interface {}",
    };
    Err(wrong_type(go_type))
}

fn bytes(document: &Document<'_>, id: NodeId) -> Result<Vec<u8>, Error> {
    let too_large = |_| malformed("failed to parse response json: a number is too large");
    match document.item(id) {
        Item::Object(_) | Item::Array(_) => document.compact(id, Numbers::Float64, Html::Escape).map_err(too_large),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Text(_) => {
            document.bytes(id, Numbers::Float64).map_err(too_large)
        }
    }
}

fn parse<'a>(json: &'a [u8], what: &str) -> Result<Document<'a>, Error> {
    Document::parse(json).map_err(|_| malformed(&format!("{what}: it is not JSON")))
}

fn select(path: &Path, document: &Document<'_>) -> Result<Selected, Error> {
    let Path { shown, path } = path;
    path.select(document).map_err(|fault| {
        Error::new(ErrorKind::BadProperty, CALL, format!("failed to get response path {shown}: {fault}"))
    })
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::Malformed, CALL, text)
}

fn wrong_type(go_type: &str) -> Error {
    malformed(&format!("failed to get response (wrong type: {go_type})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<Path> {
        (!text.is_empty()).then(|| Path { shown: text.to_owned(), path: JsonPath::parse(text).unwrap() })
    }

    fn payload(body: &str) -> Payload {
        Payload(SecretBytes::from(body))
    }

    #[test]
    fn a_value_is_the_answer_or_what_the_path_leads_to() {
        let list = r#"{"s":[{"name":"a","v":"1"},{"name":"b","v":"2"}]}"#;
        let cases = [
            ("", "not JSON", Ok("not JSON")),
            ("", "", Ok("")),
            ("$.a", r#"{"a":"R\/E"}"#, Ok("R/E")),
            ("$.a", r#"{"a":true}"#, Ok("true")),
            ("$.a", r#"{"a":null}"#, Ok("")),
            ("$.a", r#"{"a":1234}"#, Ok("1234")),
            ("$.a", r#"{"a":1.5}"#, Ok("2")),
            ("$.a", r#"{"a":2.5}"#, Ok("2")),
            ("$.a", r#"{"a":-0.4}"#, Ok("-0")),
            ("$.a", r#"{"a":12345678901234567890}"#, Ok("12345678901234567168")),
            ("$.a", r#"{"a":1e30}"#, Ok("1000000000000000019884624838656")),
            ("$.a", r#"{"a":{"b":"<","a":1.50}}"#, Ok(r#"{"a":1.5,"b":"\u003c"}"#)),
            ("$.a", r#"{"a":["x","y"]}"#, Ok("x")),
            ("$.a", r#"{"a":[[["x"]]]}"#, Ok("x")),
            ("$.s[?@.name==\"b\"].v", list, Ok("2")),
            ("$..name", list, Ok("a")),
            ("$.s[?@.name==\"c\"].v", list, Err("filter worked but didn't get any result")),
            ("$.a", r#"{"a":[]}"#, Err("filter worked but didn't get any result")),
            ("$.a", r#"{"b":"canary"}"#, Err("failed to get response path $.a: unknown key a")),
            (
                "$.b.c",
                r#"{"b":"canary"}"#,
                Err("failed to get response path $.b.c: unsupported value type string for select"),
            ),
            ("$.a", "canary", Err("failed to parse response json: it is not JSON")),
            ("$.a", r#"{"a":"canary""#, Err("failed to parse response json: it is not JSON")),
            ("$.a", r#"{"a":1e999}"#, Err("failed to parse response json: a number is too large")),
        ];
        for (text, body, want) in cases {
            let got = value(&payload(body), path(text).as_ref());
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got.expose_str(), Some(want), "{text} in {body}"),
                (Err(error), Err(want)) => {
                    assert!(error.to_string().starts_with(want), "{text} in {body}: {error}");
                    assert!(!error.to_string().contains("canary"), "{error}");
                }
                (got, want) => panic!("{text} in {body}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_map_is_a_json_object_or_a_text_that_holds_one() {
        let cases = [
            (
                "",
                r#"{"a":"x","n":1.50,"i":1234,"o":{"b":true},"l":["y","z"],"nul":null}"#,
                Ok(r#"a=x i=1234 l=["y","z"] n=1.5 nul= o={"b":true}"#),
            ),
            ("$.r", r#"{"r":{"a":"x"}}"#, Ok("a=x")),
            ("$.r", r#"{"r":"{\"a\":\"x\"}"}"#, Ok("a=x")),
            ("", r#""{\"a\":\"x\"}""#, Ok("a=x")),
            ("", "{}", Ok("")),
            ("", "canary", Err("failed to parse response json: it is not JSON")),
            ("$.r", r#"{"r":"canary"}"#, Err("failed to parse response json from jsonpath: it is not JSON")),
            ("", r#"["canary"]"#, Err("failed to get response (wrong type: []interface {})")),
            ("$..r", r#"{"r":{"a":"x"}}"#, Err("failed to get response (wrong type: []interface {})")),
            ("$.r", r#"{"r":5}"#, Err("failed to get response (wrong type: float64)")),
            ("", "null", Err("failed to get response (wrong type: <nil>)")),
            ("", r#""\"x\"""#, Err("failed to get response (wrong type: string)")),
        ];
        for (text, body, want) in cases {
            let got = map(&payload(body), path(text).as_ref()).map(|map| {
                let pairs = map.iter().map(|(key, value)| format!("{key}={}", value.expose_str().unwrap()));
                pairs.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(
                got.map_err(|e| e.to_string()),
                want.map(str::to_owned).map_err(str::to_owned),
                "{text} in {body}"
            );
        }
    }

    #[test]
    fn a_property_is_told_apart_only_where_it_has_a_part_in_the_request() {
        let cases = [
            (None, None),
            (Some("v"), None),
            (None, Some("p")),
            (Some("1:v"), Some("2:p")),
            (Some("é"), Some("ü")),
            (Some(""), Some("")),
        ];
        let mut keys = Vec::new();
        for (version, property) in cases {
            let read = ReadKey { key: "k".to_owned(), version: version.map(str::to_owned), metadata: true };
            let reference = RemoteRef { read, property: property.map(str::to_owned) };
            let with = key(&reference, true);
            assert_eq!(parts(&with, true), (version.unwrap_or_default(), property.unwrap_or_default()));
            keys.push(with);
            let without = key(&reference, false);
            assert_eq!(without.version.as_deref(), version.filter(|v| !v.is_empty()));
            assert_eq!(parts(&without, false), (version.unwrap_or_default(), ""));
        }
        keys.sort();
        keys.dedup();
        // The last is the first: empty texts count as none.
        assert_eq!(keys.len(), cases.len() - 1);
    }
}
