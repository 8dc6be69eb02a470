//! The evaluator: a tree and a value in, bytes out, with Go's execution errors.
//!
//! Deliberately not here: what functions do (see `builtin` and `sprig`).

use std::fmt;
use std::sync::Arc;

use crate::builtin;
use crate::env::Env;
use crate::function::{Call, Failure, Function, Functions, Limits};
use crate::gofmt::{Printer, show};
use crate::node::{Arg, Branch, Command, Node, Number, Pipe};
use crate::parse::Template;
use crate::text::quoted;
use crate::value::{Type, Value};

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
    /// The key that the data lacks, if that is what failed.
    pub missing_key: Option<String>,
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
            Self::Break | Self::Continue => {
                ExecError { line: 0, column: 0, text: "break or continue outside range".into(), missing_key: None }
            }
        }
    }
}

type Done<T> = Result<T, Stop>;

struct State<'t, 'e> {
    template: &'t Template,
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
        self.error_with(text, None)
    }

    fn error_with<T>(&self, text: &str, missing_key: Option<String>) -> Done<T> {
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
        Err(Stop::Error(Box::new(ExecError { line, column, text, missing_key })))
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

    fn pipeline(&mut self, dot: &Operand, pipe: &'t Pipe) -> Done<Operand> {
        self.at = At::Pipe(pipe);
        let mut last: Last = None;
        for command in &pipe.commands {
            let mut value = self.command(dot, command, last)?;
            value.boxed = false;
            last = Some(value);
        }
        let value = last.unwrap_or_else(|| Operand::of(Value::Nil));
        for name in &pipe.decl {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Operand, command: &'t Command, last: Last) -> Done<Operand> {
        self.step()?;
        let Some((first, rest)) = command.args.split_first() else { return Ok(Operand::of(Value::Nil)) };
        match first {
            Arg::Field { path, .. } => {
                self.at = At::Arg(first);
                return self.fields(dot, dot.clone(), At::Arg(first), path, rest, last);
            }
            Arg::Chain { of, path, .. } => {
                let of = self.chain_head(dot, first, of)?;
                return self.fields(dot, of, At::Arg(first), path, rest, last);
            }
            Arg::Identifier { name, .. } => {
                self.at = At::Arg(first);
                return self.function(dot, name, At::Command(command), rest, last);
            }
            Arg::Pipe(pipe) => {
                self.no_arguments(first, rest, &last)?;
                return self.pipeline(dot, pipe);
            }
            Arg::Variable { path, .. } => return self.variable(dot, first, path, rest, last),
            Arg::Dot { .. } | Arg::Nil { .. } | Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => {}
        }
        self.at = At::Arg(first);
        self.no_arguments(first, rest, &last)?;
        match first {
            Arg::Dot { .. } => Ok(dot.clone()),
            Arg::Nil { .. } => self.error("nil is not a command"),
            _ => self.literal(dot, first),
        }
    }

    fn no_arguments(&self, first: &Arg, rest: &[Arg], last: &Last) -> Done<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(&format!("can't give argument to non-function {first}"))
    }

    fn chain_head(&mut self, dot: &Operand, chain: &'t Arg, of: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(chain);
        if matches!(of, Arg::Nil { .. }) {
            return self.error(&format!("indirection through explicit nil in {chain}"));
        }
        self.bare(dot, of)
    }

    fn variable(
        &mut self,
        dot: &Operand,
        node: &'t Arg,
        path: &'t [Arc<str>],
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        self.at = At::Arg(node);
        let Some((name, fields)) = path.split_first() else { return Ok(Operand::of(Value::Nil)) };
        let found = self.vars.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let Some(value) = found else { return self.error(&format!("undefined variable: {name}")) };
        if fields.is_empty() {
            self.no_arguments(node, args, &last)?;
            return Ok(value);
        }
        self.fields(dot, value, At::Arg(node), fields, args, last)
    }

    fn fields(
        &mut self,
        dot: &Operand,
        mut receiver: Operand,
        node: At<'t>,
        path: &'t [Arc<str>],
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        let Some((name, before)) = path.split_last() else { return Ok(receiver) };
        for name in before {
            receiver = self.field(dot, name, node, &[], None, receiver)?;
        }
        self.field(dot, name, node, args, last, receiver)
    }

    fn field(
        &mut self,
        dot: &Operand,
        name: &str,
        node: At<'t>,
        args: &'t [Arg],
        last: Last,
        receiver: Operand,
    ) -> Done<Operand> {
        if receiver.is_invalid() {
            if self.options.missing_key == MissingKey::Error {
                return self.error(&format!("nil data; no entry for key {}", quoted(name.as_bytes())));
            }
            return Ok(Operand::of(Value::Nil));
        }
        match &receiver.value {
            Value::Nil => return self.error(&format!("nil pointer evaluating {}.{name}", receiver.type_text())),
            Value::Object(object) => {
                if let Some(method) = object.method(name) {
                    return self.invoke(dot, &method, Some(&receiver.value), name, node, args, last);
                }
                if let Some(value) = object.field(name) {
                    if !args.is_empty() || last.is_some() {
                        return self.error(&format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Operand::of(value));
                }
            }
            Value::Map(map) => {
                if !args.is_empty() || last.is_some() {
                    return self.error(&format!("{name} is not a method but has arguments"));
                }
                if let Some(value) = map.get(name.as_bytes()) {
                    return Ok(Operand::element(value, map.elem()));
                }
                return match self.options.missing_key {
                    MissingKey::Default => Ok(Operand::of(Value::Nil)),
                    MissingKey::Zero => Ok(Operand::element(map.elem().zero(), map.elem())),
                    MissingKey::Error => {
                        let text = format!("map has no entry for key {}", quoted(name.as_bytes()));
                        self.error_with(&text, Some(name.to_owned()))
                    }
                };
            }
            _ => {}
        }
        self.error(&format!("can't evaluate field {name} in type {}", receiver.type_text()))
    }

    fn function(&mut self, dot: &Operand, name: &str, node: At<'t>, args: &'t [Arg], last: Last) -> Done<Operand> {
        let Some(function) = self.functions.get(name).copied() else {
            return self.error(&format!("{} is not a defined function", quoted(name.as_bytes())));
        };
        self.invoke(dot, &function, None, name, node, args, last)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a call as Go's evaluator has them")]
    fn invoke(
        &mut self,
        dot: &Operand,
        function: &Function,
        receiver: Option<&Value>,
        name: &str,
        node: At<'t>,
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        let params = function.params;
        let count = args.len() + usize::from(last.is_some());
        let fixed = if function.variadic { params.len() - 1 } else { params.len() };
        if function.variadic {
            if count < fixed {
                return self
                    .error(&format!("wrong number of args for {name}: want at least {fixed} got {}", args.len()));
            }
        } else if count != fixed {
            return self.error(&format!("wrong number of args for {name}: want {fixed} got {count}"));
        }
        if builtin::is_short_circuit(function) {
            let mut value = Operand::of(Value::Nil);
            for arg in args {
                value = self.argument(dot, Type::Raw, arg)?;
                if value.value.truth() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let param = |i: usize| params.get(i).or(params.last()).copied().unwrap_or(Type::Any);
        let mut values = Vec::with_capacity(count + 1);
        values.extend(receiver.cloned());
        for (i, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, param(i), arg)?.value);
        }
        if let Some(last) = last {
            values.push(self.fit(last, param(args.len()))?.value);
        }
        if builtin::is_call(function) {
            let shown = match args.first() {
                Some(arg) => arg.to_string(),
                None => values.first().map(show).unwrap_or_default(),
            };
            values.insert(0, Value::str(shown));
        }
        // A function reads its arguments in time linear to their size.
        let read: usize = values.iter().map(|v| if let Value::Str(s) = v { s.len() } else { 0 }).sum();
        let steps = self.call.step(u64::try_from(read / 256).unwrap_or(u64::MAX));
        self.within(steps)?;
        let answer = (function.call)(&mut self.call, &values).and_then(|value| {
            self.call.charge(match &value {
                Value::Str(s) => s.len(),
                Value::List(l) => l.items().len() * 32,
                _ => 0,
            })?;
            if value.depth() > self.options.limits.depth { Err(self.call.too_deep()) } else { Ok(value) }
        });
        match answer {
            Ok(value) => Ok(Operand::of(value)),
            Err(Failure(text)) => {
                self.at = node;
                self.error(&format!("error calling {name}: {text}"))
            }
        }
    }

    /// An operand without a wanted type: the head of a chain.
    fn bare(&mut self, dot: &Operand, arg: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(arg);
        match arg {
            Arg::Dot { .. } => Ok(dot.clone()),
            Arg::Field { path, .. } => self.fields(dot, dot.clone(), At::Arg(arg), path, &[], None),
            Arg::Variable { path, .. } => self.variable(dot, arg, path, &[], None),
            Arg::Pipe(pipe) => self.pipeline(dot, pipe),
            Arg::Identifier { name, .. } => self.function(dot, name, At::Arg(arg), &[], None),
            Arg::Chain { of, path, .. } => {
                let of = self.chain_head(dot, arg, of)?;
                self.fields(dot, of, At::Arg(arg), path, &[], None)
            }
            Arg::Nil { .. } | Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => self.literal(dot, arg),
        }
    }

    fn argument(&mut self, dot: &Operand, wanted: Type, arg: &'t Arg) -> Done<Operand> {
        self.step()?;
        self.at = At::Arg(arg);
        match arg {
            Arg::Dot { .. }
            | Arg::Field { .. }
            | Arg::Variable { .. }
            | Arg::Pipe(_)
            | Arg::Identifier { .. }
            | Arg::Chain { .. } => {
                let operand = self.bare(dot, arg)?;
                return self.fit(operand, wanted);
            }
            Arg::Nil { .. } if can_be_nil(wanted) => return Ok(Operand::of(wanted.zero())),
            Arg::Nil { .. } => return self.error(&format!("cannot assign nil to {wanted}")),
            Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => {}
        }
        let number = match arg {
            Arg::Number { number, .. } => Some(number),
            _ => None,
        };
        let (value, expected) = match wanted {
            Type::Any | Type::Raw => return self.literal(dot, arg),
            Type::Bool => (matches!(arg, Arg::Bool { .. }).then(|| self.literal(dot, arg)).transpose()?, "bool"),
            Type::Str | Type::Text(_) => {
                (matches!(arg, Arg::Str { .. }).then(|| self.literal(dot, arg)).transpose()?, "string")
            }
            Type::Int(kind) => (number.and_then(|n| n.int).map(|n| Operand::of(Value::Int(kind, n))), "integer"),
            Type::Uint(kind) => {
                (number.and_then(|n| n.uint).map(|n| Operand::of(Value::Uint(kind, n))), "unsigned integer")
            }
            Type::Float(kind) => (number.and_then(|n| n.float).map(|n| Operand::of(Value::Float(kind, n))), "float"),
            Type::Complex => {
                let complex = number.and_then(|n| n.complex);
                (complex.map(|(re, im)| Operand::of(Value::Complex(re, im))), "complex")
            }
            Type::List(_) | Type::Map(_) | Type::Func | Type::Object(_) => {
                return self.error(&format!("can't handle {arg} for arg of type {wanted}"));
            }
        };
        match value {
            Some(value) => Ok(value),
            None => self.error(&format!("expected {expected}; found {arg}")),
        }
    }

    fn literal(&mut self, dot: &Operand, arg: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(arg);
        match arg {
            Arg::Bool { value, .. } => Ok(Operand::of(Value::Bool(*value))),
            Arg::Str { value, .. } => Ok(Operand::of(value.clone())),
            Arg::Number { number, .. } => self.ideal(number),
            Arg::Dot { .. } => Ok(dot.clone()),
            _ => self.error(&format!("can't evaluate command {}", quoted(arg.to_string().as_bytes()))),
        }
    }

    fn ideal(&self, number: &Number) -> Done<Operand> {
        let text = number.text.as_str();
        if let Some((re, im)) = number.complex {
            return Ok(Operand::of(Value::Complex(re, im)));
        }
        let hex_int = text.len() > 2 && text.starts_with("0x") | text.starts_with("0X") && !text.contains(['p', 'P']);
        let rune = text.starts_with('\'');
        match (number.float, number.int) {
            (Some(f), _) if !hex_int && !rune && text.contains(['.', 'e', 'E', 'p', 'P']) => {
                Ok(Operand::of(Value::float(f)))
            }
            (_, Some(n)) => Ok(Operand::of(Value::int(n))),
            (_, None) => self.error(&format!("{text} overflows int")),
        }
    }

    /// Go's `validateType`: whether the value can be passed as `wanted`.
    fn fit(&self, operand: Operand, wanted: Type) -> Done<Operand> {
        if operand.is_invalid() {
            if can_be_nil(wanted) {
                return Ok(Operand::of(wanted.zero()));
            }
            return self.error(&format!("invalid value; expected {wanted}"));
        }
        if matches!(wanted, Type::Any | Type::Raw) {
            return Ok(operand);
        }
        if operand.value.type_of() == Some(wanted) {
            return Ok(Operand::of(operand.value));
        }
        let got = match (&operand.value, operand.boxed) {
            (Value::Nil, true) => Type::Any.to_string(),
            (value, _) => value.type_text(),
        };
        self.error(&format!("wrong type for value; expected {wanted}; got {got}"))
    }
}

fn can_be_nil(wanted: Type) -> bool {
    match wanted {
        Type::Any | Type::Raw | Type::List(_) | Type::Map(_) | Type::Func => true,
        Type::Object(name) => name.starts_with('*'),
        Type::Bool | Type::Int(_) | Type::Uint(_) | Type::Float(_) | Type::Complex | Type::Str | Type::Text(_) => false,
    }
}
