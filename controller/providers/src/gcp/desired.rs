//! What a push's metadata asks of a secret beside its value, and how values are joined. Pure.

use std::collections::BTreeMap;

use provider::{Error, ErrorKind, Push};
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::read::Secret;
use crate::ownership::{MANAGED_BY, US, foreign, is_ours};
use crate::push_metadata;

const PUSH: &str = "PushSecret";

/// `metadata.spec`, checked.
#[derive(Debug, PartialEq)]
pub(super) struct Desired {
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    merges: bool,
    topics: Vec<String>,
    key: Option<String>,
    locations: Vec<String>,
    /// A push of a property leaves labels and annotations alone.
    touches_only_value: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    topics: Option<Vec<String>>,
    merge_policy: Option<String>,
    #[serde(rename = "cmekKeyName")]
    cmek_key_name: Option<String>,
    replication_location: Option<String>,
    replication_locations: Option<Vec<String>>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, PUSH, text)
}

impl Desired {
    pub(super) fn of(push: &Push) -> Result<Self, Error> {
        let metadata = push.metadata.as_ref().filter(|metadata| !metadata.is_null());
        let property = push.place.property.is_some();
        if metadata.is_some() && property {
            return Err(invalid("cannot specify metadata and property at the same time"));
        }
        let spec: Spec = push_metadata::spec(metadata, PUSH)
            .map_err(|error| error.context("failed to parse PushSecret metadata"))?;
        let Spec {
            annotations,
            labels,
            topics,
            merge_policy,
            cmek_key_name,
            replication_location,
            replication_locations,
        } = spec;
        let merges = match merge_policy.as_deref().unwrap_or_default() {
            "" | "Replace" => false,
            "Merge" => true,
            other => {
                let other = gojson::quote(other);
                return Err(invalid(format!("metadata.spec.mergePolicy: {other} is neither Replace nor Merge")));
            }
        };
        let locations = replication_locations.filter(|locations| !locations.is_empty());
        let location = replication_location.filter(|location| !location.is_empty());
        Ok(Self {
            annotations: annotations.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            merges,
            topics: topics.unwrap_or_default(),
            key: cmek_key_name.filter(|key| !key.is_empty()),
            locations: locations.unwrap_or_else(|| location.into_iter().collect()),
            touches_only_value: property,
        })
    }

    /// The body of a creation.
    ///
    /// Source: Secret Manager's REST reference, "Resource: Secret".
    pub(super) fn creation(&self, regional: bool) -> Value {
        let (annotations, labels) = self.marks(&Secret::default());
        let mut body = json!({"labels": labels});
        if !annotations.is_empty() {
            body["annotations"] = json!(annotations);
        }
        if !self.topics.is_empty() {
            body["topics"] = self.topics.iter().map(|name| json!({"name": name})).collect();
        }
        let encryption = self.key.as_ref().map(|key| json!({"kmsKeyName": key}));
        if regional {
            // It is where its location is, and can't be elsewhere.
            if let Some(encryption) = encryption {
                body["customerManagedEncryption"] = encryption;
            }
            return body;
        }
        let with_key = |mut place: Value| {
            if let Some(encryption) = &encryption {
                place["customerManagedEncryption"] = encryption.clone();
            }
            place
        };
        body["replication"] = if self.locations.is_empty() {
            json!({"automatic": with_key(json!({}))})
        } else {
            let replicas: Vec<_> =
                self.locations.iter().map(|location| with_key(json!({"location": location}))).collect();
            json!({"userManaged": {"replicas": replicas}})
        };
        body
    }

