//! Credentials that a store holds itself: whoever may read the store reads them, and so does every backup and Git history.
//!
//! Found by their shape, `{value: …}` where `{secretRef: …}` could be, so that no provider is forgotten. Not here: names of
//! users and ids of clients and access keys, which are no secrets, and the values of `fake`, which are a list.

use crate::finding::{Code, Finding};
use api::StoreProvider;
use serde_json::{Map, Value};

const NO_SECRETS: &[&str] = &["accessKey", "certificate", "clientId", "username"];

/// Advice on each of them. The text doesn't hold the credential.
pub(crate) fn advice(provider: &StoreProvider) -> Vec<Finding> {
    let StoreProvider(settings) = provider;
    let mut paths = Vec::new();
    collect(settings, "spec.provider", &mut paths);
    let text =
        |path: &str| format!("a credential in plain text; put it into a Secret and name that in {path}.secretRef");
    let finding = |path: String| Finding::advice(format!("{path}.value"), Code::PlainText, text(&path));
    paths.into_iter().map(finding).collect()
}

fn collect(settings: &Map<String, Value>, path: &str, paths: &mut Vec<String>) {
    for (name, value) in settings {
        let Value::Object(inner) = value else { continue };
        let path = format!("{path}.{name}");
        let held = inner.get("value").and_then(Value::as_str).is_some_and(|value| !value.is_empty());
        if held && !NO_SECRETS.contains(&name.as_str()) {
            paths.push(path.clone());
        }
        collect(inner, &path, paths);
    }
}
