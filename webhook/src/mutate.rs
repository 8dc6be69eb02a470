//! Fills a missing `spec.secretStoreRef` of an ExternalSecret from its namespace's default. Pure; the namespace's
//! annotation is an argument, and looking it up is `namespaces`.
//!
//! Works on the raw object: one that can't be read as an ExternalSecret is left for the validating side to refuse.

use json_patch::Patch as JsonPatch;
use serde_json::{Value, json};

use crate::review::Verdict;

/// The namespace's annotation that names its default store, as `[Kind/]name`.
pub const DEFAULT_STORE: &str = "external-secrets.io/default-store";

/// Whether an object needs a default store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It names its store, every entry names its own, or it has no entry: nothing to look up.
    None,
    /// It has no store of its own.
    Store {
        /// `spec.secretStoreRef.kind`, if it is set without a name.
        kind: Option<String>,
    },
}

/// Says whether an ExternalSecret needs a default store.
pub fn need(object: &Value) -> Need {
    let spec = &object["spec"];
    let store = &spec["secretStoreRef"];
    if store["name"].as_str().is_some_and(|name| !name.is_empty()) {
        return Need::None;
    }
    let entries = ["data", "dataFrom"].into_iter().filter_map(|field| spec[field].as_array()).flatten();
    if !entries.into_iter().any(needs_store) {
        return Need::None;
    }
    Need::Store { kind: store["kind"].as_str().filter(|kind| !kind.is_empty()).map(str::to_owned) }
}

fn needs_store(entry: &Value) -> bool {
    let source = &entry["sourceRef"];
    !source["storeRef"].is_object() && !source["generatorRef"].is_object()
}

/// Decides on an object that needs a store, in `namespace` with this annotation.
///
/// Without the annotation it passes as it is: that it has no store is then judged as ESO judges it.
pub fn fill(object: &Value, kind: Option<&str>, namespace: &str, annotation: Option<&str>) -> Verdict {
    let Some(annotation) = annotation else { return Verdict::allowed() };
    let Some((default_kind, name)) = parse(annotation) else {
        return denied(format!(
            "spec.secretStoreRef is missing, and the annotation {DEFAULT_STORE} of namespace {namespace:?} is {annotation:?}: \
             it must look like \"NAME\", \"SecretStore/NAME\" or \"ClusterSecretStore/NAME\". \
             Correct the annotation or name a store in spec.secretStoreRef"
        ));
    };
    if let Some(kind) = kind.filter(|kind| *kind != default_kind) {
        return denied(format!(
            "spec.secretStoreRef has kind {kind:?} but no name, and the default store of namespace {namespace:?} is the \
             {default_kind} {name:?}: set spec.secretStoreRef.name, or leave spec.secretStoreRef out"
        ));
    }
    let mut operations = Vec::new();
    if !object["spec"].is_object() {
        // Can't happen for an object with entries; then there is nothing to fill.
        return Verdict::allowed();
    }
    operations
        .push(json!({"op": "add", "path": "/spec/secretStoreRef", "value": {"name": name, "kind": default_kind}}));
    match serde_json::from_value::<JsonPatch>(Value::Array(operations)) {
        Ok(patch) => Verdict::Allowed { warnings: Vec::new(), patch: Some(patch) },
        Err(_) => Verdict::Failed { message: "could not write the default store into spec.secretStoreRef".to_owned() },
    }
}

fn denied(message: String) -> Verdict {
    Verdict::Denied { message, warnings: Vec::new() }
}

/// Splits `[Kind/]name`.
fn parse(annotation: &str) -> Option<(&'static str, &str)> {
    let (kind, name) = match annotation.split_once('/') {
        None | Some(("SecretStore", _)) => {
            ("SecretStore", annotation.strip_prefix("SecretStore/").unwrap_or(annotation))
        }
        Some(("ClusterSecretStore", name)) => ("ClusterSecretStore", name),
        Some(_) => return None,
    };
    is_object_name(name).then_some((kind, name))
}

/// A DNS-1123 subdomain, which is what names of stores are.
fn is_object_name(name: &str) -> bool {
    let part = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        spec: Value,
        annotation: Option<String>,
        /// `unneeded`, `unchanged`, `Kind/name` for what is filled in, or a part of the denial's text.
        want: String,
    }

    #[test]
    fn default_store_table() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/default_store.json")).unwrap();
        for Case { name, spec, annotation, want } in cases {
            let mut object = json!({"spec": spec});
            let got = match need(&object) {
                Need::None => "unneeded".to_owned(),
                Need::Store { kind } => match fill(&object, kind.as_deref(), "shop", annotation.as_deref()) {
                    Verdict::Allowed { warnings: _, patch: None } => "unchanged".to_owned(),
                    Verdict::Allowed { warnings: _, patch: Some(patch) } => {
                        json_patch::patch(&mut object, &patch).unwrap();
                        let store = &object["spec"]["secretStoreRef"];
                        format!("{}/{}", store["kind"].as_str().unwrap(), store["name"].as_str().unwrap())
                    }
                    Verdict::Denied { message, warnings: _ } if message.contains(&want) => want.clone(),
                    other => format!("{other:?}"),
                },
            };
            assert_eq!(got, want, "{name}");
        }
    }
}