    /// Annotations and labels that a secret of ours shall have.
    fn marks(&self, held: &Secret) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let keeps = self.merges || self.touches_only_value;
        let over = |held: &BTreeMap<String, String>, wished: &BTreeMap<String, String>| {
            let mut all = if keeps { held.clone() } else { BTreeMap::new() };
            all.extend(wished.clone());
            all
        };
        let mut labels = over(&held.labels, &self.labels);
        labels.insert(MANAGED_BY.to_owned(), US.to_owned());
        (over(&held.annotations, &self.annotations), labels)
    }

    /// The body of an update of a secret that is ours, if it needs one.
    pub(super) fn update(&self, held: &Secret) -> Option<Value> {
        let (annotations, labels) = self.marks(held);
        if (&annotations, &labels) == (&held.annotations, &held.labels) {
            return None;
        }
        let mut body = json!({"name": held.name, "labels": labels, "annotations": annotations});
        if !held.etag.is_empty() {
            body["etag"] = json!(held.etag);
        }
        Some(body)
    }
}

/// The error of a push to a secret that isn't ours; none if it is.
pub(super) fn check_owner(secret: &Secret, key: &str) -> Result<(), Error> {
    if is_ours(&secret.labels) {
        return Ok(());
    }
    let text = format!("secret {key} is not managed by external secrets (its label {MANAGED_BY} isn't {US})");
    Err(foreign(PUSH).context(text))
}

