//! Why a template can't be rendered: the reference's text, and for our own surfaces where and what to do.

use std::fmt;

use template::{ExecError, Fault as _, ParseError, hint};

/// What the language says about a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It can't be parsed.
    Parse(ParseError),
    /// It can't be executed.
    Exec(ExecError),
}

impl From<ParseError> for TemplateError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<ExecError> for TemplateError {
    fn from(error: ExecError) -> Self {
        Self::Exec(error)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => error.fmt(f),
            Self::Exec(error) => error.fmt(f),
        }
    }
}

impl TemplateError {
    /// Line and column, both from 1.
    pub fn position(&self) -> (usize, usize) {
        match self {
            Self::Parse(error) => (error.line(), error.column()),
            Self::Exec(error) => (error.line(), error.column()),
        }
    }

    /// What was probably meant, given the keys at hand.
    pub(super) fn hint<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Option<String> {
        match self {
            Self::Parse(error) => hint(error, keys),
            Self::Exec(error) => hint(error, keys),
        }
    }

    /// What went wrong in a few words that hold no value.
    fn in_short(&self) -> String {
        let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
        match self {
            // The text is made of the template alone.
            Self::Parse(error) => after(&error.text, &format!(":{}: ", error.line)).unwrap_or_default(),
            Self::Exec(error) => match (error.missing_key(), error.function()) {
                (Some(key), _) => format!("there is no key {}", gojson::quote(key)),
                (None, Some(function)) => format!("{function} failed"),
                (None, None) => "it can't be executed; the event tells why".to_owned(),
            },
        }
    }
}

/// Why a target can't be rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The reference's text, for event and log. What [`render`](super::render) and its siblings return holds no value that
    /// is found in the data; what a template makes of values may still show through its functions' texts.
    pub text: String,
    /// The field of the manifest, such as `spec.target.template.data[password]`; empty if it isn't about one.
    pub field: String,
    /// Line and column in the template, both from 1.
    pub position: Option<(usize, usize)>,
    /// What is wrong there in a few words without any value.
    pub reason: Option<String>,
    /// What to do about it, such as `did you mean .password?`.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with nothing but its text.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A template that failed. The text is the reference's: `unable to parse|execute template at key <name>: …`.
    pub(super) fn of_template(name: &str, error: &TemplateError, hint: Option<String>) -> Self {
        let what = match error {
            TemplateError::Parse(_) => "parse",
            TemplateError::Exec(_) => "execute",
        };
        Self {
            text: format!("unable to {what} template at key {name}: {error}"),
            field: String::new(),
            position: Some(error.position()),
            reason: Some(error.in_short()),
            hint,
        }
    }

    /// Puts `prefix` before the text.
    pub(super) fn within(mut self, prefix: &str) -> Self {
        self.text.insert_str(0, prefix);
        self
    }

    /// Names the field, unless one is named already.
    pub(super) fn at(mut self, field: impl FnOnce() -> String) -> Self {
        if self.field.is_empty() {
            self.field = field();
        }
        self
    }

    /// For our own status: field, line, column, reason and hint, never a value. Empty if there is nothing to say beyond
    /// [`Failure::text`].
    pub fn summary(&self) -> String {
        let Self { text: _, field, position, reason, hint } = self;
        let mut parts = Vec::new();
        if !field.is_empty() {
            parts.push(field.clone());
        }
        if let Some((line, column)) = position {
            parts.push(format!("line {line}, column {column}"));
        }
        parts.extend(reason.clone());
        let mut out = parts.join(": ");
        if let Some(hint) = hint {
            out.push_str("; ");
            out.push_str(hint);
        }
        out
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
