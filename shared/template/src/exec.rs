//! The evaluator: a tree and a value in, bytes out, with Go's execution errors.
//!
//! Deliberately not here: the values of pipelines and calls (see `evaluate`), and what functions do (see `builtin` and
//! `sprig`).

use std::fmt;
use std::sync::Arc;

use crate::env::Env;
use crate::error::ExecError;
use crate::function::{Call, Failure, Functions, Limits};
use crate::gofmt::{Printer, show};
use crate::node::{Arg, Branch, Command, Node, Pipe};
use crate::parse::Template;
use crate::text::quoted;
use crate::value::{Type, Value};

mod evaluate;

/// How much stack nested `template` calls may take, in bytes. Go stops at 100,000 calls, with the same text.
const STACK: usize = 384 * 1024;

/// What a missing key of a map means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// `missingkey=default`: no value, printed as `<no value>`.
    Default,
    /// `missingkey=zero`: the zero value of the map's values.
    Zero,
    /// `missingkey=error`: an error, as External Secrets sets it.
    #[default]
    Error,
}

/// How to render.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What a missing key means.
    pub missing_key: MissingKey,
    /// What the rendering may use up.
    pub limits: Limits,
}

impl Template {
    /// Renders with `dot` as the root value.
    ///
    /// # Errors
    ///
    /// Fails with Go's text, and if a limit is reached.
    pub fn render(
        &self,
        dot: &Value,
        functions: &Functions,
        env: &Env,
        options: &Options,
    ) -> Result<Vec<u8>, ExecError> {
        let mut state = State {
            template: self,
            root: dot,
            functions,
            options,
            call: Call::new(env, &options.limits),
            out: Vec::new(),
            vars: vec![("$".into(), Operand::of(dot.clone()))],
            at: At::Nothing,
            tree: &self.name,
            base: here(),
        };
        if let Some(nodes) = self.trees.get(&self.name) {
            state.list(&Operand::of(dot.clone()), nodes).map_err(Stop::into_error)?;
        }
        Ok(state.out)
    }
}

/// Where the stack is: the address of a local. Good for differences only.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}

/// A value, and whether it comes out of a container of `interface {}` so that Go would see that type first.
#[derive(Debug, Clone)]
struct Operand {
    value: Value,
    boxed: bool,
}

impl Operand {
    fn of(value: Value) -> Self {
        Self { value, boxed: false }
    }

    fn element(value: Value, elem: &Type) -> Self {
        Self { value, boxed: *elem == Type::Any }
    }

    /// Nothing at all, as opposed to a nil in a container.
    fn is_invalid(&self) -> bool {
        !self.boxed && matches!(self.value, Value::Nil)
    }

    fn type_text(&self) -> String {
        if self.boxed { Type::Any.to_string() } else { self.value.type_text() }
    }
}

#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Arg(&'t Arg),
}

impl At<'_> {
    fn pos(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Node(n) => n.pos(),
            Self::Pipe(p) => p.pos,
            Self::Command(c) => c.pos,
            Self::Arg(a) => a.pos(),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Node(n) => n.fmt(f),
            Self::Pipe(p) => p.fmt(f),
            Self::Command(c) => c.fmt(f),
            Self::Arg(a) => a.fmt(f),
        }
    }
}

enum Stop {
    Error(Box<ExecError>),
    Break,
    Continue,
}

impl Stop {
    fn into_error(self) -> ExecError {
        match self {
            Self::Error(error) => *error,
            // The parser refuses them outside of a range.
            Self::Break | Self::Continue => ExecError {
                line: 0,
                column: 0,
                text: "break or continue outside range".into(),
                template: String::new(),
                missing_key: None,
                of_root: false,
                function: None,
            },
        }
    }
}

type Done<T> = Result<T, Stop>;

struct State<'t, 'e> {
    template: &'t Template,
    root: &'e Value,
    functions: &'t Functions,
    options: &'e Options,
    call: Call<'e>,
    out: Vec<u8>,
    vars: Vec<(Arc<str>, Operand)>,
    at: At<'t>,
    tree: &'t str,
    base: usize,
}

/// What a command gets from the pipeline before it.
type Last = Option<Operand>;

