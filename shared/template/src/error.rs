//! What goes wrong with a template: Go's text, the place, who is to blame, and a hint at what was meant.
//!
//! Deliberately not here: where errors come from (see `parse` and `exec`). Nothing here holds a value, but a text does
//! where Go's does (`fail`, comparisons of maps), so callers decide who may see it.

use crate::names::KNOWN;

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
    /// The key of the root value that is missing.
    fn missing_key(&self) -> Option<&str>;
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
        self.missing_key.as_deref().filter(|_| self.of_root)
    }

    fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }
}

/// What was probably meant, given the keys of the root value: `did you mean .password?`,
/// `did you mean the function "b64enc"?`.
pub fn hint<'k>(error: &impl Fault, keys: impl IntoIterator<Item = &'k str>) -> Option<String> {
    if let Some(missing) = error.missing_key() {
        let keys: Vec<&str> = keys.into_iter().collect();
        // `.tls.crt` asks for `tls`, where the key is `tls.crt`.
        let longer = || keys.iter().copied().find(|key| key.strip_prefix(missing).is_some_and(|k| k.starts_with('.')));
        return closest(missing, keys.iter().copied())
            .or_else(longer)
            .map(|key| format!("did you mean {}?", read(key)));
    }
    if error.text().contains("bad character U+002D '-'") {
        return Some("a key with a hyphen is read with index, as in {{ index . \"my-key\" }}".into());
    }
    let function = error.function().filter(|name| KNOWN.binary_search(name).is_err())?;
    closest(function, KNOWN.iter().copied()).map(|name| format!("did you mean the function \"{name}\"?"))
}

/// How a template reads a key.
fn read(key: &str) -> String {
    let plain = key.chars().all(|c| c == '_' || c.is_alphanumeric()) && !key.is_empty();
    if plain { format!(".{key}") } else { format!("(index . {})", crate::text::quoted(key.as_bytes())) }
}

/// The nearest name, if it is near: letters in another case or punctuation count for nothing, and up to a third of the
/// letters may be wrong. The first of equals in order.
fn closest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let bare =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let wanted_bare = bare(wanted);
    let allowed = match wanted_bare.chars().count() {
        0 | 1 => 0,
        2..=5 => 1,
        n => n / 3,
    };
    let near = names.into_iter().filter(|name| name.len() <= 256 && wanted.len() <= 256).filter_map(|name| {
        let distance = strsim::osa_distance(&wanted_bare, &bare(name));
        (distance <= allowed).then(|| (distance, strsim::osa_distance(wanted, name), name))
    });
    near.min().map(|(_, _, name)| name)
}
