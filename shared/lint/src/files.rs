//! Files and folders, and the tally over them. Not here: what is said about one document.

use crate::finding::{Finding, Severity};
use crate::judge::Linter;
use crate::yaml::documents;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// All files below a path whose names end in `.yaml`, `.yml` or `.json`, in the order of their names; a path of a file is
/// taken whatever its name. Folders whose names begin with a dot are left out.
///
/// # Errors
/// A path that isn't there, or a folder that can't be read.
pub fn paths(given: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if fs::metadata(given)?.is_dir() {
        folder(given, &mut found)?;
        found.sort();
    } else {
        found.push(given.to_owned());
    }
    Ok(found)
}

fn folder(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Links to folders are passed over: they could lead in circles.
        if entry.file_type()?.is_dir() {
            if !hidden {
                folder(&path, found)?;
            }
        } else if path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known)) {
            found.push(path);
        }
    }
    Ok(())
}

/// What was seen in all files so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Objects that were judged.
    pub judged: usize,
    /// Objects of other groups, which were passed over.
    pub others: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Pieces of advice.
    pub advice: usize,
}

impl Report {
    /// Judges the text of a file and gives back what there is to say, by line.
    pub fn judge(&mut self, linter: &Linter, text: &[u8]) -> Vec<Finding> {
        self.files += 1;
        let mut findings = Vec::new();
        match std::str::from_utf8(text) {
            Ok(text) => {
                for document in documents(text) {
                    match document {
                        Ok(document) => findings.extend(self.verdicts(linter.document(&document))),
                        Err(error) if text.contains("{{") => {
                            let hint = "if this is a template of Helm, give the linter what it renders";
                            findings.push(unreadable(error.line, format!("{}; {hint}", error.text)));
                        }
                        Err(error) => findings.push(unreadable(error.line, error.text)),
                    }
                }
            }
            Err(error) => {
                let before = text.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                findings.push(unreadable(line as u64, "the file isn't UTF-8 from here on".to_owned()));
            }
        }
        for finding in &findings {
            match finding.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
                Severity::Advice => self.advice += 1,
            }
        }
        findings
    }

    fn verdicts(&mut self, verdicts: Vec<Option<Vec<Finding>>>) -> Vec<Finding> {
        let mut all = Vec::new();
        for verdict in verdicts {
            match verdict {
                Some(findings) => {
                    self.judged += 1;
                    all.extend(findings);
                }
                None => self.others += 1,
            }
        }
        all
    }
}

fn unreadable(line: u64, text: String) -> Finding {
    Finding { line, path: String::new(), severity: Severity::Error, text, code: "unreadable-yaml" }
}
