//! The CRD files on disk are what the types generate, and hold what the fields promise.

use serde_json::{Value, json};
use std::path::PathBuf;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../manifests/crds")
}

#[test]
fn files_are_what_the_types_generate() {
    for crd in api::crd::all() {
        let path = directory().join(format!("{}.yaml", crd.plural));
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(on_disk == crd.file(), "{} is stale; run `make generate`", path.display());
    }
}

#[test]
fn both_versions_are_served_from_one_schema_and_only_v1_is_stored() {
    for crd in api::crd::all() {
        let versions = &crd.document["spec"]["versions"];
        let flags: Vec<Value> = versions
            .as_array()
            .expect("versions")
            .iter()
            .map(|v| json!([v["name"], v["served"], v["storage"], v["deprecated"]]))
            .collect();
        assert_eq!(flags, [json!(["v1", true, true, null]), json!(["v1beta1", true, false, true])], "{}", crd.plural);
        let fields = |version: &Value| version["schema"]["openAPIV3Schema"]["properties"].clone();
        assert!(fields(&versions[0]) == fields(&versions[1]), "the versions of {} have different fields", crd.plural);
        // See `crd.rs`: schemas that are equal to the letter would be refused together with selectableFields.
        assert!(versions[0]["schema"] != versions[1]["schema"], "the versions of {} can't be told apart", crd.plural);
    }
}

/// Calls `see` with every schema node and its path.
fn walk(path: &str, schema: &Value, see: &mut impl FnMut(&str, &Value)) {
    see(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, see);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&format!("{path}{mark}"), &schema[key], see);
        }
    }
}

#[test]
fn every_schema_is_structural_and_every_field_is_described() {
    let mut seen = 0;
    for crd in api::crd::all() {
        walk(crd.plural, &crd.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut |path, node| {
            seen += 1;
            for forbidden in ["$ref", "oneOf", "allOf", "not", "const", "title", "$schema", "definitions", "$defs"] {
                assert!(node.get(forbidden).is_none(), "{path} has {forbidden}");
            }
            let int_or_string = node["x-kubernetes-int-or-string"] == json!(true);
            assert!(node["type"].is_string() || int_or_string, "{path} has no single type: {}", node["type"]);
            assert!(node.get("anyOf").is_none() || int_or_string, "{path} has anyOf");
            let item = path.ends_with(']') || path.ends_with('}');
            if !item && !path.ends_with(".metadata") {
                assert!(node["description"].is_string(), "{path} has no description");
            }
        });
    }
    assert!(seen > 600, "only {seen} schema nodes were seen");
}

#[test]
fn providers_that_are_not_built_in_keep_their_settings() {
    for crd in api::crd::all().iter().filter(|crd| crd.plural != "externalsecrets") {
        let schema = &crd.document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let provider = &schema["properties"]["spec"]["properties"]["provider"];
        assert_eq!((&provider["minProperties"], &provider["maxProperties"]), (&json!(1), &json!(1)));
        let names = provider["properties"].as_object().expect("properties");
        assert_eq!(names.len(), api::provider::UNTYPED.len() + 4);
        for name in api::provider::UNTYPED {
            assert_eq!(names[*name]["x-kubernetes-preserve-unknown-fields"], json!(true), "{name}");
        }
    }
}