impl<'t> State<'t, '_> {
    fn error<T>(&self, text: &str) -> Done<T> {
        Err(Stop::Error(Box::new(self.fault(text))))
    }

    fn fault(&self, text: &str) -> ExecError {
        let pos = self.at.pos();
        let before = self.template.text.get(..pos).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(pos, |at| pos - at - 1);
        let text = format!(
            "template: {}:{line}:{column}: executing {} at <{}>: {text}",
            self.template.name,
            quoted(self.tree.as_bytes()),
            self.at
        );
        let template = self.template.name.clone();
        ExecError { line, column, text, template, missing_key: None, of_root: false, function: None }
    }

    fn within<T>(&self, result: Result<T, Failure>) -> Done<T> {
        match result {
            Ok(value) => Ok(value),
            Err(Failure(text)) => self.error(&text),
        }
    }

    fn step(&mut self) -> Done<()> {
        let result = self.call.step(1);
        self.within(result)
    }

    fn write(&mut self, bytes: &[u8]) -> Done<()> {
        if self.out.len() + bytes.len() > self.options.limits.output {
            return self.too_much_output();
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn too_much_output<T>(&self) -> Done<T> {
        let limit = self.options.limits.output;
        self.error(&format!("the output exceeds {limit} bytes; make it smaller"))
    }

    fn list(&mut self, dot: &Operand, nodes: &'t [Node]) -> Done<()> {
        nodes.iter().try_for_each(|node| self.walk(dot, node))
    }

    fn walk(&mut self, dot: &Operand, node: &'t Node) -> Done<()> {
        self.at = At::Node(node);
        self.step()?;
        match node {
            Node::Text { text, .. } => self.write(text.as_bytes()),
            Node::Action { pipe, .. } => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.decl.is_empty() {
                    self.at = At::Node(node);
                    self.print(node, &value)?;
                }
                Ok(())
            }
            Node::If(branch) => self.branch(dot, branch, false),
            Node::With(branch) => self.branch(dot, branch, true),
            Node::Range(branch) => self.range(dot, branch),
            Node::Template { name, pipe, .. } => self.template(dot, name, pipe.as_ref()),
            Node::Break { .. } => Err(Stop::Break),
            Node::Continue { .. } => Err(Stop::Continue),
        }
    }

    fn print(&mut self, node: &Node, operand: &Operand) -> Done<()> {
        match &operand.value {
            Value::Nil => self.write(if operand.boxed { b"<nil>" } else { b"<no value>" }),
            Value::Str(s) => self.write(s),
            Value::Func(_) => self.error(&format!("can't print {node} of type {}", operand.type_text())),
            value => {
                let mut printer = Printer::new(self.options.limits.output.saturating_sub(self.out.len()));
                printer.print(std::slice::from_ref(value));
                if printer.overflow {
                    return self.too_much_output();
                }
                self.write(&printer.out)
            }
        }
    }

    fn branch(&mut self, dot: &Operand, branch: &'t Branch, with: bool) -> Done<()> {
        let mark = self.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        if value.value.truth() {
            self.list(if with { &value } else { dot }, &branch.list)?;
        } else if let Some(other) = &branch.other {
            self.list(dot, other)?;
        }
        self.vars.truncate(mark);
        Ok(())
    }

    fn range(&mut self, dot: &Operand, branch: &'t Branch) -> Done<()> {
        let outer = self.vars.len();
        let operand = self.pipeline(dot, &branch.pipe)?;
        let mut count = 0_u64;
        let two = branch.pipe.decl.len() > 1;
        match &operand.value {
            Value::List(list) => {
                for (i, item) in list.items().iter().enumerate() {
                    count += 1;
                    let index = Operand::of(Value::int(i64::try_from(i).unwrap_or(i64::MAX)));
                    if !self.once(branch, index, Operand::element(item.clone(), list.elem()))? {
                        break;
                    }
                }
            }
            Value::Int(..) | Value::Uint(..) => {
                if two {
                    let shown = show(&operand.value);
                    return self.error(&format!("can't use {shown} to iterate over more than one variable"));
                }
                let end = match &operand.value {
                    Value::Int(_, n) => u64::try_from(*n).unwrap_or(0),
                    Value::Uint(_, n) => *n,
                    _ => 0,
                };
                while count < end {
                    let element = match &operand.value {
                        Value::Uint(kind, _) => Value::Uint(*kind, count),
                        Value::Int(kind, _) => Value::Int(*kind, i64::try_from(count).unwrap_or(i64::MAX)),
                        _ => Value::Nil,
                    };
                    count += 1;
                    if !self.once(branch, Operand::of(Value::Nil), Operand::of(element))? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map.entries() {
                    count += 1;
                    let key = Operand::of(Value::Str(key));
                    if !self.once(branch, key, Operand::element(value, map.elem()))? {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => {
                let shown = show(other);
                return self.error(&format!("range can't iterate over {shown}"));
            }
        }
        if count == 0
            && let Some(other) = &branch.other
        {
            self.list(dot, other)?;
        }
        self.vars.truncate(outer);
        Ok(())
    }

    /// One round of a range; false after a break.
    fn once(&mut self, branch: &'t Branch, index: Operand, element: Operand) -> Done<bool> {
        self.step()?;
        let mark = self.vars.len();
        let decl = &branch.pipe.decl;
        match (decl.as_slice(), branch.pipe.assign) {
            ([], _) => {}
            ([one], true) => self.assign(one, element.clone())?,
            ([first, second, ..], true) => {
                self.assign(first, index)?;
                self.assign(second, element.clone())?;
            }
            (many, false) => {
                if let Some(top) = mark.checked_sub(1).and_then(|i| self.vars.get_mut(i)) {
                    top.1 = element.clone();
                }
                if many.len() > 1
                    && let Some(second) = mark.checked_sub(2).and_then(|i| self.vars.get_mut(i))
                {
                    second.1 = index;
                }
            }
        }
        let result = self.list(&element, &branch.list);
        self.vars.truncate(mark);
        match result {
            Ok(()) | Err(Stop::Continue) => Ok(true),
            Err(Stop::Break) => Ok(false),
            Err(Stop::Error(error)) => Err(Stop::Error(error)),
        }
    }

    fn template(&mut self, dot: &Operand, name: &str, pipe: Option<&'t Pipe>) -> Done<()> {
        let Some((name, nodes)) = self.template.trees.get_key_value(name) else {
            return self.error(&format!("template {} not defined", quoted(name.as_bytes())));
        };
        if self.base.abs_diff(here()) > STACK {
            return self.error("exceeded maximum template depth (100000)");
        }
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Operand::of(Value::Nil),
        };
        let vars = std::mem::replace(&mut self.vars, vec![("$".into(), dot.clone())]);
        let tree = std::mem::replace(&mut self.tree, name);
        self.list(&dot, nodes)?;
        self.vars = vars;
        self.tree = tree;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Operand) -> Done<()> {
        match self.vars.iter_mut().rev().find(|(n, _)| &**n == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.error(&format!("undefined variable: {name}")),
        }
    }
}
