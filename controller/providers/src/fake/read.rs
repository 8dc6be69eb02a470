//! Picking values out of an entry of `fake`. Pure.

use provider::{Error, ErrorKind, Payload, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::READ;

/// The entry, or the gjson path into it. A path that leads nowhere counts as a missing secret, as in the reference.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let Some(property) = reference.property.as_deref().filter(|p| !p.is_empty()) else {
        return Ok(payload.0.clone());
    };
    let found = gojson::get(payload.0.expose(), property);
    if found.exists() { Ok(SecretBytes::new(found.into_text())) } else { Err(Error::not_found(READ)) }
}

/// The members of the JSON object that [`value`] gives.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let object = value(payload, reference)?;
    let members = gojson::object_to_map(object.expose()).map_err(|_| {
        Error::new(ErrorKind::Malformed, READ, "unable to unmarshal secret: the value is not a JSON object")
    })?;
    Ok(members.into_iter().map(|(key, value)| (key, SecretBytes::new(value))).collect())
}

#[cfg(test)]
mod tests {
    use api::{FakeData, FakeProvider};
    use provider::{Provider, ReadKey, Validation};

    use super::super::Fake;
    use super::super::memory::FakeMemory;
    use super::*;
    use crate::StoreIdentity;

    fn store(validation_result: Option<i32>) -> Fake {
        let entry = |key: &str, version: Option<&str>, value: &str| FakeData {
            key: key.to_owned(),
            value: value.to_owned(),
            version: version.map(str::to_owned),
        };
        let data = vec![
            entry("plain", None, "one"),
            entry("plain", Some("v2"), "two"),
            entry("json", None, r#"{"a":{"b":"c"},"n":1.50,"nul":null}"#),
            entry("json", None, r#"{"a":{"b":"last"},"n":1.50,"nul":null}"#),
        ];
        let nobody = StoreIdentity { kind: api::StoreKind::SecretStore, name: String::new(), namespace: None };
        Fake::with(&FakeProvider { data, validation_result }, FakeMemory::default().of_store(&nobody))
    }

    fn reference(key: &str, version: Option<&str>, property: Option<&str>) -> RemoteRef {
        let read = ReadKey { key: key.to_owned(), version: version.map(str::to_owned), metadata: false };
        RemoteRef { read, property: property.map(str::to_owned) }
    }

    #[tokio::test]
    async fn values_are_found_by_key_and_version_and_property() {
        let cases = [
            ("plain", None, None, Ok("one")),
            ("plain", Some(""), None, Ok("one")),
            ("plain", Some("v2"), None, Ok("two")),
            ("plain", Some("v3"), None, Err(ErrorKind::NotFound)),
            ("plainv2", None, None, Err(ErrorKind::NotFound)),
            ("json", None, Some("a.b"), Ok("last")),
            ("json", None, Some("n"), Ok("1.5")),
            ("json", None, Some(""), Ok(r#"{"a":{"b":"last"},"n":1.50,"nul":null}"#)),
            ("json", None, Some("z"), Err(ErrorKind::NotFound)),
            ("plain", None, Some("z"), Err(ErrorKind::NotFound)),
        ];
        for (key, version, property, want) in cases {
            let reference = reference(key, version, property);
            let store = store(None);
            let got = match store.read(&reference.read).await {
                Ok(payload) => store.value(&payload, &reference),
                Err(e) => Err(e),
            };
            let got = got.as_ref().map(|v| v.expose_str().unwrap()).map_err(Error::kind);
            assert_eq!(got, want, "{reference:?}");
        }
    }

    #[tokio::test]
    async fn a_map_is_a_json_object_with_strings_unquoted_and_the_rest_as_written() {
        let store = store(None);
        let whole = reference("json", None, None);
        let payload = store.read(&whole.read).await.unwrap();
        let map = store.map(&payload, &whole).unwrap();
        let shown: Vec<_> = map.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
        assert_eq!(shown, [("a", r#"{"b":"last"}"#), ("n", "1.50"), ("nul", "")]);

        let plain = reference("plain", None, None);
        let payload = store.read(&plain.read).await.unwrap();
        let error = store.map(&payload, &plain).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(error.to_string(), "unable to unmarshal secret: the value is not a JSON object");
    }

    #[tokio::test]
    async fn validation_result_decides_the_verdict() {
        let error = || Error::new(ErrorKind::Invalid, "Validate", "unable to validate");
        let cases = [
            (None, Validation::Ready),
            (Some(0), Validation::Ready),
            (Some(1), Validation::Unknown(Some(error()))),
            (Some(2), Validation::Failed(error())),
            (Some(9), Validation::Failed(error())),
        ];
        for (result, want) in cases {
            assert_eq!(store(result).validate().await, want, "{result:?}");
        }
    }
}
