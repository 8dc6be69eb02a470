//! The stores of a PushSecret, and which of its `dataTo` are for which.

use std::collections::BTreeMap;

use api::{PushSecret, PushSecretDataTo, PushSecretSpec, PushSecretStoreRef, StoreKind};

use crate::data::StoreName;
use crate::label_selector;

/// A store that is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its kind and name.
    pub store: StoreName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The store's key in `status.syncedPushSecrets`: `SecretStore/vault`.
pub fn status_key(store: &StoreName) -> String {
    format!("{}/{}", store.kind.as_str(), store.name)
}

/// The store behind such a key; none if nobody who knows this format wrote it.
pub fn name_of(status_key: &str) -> Option<StoreName> {
    let (kind, name) = status_key.split_once('/')?;
    let kind = [StoreKind::SecretStore, StoreKind::ClusterSecretStore].into_iter().find(|it| it.as_str() == kind)?;
    Some(StoreName { kind, name: name.to_owned() })
}

fn name(reference: &PushSecretStoreRef) -> Option<&str> {
    reference.name.as_deref().filter(|name| !name.is_empty())
}

/// Checks that each `dataTo` names or selects a store, and one of `secretStoreRefs` where it names one.
///
/// # Errors
/// The reference's texts.
pub fn check_references(spec: &PushSecretSpec) -> Result<(), String> {
    for (index, entry) in spec.data_to.iter().enumerate() {
        let Some(reference) = &entry.store_ref else { return Err(format!("dataTo[{index}]: storeRef is required")) };
        let Some(wanted) = name(reference) else {
            if reference.label_selector.is_none() {
                return Err(format!("dataTo[{index}]: storeRef must have name or labelSelector"));
            }
            continue;
        };
        let known = |other: &PushSecretStoreRef| name(other) == Some(wanted) && other.kind == reference.kind;
        if !spec.secret_store_refs.iter().any(known) {
            return Err(format!("dataTo[{index}]: storeRef {} not found in secretStoreRefs", gojson::quote(wanted)));
        }
    }
    Ok(())
}

/// Checks that each `dataTo` with a selector selects one of the stores.
///
/// # Errors
/// The reference's texts.
pub fn check_selectors(spec: &PushSecretSpec, targets: &[Target]) -> Result<(), String> {
    for (index, entry) in spec.data_to.iter().enumerate() {
        let selects = entry.store_ref.as_ref().filter(|it| name(it).is_none() && it.label_selector.is_some());
        if selects.is_none() {
            continue;
        }
        let mut found = false;
        for target in targets {
            found |= is_for(entry, target).map_err(|text| format!("dataTo[{index}]: {text}"))?;
        }
        if !found {
            return Err(format!("dataTo[{index}]: labelSelector does not match any store in secretStoreRefs"));
        }
    }
    Ok(())
}

/// Whether a `dataTo` is for a store.
pub(super) fn is_for(entry: &PushSecretDataTo, target: &Target) -> Result<bool, String> {
    let Some(reference) = &entry.store_ref else { return Err("storeRef is required".to_owned()) };
    if let Some(name) = name(reference) {
        return Ok(name == target.store.name && reference.kind == target.store.kind);
    }
    let Some(selector) = &reference.label_selector else { return Ok(false) };
    let selected =
        label_selector::selects(selector, &target.labels).map_err(|it| format!("invalid labelSelector: {it}"))?;
    Ok(selected && reference.kind == target.store.kind)
}

/// Whether a PushSecret has to do with a store: it names or selects it, or pushed to it. The namespace of a SecretStore
/// must have been looked at before.
pub fn concerns(push: &PushSecret, store: &StoreName, labels: &BTreeMap<String, String>) -> bool {
    let pushed = || push.status.as_ref().is_some_and(|it| it.synced_push_secrets.contains_key(&status_key(store)));
    let named = |reference: &PushSecretStoreRef| {
        let PushSecretStoreRef { name: named, label_selector, kind } = reference;
        // A selector that can't be used selects nothing.
        let selected = || label_selector.as_ref().is_some_and(|it| label_selector::selects(it, labels) == Ok(true));
        *kind == store.kind && (named.as_deref() == Some(store.name.as_str()) || selected())
    };
    push.spec.secret_store_refs.iter().any(named) || pushed()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(refs: Value, data_to: Value) -> PushSecretSpec {
        serde_json::from_value(json!({"secretStoreRefs": refs, "selector": {}, "dataTo": data_to})).unwrap()
    }

    fn target(kind: StoreKind, name: &str, team: &str) -> Target {
        let labels = BTreeMap::from([("team".to_owned(), team.to_owned())]);
        Target { store: StoreName { kind, name: name.to_owned() }, labels }
    }

    #[test]
    fn a_data_to_names_a_store_of_the_spec() {
        let refs = json!([{"name": "vault"}, {"labelSelector": {}}]);
        let cases = [
            (json!([{}]), Err("dataTo[0]: storeRef is required")),
            (
                json!([{"storeRef": {"name": "vault"}}, {"storeRef": {"name": ""}}]),
                Err("dataTo[1]: storeRef must have name or labelSelector"),
            ),
            (
                json!([{"storeRef": {"name": "vault", "kind": "ClusterSecretStore"}}]),
                Err(r#"dataTo[0]: storeRef "vault" not found in secretStoreRefs"#),
            ),
            (json!([{"storeRef": {"name": "vault"}}, {"storeRef": {"labelSelector": {}}}]), Ok(())),
        ];
        for (data_to, want) in cases {
            assert_eq!(check_references(&spec(refs.clone(), data_to)), want.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_data_to_with_a_selector_selects_one_of_the_stores() {
        let select = |kind: &str, team: &str| json!([{"storeRef": {"kind": kind, "labelSelector": {"matchLabels": {"team": team}}}}]);
        let bad = json!([{"storeRef": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "is"}]}}}]);
        let none = Err("dataTo[0]: labelSelector does not match any store in secretStoreRefs");
        let cases = [
            (select("SecretStore", "a"), Ok(())),
            (select("SecretStore", "b"), none),
            (select("ClusterSecretStore", "a"), none),
            (bad, Err(r#"dataTo[0]: invalid labelSelector: "is" is not a valid label selector operator"#)),
        ];
        for (data_to, want) in cases {
            let targets = [target(StoreKind::SecretStore, "vault", "a")];
            assert_eq!(check_selectors(&spec(json!([]), data_to), &targets), want.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_status_key_names_a_store() {
        let store = target(StoreKind::ClusterSecretStore, "a.b", "").store;
        assert_eq!(name_of(&status_key(&store)), Some(store));
        assert_eq!((name_of("vault"), name_of("Other/vault")), (None, None));
    }
}
