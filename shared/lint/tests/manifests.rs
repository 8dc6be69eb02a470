//! The manifests of `testdata`: each is judged as the file `.want` beside it says; a line a finding, in order.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use lint::{Linter, Report, Severity, paths};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_lint"))
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    assert_eq!(String::from_utf8_lossy(&stderr), "", "{arguments:?}");
    (status.code(), String::from_utf8(stdout).expect("UTF-8"))
}

#[test]
fn every_manifest_is_judged_as_written_beside_it() {
    let linter = Linter::new();
    let files = paths(&folder()).expect("a folder");
    assert!(files.len() >= 10, "only {} files", files.len());
    for file in files {
        let mut report = Report::default();
        let findings = report.judge(&linter, &fs::read(&file).expect("readable"));
        let got: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        let want = fs::read_to_string(file.with_extension("want")).unwrap_or_default();
        assert_eq!(got, want, "{}", file.display());
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        assert_eq!(report.errors, errors, "{}", file.display());
    }
}

#[test]
fn the_exit_status_tells_errors_from_all_else() {
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["clean.yaml"],
            0,
            "3 objects in 1 files checked, 1 of other groups passed over: errors 0, warnings 0, advice 0\n",
        ),
        (&["-"], 0, "0 objects in 1 files checked: errors 0, warnings 0, advice 0\n"),
        (&["--help"], 0, "usage: "),
        (&["two-providers.yaml"], 1, "two-providers.yaml:5: spec.provider: error: "),
        (&["clean.yaml", "absent"], 1, "absent: error: "),
        (&["broken.yaml"], 1, "broken.yaml:6: error: "),
        (&[], 2, "usage: "),
    ];
    for (arguments, status, says) in cases {
        let (got, out) = run(arguments);
        assert_eq!(got, Some(*status), "{arguments:?}: {out}");
        assert!(out.contains(says), "{arguments:?}: {out}");
    }
}

#[test]
fn warnings_and_advice_alone_do_not_fail() {
    let accepted = concat!(env!("CARGO_MANIFEST_DIR"), "/../validate/testdata/accept");
    let files = ["es-advice", "es-beta", "store-fake"].map(|name| format!("{accepted}/{name}.yaml"));
    let (status, out) = run(&files.each_ref().map(String::as_str));
    assert_eq!(status, Some(0), "{out}");
    assert!(out.ends_with("3 objects in 3 files checked: errors 0, warnings 2, advice 5\n"), "{out}");
}

#[test]
fn folders_are_walked_and_other_files_left_out() {
    let root = tempfile::tempdir().expect("a folder");
    for name in ["b.yml", "a/c.yaml", "a/d.json", "a/e.txt", ".git/f.yaml", "README.md"] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, "{}").expect("written");
    }
    let found = paths(root.path()).expect("walks");
    let names: Vec<_> = found.iter().filter_map(|path| path.strip_prefix(root.path()).ok()).collect();
    assert_eq!(names, [Path::new("a/c.yaml"), Path::new("a/d.json"), Path::new("b.yml")]);
    let text = root.path().join("a/e.txt");
    assert_eq!(paths(&text).expect("a file"), std::slice::from_ref(&text), "a file that is named is taken");
}
