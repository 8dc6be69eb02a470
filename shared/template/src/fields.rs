//! Which keys of the root value a template names, and which keys below those.
//!
//! Deliberately not here: whether they are there (see `exec`).

use std::collections::BTreeSet;
use std::sync::Arc;

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
        self.fields().uses
    }

    /// Whether the template may read the key `member` of the root value's key `field`. It certainly doesn't if this is
    /// false; it is true too for a template that looks up computed names there.
    pub fn may_read(&self, field: &str, member: &str) -> bool {
        let Fields { uses, members, met: _, waiting: _ } = self.fields();
        let has = |member| members.contains(&(field.to_owned(), member));
        uses.whole || has(None) || has(Some(member.to_owned()))
    }

    fn fields(&self) -> Fields<'_> {
        let uses = Uses { fields: BTreeSet::new(), whole: false };
        let (members, met) = (BTreeSet::new(), BTreeSet::from([&*self.name]));
        let mut fields = Fields { uses, members, met, waiting: vec![&self.name] };
        // One after the other: a chain of templates that each nest deep would take the stack.
        while let Some(name) = fields.waiting.pop() {
            fields.nodes(self.trees.get(name).map_or(&[], |nodes| nodes), true);
        }
        fields
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
    /// Keys of the root value with a key below each; none where the value is taken as a whole.
    members: BTreeSet<(String, Option<String>)>,
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
            {
                let key = String::from_utf8_lossy(key).into_owned();
                if is_root(of, root) {
                    self.take(&key, rest.first().and_then(literal));
                    args = rest;
                } else if let Some([field]) = below_root(of, root) {
                    self.take(field, Some(key));
                    args = rest;
                }
            }
            for arg in args {
                self.arg(arg, root);
            }
        }
    }

    fn take(&mut self, field: &str, member: Option<String>) {
        self.uses.fields.insert(field.to_owned());
        self.members.insert((field.to_owned(), member));
    }

    fn arg(&mut self, arg: &'t Arg, root: bool) {
        self.uses.whole |= is_root(arg, root);
        if let Some([field, rest @ ..]) = below_root(arg, root) {
            self.take(field, rest.first().map(ToString::to_string));
        }
        match arg {
            Arg::Pipe(pipe) => self.pipe(pipe, root),
            Arg::Chain { of, .. } => self.arg(of, root),
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

/// The keys that lead from the root value to what is meant.
fn below_root(arg: &Arg, root: bool) -> Option<&[Arc<str>]> {
    match arg {
        Arg::Field { path, .. } if root => Some(path),
        Arg::Variable { path, .. } => match path.as_slice() {
            [variable, keys @ ..] if &**variable == "$" => Some(keys),
            _ => None,
        },
        _ => None,
    }
}

fn literal(arg: &Arg) -> Option<String> {
    match arg {
        Arg::Str { value: Value::Str(text), .. } => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

fn is_root(arg: &Arg, root: bool) -> bool {
    match arg {
        Arg::Dot { .. } => root,
        Arg::Variable { path, .. } => path.len() == 1 && path.first().is_some_and(|v| &**v == "$"),
        _ => false,
    }
}
