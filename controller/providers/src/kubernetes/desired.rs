//! What a push makes of a Secret: its keys, labels and annotations. Pure.

use std::collections::BTreeMap;

use provider::{Error, ErrorKind, Push, Source};
use secret::SecretMap;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::is_name;
use crate::push_metadata;

pub(super) const PUSH: &str = "PushSecret";
const OPAQUE: &str = "Opaque";
/// Labels and annotations that say of the source Secret whose it is and what was applied: of another they'd be wrong.
const OF_THE_SOURCE: [&str; 2] = ["reconcile.external-secrets.io/", "kubectl.kubernetes.io/last-applied-configuration"];

pub(super) type Texts = BTreeMap<String, String>;

/// `metadata.spec`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Spec {
    source_merge_policy: Option<String>,
    target_merge_policy: Option<String>,
    labels: Option<Texts>,
    annotations: Option<Texts>,
    remote_namespace: Option<String>,
}

/// What becomes of the labels and annotations that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Merge,
    Replace,
    Ignore,
}

/// A push's metadata, checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) namespace: String,
    /// Labels and annotations to bring.
    labels: Texts,
    annotations: Texts,
    target: Target,
}

/// What of a Secret a push is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) type_: String,
    pub(super) data: SecretMap,
    pub(super) labels: Texts,
    pub(super) annotations: Texts,
}

pub(super) fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

fn spec(metadata: Option<&Value>) -> Result<Spec, Error> {
    push_metadata::spec(metadata, PUSH).map_err(|error| error.context("unable to parse metadata parameters"))
}

/// The namespace that an entry with this metadata goes to.
pub(super) fn namespace(metadata: Option<&Value>, store: &str, is_cluster_store: bool) -> Result<String, Error> {
    remote_namespace(spec(metadata)?.remote_namespace, store, is_cluster_store)
}

fn remote_namespace(given: Option<String>, store: &str, is_cluster_store: bool) -> Result<String, Error> {
    match given.filter(|namespace| !namespace.is_empty()) {
        None => Ok(store.to_owned()),
        Some(_) if !is_cluster_store => {
            Err(invalid(PUSH, "remoteNamespace override is only supported with ClusterSecretStore"))
        }
        Some(namespace) if is_name(&namespace) => Ok(namespace),
        Some(_) => Err(invalid(PUSH, "metadata.spec.remoteNamespace: this is not the name of a namespace")),
    }
}

