//! Name, labels and annotations, as the API server checks them on every object. Not here: the rest of an object (`shape`).

use crate::finding::{Finding, Severity};
use crate::yaml::{Content, Node};
use serde_json::Value;

/// What is wrong with the metadata of an object.
pub(crate) fn check(object: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refuse = |path: String, text: &str| {
        let line = object.line_of(&path);
        findings.push(Finding { line, path, severity: Severity::Error, text: text.to_owned(), code: "metadata" });
    };
    let metadata = object.get("metadata");
    let text = |key: &str| metadata.and_then(|metadata| metadata.text(key)).filter(|text| !text.is_empty());
    match text("name") {
        Some(name) if !is_subdomain(name) => {
            refuse("metadata.name".to_owned(), "must be lower case letters, digits, `-` and `.`, 253 at most");
        }
        None if text("generateName").is_none() => {
            refuse("metadata.name".to_owned(), "name or generateName is required");
        }
        Some(_) | None => {}
    }
    for (field, is_label) in [("labels", true), ("annotations", false)] {
        for entry in metadata.and_then(|metadata| metadata.get(field)).map(Node::entries).unwrap_or_default() {
            let path = format!("metadata.{field}.{}", entry.key);
            let (prefix, name) = entry.key.split_once('/').unwrap_or(("", &entry.key));
            let prefixed = entry.key.contains('/');
            if !is_word(name) || name.is_empty() || (prefixed && !is_subdomain(&prefix.to_lowercase())) {
                refuse(
                    path.clone(),
                    "the key must be a name of 63 letters, digits, `-`, `_` and `.` at most, after an optional domain and `/`",
                );
            }
            match &entry.node.content {
                Content::Scalar(Value::String(value)) if is_label && !is_word(value) => {
                    refuse(
                        path,
                        "must be 63 letters, digits, `-`, `_` and `.` at most, with a letter or digit at both ends",
                    );
                }
                Content::Scalar(Value::String(_) | Value::Null) => {}
                Content::Scalar(_) | Content::List(_) | Content::Map(_) => {
                    refuse(path, "must be a text; put it in quotes")
                }
            }
        }
    }
    findings
}

/// A DNS subdomain.
fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label =
        |label: &str| !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253 && text.split('.').all(label)
}

/// The value of a label, or the name part of its key; empty is one as well.
fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty() || (text.len() <= 63 && text.chars().all(inner) && text.starts_with(end) && text.ends_with(end))
}
