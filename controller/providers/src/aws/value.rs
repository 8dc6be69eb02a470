//! Picking values out of what AWS holds, which is text or bytes, often a JSON object. Pure.

use std::collections::BTreeMap;

use gojson::Html;
use provider::{Error, ErrorKind, Payload, RemoteRef};
use secret::{SecretBytes, SecretMap};

/// The whole value; with a property, the key that is spelt so, else the gjson path.
pub(super) fn value(payload: &Payload, reference: &RemoteRef, operation: &'static str) -> Result<SecretBytes, Error> {
    let Some(property) = reference.property.as_deref().filter(|p| !p.is_empty()) else {
        return Ok(payload.0.clone());
    };
    match gojson::property::dotted_first(payload.0.expose(), property) {
        Some(value) => Ok(SecretBytes::new(value)),
        None => {
            let text = format!("key {property} does not exist in secret {}", reference.read.key);
            Err(Error::new(ErrorKind::BadProperty, operation, text))
        }
    }
}

/// The members of the JSON object that [`value`] gives.
pub(super) fn map(payload: &Payload, reference: &RemoteRef, operation: &'static str) -> Result<SecretMap, Error> {
    let object = value(payload, reference, operation)?;
    let members = gojson::object_to_map(object.expose()).map_err(|_| {
        let text = format!("unable to unmarshal secret {}: the value is not a JSON object", reference.read.key);
        Error::new(ErrorKind::Malformed, operation, text)
    })?;
    Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect())
}

/// Tags as a JSON object of strings.
pub(super) fn tags<'t>(pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<u8> {
    let tags: BTreeMap<&str, &str> = pairs.collect();
    gojson::string_map(tags.iter().map(|(key, value)| (*key, value.as_bytes())), Html::Escape)
}

#[cfg(test)]
mod tests {
    use provider::ReadKey;

    use super::*;

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
            let got = value(&payload, &reference(property), "Get");
            let shown = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(shown, want.map_err(str::to_owned), "{property}");
        }
        let got = map(&payload, &reference(""), "Get").unwrap();
        let shown: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
        assert_eq!(shown, [("a", r#"{"b":"path","n":1.50}"#), ("a.b", "exact"), ("o", "")]);
        let error = map(&Payload(SecretBytes::from("canary")), &reference(""), "Get").unwrap_err();
        assert_eq!(error.to_string(), "unable to unmarshal secret k: the value is not a JSON object");
    }
}
