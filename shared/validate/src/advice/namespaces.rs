//! Advice on references of a SecretStore that name another namespace: ESO reads its own namespace whatever they say.
//!
//! Found by their shape, so that no provider is forgotten. Not here: references that the webhook refuses for it (`provider`),
//! which are most, and those of a ClusterSecretStore, which may name any.

use crate::finding::{Code, Finding};
use crate::{Store, provider};
use api::{StoreKind, StoreProvider};
use serde_json::{Map, Value};

/// The fields that a reference to a Secret, ConfigMap or service account can have.
const OF_A_REFERENCE: &[&str] = &["name", "namespace", "key", "kind", "type", "audiences"];

/// Advice on each such reference that the webhook lets through.
pub(super) fn foreign(provider: &StoreProvider, store: &Store<'_>) -> Vec<Finding> {
    // A manifest may leave it to `kubectl -n` which namespace it is for.
    if store.kind == StoreKind::ClusterSecretStore || store.namespace.is_empty() {
        return Vec::new();
    }
    let StoreProvider(settings) = provider;
    let mut paths = Vec::new();
    collect(settings, "spec.provider", store.namespace, &mut paths);
    // The webhook's rules stop at the first error, so the others may be of the same kind.
    let refused = provider.parse().is_ok_and(|settings| !provider::rules(&settings, store).is_empty());
    if refused {
        return Vec::new();
    }
    let text = format!("has no effect: a SecretStore reads from its own namespace, {:?}", store.namespace);
    paths.into_iter().map(|path| Finding::advice(path, Code::NamespaceIgnored, text.clone())).collect()
}

fn collect(settings: &Map<String, Value>, path: &str, own: &str, paths: &mut Vec<String>) {
    let named = settings.get("namespace").and_then(Value::as_str).filter(|namespace| !namespace.is_empty());
    let reference = settings.contains_key("name") && settings.keys().all(|key| OF_A_REFERENCE.contains(&key.as_str()));
    if reference && named.is_some_and(|namespace| namespace != own) {
        paths.push(format!("{path}.namespace"));
    }
    for (name, value) in settings {
        match value {
            Value::Object(inner) => collect(inner, &format!("{path}.{name}"), own, paths),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::Object(inner) = item {
                        collect(inner, &format!("{path}.{name}[{index}]"), own, paths);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
