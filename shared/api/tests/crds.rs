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

/// The fields of a version by path, without their descriptions.
fn fields(version: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk("", &version["schema"]["openAPIV3Schema"], &mut |path, node| {
        let mut node = node.as_object().cloned().unwrap_or_default();
        for key in ["description", "properties", "items", "additionalProperties"] {
            node.remove(key);
        }
        found.push((path.to_owned(), node.into()));
    });
    found
}

#[test]
fn every_version_is_served_from_one_schema_and_only_the_first_is_stored() {
    for crd in api::crd::all() {
        let versions = crd.document["spec"]["versions"].as_array().expect("versions");
        let flags: Vec<Value> =
            versions.iter().map(|v| json!([v["name"], v["served"], v["storage"], v["deprecated"]])).collect();
        match crd.plural {
            "externalsecrets" | "clusterexternalsecrets" | "secretstores" | "clustersecretstores" => {
                assert_eq!(
                    flags,
                    [json!(["v1", true, true, null]), json!(["v1beta1", true, false, true])],
                    "{}",
                    crd.plural
                );
                let (new, old) = (&versions[0], &versions[1]);
                assert!(fields(new) == fields(old), "the versions of {} have different fields", crd.plural);
                // See `crd.rs`: schemas equal to the letter would be refused together with selectableFields.
                assert!(new["schema"] != old["schema"], "the versions of {} can't be told apart", crd.plural);
            }
            _ => assert_eq!(flags, [json!(["v1alpha1", true, true, null])], "{}", crd.plural),
        }
    }
}

/// `kubectl apply` keeps what it applied in an annotation, as Go writes JSON; all annotations together may have 256 KiB.
/// Helm keeps a release in a Secret of at most 1 MiB: templates and what they rendered, packed and in base64.
#[test]
fn definitions_fit_where_kubectl_and_helm_keep_them() {
    use base64::Engine;
    use std::io::Write;
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut release = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut total = 0;
    for crd in api::crd::all() {
        let json = crd.document.to_string();
        let escaped = json.matches(['<', '>', '&']).count() * 5;
        let annotation = json.len() + escaped + 1;
        assert!(annotation < 262_144 - 4_096, "{} has {annotation} bytes", crd.plural);
        total += json.len();
        for text in [crd.file(), base64.encode(crd.file())] {
            release.write_all(text.as_bytes()).expect("packs");
        }
    }
    assert!(total < 900_000, "all together have {total} bytes");
    let release = base64.encode(release.finish().expect("packs")).len();
    assert!(release < 1_048_576 * 3 / 4, "the release has {release} bytes, which leaves too little for the chart");
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
            let anything = node["x-kubernetes-preserve-unknown-fields"] == json!(true);
            let typed = node["type"].is_string() || int_or_string || anything;
            assert!(typed, "{path} has no single type: {}", node["type"]);
            assert!(node.get("anyOf").is_none() || int_or_string, "{path} has anyOf");
            let item = path.ends_with(']') || path.ends_with('}');
            if !item && !path.ends_with(".metadata") {
                assert!(node["description"].is_string(), "{path} has no description");
            }
        });
    }
    assert!(seen > 3_700, "only {seen} schema nodes were seen");
}
