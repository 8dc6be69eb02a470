//! Runs function cases through the same answers as the program `answers` of the e2e crate.
//!
//! The crate's own cases lie in `testdata`. The larger corpora are no part of the repository; they are run too where
//! they lie in `../shared/conformance` beside it.

#[path = "../../../e2e/src/conformance/mod.rs"]
mod conformance;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    id: String,
    kind: String,
    #[serde(rename = "in")]
    input: Value,
    #[serde(default)]
    want_ok: Value,
    want_err: Option<String>,
}

/// The files of one folder that hold cases of our kinds.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = conformance::KINDS.iter().map(|kind| folder.join(format!("{kind}.jsonl")));
    paths.filter(|path| path.exists()).collect()
}

/// Runs all cases of a folder; returns how many there were.
fn check(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let mut count = 0;
    let mut failures = Vec::new();
    for file in files(folder) {
        for line in fs::read_to_string(file)?.lines() {
            let case: Case = serde_json::from_str(line)?;
            let got = conformance::answer(&case.kind, &case.input);
            let want = case.want_err.map_or(Ok(case.want_ok), Err);
            if got != want {
                failures.push(format!("{}: got {got:?}, want {want:?}", case.id));
            }
            count += 1;
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
    Ok(count)
}

#[test]
fn own_cases_are_answered_as_the_reference_does() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    assert_eq!(files(&folder).len(), conformance::KINDS.len(), "each kind has cases of its own");
    assert!(check(&folder)? > 100);
    Ok(())
}

#[test]
fn shared_cases_are_answered_as_the_reference_does() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/functions");
    if !folder.exists() {
        return own_cases_are_answered_as_the_reference_does();
    }
    assert!(check(&folder)? > 100);
    Ok(())
}
