//! The engine of all templates of a process: functions, delimiters, limits, and the parsed templates.
//!
//! Deliberately not here: what is rendered into what (see `scope`), and the language (crate `template`).

use std::sync::{Arc, Mutex, PoisonError};

use template::{Delims, Env, Functions, Limits, MissingKey, Options, ParseError, Value, parse};

use super::TemplateError;
use super::cache::{Cache, Parsed};

/// How many bytes of template text are kept in parsed form.
const KEPT: usize = 8 << 20;

/// Under this name the reference parses the template of a rewrite.
const TRANSFORM: &str = "transform";

/// Made once for a process; workers share it.
#[derive(Debug)]
pub struct Engine {
    functions: Functions,
    delims: Delims,
    strict: Options,
    lax: Options,
    parsed: Mutex<Cache>,
}

impl Engine {
    /// An engine with these functions. `delims` come from the flags `--template-left-delimiter` and
    /// `--template-right-delimiter`; a rewrite's template always has Go's own. `limits` hold for each rendering.
    pub fn new(functions: Functions, delims: Delims, limits: Limits) -> Self {
        let strict = Options { missing_key: MissingKey::Error, limits: limits.clone() };
        let lax = Options { missing_key: MissingKey::Default, limits };
        Self { functions, delims, strict, lax, parsed: Mutex::new(Cache::new(KEPT)) }
    }

    /// Renders `text` as the template `name`; a missing key is an error.
    ///
    /// # Errors
    /// Go's texts, with line and column.
    pub fn render(&self, name: &str, text: &[u8], dot: &Value, env: &Env) -> Result<Vec<u8>, TemplateError> {
        let Ok(text) = std::str::from_utf8(text) else { return Err(TemplateError::Parse(no_text(name, text))) };
        let parsed = self.parsed(false, name, text)?;
        Ok(parsed.template.render(dot, &self.functions, env, &self.strict)?)
    }

    /// The template of a rewrite, ready for all keys; in it a missing key is no error.
    ///
    /// # Errors
    /// Go's text.
    pub fn transform(&self, text: &str) -> Result<Transform<'_>, ParseError> {
        Ok(Transform { engine: self, parsed: self.parsed(true, TRANSFORM, text)? })
    }

    fn parsed(&self, plain: bool, name: &str, text: &str) -> Result<Arc<Parsed>, ParseError> {
        let cache = || self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache().get(plain, name, text) {
            return Ok(found);
        }
        // The lock isn't held meanwhile: two workers may parse the same text, which harms nobody.
        let delims = if plain { &Delims::default() } else { &self.delims };
        let template = parse(name, text, delims, &self.functions)?;
        let parsed = Arc::new(Parsed::new(plain, text, template));
        cache().put(&parsed);
        Ok(parsed)
    }

    /// How many parsed templates are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A rewrite's template, see [`Engine::transform`].
#[derive(Debug)]
pub struct Transform<'e> {
    engine: &'e Engine,
    parsed: Arc<Parsed>,
}

impl Transform<'_> {
    /// Renders it.
    ///
    /// # Errors
    /// Go's text.
    pub fn render(&self, dot: &Value, env: &Env) -> Result<Vec<u8>, template::ExecError> {
        self.parsed.template.render(dot, &self.engine.functions, env, &self.engine.lax)
    }
}

fn no_text(name: &str, text: &[u8]) -> ParseError {
    let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let line = 1 + valid.matches('\n').count();
    let column = 1 + valid.rsplit('\n').next().map_or(0, |last| last.chars().count());
    let text = format!(
        "template: {name}:{line}: the template is not UTF-8; encode what isn't text, and decode it with b64dec"
    );
    ParseError { line, column, text, template: name.to_owned(), function: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn engine(left: &str, right: &str) -> Engine {
        Engine::new(Functions::eso(), Delims { left: left.into(), right: right.into() }, Limits::default())
    }

    fn env() -> Env {
        Env::new(Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7))
    }

    #[test]
    fn a_text_is_parsed_once() {
        let (engine, env) = (engine("{{", "}}"), env());
        let dot = Value::string_map([("a", "1")]);
        for _ in 0..3 {
            assert_eq!(engine.render("k", b"{{ .a }}", &dot, &env).unwrap(), b"1");
        }
        assert_eq!(engine.kept(), 1);
    }

    #[test]
    fn delimiters_hold_for_templates_and_not_for_rewrites() {
        let (engine, env) = (engine("[[", "]]"), env());
        let dot = Value::string_map([("value", "v")]);
        assert_eq!(engine.render("transform", b"[[ .value ]]{{ .value }}", &dot, &env).unwrap(), b"v{{ .value }}");
        let rewrite = engine.transform("[[ .value ]]{{ .value }}{{ .none }}").unwrap();
        assert_eq!(rewrite.render(&dot, &env).unwrap(), b"[[ .value ]]v<no value>");
        assert_eq!(engine.kept(), 2);
    }

    #[test]
    fn a_template_that_is_no_text_is_refused_with_its_place() {
        let error = engine("{{", "}}").render("k", b"a\nb\xff", &Value::Nil, &env()).unwrap_err();
        let TemplateError::Parse(error) = error else { panic!("{error}") };
        assert_eq!((error.line, error.column), (2, 2));
        assert!(error.text.starts_with("template: k:2: the template is not UTF-8"), "{}", error.text);
    }
}
