//! Which keys of the root value a template names.
//!
//! Deliberately not here: whether they are there (see `exec`).

use std::collections::BTreeSet;

use crate::node::{Arg, Command, Node, Pipe};
use crate::parse::Template;
use crate::value::Value;

impl Template {
    /// The name that it was parsed under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the template reads of the root value, also in templates that it calls with it.
    pub fn uses(&self) -> Uses {
        let uses = Uses { fields: BTreeSet::new(), whole: false };
        let mut fields = Fields { uses, met: BTreeSet::from([&*self.name]), waiting: vec![&self.name] };
        // One after the other: a chain of templates that each nest deep would take the stack.
        while let Some(name) = fields.waiting.pop() {
            fields.nodes(self.trees.get(name).map_or(&[], |nodes| nodes), true);
        }
        fields.uses
    }
}

/// What a template reads of the root value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The keys that it names: `.x`, `$.x`, `index . "x"`.
    pub fields: BTreeSet<String>,
    /// Whether it takes the root as a whole, to range over, to look up computed names in or to hand on: then it may read
    /// any key.
    pub whole: bool,
}

struct Fields<'t> {
    uses: Uses,
    /// The templates that get the root value, and those of them that weren't looked at yet.
    met: BTreeSet<&'t str>,
    waiting: Vec<&'t str>,
}

impl<'t> Fields<'t> {
    /// `root`: dot is the root value here.
    fn nodes(&mut self, nodes: &'t [Node], root: bool) {
        for node in nodes {
            match node {
                Node::Text { .. } | Node::Break { .. } | Node::Continue { .. } => {}
                Node::Action { pipe, .. } => self.pipe(pipe, root),
                Node::If(b) => {
                    self.pipe(&b.pipe, root);
                    self.nodes(&b.list, root);
                    self.nodes(b.other.as_deref().unwrap_or_default(), root);
                }
                Node::With(b) | Node::Range(b) => {
                    self.pipe(&b.pipe, root);
                    self.nodes(&b.list, false);
                    self.nodes(b.other.as_deref().unwrap_or_default(), root);
                }
                Node::Template { name, pipe, .. } => {
                    let Some(pipe) = pipe else { continue };
                    if let [Command { args, .. }] = pipe.commands.as_slice()
                        && let [only] = args.as_slice()
                        && is_root(only, root)
                    {
                        if self.met.insert(name) {
                            self.waiting.push(name);
                        }
                    } else {
                        self.pipe(pipe, root);
                    }
                }
            }
        }
    }

    fn pipe(&mut self, pipe: &'t Pipe, root: bool) {
        for command in &pipe.commands {
            let mut args = command.args.as_slice();
            if let [Arg::Identifier { name, .. }, of, Arg::Str { value: Value::Str(key), .. }, rest @ ..] = args
                && &**name == "index"
                && is_root(of, root)
            {
                self.uses.fields.insert(String::from_utf8_lossy(key).into_owned());
                args = rest;
            }
            for arg in args {
                self.arg(arg, root);
            }
        }
    }

    fn arg(&mut self, arg: &'t Arg, root: bool) {
        self.uses.whole |= is_root(arg, root);
        match arg {
            Arg::Pipe(pipe) => self.pipe(pipe, root),
            Arg::Chain { of, .. } => self.arg(of, root),
            Arg::Field { path, .. } if root => self.uses.fields.extend(path.first().map(ToString::to_string)),
            Arg::Variable { path, .. } if path.first().is_some_and(|v| &**v == "$") => {
                self.uses.fields.extend(path.get(1).map(ToString::to_string));
            }
            Arg::Field { .. }
            | Arg::Variable { .. }
            | Arg::Identifier { .. }
            | Arg::Dot { .. }
            | Arg::Nil { .. }
            | Arg::Bool { .. }
            | Arg::Number { .. }
            | Arg::Str { .. } => {}
        }
    }
}

fn is_root(arg: &Arg, root: bool) -> bool {
    match arg {
        Arg::Dot { .. } => root,
        Arg::Variable { path, .. } => path.len() == 1 && path.first().is_some_and(|v| &**v == "$"),
        _ => false,
    }
}
