//! The program `answers` over the shared corpora of functions and of Go, judged by the corpus's own checker.
//!
//! The corpora are no part of the repository. Where they don't lie beside it this says so and ends; copies of parts of them
//! are run by the tests of `plan`, `template`, `gojson`, `goregexp` and `api` then.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are for people to read")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Error, Result, deps};
use serde_json::{Value, json};

/// How many error texts, in percent, must be equal.
const EQUAL_TEXTS: usize = 95;

fn corpora() -> Option<PathBuf> {
    let folder = deps::repository().join("../shared/conformance");
    if folder.join("functions/check.py").is_file() {
        return Some(folder);
    }
    eprintln!("the shared corpora aren't beside this checkout: skipped");
    None
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the checker counted for a kind.
#[derive(Clone, Copy, Debug)]
struct Tally {
    exact: usize,
    cases: usize,
    equal: usize,
    texts: usize,
}

/// Reads `kind: N of M exact, K of L error texts equal`.
fn tally(line: &str) -> Option<(String, Tally)> {
    let (kind, figures) = line.split_once(": ")?;
    let figures = figures.strip_suffix(" error texts equal")?;
    let (cases, texts) = figures.split_once(" exact, ")?;
    let pair = |text: &str| {
        let (part, whole) = text.split_once(" of ")?;
        Some((part.parse().ok()?, whole.parse().ok()?))
    };
    let ((exact, cases), (equal, texts)) = (pair(cases)?, pair(texts)?);
    Some((kind.to_owned(), Tally { exact, cases, equal, texts }))
}

/// Runs the checker on case files; prints its figures and fails for a kind that falls short.
fn check(corpora: &Path, files: &[PathBuf]) -> Result {
    let mut checker = Command::new("python3");
    checker.arg(corpora.join("functions/check.py")).arg("--texts").args(files).arg("--");
    let done = checker.arg(env!("CARGO_BIN_EXE_answers")).output()?;
    let output = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    let tallies: BTreeMap<_, _> = output.lines().filter_map(tally).collect();
    let mut short = Vec::new();
    for (kind, &Tally { exact, cases, equal, texts }) in &tallies {
        println!("{kind}: {exact} of {cases} exact, {equal} of {texts} error texts equal");
        if exact < cases || equal * 100 < texts * EQUAL_TEXTS {
            short.push(kind.clone());
        }
    }
    if tallies.len() != files.len() || !short.is_empty() {
        return Err(Error::new(format!("of {} kinds these fall short: {}\n{output}", files.len(), short.join(", "))));
    }
    Ok(())
}

#[test]
fn functions_answer_as_the_reference_s() -> Result {
    let Some(corpora) = corpora() else { return Ok(()) };
    check(&corpora, &files(&corpora.join("functions"))?)
}

#[test]
fn go_s_own_answers_are_ours() -> Result {
    let Some(corpora) = corpora() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut converted = Vec::new();
    for file in files(&corpora.join("go"))? {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = if name == "duration" { "duration_go".to_owned() } else { name };
        let mut lines = String::new();
        for (number, line) in std::fs::read_to_string(&file)?.lines().enumerate() {
            let (input, want) = parted(serde_json::from_str(line)?);
            let case = json!({ "id": format!("{kind}-{number}"), "kind": kind, "in": input, "want_ok": want });
            lines += &format!("{case}\n");
        }
        let path = folder.path().join(format!("{kind}.jsonl"));
        std::fs::write(&path, lines)?;
        converted.push(path);
    }
    check(&corpora, &converted)
}

/// A case of Go as what is given and what is wanted.
fn parted(case: Value) -> (Value, Value) {
    const GIVEN: &[&str] = &["pattern", "template", "input", "inputs", "document", "path", "emit", "parse", "text"];
    let fields = case.as_object().cloned().unwrap_or_default();
    let (given, wanted): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| GIVEN.contains(&name.as_str()));
    (given.into_iter().collect(), wanted.into_iter().collect())
}
