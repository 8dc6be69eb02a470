//! The mechanical half of ARCHITECTURE.md's invariants and of STYLE.md.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Names in the `[dependencies]` table of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let table = text.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&root(), &mut found);
    assert!(found.len() > 50, "only {} sources were found", found.len());
    found
}

#[test]
fn pure_crates_list_no_runtime_and_no_client() {
    let pure = [
        "shared/api",
        "shared/secret",
        "shared/gojson",
        "shared/goregexp",
        "shared/gourl",
        "shared/goyaml",
        "shared/validate",
        "shared/lint",
        "shared/template",
        "controller/plan",
        "controller/provider",
    ];
    let banned = ["tokio", "kube", "kube-client", "kube-runtime", "reqwest", "hyper", "axum", "rand"];
    for name in pure {
        let listed = dependencies(&format!("{name}/Cargo.toml"));
        assert!(!listed.is_empty(), "{name}: no dependency was read");
        let found: Vec<_> = listed.iter().filter(|dependency| banned.contains(&dependency.as_str())).collect();
        assert!(found.is_empty(), "{name} must stay pure but lists {found:?}");
    }
}

#[test]
fn the_webhook_links_no_provider() {
    let listed = dependencies("webhook/Cargo.toml");
    assert!(listed.contains(&"validate".to_owned()), "{listed:?}");
    for banned in ["provider", "providers", "engine", "plan", "controller"] {
        assert!(!listed.contains(&banned.to_owned()), "the webhook lists {banned}");
    }
}

#[test]
fn only_tests_play_with_dice() {
    let members = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = members.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.contains(&"shared/fuzz") && members.contains(&"webhook"), "{members:?}");
    for member in members {
        let listed = dependencies(&format!("{member}/Cargo.toml"));
        assert!(!listed.contains(&"fuzz".to_owned()), "{member} lists fuzz, which is for [dev-dependencies]");
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<_> =
        all_sources().into_iter().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "these files don't open with //!: {silent:#?}");
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let banned = ["utils", "util", "common", "helpers", "helper", "manager", "misc"];
    let vague: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| {
            path.components().any(|part| banned.contains(&part.as_os_str().to_string_lossy().trim_end_matches(".rs")))
        })
        .collect();
    assert!(vague.is_empty(), "{vague:#?}");
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let allowed: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !path.ends_with("shared/tidy/tests/rules.rs"))
        .filter(|path| {
            fs::read_to_string(path)
                .unwrap()
                .lines()
                .any(|line| line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow("))
        })
        .collect();
    assert!(allowed.is_empty(), "write #[expect(…, reason = \"…\")] in {allowed:#?}");
}