fn copied(source: &Texts) -> Texts {
    let of_the_source = |key: &str| OF_THE_SOURCE.iter().any(|prefix| key.starts_with(prefix));
    source.iter().filter(|(key, _)| !of_the_source(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl Settings {
    pub(super) fn of(push: &Push, store: &str, is_cluster_store: bool) -> Result<Self, Error> {
        let Spec {
            source_merge_policy,
            target_merge_policy,
            labels: given_labels,
            annotations: given_annotations,
            remote_namespace: given,
        } = spec(push.metadata.as_ref())?;
        let namespace = remote_namespace(given, store, is_cluster_store)?;
        let with_sources = match source_merge_policy.as_deref().unwrap_or_default() {
            "" | "Merge" => true,
            "Replace" => false,
            other => return Err(unexpected("source", other, "Merge or Replace")),
        };
        let target = match target_merge_policy.as_deref().unwrap_or_default() {
            "" | "Merge" => Target::Merge,
            "Replace" => Target::Replace,
            "Ignore" => Target::Ignore,
            other => return Err(unexpected("target", other, "Merge, Replace or Ignore")),
        };
        let all = |source: &Texts, given: Option<Texts>| {
            let mut all = if with_sources { copied(source) } else { Texts::new() };
            all.extend(given.unwrap_or_default());
            all
        };
        let Source { data: _, type_: _, labels, annotations } = push.source.as_ref();
        let (labels, annotations) = (all(labels, given_labels), all(annotations, given_annotations));
        Ok(Self { namespace, labels, annotations, target })
    }
}

fn unexpected(of: &str, policy: &str, known: &str) -> Error {
    let policy = gojson::quote(policy);
    invalid(PUSH, format!("failed to merge {of} metadata: unexpected {of} merge policy {policy}; write {known}"))
}

/// Keys without which the API server takes no Secret of a type; of several one.
fn fits(type_: &str, data: &SecretMap) -> bool {
    let any = |keys: &[&str]| keys.iter().any(|key| data.contains_key(*key));
    match type_ {
        "kubernetes.io/tls" => any(&["tls.crt"]) && any(&["tls.key"]),
        "kubernetes.io/dockerconfigjson" => any(&[".dockerconfigjson"]),
        "kubernetes.io/dockercfg" => any(&[".dockercfg"]),
        "kubernetes.io/ssh-auth" => any(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" => any(&["username", "password"]),
        _ => true,
    }
}

fn is_data_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !key.is_empty() && key.len() <= 253 && key != "." && key != ".." && key.bytes().all(allowed)
}

/// What the Secret is to be. Pure.
pub(super) fn wished(held: Option<&Content>, push: &Push, settings: &Settings) -> Result<Content, Error> {
    let Source { data, type_, labels: _, annotations: _ } = push.source.as_ref();
    let type_ = if type_.is_empty() { OPAQUE } else { type_ };
    let mut wished = held.cloned().unwrap_or_default();
    match &push.place.property {
        None => {
            if let Some(held) = held.filter(|held| held.type_ != type_) {
                let (there, here) = (gojson::quote(&held.type_), gojson::quote(type_));
                let text = format!(
                    "the Secret there has the type {there}, which can't become {here}: delete it, or push single keys with property"
                );
                return Err(invalid(PUSH, text));
            }
            wished.data = data.clone();
            wished.type_ = type_.to_owned();
        }
        Some(property) => {
            if !is_data_key(property) {
                let property = gojson::quote(property);
                let text = format!("property {property}: a key of a Secret has only letters, digits, '-', '_' and '.'");
                return Err(invalid(PUSH, text));
            }
            wished.data.insert(property.clone(), push.value()?);
            if held.is_none() {
                wished.type_ = if fits(type_, &wished.data) { type_ } else { OPAQUE }.to_owned();
            }
        }
    }
    match settings.target {
        Target::Ignore => {}
        Target::Replace => {
            wished.labels = settings.labels.clone();
            wished.annotations = settings.annotations.clone();
        }
        Target::Merge => {
            wished.labels.extend(settings.labels.clone());
            wished.annotations.extend(settings.annotations.clone());
        }
    }
    Ok(wished)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secret::SecretBytes;
    use serde_json::json;

    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn data(pairs: &[(&str, &str)]) -> SecretMap {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value))).collect()
    }

    fn push(key: Option<&str>, property: Option<&str>, type_: &str, spec: Value) -> Push {
        let metadata = json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata",
            "spec": spec});
        let annotations = texts(&[
            ("note", "source"),
            ("reconcile.external-secrets.io/data-hash", "h"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ]);
        let labels = texts(&[("team", "source"), ("reconcile.external-secrets.io/managed", "true")]);
        let data = data(&[("a", "1"), ("b", "2")]);
        Push {
            source: Arc::new(Source { data, type_: type_.to_owned(), labels, annotations }),
            secret_key: key.map(str::to_owned),
            place: provider::Place { key: "remote".to_owned(), property: property.map(str::to_owned) },
            metadata: Some(metadata),
        }
    }

    fn held() -> Content {
        Content {
            type_: OPAQUE.to_owned(),
            data: data(&[("b", "old"), ("c", "3")]),
            labels: texts(&[("team", "remote"), ("own", "x")]),
            annotations: texts(&[("own", "y")]),
        }
    }

    #[test]
    fn keys_and_type_follow_from_key_and_property() {
        let blob = r#"{"a":"1","b":"2"}"#;
        let cases = [
            (None, None, None, "", Ok((OPAQUE, vec![("a", "1"), ("b", "2")]))),
            (None, None, None, "my/type", Ok(("my/type", vec![("a", "1"), ("b", "2")]))),
            (Some(held()), None, None, "", Ok((OPAQUE, vec![("a", "1"), ("b", "2")]))),
            (
                Some(held()),
                None,
                None,
                "my/type",
                Err("the Secret there has the type \"Opaque\", which can't become \"my/type\""),
            ),
            (Some(held()), Some("a"), Some("b"), "my/type", Ok((OPAQUE, vec![("b", "1"), ("c", "3")]))),
            (Some(held()), None, Some("p.q"), "", Ok((OPAQUE, vec![("b", "old"), ("c", "3"), ("p.q", blob)]))),
            (None, Some("a"), Some("p"), "my/type", Ok(("my/type", vec![("p", "1")]))),
            (None, Some("a"), Some("tls.crt"), "kubernetes.io/tls", Ok((OPAQUE, vec![("tls.crt", "1")]))),
            (
                None,
                Some("a"),
                Some("password"),
                "kubernetes.io/basic-auth",
                Ok(("kubernetes.io/basic-auth", vec![("password", "1")])),
            ),
            (None, Some("z"), Some("p"), "", Err("failed to find secret key in secret with key: z")),
            (None, Some("a"), Some("p/q"), "", Err("property \"p/q\": a key of a Secret")),
        ];
        for (held, key, property, type_, want) in cases {
            let push = push(key, property, type_, json!({}));
            let settings = Settings::of(&push, "remote", false).unwrap();
            match (wished(held.as_ref(), &push, &settings), want) {
                (Ok(got), Ok((type_, pairs))) => assert_eq!((got.type_.as_str(), got.data), (type_, data(&pairs))),
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{key:?} {property:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn labels_and_annotations_follow_the_policies() {
        type Pairs = &'static [(&'static str, &'static str)];
        let cases: [(Value, Pairs, Pairs); 6] = [
            (json!({}), &[("own", "x"), ("team", "source")], &[("note", "source"), ("own", "y")]),
            (
                json!({"labels": {"team": "given"}, "annotations": {"more": "z"}}),
                &[("own", "x"), ("team", "given")],
                &[("more", "z"), ("note", "source"), ("own", "y")],
            ),
            (
                json!({"sourceMergePolicy": "Replace", "labels": {"l": "1"}}),
                &[("l", "1"), ("own", "x"), ("team", "remote")],
                &[("own", "y")],
            ),
            (json!({"targetMergePolicy": "Replace"}), &[("team", "source")], &[("note", "source")]),
            (json!({"sourceMergePolicy": "Replace", "targetMergePolicy": "Replace"}), &[], &[]),
            (
                json!({"targetMergePolicy": "Ignore", "labels": {"l": "1"}}),
                &[("own", "x"), ("team", "remote")],
                &[("own", "y")],
            ),
        ];
        for (spec, labels, annotations) in cases {
            let push = push(None, None, "", spec.clone());
            let settings = Settings::of(&push, "remote", false).unwrap();
            let got = wished(Some(&held()), &push, &settings).unwrap();
            assert_eq!((got.labels, got.annotations), (texts(labels), texts(annotations)), "{spec}");
        }
    }

    #[test]
    fn only_a_cluster_store_names_another_namespace() {
        let only = "remoteNamespace override is only supported with ClusterSecretStore";
        let cases = [
            (json!({}), false, Ok("store")),
            (json!({"remoteNamespace": ""}), false, Ok("store")),
            (json!({"remoteNamespace": "other"}), false, Err(only)),
            (json!({"remoteNamespace": "other"}), true, Ok("other")),
            (json!({"remoteNamespace": "../x"}), true, Err("metadata.spec.remoteNamespace: this is not the name")),
            (
                json!({"sourceMergePolicy": "Ignore"}),
                true,
                Err("failed to merge source metadata: unexpected source merge policy \"Ignore\""),
            ),
            (
                json!({"targetMergePolicy": "x"}),
                true,
                Err("failed to merge target metadata: unexpected target merge policy \"x\""),
            ),
            (json!({"label": {}}), true, Err("unable to parse metadata parameters: failed to parse ")),
        ];
        for (spec, cluster, want) in cases {
            match (Settings::of(&push(None, None, "", spec.clone()), "store", cluster), want) {
                (Ok(got), Ok(want)) => assert_eq!(got.namespace, want),
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{spec}: {got:?}, not {want:?}"),
            }
        }
    }
}
