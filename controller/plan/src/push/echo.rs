//! The way back: an ExternalSecret that writes the source Secret out of what a PushSecret of that Secret writes.
//!
//! Pushed back, a value that a template changes would change at each round for ever. So what such an ExternalSecret wrote
//! isn't pushed back to where it reads it; what anybody else writes into the Secret is. Two stores of one backend can't be
//! told from two backends.

use api::ExternalSecretSpec;
use provider::{Find, Place};

use crate::data::{self, Need, StoreName, What};
use crate::hash;
use crate::names::DATA_HASH_ANNOTATION;
use crate::secret_object::SecretObject;

/// An entry that isn't pushed back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Echo {
    /// The ExternalSecret.
    pub external_secret: String,
    /// The Secret that it writes.
    pub secret: String,
    /// `SecretStore` or `ClusterSecretStore`.
    pub store_kind: &'static str,
    /// The store's name.
    pub store: String,
    /// What it reads.
    pub remote_key: String,
}

impl std::fmt::Display for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { external_secret, secret, store_kind, store, remote_key } = self;
        write!(
            f,
            "remote key {remote_key:?} of {store_kind} {store:?}, which ExternalSecret {external_secret:?} reads into Secret \
             {secret:?}"
        )
    }
}

/// Whether the Secret is as an ExternalSecret wrote it: its data hashes to the annotation.
pub fn is_as_written(secret: &SecretObject) -> bool {
    let noted = secret.metadata.annotations.as_ref().and_then(|notes| notes.get(DATA_HASH_ANNOTATION));
    noted.is_some_and(|noted| *noted == hash::data(&secret.data))
}

/// Whether an ExternalSecret in the PushSecret's namespace reads what lies at `place` of `store`.
pub fn read_back(spec: &ExternalSecretSpec, store: &StoreName, place: &Place) -> bool {
    data::needs(spec).iter().any(|need| match need {
        Need::Read { store: read_from, what } if read_from == store => match what {
            What::Value(reference) | What::Map(reference) => {
                reference.read.key == place.key && overlap(reference.property.as_deref(), place.property.as_deref())
            }
            What::Find(find) => finds(find, &place.key),
        },
        Need::Read { store: _, what: _ } | Need::Generate(_) => false,
    })
}

/// Whether two properties of a remote key, or paths to them, have anything in common.
fn overlap(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one.filter(|it| !it.is_empty()), other) else { return true };
    let below = |path: &str, whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
    one == other || below(one, other) || below(other, one)
}

/// Whether a find may come upon a remote key. What is pushed bears no tags that anybody would look for.
fn finds(find: &Find, key: &str) -> bool {
    let Find { path, name, tags } = find;
    let named = name.as_ref().is_none_or(|pattern| {
        // A pattern that can't be used finds nothing.
        goregexp::compile(pattern.as_bytes()).is_ok_and(|pattern| pattern.is_match(key.as_bytes()))
    });
    tags.is_empty() && named && path.as_ref().is_none_or(|path| key.starts_with(path.as_str()))
}

#[cfg(test)]
mod tests {
    use api::StoreKind;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_read_back_is_told_by_store_key_and_property() {
        let data = |key: &str, property: Value| json!({"data": [{"secretKey": "k", "remoteRef": {"key": key, "property": property}}]});
        let find = |find: Value| json!({"dataFrom": [{"find": find}]});
        // What is read, the place, whether it comes back.
        let cases = [
            (data("app", Value::Null), "app", None, true),
            (data("app", Value::Null), "app", Some("p"), true),
            (data("app", json!("p")), "app", None, true),
            (data("app", json!("p")), "app", Some("p"), true),
            (data("app", json!("p.q")), "app", Some("p"), true),
            (data("app", json!("q")), "app", Some("p"), false),
            (data("app", json!("pq")), "app", Some("p"), false),
            (data("other", Value::Null), "app", None, false),
            (json!({"dataFrom": [{"extract": {"key": "app"}}]}), "app", Some("p"), true),
            (find(json!({"name": {"regexp": "^a"}})), "app", None, true),
            (find(json!({"name": {"regexp": "^b"}})), "app", None, false),
            (find(json!({"path": "team/"})), "team/app", None, true),
            (find(json!({"path": "team/"})), "app", None, false),
            (find(json!({"tags": {"a": "b"}})), "app", None, false),
        ];
        for (read, key, property, want) in cases {
            let mut spec = read.clone();
            spec["secretStoreRef"] = json!({"name": "vault"});
            let spec: ExternalSecretSpec = serde_json::from_value(spec).unwrap();
            let place = Place { key: key.to_owned(), property: property.map(str::to_owned) };
            let store = |kind| StoreName { kind, name: "vault".to_owned() };
            assert_eq!(read_back(&spec, &store(StoreKind::SecretStore), &place), want, "{read} {place:?}");
            assert!(!read_back(&spec, &store(StoreKind::ClusterSecretStore), &place));
        }
    }
}
