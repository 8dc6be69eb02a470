//! How Rust types become structural schemas with ESO's exact shape. Not here: the CRD around a schema (`crd`).

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

/// Schemas that several fields share; for `#[schemars(schema_with = …)]`.
pub(crate) mod shape {
    use schemars::{Schema, SchemaGenerator, json_schema};

    /// Name of a Kubernetes object: a DNS subdomain.
    pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "maxLength": 253,
            "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        })
    }

    /// Name of a namespace: a DNS label.
    pub(crate) fn namespace(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"})
    }

    /// A list of names of namespaces.
    pub(crate) fn namespaces(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": namespace(generator)})
    }

    /// A key of a Secret's or ConfigMap's data.
    pub(crate) fn secret_key(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$"})
    }

    /// A text that must not be empty.
    pub(crate) fn non_empty(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }

    /// An integer or a text.
    pub(crate) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true})
    }

    /// Anything, kept as it is.
    pub(crate) fn anything(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }

    /// An integer of no stated width.
    pub(crate) fn integer(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer"})
    }

    /// A list of label selectors.
    pub(crate) fn label_selectors(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": label_selector(generator)})
    }

    /// Kubernetes' own label selector.
    pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {
                "matchLabels": {
                    "type": "object", "additionalProperties": {"type": "string"},
                    "description": "Labels that must all be there with these values.",
                },
                "matchExpressions": {
                    "type": "array", "x-kubernetes-list-type": "atomic",
                    "description": "Requirements that must all hold, beside matchLabels.",
                    "items": {
                        "type": "object",
                        "required": ["key", "operator"],
                        "properties": {
                            "key": {"type": "string", "description": "Key of the label."},
                            "operator": {"type": "string", "description": "In, NotIn, Exists or DoesNotExist."},
                            "values": {
                                "type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic",
                                "description": "Values for In and NotIn; empty for the other two.",
                            },
                        },
                    },
                },
            },
        })
    }
}

/// The structural schema of a type: everything inlined, no `null`, no titles.
pub(crate) fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    settle(&mut schema);
    schema
}

/// The structural schema of a type below another generated one.
pub(crate) fn settled<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Rewrites what schemars derives to what the API server of Kubernetes accepts and ESO has.
fn settle(value: &mut Value) {
    let Value::Object(schema) = value else { return };
    schema.remove("title");
    schema.remove("$schema");
    unwrap_option(schema);
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        settle(property);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            settle(inner);
        }
    }
}

/// Drops the descriptions of all properties of a map of schemas, at any depth.
pub(crate) fn without_descriptions(properties: &mut Value) {
    for (_, property) in properties.as_object_mut().into_iter().flatten() {
        undescribed(property);
    }
}

fn undescribed(value: &mut Value) {
    let Value::Object(schema) = value else { return };
    schema.remove("description");
    if let Some(properties) = schema.get_mut("properties") {
        without_descriptions(properties);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            undescribed(inner);
        }
    }
}

/// `Option<T>` says "or null"; in the wire format an absent field says it.
fn unwrap_option(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get("type") {
        let named: Vec<Value> = types.iter().filter(|t| *t != "null").cloned().collect();
        if let [only] = named.as_slice() {
            schema.insert("type".to_owned(), only.clone());
        }
    }
    let Some(Value::Array(branches)) = schema.get("anyOf") else { return };
    let real: Vec<Value> = branches.iter().filter(|b| b.get("type").is_none_or(|t| t != "null")).cloned().collect();
    if let ([Value::Object(only)], true) = (real.as_slice(), branches.len() > real.len()) {
        schema.remove("anyOf");
        for (key, inner) in only {
            schema.entry(key.clone()).or_insert_with(|| inner.clone());
        }
    }
}
