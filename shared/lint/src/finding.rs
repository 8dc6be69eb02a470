//! What the linter says about a place in a file. Not here: any rule.

use std::fmt;

pub use validate::Severity;

/// One thing to say about a place in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line in the file, from 1.
    pub line: u64,
    /// The field, such as `spec.data[2].secretKey`; empty for the whole document.
    pub path: String,
    /// Whether the object would be refused.
    pub severity: Severity,
    /// The sentence for people. Holds no secret value.
    pub text: String,
    /// The rule: a code of crate `validate`, or one of the linter's own (`unreadable-yaml`, `unknown-kind`, `not-served`,
    /// `metadata`, `schema`, `unreadable`, `unknown-field`, `old-version`).
    pub code: &'static str,
}

impl fmt::Display for Finding {
    /// `line: path: severity: text [code]`; texts of several lines are joined by `; `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, path, severity, text, code } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        let text = text.lines().collect::<Vec<_>>().join("; ");
        write!(f, "{line}: {path}{colon}{severity}: {text} [{code}]")
    }
}
