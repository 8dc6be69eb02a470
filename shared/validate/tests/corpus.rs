//! Verdicts of the reference: the shared admission corpus where it lies beside the repository, and Go's own regular
//! expressions.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use api::{ClusterSecretStore, ExternalSecret, SecretStore, SecretStoreSpec};
use serde_json::Value;
use std::path::PathBuf;
use validate::{Finding, Store, Unreadable, denial, warnings};

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
        "SecretStore" => {
            decode::<SecretStore>(manifest).map(|object| store(&object.spec, Store::of_namespace(&object)))
        }
        "ClusterSecretStore" => {
            decode::<ClusterSecretStore>(manifest).map(|object| store(&object.spec, Store::of_cluster(&object)))
        }
        _ => return None,
    })
}

/// The reference ran where no token of a container is.
fn store(spec: &SecretStoreSpec, store: Store<'_>) -> Vec<Finding> {
    let file = validate::token_file(spec).map(|path| (format!("open {path}: no such file or directory"), path));
    let unreadable = file.as_ref().map(|(reason, path)| Unreadable { path, reason });
    validate::store(spec, &Store { unreadable, ..store })
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

/// How many of some answers are the reference's.
#[derive(Default)]
struct Tally {
    seen: usize,
    equal: usize,
}

impl Tally {
    fn count(&mut self, equal: bool) {
        self.seen += 1;
        self.equal += usize::from(equal);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.equal, self.seen)
    }
}

/// Every case that the reference's webhook judged, of the kinds that it judges. Those that the schema refuses aren't ours,
/// nor are deletions, which are always allowed.
#[test]
fn verdicts_messages_and_warnings_of_the_reference() {
    let (mut verdicts, mut messages, mut warned) = (Tally::default(), Tally::default(), Tally::default());
    let mut failed = Vec::new();
    for case in corpus("admission/cases.jsonl") {
        let judged = case["verdict"] == "accept" || case["stage"] == "webhook";
        if !judged || case["op"] == "DELETE" {
            continue;
        }
        let Some(verdict) = judge(&without_nulls(&case["manifest"])) else { continue };
        let want = case["message"].as_str().and_then(|m| m.split_once("denied the request: ")).map(|(_, text)| text);
        let told: Vec<&str> = case["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (got, tells) = match verdict {
            Ok(findings) => (denial(&findings), warnings(&findings)),
            Err(text) => (Some(text), Vec::new()),
        };
        let same_verdict = got.is_some() == (case["verdict"] == "deny");
        verdicts.count(same_verdict);
        warned.count(tells == told);
        // The reference stops with a panic on some; a clean denial is right.
        let crash = case["crash"] == true;
        if case["verdict"] == "deny" && !crash {
            messages.count(got.as_deref() == want);
        }
        if !same_verdict || (!crash && got.as_deref() != want) || tells != told {
            failed.push(format!("{}: want {want:?} {told:?}, got {got:?} {tells:?}", case["id"]));
        }
    }
    println!("verdicts: {verdicts} equal; messages: {messages}; warnings: {warned}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn patterns_compile_as_in_go() {
    for case in corpus("go/regex.jsonl") {
        let (Some(pattern), Some(error)) = (case["pattern"].as_str(), case["error"].as_str()) else { continue };
        let got = goregexp::check(pattern.as_bytes()).err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(got, error, "{pattern:?}");
    }
}
