//! What goes wrong with a template: Go's text, the place, and who is to blame.
//!
//! Deliberately not here: where errors come from (see `parse` and `exec`), and what to do about them (see `hint`). Nothing
//! here holds a value, but a text does where Go's does (`fail`, comparisons of maps), so callers decide who may see it.

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ParseError {
    /// The line, from 1, as in Go's text.
    pub line: usize,
    /// The column in characters, from 1: where the token starts at which parsing ended. Go does not tell it.
    pub column: usize,
    /// Go's text: `template: NAME:LINE: …`.
    pub text: String,
    /// The name that the template was parsed under.
    pub template: String,
    /// The function that is called and not defined.
    pub function: Option<String>,
}

/// A rendering that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ExecError {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 0 as in Go's text.
    pub column: usize,
    /// Go's text: `template: NAME:LINE:COLUMN: executing "NAME" at <…>: …`.
    pub text: String,
    /// The name that the template was parsed under.
    pub template: String,
    /// The key that a map lacks, if that is what failed.
    pub missing_key: Option<String>,
    /// Whether the map that lacks it is the root value.
    pub of_root: bool,
    /// The function whose call failed.
    pub function: Option<String>,
}

/// What both errors tell.
pub trait Fault {
    /// The line, from 1.
    fn line(&self) -> usize;
    /// The column in characters or bytes, from 1.
    fn column(&self) -> usize;
    /// The name of the template.
    fn template(&self) -> &str;
    /// Go's text.
    fn text(&self) -> &str;
    /// The key that is missing from a map.
    fn missing_key(&self) -> Option<&str>;
    /// Whether that map is the root value.
    fn of_root(&self) -> bool;
    /// The function that isn't defined or whose call failed.
    fn function(&self) -> Option<&str>;
}

impl Fault for ParseError {
    fn line(&self) -> usize {
        self.line
    }

    fn column(&self) -> usize {
        self.column
    }

    fn template(&self) -> &str {
        &self.template
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn missing_key(&self) -> Option<&str> {
        None
    }

    fn of_root(&self) -> bool {
        false
    }

    fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }
}

impl Fault for ExecError {
    fn line(&self) -> usize {
        self.line
    }

    fn column(&self) -> usize {
        self.column + 1
    }

    fn template(&self) -> &str {
        &self.template
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn missing_key(&self) -> Option<&str> {
        self.missing_key.as_deref()
    }

    fn of_root(&self) -> bool {
        self.of_root
    }

    fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }
}