/// The value that is to be there: the pushed one, or what was there with the property set to it.
pub(super) fn wished(held: Option<&SecretBytes>, push: &Push) -> Result<SecretBytes, Error> {
    let value = push.value()?;
    let Some(property) = &push.place.property else { return Ok(value) };
    let held = held.map(SecretBytes::expose).unwrap_or_default();
    let is_there = || gojson::property::dotted_first(held, property).is_some_and(|found| found == value.expose());
    if gojson::valid(held) && is_there() {
        return Ok(SecretBytes::new(held.to_vec()));
    }
    gojson::set(held, property, value.expose())
        .map(SecretBytes::new)
        .map_err(|error| invalid(format!("property {}: {error}", gojson::quote(property))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use provider::{Place, Source};

    use super::*;

    fn push(property: Option<&str>, spec: Option<Value>) -> Push {
        let data = [("k".to_owned(), SecretBytes::from("v"))].into();
        let envelope = |spec| json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec});
        Push {
            source: Arc::new(Source { data, ..Source::default() }),
            secret_key: Some("k".to_owned()),
            place: Place { key: "remote".to_owned(), property: property.map(str::to_owned) },
            metadata: spec.map(envelope),
        }
    }

    #[test]
    fn metadata_is_checked_field_by_field() {
        let cases = [
            (None, json!({}), None),
            (None, json!({"topics": ["projects/p/topics/t"], "mergePolicy": "Merge"}), None),
            (Some("p"), json!({}), Some("cannot specify metadata and property at the same time")),
            (None, json!({"mergePolicy": "Both"}), Some("metadata.spec.mergePolicy: \"Both\" is neither")),
            (None, json!({"label": {}}), Some("failed to parse PushSecret metadata: ")),
            (None, json!({"topics": [1]}), Some("failed to parse PushSecret metadata: ")),
        ];
        for (property, spec, want) in cases {
            let error = Desired::of(&push(property, Some(spec.clone()))).err().map(|error| error.to_string());
            match want {
                None => assert_eq!(error, None, "{spec}"),
                Some(text) => assert!(error.as_ref().is_some_and(|error| error.starts_with(text)), "{error:?}"),
            }
        }
    }

    #[test]
    fn a_new_secret_is_marked_and_lies_where_it_was_asked_for() {
        let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
        let mark = json!({"managed-by": "external-secrets"});
        let encrypted = json!({"kmsKeyName": key});
        let cases = [
            (None, false, json!({"labels": mark, "replication": {"automatic": {}}})),
            (None, true, json!({"labels": mark})),
            (
                Some(json!({"cmekKeyName": key})),
                false,
                json!({"labels": mark, "replication": {"automatic": {"customerManagedEncryption": encrypted}}}),
            ),
            (Some(json!({"cmekKeyName": key})), true, json!({"labels": mark, "customerManagedEncryption": encrypted})),
            (
                Some(json!({"replicationLocation": "a", "replicationLocations": ["b", "c"], "cmekKeyName": key})),
                false,
                json!({"labels": mark, "replication": {"userManaged": {"replicas": [
                    {"location": "b", "customerManagedEncryption": encrypted},
                    {"location": "c", "customerManagedEncryption": encrypted}]}}}),
            ),
            (
                Some(json!({"replicationLocation": "a"})),
                false,
                json!({"labels": mark, "replication": {"userManaged": {"replicas": [{"location": "a"}]}}}),
            ),
            (
                Some(json!({"topics": ["t"], "labels": {"a": "b", "managed-by": "me"}, "annotations": {"c": "d"}})),
                true,
                json!({"labels": {"managed-by": "external-secrets", "a": "b"}, "annotations": {"c": "d"},
                    "topics": [{"name": "t"}]}),
            ),
        ];
        for (spec, regional, want) in cases {
            let desired = Desired::of(&push(None, spec.clone())).unwrap();
            assert_eq!(desired.creation(regional), want, "{spec:?}");
        }
    }

    #[test]
    fn labels_and_annotations_are_replaced_merged_or_left_alone() {
        let held = Secret {
            name: "projects/1/secrets/remote".to_owned(),
            labels: [("managed-by", "external-secrets"), ("a", "old")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            annotations: [("x".to_owned(), "y".to_owned())].into(),
            etag: "e".to_owned(),
        };
        let body = |labels: Value, annotations: Value| {
            Some(json!({"name": held.name, "etag": "e", "labels": labels, "annotations": annotations}))
        };
        let mark = "external-secrets";
        let cases = [
            (Some("p"), None, None),
            (None, None, body(json!({"managed-by": mark}), json!({}))),
            (None, Some(json!({"labels": {"a": "old"}, "annotations": {"x": "y"}})), None),
            (None, Some(json!({"mergePolicy": "Merge"})), None),
            (
                None,
                Some(json!({"mergePolicy": "Merge", "labels": {"a": "new", "b": "c"}, "annotations": {"z": "1"}})),
                body(json!({"managed-by": mark, "a": "new", "b": "c"}), json!({"x": "y", "z": "1"})),
            ),
            (None, Some(json!({"labels": {"b": "c"}})), body(json!({"managed-by": mark, "b": "c"}), json!({}))),
        ];
        for (property, spec, want) in cases {
            let desired = Desired::of(&push(property, spec.clone())).unwrap();
            assert_eq!(desired.update(&held), want, "{property:?} {spec:?}");
        }
        assert!(check_owner(&held, "remote").is_ok());
        let error = check_owner(&Secret::default(), "remote").unwrap_err();
        assert!(error.to_string().starts_with("secret remote is not managed by external secrets"), "{error}");
    }

    #[test]
    fn a_property_is_set_taken_out_and_found_again() {
        let cases = [
            (None, None, Ok("v")),
            (Some("old"), None, Ok("v")),
            (None, Some("p"), Ok(r#"{"p":"v"}"#)),
            (Some(r#"{"a":1}"#), Some("p.q"), Ok(r#"{"a":1,"p":{"q":"v"}}"#)),
            (Some(r#"{ "p":"v" }"#), Some("p"), Ok(r#"{ "p":"v" }"#)),
            (Some(r#"{"p.q":"v"}"#), Some("p.q"), Ok(r#"{"p.q":"v"}"#)),
            (Some("canary"), Some("p"), Err("property \"p\": ")),
        ];
        for (held, property, want) in cases {
            let got = wished(held.map(SecretBytes::from).as_ref(), &push(property, None));
            match (&got, want) {
                (Ok(value), Ok(want)) => assert_eq!(value.expose_str(), Some(want), "{held:?}"),
                (Err(error), Err(text)) => {
                    assert!(error.to_string().starts_with(text) && !error.to_string().contains("canary"), "{error}");
                }
                (got, want) => panic!("{held:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
