//! The ConfigMaps and Secrets that a template is read from.

use std::collections::BTreeMap;

use api::{Template, TemplateFrom, TemplateRef};
use secret::SecretMap;

/// Where a template lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// `templateFrom[].configMap`.
    ConfigMap,
    /// `templateFrom[].secret`.
    Secret,
}

impl SourceKind {
    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// An object of the ExternalSecret's namespace that has to be read before its template can be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRef {
    /// ConfigMap or Secret.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The keys of `data` that are used. No other needs to be kept.
    pub keys: Vec<String>,
}

/// What has to be gathered for a template, in the order of the manifest, each object once.
pub fn sources(template: &Template) -> Vec<SourceRef> {
    let mut found: Vec<SourceRef> = Vec::new();
    for entry in &template.template_from {
        let TemplateFrom { config_map, secret, literal: _, target: _, values_decoding_strategy: _ } = entry;
        let named = [(SourceKind::ConfigMap, config_map), (SourceKind::Secret, secret)];
        for (kind, reference) in named {
            let Some(TemplateRef { name, items }) = reference else { continue };
            let place = found.iter().position(|known| known.kind == kind && known.name == *name);
            let place = place.unwrap_or_else(|| {
                found.push(SourceRef { kind, name: name.clone(), keys: Vec::new() });
                found.len() - 1
            });
            if let Some(source) = found.get_mut(place) {
                for item in items {
                    if !source.keys.contains(&item.key) {
                        source.keys.push(item.key.clone());
                    }
                }
            }
        }
    }
    found
}

/// What was gathered. A ConfigMap's texts travel as secrets too: nobody knows what is in them.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<(SourceKind, String), Result<SecretMap, String>>);

impl Sources {
    /// Adds an object: its data (of a ConfigMap `data` alone, not `binaryData`), or the API's words for why it can't be
    /// read, such as `configmaps "tls" not found`.
    pub fn insert(&mut self, kind: SourceKind, name: impl Into<String>, read: Result<SecretMap, String>) {
        self.0.insert((kind, name.into()), read);
    }

    /// The data of all Secrets among them.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretMap> {
        self.0.iter().filter(|((kind, _), _)| *kind == SourceKind::Secret).filter_map(|(_, read)| read.as_ref().ok())
    }

    /// An object's data.
    ///
    /// # Errors
    /// What was said when it was gathered.
    pub(super) fn get(&self, kind: SourceKind, name: &str) -> Result<&SecretMap, String> {
        match self.0.get(&(kind, name.to_owned())) {
            Some(Ok(data)) => Ok(data),
            Some(Err(text)) => Err(text.clone()),
            None => Err(format!("{} {} was not read", kind.as_str(), gojson::quote(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_object_is_named_once_with_all_its_keys() {
        let template: Template = serde_json::from_value(json!({"templateFrom": [
            {"secret": {"name": "s", "items": [{"key": "b"}]}, "configMap": {"name": "s", "items": [{"key": "a"}]}},
            {"literal": "x: y"},
            {"secret": {"name": "s", "items": [{"key": "c"}, {"key": "b"}]}},
        ]}))
        .unwrap();
        let shown: Vec<_> = sources(&template)
            .iter()
            .map(|source| format!("{} {} {}", source.kind.as_str(), source.name, source.keys.join("+")))
            .collect();
        assert_eq!(shown, ["ConfigMap s a", "Secret s b+c"]);
    }
}
