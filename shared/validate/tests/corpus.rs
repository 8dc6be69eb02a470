//! Verdicts of the reference: the shared admission corpus where it lies beside the repository, and Go's own regular
//! expressions.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use api::{ClusterSecretStore, ExternalSecret, SecretStore};
use serde_json::Value;
use std::path::PathBuf;
use validate::{Finding, denial, warnings};

const BUILT_IN: &[&str] = &["aws", "vault", "fake", "kubernetes"];

fn corpus(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance").join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// What is said about a manifest: a decoding error's text, or the findings. Nothing for other kinds.
fn judge(manifest: &Value) -> Option<Result<Vec<Finding>, String>> {
    fn decode<T: serde::de::DeserializeOwned>(manifest: &Value) -> Result<T, String> {
        T::deserialize(manifest).map_err(|e| e.to_string())
    }
    Some(match manifest["kind"].as_str()? {
        "ExternalSecret" => decode::<ExternalSecret>(manifest).map(|object| validate::external_secret(&object)),
        "SecretStore" => decode::<SecretStore>(manifest).map(|object| validate::secret_store(&object)),
        "ClusterSecretStore" => {
            decode::<ClusterSecretStore>(manifest).map(|object| validate::cluster_secret_store(&object))
        }
        _ => return None,
    })
}

/// Whether the rules of the case's provider are here; objects without one count.
fn is_ours(manifest: &Value) -> bool {
    let provider = manifest["spec"]["provider"].as_object();
    provider.is_none_or(|provider| {
        provider.iter().filter(|(_, settings)| !settings.is_null()).all(|(key, _)| BUILT_IN.contains(&key.as_str()))
    })
}

/// The API server drops fields that are `null` before anybody judges an object.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[test]
fn verdicts_messages_and_warnings_of_the_reference() {
    let (mut seen, mut failed) = (0, Vec::new());
    for case in corpus("admission/cases.jsonl") {
        let judged_by_us = case["verdict"] == "accept" || case["stage"] == "webhook";
        if !judged_by_us || case["op"] == "DELETE" || !is_ours(&case["manifest"]) {
            continue;
        }
        let Some(verdict) = judge(&without_nulls(&case["manifest"])) else { continue };
        seen += 1;
        let want = case["message"].as_str().and_then(|m| m.split_once("denied the request: ")).map(|(_, text)| text);
        let told: Vec<&str> = case["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (got, warned) = match verdict {
            Ok(findings) => (denial(&findings), warnings(&findings)),
            Err(text) => (Some(text), Vec::new()),
        };
        if got.as_deref() != want || warned != told {
            failed.push(format!("{}: want {want:?} {told:?}, got {got:?} {warned:?}", case["id"]));
        }
    }
    println!("{} of {seen} verdicts equal", seen - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Stores of ESO's other providers are let in, with a warning that they won't work.
#[test]
fn stores_of_other_providers_are_let_in_with_a_warning() {
    for case in corpus("admission/cases.jsonl") {
        if case["verdict"] != "accept" || is_ours(&case["manifest"]) {
            continue;
        }
        let Some(verdict) = judge(&without_nulls(&case["manifest"])) else { continue };
        let findings = verdict.expect("reads");
        assert_eq!(denial(&findings), None, "{}", case["id"]);
        assert_eq!(warnings(&findings).len(), 1, "{}", case["id"]);
    }
}

#[test]
fn patterns_compile_as_in_go() {
    for case in corpus("go/regex.jsonl") {
        let (Some(pattern), Some(error)) = (case["pattern"].as_str(), case["error"].as_str()) else { continue };
        let got = validate::go_regexp::check(pattern).err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(got, error, "{pattern:?}");
    }
}
