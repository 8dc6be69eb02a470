//! Pushing parameters: one is read and compared before it is written. As in the reference, `property` has no meaning here.
//!
//! Source: AWS Systems Manager API, "PutParameter", "AddTagsToResource", "RemoveTagsFromResource", "DeleteParameter".

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::Html;
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::Value;

use super::super::error::{of_empty_answer, of_sdk};
use super::super::tags::{self, Changes};
use super::{GET, ParameterStore, TAGS};
use crate::ownership::{foreign, is_ours};
use crate::push_metadata;

const PUSH: &str = "PushSecret";
const PUT: &str = "PutParameter";
const DELETE: &str = "DeleteParameter";
const ADD_TAGS: &str = "AddTagsToResource";
const REMOVE_TAGS: &str = "RemoveTagsFromResource";
const DESCRIPTION: &str = "secret 'managed-by:external-secrets'";
const KEY: &str = "alias/aws/ssm";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    secret_type: Option<String>,
    #[serde(rename = "kmsKeyID")]
    kms_key_id: Option<String>,
    tier: Option<TierSpec>,
    encode_as_decoded: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct TierSpec {
    #[serde(rename = "type")]
    type_: Option<String>,
    policies: Option<Value>,
}

/// What is to be there.
#[derive(Debug, PartialEq)]
struct Desired {
    value: SecretBytes,
    type_: ParameterType,
    /// Of a `SecureString` only.
    key: Option<String>,
    /// Not of the tier `Standard`.
    tier: Option<ParameterTier>,
    policies: Option<String>,
    /// Without the mark; `None`: tags stay as they are.
    tags: Option<BTreeMap<String, String>>,
    description: String,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, PUSH, text)
}

impl Desired {
    /// Pure.
    fn of(push: &Push) -> Result<Self, Error> {
        let failed = |error: Error| error.context("failed to parse metadata");
        let Spec { secret_type, kms_key_id, tier, encode_as_decoded, tags, description } =
            push_metadata::spec(push.metadata.as_ref(), PUSH).map_err(failed)?;
        let tags = tags.filter(|tags| !tags.is_empty());
        tags.iter().try_for_each(|tags| tags::checked(tags, PUSH))?;
        let type_ = match secret_type.as_deref().unwrap_or_default() {
            "" | "String" => ParameterType::String,
            "SecureString" => ParameterType::SecureString,
            "StringList" => ParameterType::StringList,
            other => {
                let text = format!("spec.secretType: {other}: write String, SecureString or StringList");
                return Err(failed(invalid(text)));
            }
        };
        let TierSpec { type_: tier, policies } = tier.unwrap_or_default();
        let tier = match tier.as_deref().unwrap_or_default() {
            "" | "Standard" => None,
            "Advanced" => Some(ParameterTier::Advanced),
            "Intelligent-Tiering" => Some(ParameterTier::IntelligentTiering),
            other => {
                let text = format!("spec.tier.type: {other}: write Standard, Advanced or Intelligent-Tiering");
                return Err(failed(invalid(text)));
            }
        };
        let or = |given: Option<String>, default: &str| {
            given.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            value: value(push, encode_as_decoded.unwrap_or_default())?,
            key: (type_ == ParameterType::SecureString).then(|| or(kms_key_id, KEY)),
            type_,
            policies: tier.as_ref().and(policies).filter(|policies| !policies.is_null()).map(|json| json.to_string()),
            tier,
            tags,
            description: or(description, DESCRIPTION),
        })
    }

    fn all_tags(&self) -> BTreeMap<String, String> {
        tags::marked(self.tags.as_ref().unwrap_or(&BTreeMap::new()))
    }

    fn text(&self) -> Result<&str, Error> {
        self.value.expose_str().ok_or_else(|| {
            invalid("the value isn't text (UTF-8), and Parameter Store holds nothing else; encode it in a template")
        })
    }
}

/// The value of the key. The whole Secret becomes a JSON object of base64, or of texts if they are to be decoded.
fn value(push: &Push, decoded: bool) -> Result<SecretBytes, Error> {
    let value = if push.secret_key.is_some() || decoded {
        push.value()?
    } else {
        let encoded: BTreeMap<&str, SecretBytes> = push
            .source
            .data
            .iter()
            .map(|(key, value)| (key.as_str(), SecretBytes::from(STANDARD.encode(value.expose()))))
            .collect();
        let pairs = encoded.iter().map(|(key, value)| (*key, value.expose()));
        SecretBytes::new(gojson::string_map(pairs, Html::Keep))
    };
    if value.is_empty() {
        return Err(invalid("the value is empty, which Parameter Store doesn't take"));
    }
    Ok(value)
}

