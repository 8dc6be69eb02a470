//! Functions that templates call: their Go signatures, the set of them, and what a call may use up.
//!
//! Deliberately not here: the functions themselves (see `builtin`, `sprig` and `eso`) and the checks of arguments (see `exec`).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use goregexp::Regexp;

use crate::env::Env;
use crate::names::Names;
use crate::value::{Map, Type, Value};

/// Why a call failed; the template's error is `error calling NAME: ` and this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What a function gives back.
pub type Answer = Result<Value, Failure>;

/// A function with its Go signature. The evaluator checks count and types of arguments before it calls.
#[derive(Clone, Copy)]
pub struct Function {
    /// The name in templates.
    pub name: &'static str,
    /// The parameters; the last one repeats if `variadic`.
    pub params: &'static [Type],
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// The code; it is handed as many arguments as the signature allows.
    pub call: fn(&mut Call<'_>, &[Value]) -> Answer,
}

impl Function {
    pub(crate) const fn new(
        name: &'static str,
        params: &'static [Type],
        call: fn(&mut Call<'_>, &[Value]) -> Answer,
    ) -> Self {
        Self { name, params, variadic: false, call }
    }

    pub(crate) const fn variadic(
        name: &'static str,
        params: &'static [Type],
        call: fn(&mut Call<'_>, &[Value]) -> Answer,
    ) -> Self {
        Self { name, params, variadic: true, call }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

/// A set of functions by name.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    by_name: HashMap<&'static str, Function>,
}

impl Functions {
    /// Go's built-in functions alone.
    pub fn builtin() -> Self {
        let mut functions = Self::default();
        functions.extend(crate::builtin::TABLE);
        functions
    }

    /// Go's built-in functions and sprig's; sprig's `slice` hides Go's.
    pub fn sprig() -> Self {
        let mut functions = Self::builtin();
        for table in crate::sprig::TABLES {
            functions.extend(table);
        }
        functions
    }

    /// All that a template of External Secrets Operator may call: sprig's functions and the operator's own.
    pub fn eso() -> Self {
        let mut functions = Self::sprig();
        for table in crate::eso::TABLES {
            functions.extend(table);
        }
        functions
    }

    /// Adds functions; a later one hides an earlier one of the same name.
    pub fn extend(&mut self, functions: &[Function]) {
        self.by_name.extend(functions.iter().map(|f| (f.name, *f)));
    }

    /// The function of a name.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<&'static str> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names.into_iter()
    }
}

impl Names for Functions {
    fn defines(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

/// What one rendering may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Nodes evaluated and elements visited; slow functions, such as `genCA` and `bcrypt`, count for thousands.
    pub steps: u64,
    /// Bytes of output.
    pub output: usize,
    /// Bytes that functions produce on the way, lists counted by 32 bytes an element.
    pub produced: usize,
    /// How deep lists and maps may nest.
    pub depth: u32,
}

impl Default for Limits {
    /// Two million steps, 1 MiB of output, 16 MiB produced on the way, 200 levels.
    fn default() -> Self {
        Self { steps: 2_000_000, output: 1 << 20, produced: 16 << 20, depth: 200 }
    }
}

/// How many bytes of patterns are kept, and what each may take on top of its program once it searches.
const MAX_HELD: usize = 16 << 20;
const SEARCHED: usize = 1 << 20;

/// What a function has at hand while it runs: clock and chance, and the budget.
#[derive(Debug)]
pub struct Call<'e> {
    /// Clock and chance.
    pub env: &'e Env,
    pub(crate) limits: &'e Limits,
    pub(crate) steps: u64,
    pub(crate) produced: usize,
    /// Maps that were changed after they were made. They may hold each other in circles, so they are emptied at the end.
    changed: Vec<Map>,
    /// Patterns that were compiled already, and how many bytes they take.
    patterns: BTreeMap<Vec<u8>, Regexp>,
    held: usize,
}

impl<'e> Call<'e> {
    pub(crate) fn new(env: &'e Env, limits: &'e Limits) -> Self {
        Self { env, limits, steps: 0, produced: 0, changed: Vec::new(), patterns: BTreeMap::new(), held: 0 }
    }

    /// Counts `bytes` that are about to be produced.
    ///
    /// # Errors
    ///
    /// Fails if they exceed what a rendering may produce.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Failure> {
        self.produced = self.produced.saturating_add(bytes);
        if self.produced > self.limits.produced {
            return Err(Failure(format!(
                "the template produces more than {} bytes on the way; make it smaller",
                self.limits.produced
            )));
        }
        Ok(())
    }

    /// Counts `count` steps.
    ///
    /// # Errors
    ///
    /// Fails if a rendering may not take as many.
    pub fn step(&mut self, count: u64) -> Result<(), Failure> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > self.limits.steps {
            return Err(Failure(format!("the template takes more than {} steps; make it smaller", self.limits.steps)));
        }
        Ok(())
    }

    /// How many bytes may still be produced.
    pub(crate) fn room(&self) -> usize {
        self.limits.produced.saturating_sub(self.produced)
    }

    /// Sets a key of a map that a template may hold elsewhere.
    ///
    /// # Errors
    ///
    /// Fails on a nil map, and if containers would nest too deep.
    pub fn set(&mut self, map: &Map, key: &[u8], value: Value) -> Result<(), Failure> {
        if map.is_nil() {
            return Err("assignment to entry in nil map".into());
        }
        if value.depth() >= self.limits.depth {
            return Err(self.too_deep());
        }
        self.charge(64 + key.len())?;
        if !self.changed.last().is_some_and(|m| m.is(map)) {
            self.changed.push(map.clone());
        }
        map.insert(key.into(), value);
        Ok(())
    }

    /// A Go pattern, compiled once. Counted repetitions and classes take long to compile, so they count for more.
    pub(crate) fn pattern(&mut self, pattern: &[u8]) -> Result<Result<Regexp, String>, Failure> {
        if let Some(regexp) = self.patterns.get(pattern) {
            return Ok(Ok(regexp.clone()));
        }
        let costly = pattern.iter().any(|b| matches!(b, b'{' | b'p' | b'P'));
        self.charge(if costly { 128 << 10 } else { 4 << 10 })?;
        let compiled = goregexp::compile(pattern).map_err(|error| error.to_string());
        if let Ok(regexp) = &compiled {
            let size = regexp.size().saturating_add(SEARCHED);
            self.held = self.held.saturating_add(size);
            if self.held > MAX_HELD {
                self.patterns.clear();
                self.held = size;
            }
            self.patterns.insert(pattern.to_vec(), regexp.clone());
        }
        Ok(compiled)
    }

    pub(crate) fn too_deep(&self) -> Failure {
        Failure(format!("lists and maps nest deeper than {} levels; make them flatter", self.limits.depth))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        for map in &self.changed {
            map.clear();
        }
    }
}
