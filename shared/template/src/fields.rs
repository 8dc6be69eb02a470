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

    /// The keys of the root value that the template names: `.x`, `$.x`, `index . "x"`, also in templates that it calls
    /// with the root. What is looked up by a computed name is not among them.
    pub fn fields_used(&self) -> BTreeSet<String> {
        let mut fields = Fields { template: self, found: BTreeSet::new(), visited: BTreeSet::new() };
        fields.tree(&self.name);
        fields.found
    }
}

struct Fields<'t> {
    template: &'t Template,
    found: BTreeSet<String>,
    visited: BTreeSet<&'t str>,
}

impl<'t> Fields<'t> {
    fn tree(&mut self, name: &str) {
        let Some((name, nodes)) = self.template.trees.get_key_value(name) else { return };
        if self.visited.len() < 100 && self.visited.insert(name) {
            self.nodes(nodes, true);
        }
    }

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
                    self.pipe(pipe, root);
                    if let [Command { args, .. }] = pipe.commands.as_slice()
                        && let [only] = args.as_slice()
                        && is_root(only, root)
                    {
                        self.tree(name);
                    }
                }
            }
        }
    }

    fn pipe(&mut self, pipe: &'t Pipe, root: bool) {
        for command in &pipe.commands {
            for arg in &command.args {
                self.arg(arg, root);
            }
            if let [Arg::Identifier { name, .. }, of, Arg::Str { value: Value::Str(key), .. }, ..] =
                command.args.as_slice()
                && &**name == "index"
                && is_root(of, root)
            {
                self.found.insert(String::from_utf8_lossy(key).into_owned());
            }
        }
    }

    fn arg(&mut self, arg: &'t Arg, root: bool) {
        match arg {
            Arg::Pipe(pipe) => self.pipe(pipe, root),
            Arg::Chain { of, .. } => self.arg(of, root),
            Arg::Field { path, .. } if root => self.found.extend(path.first().map(ToString::to_string)),
            Arg::Variable { path, .. } if path.first().is_some_and(|v| &**v == "$") => {
                self.found.extend(path.get(1).map(ToString::to_string));
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