fn tag_list(tags: &BTreeMap<String, String>, operation: &'static str) -> Result<Vec<Tag>, Error> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    let bad = |_| Error::new(ErrorKind::Invalid, operation, "the tags can't be built; check metadata.spec.tags");
    tags.iter().map(tag).collect::<Result<_, _>>().map_err(bad)
}

impl ParameterStore {
    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The value; `None` if there is no such parameter.
    async fn held(&self, name: &str, decrypt: bool, calls: &dyn Calls) -> Result<Option<SecretBytes>, Error> {
        let sent = self.client.get_parameter().name(name).with_decryption(decrypt).send().await;
        calls.made(GET, sent.is_ok());
        let failed = |error: Error| error.context(format!("unexpected error getting parameter {name}"));
        match sent.map_err(|error| of_sdk(&error, GET, &self.target)) {
            Ok(output) => {
                let value = output.parameter.and_then(|parameter| parameter.value).map(SecretBytes::from);
                value.map(Some).ok_or_else(|| failed(of_empty_answer(GET, &self.target)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn tags(&self, name: &str, calls: &dyn Calls) -> Result<BTreeMap<String, String>, Error> {
        let request = self.client.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
        let sent = request.resource_id(name).send().await;
        calls.made(TAGS, sent.is_ok());
        let failed = |error: Error| {
            error.context(format!("error getting the existing tags for the parameter {name}: error listing tags"))
        };
        let answer = sent.map_err(|error| failed(of_sdk(&error, TAGS, &self.target)))?;
        let tags = answer.tag_list.unwrap_or_default().into_iter();
        Ok(tags.map(|tag| (tag.key, tag.value)).collect())
    }

    async fn put(&self, name: &str, desired: &Desired, new: bool, calls: &dyn Calls) -> Result<(), Error> {
        let Desired { value: _, type_, key, tier, policies, tags: _, description } = desired;
        // AWS takes tags only of a parameter that is being made.
        let tags = if new { Some(tag_list(&desired.all_tags(), PUT)?) } else { None };
        let request = self.client.put_parameter().name(name).value(desired.text()?).r#type(type_.clone());
        let request = request.description(description).set_key_id(key.clone()).set_tier(tier.clone());
        let sent = request.set_policies(policies.clone()).set_tags(tags).overwrite(!new).send().await;
        calls.made(PUT, sent.is_ok());
        let failed = |error: Error| error.context(format!("unexpected error pushing parameter {name}"));
        match sent {
            // Versions begin with 1.
            Ok(put) if put.version() == 0 => Err(failed(of_empty_answer(PUT, &self.target))),
            Ok(_) => Ok(()),
            Err(error) => Err(failed(of_sdk(&error, PUT, &self.target))),
        }
    }

    /// Whether any tag was changed.
    async fn sync_tags(
        &self,
        name: &str,
        held: &BTreeMap<String, String>,
        desired: &Desired,
        calls: &dyn Calls,
    ) -> Result<bool, Error> {
        if desired.tags.is_none() {
            return Ok(false);
        }
        let changes = Changes::between(held, &desired.all_tags());
        let changed = changes != Changes::default();
        let Changes { remove, set } = changes;
        if !remove.is_empty() {
            let request = self.client.remove_tags_from_resource().resource_type(ResourceTypeForTagging::Parameter);
            let sent = request.resource_id(name).set_tag_keys(Some(remove)).send().await;
            calls.made(REMOVE_TAGS, sent.is_ok());
            sent.map_err(|error| of_sdk(&error, REMOVE_TAGS, &self.target))?;
        }
        if !set.is_empty() {
            let request = self.client.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
            let sent = request.resource_id(name).set_tags(Some(tag_list(&set, ADD_TAGS)?)).send().await;
            calls.made(ADD_TAGS, sent.is_ok());
            sent.map_err(|error| of_sdk(&error, ADD_TAGS, &self.target))?;
        }
        Ok(changed)
    }
}

#[async_trait]
impl Write for ParameterStore {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let desired = Desired::of(push)?;
        desired.text()?;
        let Place { key, property: _ } = &push.place;
        let name = self.name(key);
        let Some(held) = self.held(&name, true, calls).await? else {
            self.put(&name, &desired, true, calls).await?;
            return Ok(Pushed::Written);
        };
        let tags = self.tags(&name, calls).await?;
        if !is_ours(&tags) {
            return Err(foreign(PUSH));
        }
        let same = held == desired.value;
        if !same {
            self.put(&name, &desired, false, calls).await?;
        }
        let tagged = self.sync_tags(&name, &tags, &desired, calls).await?;
        Ok(if same && !tagged { Pushed::Unchanged } else { Pushed::Written })
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property: _ } = place;
        let name = self.name(key);
        if self.held(&name, false, calls).await?.is_none() {
            return Ok(Removed::Absent);
        }
        if !is_ours(&self.tags(&name, calls).await?) {
            return Ok(Removed::Foreign);
        }
        let sent = self.client.delete_parameter().name(&name).send().await;
        calls.made(DELETE, sent.is_ok());
        match sent {
            Ok(_) => Ok(Removed::Deleted),
            Err(error) if error.as_service_error().is_some_and(|said| said.is_parameter_not_found()) => {
                Ok(Removed::Absent)
            }
            Err(error) => {
                let failed = |error: Error| error.context(format!("could not delete parameter {name}"));
                Err(failed(of_sdk(&error, DELETE, &self.target)))
            }
        }
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property: _ } = place;
        Ok(self.held(&self.name(key), false, calls).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use provider::Source;
    use serde_json::json;

    use super::*;

    fn push(key: Option<&str>, spec: Value) -> Push {
        let data = [("a", "1"), ("b", "<"), ("none", "")];
        let data = data.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let metadata = json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata",
            "spec": spec});
        Push {
            source: Arc::new(Source { data, ..Source::default() }),
            secret_key: key.map(str::to_owned),
            place: Place { key: "remote".to_owned(), property: None },
            metadata: Some(metadata),
        }
    }

    #[test]
    fn a_parameter_is_what_the_metadata_says() {
        let policies = json!([{"Type": "Expiration"}]);
        let cases = [
            (json!({}), json!(["String", null, null, null, DESCRIPTION])),
            (json!({"secretType": "SecureString"}), json!(["SecureString", KEY, null, null, DESCRIPTION])),
            (
                json!({"secretType": "SecureString", "kmsKeyID": "mine", "description": "d"}),
                json!(["SecureString", "mine", null, null, "d"]),
            ),
            (
                json!({"secretType": "StringList", "kmsKeyID": "mine"}),
                json!(["StringList", null, null, null, DESCRIPTION]),
            ),
            (
                json!({"tier": {"type": "Advanced", "policies": policies}}),
                json!(["String", null, "Advanced", policies.to_string(), DESCRIPTION]),
            ),
            (
                json!({"tier": {"type": "Standard", "policies": policies}}),
                json!(["String", null, null, null, DESCRIPTION]),
            ),
        ];
        for (spec, want) in cases {
            let Desired { value: _, type_, key, tier, policies, tags: _, description } =
                Desired::of(&push(Some("a"), spec.clone())).unwrap();
            let got = json!([type_.as_str(), key, tier.as_ref().map(ParameterTier::as_str), policies, description]);
            assert_eq!(got, want, "{spec}");
        }
    }

    #[test]
    fn bad_metadata_and_values_name_the_field() {
        let cases = [
            (Some("a"), json!({"secretType": "Text"}), "failed to parse metadata: spec.secretType: Text"),
            (Some("a"), json!({"tier": {"type": "Low"}}), "failed to parse metadata: spec.tier.type: Low"),
            (Some("a"), json!({"kmsKeyId": "x"}), "failed to parse metadata: failed to parse "),
            (Some("a"), json!({"tags": {"managed-by": "x"}}), "error parsing tags in metadata: Cannot specify"),
            (Some("z"), json!({}), "failed to find secret key in secret with key: z"),
            (Some("none"), json!({}), "the value is empty"),
        ];
        for (key, spec, text) in cases {
            let error = Desired::of(&push(key, spec.clone())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().starts_with(text), "{spec}: {error}");
        }
    }

    #[test]
    fn the_whole_secret_is_base64_unless_it_is_to_be_decoded() {
        let cases = [
            (Some("b"), false, "<"),
            (None, false, r#"{"a":"MQ==","b":"PA==","none":""}"#),
            (None, true, r#"{"a":"1","b":"<","none":""}"#),
        ];
        for (key, decoded, want) in cases {
            let got = Desired::of(&push(key, json!({"encodeAsDecoded": decoded}))).unwrap();
            assert_eq!(got.value.expose_str(), Some(want));
        }
    }
}
