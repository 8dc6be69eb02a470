//! A manifest of any kind as the target of templates.
//!
//! Lives here: fields, labels and paths of a JSON object, as the reference sets them. Deliberately not here: which
//! templates go there (see `generic`).

use std::collections::BTreeMap;
use std::fmt;

use secret::SecretBytes;
use serde_json::{Map, Value};

use super::path;
use super::scope::{Known, Output};

/// A whole Kubernetes object that may hold values; it doesn't show them.
#[derive(Clone, PartialEq)]
pub struct Manifest(Value);

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({})", self.text("/kind"))
    }
}

impl Manifest {
    /// Takes an object.
    pub fn new(object: Value) -> Self {
        Self(object)
    }

    /// The object. Every call is a place where a value could leak: it is meant for the write to the API server.
    pub fn expose(&self) -> &Value {
        &self.0
    }

    /// Gives the object away.
    pub fn into_inner(self) -> Value {
        self.0
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Labels or annotations; `None` if there are none or if they are no map of strings.
    pub(super) fn strings(&self, field: &str) -> Option<BTreeMap<String, String>> {
        let map = self.0.get("metadata")?.get(field)?.as_object()?;
        map.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    pub(super) fn set_strings(&mut self, field: &str, strings: BTreeMap<String, String>) {
        let strings: Map<String, Value> = strings.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
        self.set_metadata(field, Value::Object(strings));
    }

    pub(super) fn set_metadata(&mut self, field: &str, value: Value) {
        let Some(object) = self.0.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(metadata) = metadata {
            metadata.insert(field.to_owned(), value);
        }
    }

    pub(super) fn object(&mut self) -> Option<&mut Map<String, Value>> {
        self.0.as_object_mut()
    }

    /// Sets `field[key]` to a text.
    fn set_field(&mut self, field: &str, key: &str, value: &SecretBytes) -> Result<(), String> {
        let text = String::from_utf8_lossy(value.expose()).into_owned();
        let fields = self.object().map(|object| object.entry(field).or_insert_with(|| Value::Object(Map::new())));
        let Some(Value::Object(fields)) = fields else {
            return Err(format!("failed to set {field} field on object: failed to convert data to map[string][]byte"));
        };
        fields.insert(key.to_owned(), Value::String(text));
        self.still_of_a_kind().map_err(|text| format!("failed to set {field} field on object: {text}"))
    }

    fn set_path(
        &mut self,
        target: &str,
        steps: &[path::Step],
        leaf: impl FnOnce(Value) -> Value,
    ) -> Result<(), String> {
        path::set(&mut self.0, steps, leaf).map_err(|why| format!("failed to set path {target}: {why}"))?;
        self.still_of_a_kind()
    }

    /// The reference decodes the object anew after each change, and for that it needs a kind. Its text shows the object.
    fn still_of_a_kind(&self) -> Result<(), String> {
        if self.text("/kind").is_empty() {
            return Err("failed to convert unstructured to object: Object 'Kind' is missing".to_owned());
        }
        Ok(())
    }

    fn with_metadata(&mut self) {
        for field in ["labels", "annotations"] {
            if self.strings(field).is_none() {
                self.set_strings(field, BTreeMap::new());
            }
        }
    }
}

impl Output for Manifest {
    fn put(&mut self, target: &str, key: &str, value: SecretBytes) -> Result<(), String> {
        let field = match Known::of(target) {
            Some(Known::Data) => {
                self.set_field("data", key, &value)?;
                None
            }
            Some(Known::Labels) => Some("labels"),
            Some(Known::Annotations) => Some("annotations"),
            None if target.eq_ignore_ascii_case("spec") => {
                self.set_field("spec", key, &value)?;
                None
            }
            None => {
                let steps = path::parse(target)?;
                let parsed = goyaml::parse(value.expose())
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(value.expose()).into_owned()));
                self.set_path(target, &steps, |_| parsed)?;
                None
            }
        };
        if let Some(field) = field {
            let mut strings = self.strings(field).unwrap_or_default();
            strings.insert(key.to_owned(), String::from_utf8_lossy(value.expose()).into_owned());
            self.set_strings(field, strings);
        }
        self.with_metadata();
        Ok(())
    }

    fn put_parsed(&mut self, target: &str, parsed: Value) -> Result<(), String> {
        let steps = path::parse(target)?;
        let whole = steps.len() == 1;
        self.set_path(target, &steps, |existing| match (existing, parsed) {
            (Value::Object(mut existing), Value::Object(parsed)) if !whole => {
                existing.extend(parsed);
                Value::Object(existing)
            }
            (_, parsed) => parsed,
        })
    }
}
