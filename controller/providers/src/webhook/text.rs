//! One template of the settings: parsed once, rendered for each request.
//!
//! Deliberately not here: which values it gets (`request.rs`), and the language (crate `template`).

use provider::{Error, ErrorKind};
use template::{Delims, Env, ExecError, Limits, MissingKey, Options, Template, Uses, Value, parse};

use super::functions;

/// Under this name the reference parses all of them.
const NAME: &str = "webhooktemplate";
/// What Go prints for a value that isn't there.
const NO_VALUE: &[u8] = b"<no value>";
/// Members of `.remoteRef` come with the request; all else lies in the store.
pub(super) const REFERENCE: &str = "remoteRef";

/// A template with the setting that it comes from.
#[derive(Debug)]
pub(super) struct Text {
    /// What errors call it: `url`, `header X`.
    what: String,
    /// The setting, such as `spec.provider.webhook.headers[X]`.
    field: String,
    template: Template,
    /// What it reads.
    uses: Uses,
    options: Options,
}

impl Text {
    /// Parses it.
    ///
    /// # Errors
    /// `Invalid` with Go's text, `failed to parse <what>: template: webhooktemplate:1: …`.
    pub(super) fn parse(what: &str, field: &str, text: &str, limits: Limits) -> Result<Self, Error> {
        let template = parse(NAME, text, &Delims::default(), functions()).map_err(|error| {
            let text = format!("failed to parse {what}: {error}; check {field}");
            Error::new(ErrorKind::Invalid, "Open", text)
        })?;
        // As in the reference, which sets no option.
        let options = Options { missing_key: MissingKey::Default, limits };
        let uses = template.uses();
        Ok(Self { what: what.to_owned(), field: field.to_owned(), template, uses, options })
    }

    /// The setting's name.
    pub(super) fn field(&self) -> &str {
        &self.field
    }

    /// Whether it may read `.remoteRef.<member>`.
    pub(super) fn reads(&self, member: &str) -> bool {
        self.template.may_read(REFERENCE, member)
    }

    /// Whether it may read anything of the reference.
    pub(super) fn reads_reference(&self) -> bool {
        self.uses.whole || self.uses.fields.contains(REFERENCE)
    }

    /// The names of Secrets that it reads.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &String> {
        self.uses.fields.iter().filter(|field| *field != REFERENCE)
    }

    /// Whether what it gives may be made of Secrets.
    pub(super) fn tells_secrets(&self) -> bool {
        self.uses.whole || self.secrets().next().is_some()
    }

    /// Renders it.
    ///
    /// # Errors
    /// `Invalid`; place and cause without any value.
    pub(super) fn render(&self, data: &Value, env: &Env, operation: &'static str) -> Result<Vec<u8>, Error> {
        self.template
            .render(data, functions(), env, &self.options)
            .map_err(|error| self.failed(&in_short(&error), operation))
    }

    /// As [`Text::render`], for where a missing value can't be meant.
    ///
    /// # Errors
    /// Also if a value that the template prints isn't there.
    pub(super) fn render_whole(&self, data: &Value, env: &Env, operation: &'static str) -> Result<Vec<u8>, Error> {
        let out = self.render(data, env, operation)?;
        if out.windows(NO_VALUE.len()).any(|window| window == NO_VALUE) {
            return Err(self.failed("it uses a value that isn't there", operation));
        }
        Ok(out)
    }

    /// What went wrong with what the template gives.
    pub(super) fn failed(&self, why: &str, operation: &'static str) -> Error {
        let Self { what, field, template: _, uses: _, options: _ } = self;
        Error::new(ErrorKind::Invalid, operation, format!("failed to parse {what}: {why}; check {field}"))
    }
}

/// Go's own texts may quote values.
fn in_short(error: &ExecError) -> String {
    let ExecError { line, column, text, template: _, missing_key: _, of_root: _, function } = error;
    let why = match function {
        Some(function) => format!("{function} failed"),
        // The budget's texts hold nothing but numbers.
        None if text.contains("; make it smaller") => {
            "it takes too long or produces too much; make it smaller".to_owned()
        }
        None => "it can't be executed".to_owned(),
    };
    format!("template: {NAME}:{line}:{column}: {why}")
}
