//! Reading a parameter's value or tags. A payload is the value as it is, or the tags as a JSON object of strings.

use aws_sdk_ssm::types::ResourceTypeForTagging;
use provider::{Error, ErrorKind, Payload, ReadKey};
use secret::SecretBytes;

use super::super::error::of_sdk;
use super::super::value::tags;
use super::{GET, ParameterStore, TAGS};

/// Reads one parameter, decrypted. `version` is a number or a label.
///
/// Source: AWS Systems Manager API, "GetParameter" and "ListTagsForResource".
///
/// # Errors
/// `NotFound` on `ParameterNotFound` to GetParameter; a version that isn't there is no sign that the parameter is gone.
pub(super) async fn read(store: &ParameterStore, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata } = read;
    let name = format!("{}{key}", store.prefix);
    if *metadata {
        let request = store.client.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
        let answer = request.resource_id(name).send().await;
        let answer = answer.map_err(|e| of_sdk(&e, TAGS, &store.target).context("error listing tags"))?;
        let pairs = answer.tag_list().iter().map(|tag| (tag.key(), tag.value()));
        return Ok(Payload(SecretBytes::new(tags(pairs))));
    }
    let name = match version.as_deref().filter(|version| !version.is_empty()) {
        Some(version) => format!("{name}:{version}"),
        None => name,
    };
    let answer = store.client.get_parameter().name(name).with_decryption(true).send().await;
    let answer = answer.map_err(|e| of_sdk(&e, GET, &store.target))?;
    match answer.parameter.and_then(|parameter| parameter.value) {
        Some(value) => Ok(Payload(SecretBytes::from(value))),
        None => {
            let text = format!("invalid secret received. parameter value is nil for key: {key}");
            Err(Error::new(ErrorKind::Malformed, GET, text))
        }
    }
}
