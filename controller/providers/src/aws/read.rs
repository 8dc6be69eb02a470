//! Reading a secret's value or tags, and picking values out of what was read.
//!
//! A payload is the value as it is, or the tags as a JSON object of strings.

use std::collections::BTreeMap;

use gojson::Html;
use provider::{Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::error::of_sdk;
use super::{DESCRIBE, GET, SecretsManager};

const NEWEST: &str = "AWSCURRENT";
const BY_ID: &str = "uuid/";

/// Reads one remote key: a name or an ARN. `version` is a stage, or `uuid/<version id>`.
///
/// Source: AWS Secrets Manager API, "GetSecretValue" and "DescribeSecret".
///
/// # Errors
/// `NotFound` on `ResourceNotFoundException` to GetSecretValue.
pub(super) async fn read(store: &SecretsManager, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata } = read;
    let id = format!("{}{key}", store.prefix);
    let bytes = if *metadata {
        let answer = store.client.describe_secret().secret_id(id).send().await;
        let answer = answer.map_err(|e| of_sdk(&e, DESCRIBE, &store.target))?;
        let pairs = answer.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
        let tags: BTreeMap<&str, &str> = pairs.collect();
        gojson::string_map(tags.iter().map(|(key, value)| (*key, value.as_bytes())), Html::Escape)
    } else {
        let (stage, version_id) = version_of(version.as_deref());
        let request = store.client.get_secret_value().secret_id(id).set_version_stage(stage).set_version_id(version_id);
        let answer = request.send().await.map_err(|e| of_sdk(&e, GET, &store.target))?;
        match (answer.secret_string, answer.secret_binary) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(binary)) => binary.into_inner(),
            (None, None) => {
                let text = format!("invalid secret received. no secret string nor binary for key: {key}");
                return Err(Error::new(ErrorKind::Malformed, GET, text));
            }
        }
    };
    Ok(Payload(SecretBytes::new(bytes)))
}

/// Stage or id of a version.
fn version_of(version: Option<&str>) -> (Option<String>, Option<String>) {
    match version.filter(|v| !v.is_empty()) {
        None => (Some(NEWEST.to_owned()), None),
        Some(version) => match version.strip_prefix(BY_ID) {
            Some(id) => (None, Some(id.to_owned())),
            None => (Some(version.to_owned()), None),
        },
    }
}

/// The whole value; with a property, the key that is spelt so, else the gjson path.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let Some(property) = reference.property.as_deref().filter(|p| !p.is_empty()) else {
        return Ok(payload.0.clone());
    };
    match gojson::property::dotted_first(payload.0.expose(), property) {
        Some(value) => Ok(SecretBytes::new(value)),
        None => {
            let text = format!("key {property} does not exist in secret {}", reference.read.key);
            Err(Error::new(ErrorKind::BadProperty, GET, text))
        }
    }
}

/// The members of the JSON object that [`value`] gives.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let object = value(payload, reference)?;
    let members = gojson::object_to_map(object.expose()).map_err(|_| {
        let text = format!("unable to unmarshal secret {}: the value is not a JSON object", reference.read.key);
        Error::new(ErrorKind::Malformed, GET, text)
    })?;
    Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_stage_or_an_id() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (None, (some("AWSCURRENT"), None)),
            (Some(""), (some("AWSCURRENT"), None)),
            (Some("AWSPREVIOUS"), (some("AWSPREVIOUS"), None)),
            (Some("uuid/1-2"), (None, some("1-2"))),
        ];
        for (version, want) in cases {
            assert_eq!(version_of(version), want, "{version:?}");
        }
    }

    #[test]
    fn values_and_maps_follow_the_references_rules() {
        let payload = Payload(SecretBytes::from(r#"{"a.b":"exact","a":{"b":"path","n":1.50},"o":null}"#));
        let reference = |property: &str| RemoteRef {
            read: ReadKey { key: "k".to_owned(), version: None, metadata: false },
            property: Some(property.to_owned()),
        };
        for (property, want) in
            [("a.b", Ok("exact")), ("a.n", Ok("1.5")), ("z", Err("key z does not exist in secret k"))]
        {
            let got = value(&payload, &reference(property));
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property}");
        }
        let got = map(&payload, &reference("")).unwrap();
        let shown: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
        assert_eq!(shown, [("a", r#"{"b":"path","n":1.50}"#), ("a.b", "exact"), ("o", "")]);
        let error = map(&Payload(SecretBytes::from("canary")), &reference("")).unwrap_err();
        assert_eq!(error.to_string(), "unable to unmarshal secret k: the value is not a JSON object");
    }
}
