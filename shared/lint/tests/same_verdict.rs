//! The linter says what crate `validate` says: over its samples, and over the shared admission corpus where it lies beside
//! the repository.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use api::{ClusterSecretStore, ExternalSecret, SecretStore};
use lint::{Finding, Linter, Severity, documents};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The verdict of the webhook's own functions: the text of a decoding error, or the findings.
fn webhook(manifest: &Value) -> Option<Result<Vec<validate::Finding>, String>> {
    fn decode<T: DeserializeOwned>(manifest: &Value) -> Result<T, String> {
        T::deserialize(manifest).map_err(|error| error.to_string())
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

/// What the linter says about a text with one object.
fn linted(linter: &Linter, text: &str) -> (Value, Vec<Finding>) {
    let document = documents(text).into_iter().next().expect("a document").expect("reads");
    let findings = linter.document(&document).into_iter().flatten().flatten().collect();
    (document.to_value(), findings)
}

fn check(linter: &Linter, name: &str, text: &str) -> Option<bool> {
    let (manifest, findings) = linted(linter, text);
    let has = |severity: Severity, text: &str| {
        findings.iter().any(|finding| finding.severity == severity && finding.text == text)
    };
    // Samples are of the webhook's rules; some would not pass the schema.
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error && finding.code != "schema");
    match webhook(&manifest)? {
        Ok(said) => {
            for finding in &said {
                assert!(has(finding.severity, &finding.text), "{name}: {finding:?} isn't among {findings:#?}");
            }
            if validate::denial(&said).is_some() {
                assert!(refused, "{name}");
            }
        }
        // The schema may say it in other words.
        Err(text) => {
            let other_words = findings.iter().any(|finding| finding.code == "schema");
            assert!(has(Severity::Error, &text) || other_words, "{name}: {text}");
        }
    }
    Some(refused)
}

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../validate/testdata").join(folder);
    let files = lint::paths(&folder).expect("a folder");
    files.iter().map(|file| (file.display().to_string(), fs::read_to_string(file).expect("readable"))).collect()
}

#[test]
fn samples_are_accepted_and_refused_as_by_the_webhook() {
    let linter = Linter::new();
    let mut seen = 0;
    for (folder, refused) in [("accept", false), ("reject", true)] {
        for (name, text) in samples(folder) {
            // Only the machine that the webhook runs on has the file.
            if text.contains("\n# unreadable: ") {
                continue;
            }
            if let Some(got) = check(&linter, &name, &text) {
                seen += 1;
                assert_eq!(got, refused, "{name}: {:#?}", linted(&linter, &text).1);
            }
        }
    }
    assert!(seen > 60, "only {seen} samples were seen");
}

#[test]
fn the_shared_corpus_is_judged_as_by_the_reference() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/admission/cases.jsonl");
    let text = fs::read_to_string(file).unwrap_or_default();
    let linter = Linter::new();
    let mut failed = Vec::new();
    let mut seen = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("a JSON line");
        let manifest = &case["manifest"];
        // JSON is YAML.
        let yaml = manifest.to_string();
        // Only the machine that the webhook runs on has the file.
        let file = case["message"].as_str().is_some_and(|message| message.contains("cannot read container auth token"));
        if case["op"] == "DELETE" || !manifest["kind"].is_string() || file {
            continue;
        }
        seen += 1;
        check(&linter, &case["id"].to_string(), &yaml);
        let findings = linted(&linter, &yaml).1;
        // The corpus was recorded with strict decoding, where a field that doesn't exist is no mere warning.
        let strict = case["message"].as_str().is_some_and(|message| message.contains("strict decoding error"));
        let refused = findings
            .iter()
            .any(|finding| finding.severity == Severity::Error || (strict && finding.code == "unknown-field"));
        if refused != (case["verdict"] != "accept") {
            failed.push(format!("{}: {} {}: {findings:?}", case["id"], case["verdict"], case["message"]));
        }
    }
    println!("{} of {seen} verdicts equal", seen - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
