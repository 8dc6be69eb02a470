//! Reading a secret's value or tags. A payload is the value as it is, or the tags as a JSON object of strings.

use aws_smithy_types::Blob;
use provider::{Error, ErrorKind, Payload, ReadKey};
use secret::SecretBytes;

use super::super::error::of_sdk;
use super::super::value::tags;
use super::{DESCRIBE, GET, SecretsManager};

pub(super) const NEWEST: &str = "AWSCURRENT";
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
    if *metadata {
        let answer = store.client.describe_secret().secret_id(id).send().await;
        let answer = answer.map_err(|e| of_sdk(&e, DESCRIBE, &store.target))?;
        let pairs = answer.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
        return Ok(Payload(SecretBytes::new(tags(pairs))));
    }
    let (stage, version_id) = version_of(version.as_deref());
    let request = store.client.get_secret_value().secret_id(id).set_version_stage(stage).set_version_id(version_id);
    let answer = request.send().await.map_err(|e| of_sdk(&e, GET, &store.target))?;
    content(answer.secret_string, answer.secret_binary).map(Payload).ok_or_else(|| {
        let text = format!("invalid secret received. no secret string nor binary for key: {key}");
        Error::new(ErrorKind::Malformed, GET, text)
    })
}

/// The text or the bytes of a secret; it may have neither.
pub(super) fn content(text: Option<String>, binary: Option<Blob>) -> Option<SecretBytes> {
    text.map(String::into_bytes).or_else(|| binary.map(Blob::into_inner)).map(SecretBytes::new)
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
}
