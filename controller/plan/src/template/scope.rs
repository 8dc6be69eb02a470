//! One template into one target: the scopes Values and KeysAndValues, decoding, and the texts around them.
//!
//! Deliberately not here: in which order templates come (see `secret` and `generic`), and what a target does with what it
//! is given (see [`Output`]).

use std::cell::Cell;

use api::DecodingStrategy;
use secret::{SecretBytes, SecretMap};
use template::{Env, Value};

use super::{Engine, Failure};
use crate::decode;

/// How many bytes the templates of one target may make together. A Secret holds 1 MiB, but a manifest may have thousands of
/// templates that make that much each.
const LARGEST: usize = 16 << 20;

/// What a template writes into. `target` is the `target` of `templateFrom`; `Data`, `Labels` and `Annotations` are known in
/// any case.
pub trait Output {
    /// Puts a rendered value under `key`, or, where `target` is a path, at that path.
    ///
    /// # Errors
    /// Why the target can't take it; the reference's text.
    fn put(&mut self, target: &str, key: &str, value: SecretBytes) -> Result<(), String>;

    /// Puts parsed YAML at a path.
    ///
    /// # Errors
    /// As [`Output::put`].
    fn put_parsed(&mut self, path: &str, parsed: serde_json::Value) -> Result<(), String>;
}

/// The targets that are no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Data,
    Labels,
    Annotations,
}

impl Known {
    pub(super) fn of(target: &str) -> Option<Self> {
        let known = [(Self::Data, "data"), (Self::Labels, "labels"), (Self::Annotations, "annotations")];
        known.into_iter().find(|(_, name)| target.eq_ignore_ascii_case(name)).map(|(known, _)| known)
    }
}

/// The data and the engine with which templates are rendered.
#[derive(Debug)]
pub struct Job<'a> {
    engine: &'a Engine,
    env: &'a Env,
    data: &'a SecretMap,
    dot: Value,
    made: Cell<usize>,
}

impl<'a> Job<'a> {
    /// Dot is the map of `data`.
    pub fn new(data: &'a SecretMap, engine: &'a Engine, env: &'a Env) -> Self {
        let dot = Value::string_map(data.iter().map(|(key, value)| (key, value.expose())));
        Self { engine, env, data, dot, made: Cell::new(0) }
    }

    /// Scope `Values`: renders `text` and puts the decoded result under `key`.
    ///
    /// # Errors
    /// The reference's texts, which may show values; whoever reports them takes them out.
    pub fn value(
        &self,
        key: &str,
        text: &[u8],
        target: &str,
        decoding: Option<DecodingStrategy>,
        output: &mut dyn Output,
    ) -> Result<(), Failure> {
        let made = self.made(key, text)?;
        let made = decode::value(decoding, made.into()).map_err(|why| undecoded(key, &why))?;
        output.put(target, key, made).map_err(unapplied)
    }

    /// Scope `KeysAndValues`: renders `text` to YAML. For a known target that is a map of strings, of which each pair is
    /// decoded and put; for a path it is any value, which goes there.
    ///
    /// # Errors
    /// As [`Job::value`].
    pub fn pairs(
        &self,
        text: &[u8],
        target: &str,
        decoding: Option<DecodingStrategy>,
        output: &mut dyn Output,
    ) -> Result<(), Failure> {
        // The reference names the template by its own text.
        let made = self.made(&String::from_utf8_lossy(text), text)?;
        if Known::of(target).is_none() {
            let parsed = goyaml::parse(&made).map_err(|error| format!("could not unmarshal template YAML: {error}"))?;
            return Ok(output.put_parsed(target, parsed)?);
        }
        let pairs = goyaml::parse_string_map(&made)
            .map_err(|error| format!("could not unmarshal template to 'map[string][]byte': {error}"))?;
        for (key, value) in pairs {
            let value = decode::value(decoding, value.into()).map_err(|why| undecoded(&key, &why))?;
            output.put(target, &key, value).map_err(unapplied)?;
        }
        Ok(())
    }

    fn made(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, Failure> {
        let prefix = || format!("unable to execute template at key {name}: ");
        let made = self.engine.render(name, text, &self.dot, self.env).map_err(|error| {
            let advice = error.hint(self.data.keys().map(String::as_str));
            Failure::of_template(name, &error, advice).within(&prefix())
        })?;
        self.made.set(self.made.get() + made.len());
        if self.made.get() > LARGEST {
            let why = format!("the templates of one target make more than {LARGEST} bytes; make them smaller");
            return Err(Failure::new(why).within(&prefix()));
        }
        Ok(made)
    }
}

fn undecoded(key: &str, why: &str) -> Failure {
    Failure::new(format!("failed to decode rendered template value for key {key}: {why}"))
}

fn unapplied(why: String) -> Failure {
    Failure::new(why).within("failed to apply to target: ")
}
