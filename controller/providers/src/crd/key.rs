//! `remoteRef.key`: the name of an object, or namespace and name. Pure.
//!
//! The keys of a SecretStore can't name a namespace: its objects are those of its own.

use api::StoreKind;
use provider::{Error, ErrorKind};

use super::READ;
use crate::cluster::is_name;

/// What a remote key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key<'k> {
    /// Only of a ClusterSecretStore's keys.
    pub(super) namespace: Option<&'k str>,
    pub(super) name: &'k str,
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::Invalid, READ, text)
}

impl<'k> Key<'k> {
    /// Reads a key of a store of this kind.
    ///
    /// # Errors
    /// `Invalid`, in the reference's words where it has any.
    pub(super) fn of(key: &'k str, store: StoreKind) -> Result<Self, Error> {
        if key.is_empty() {
            return Err(invalid("crd: ref.key must not be empty".to_owned()));
        }
        let parts = match (store, key.split_once('/')) {
            (_, None) => Self { namespace: None, name: key },
            (StoreKind::SecretStore, Some(_)) => {
                let text = "crd: remoteRef.key must not contain '/' for SecretStore; namespace is fixed to the store namespace";
                return Err(invalid(text.to_owned()));
            }
            (StoreKind::ClusterSecretStore, Some((namespace, name))) => {
                let wrong = if namespace.is_empty() {
                    Some("namespace segment before '/' must not be empty")
                } else if name.is_empty() {
                    Some("object name after '/' must not be empty")
                } else if name.contains('/') {
                    Some("must be in \"namespace/objectName\" form (exactly one '/')")
                } else {
                    None
                };
                if let Some(wrong) = wrong {
                    return Err(invalid(format!("crd: invalid remoteRef.key {}: {wrong}", gojson::quote(key))));
                }
                Self { namespace: Some(namespace), name }
            }
        };
        if !parts.namespace.is_none_or(is_name) || !is_object_name(parts.name) {
            return Err(invalid(format!("crd: remoteRef.key: {} is not the name of an object", gojson::quote(key))));
        }
        Ok(parts)
    }
}

/// Whether it can be the name of some kind of object: roles, for one, may have colons.
fn is_object_name(text: &str) -> bool {
    let allowed = |c: char| !c.is_control() && c != '%' && c != '/';
    text.len() <= 253 && text.chars().all(allowed) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cluster_store_names_a_namespace() {
        use StoreKind::{ClusterSecretStore, SecretStore};
        let fixed = "crd: remoteRef.key must not contain '/' for SecretStore";
        let cases = [
            (SecretStore, "app", Ok((None, "app"))),
            (SecretStore, "system:app", Ok((None, "system:app"))),
            (SecretStore, "other/app", Err(fixed)),
            (SecretStore, "/", Err(fixed)),
            (SecretStore, "", Err("crd: ref.key must not be empty")),
            (SecretStore, "..", Err("crd: remoteRef.key: \"..\" is not the name of an object")),
            (SecretStore, "a%2fb", Err("crd: remoteRef.key: ")),
            (SecretStore, "a\nb", Err("crd: remoteRef.key: ")),
            (ClusterSecretStore, "app", Ok((None, "app"))),
            (ClusterSecretStore, "ns/app", Ok((Some("ns"), "app"))),
            (
                ClusterSecretStore,
                "/app",
                Err("crd: invalid remoteRef.key \"/app\": namespace segment before '/' must not be empty"),
            ),
            (
                ClusterSecretStore,
                "ns/",
                Err("crd: invalid remoteRef.key \"ns/\": object name after '/' must not be empty"),
            ),
            (
                ClusterSecretStore,
                "ns/a/b",
                Err(
                    "crd: invalid remoteRef.key \"ns/a/b\": must be in \"namespace/objectName\" form (exactly one '/')",
                ),
            ),
            (ClusterSecretStore, "../app", Err("crd: remoteRef.key: ")),
            (ClusterSecretStore, "ns/..", Err("crd: remoteRef.key: ")),
        ];
        for (store, key, want) in cases {
            match (Key::of(key, store), want) {
                (Ok(got), Ok((namespace, name))) => assert_eq!(got, Key { namespace, name }, "{key}"),
                (Err(error), Err(text)) => {
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    assert!(error.to_string().starts_with(text), "{key}: {error}");
                }
                (got, want) => panic!("{key}: {got:?}, not {want:?}"),
            }
        }
    }
}
