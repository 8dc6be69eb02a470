//! The tree of a template, and its text as errors show it.
//!
//! Deliberately not here: how it is built (see `parse`) and evaluated (see `exec`).

use std::fmt;
use std::sync::Arc;

use crate::text::quoted;
use crate::value::Value;

/// What stands between, inside and around actions.
#[derive(Debug)]
pub(crate) enum Node {
    Text { pos: usize, text: Arc<str> },
    Action { pos: usize, pipe: Pipe },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { pos: usize, name: String, pipe: Option<Pipe> },
    Break { pos: usize },
    Continue { pos: usize },
}

/// `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pos: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) other: Option<Vec<Node>>,
}

/// Commands joined by `|`, with what they are assigned to.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    pub(crate) decl: Vec<Arc<str>>,
    pub(crate) assign: bool,
    pub(crate) commands: Vec<Command>,
}

/// A function or operand with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) args: Vec<Arg>,
}

/// An operand.
#[derive(Debug)]
pub(crate) enum Arg {
    Pipe(Pipe),
    Identifier { pos: usize, name: Arc<str> },
    Dot { pos: usize },
    Nil { pos: usize },
    Field { pos: usize, path: Vec<Arc<str>> },
    Variable { pos: usize, path: Vec<Arc<str>> },
    Chain { pos: usize, of: Box<Arg>, path: Vec<Arc<str>> },
    Bool { pos: usize, value: bool },
    Number { pos: usize, number: Number },
    Str { pos: usize, literal: Arc<str>, value: Value },
}

/// A numeric literal in all forms that it can take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

impl Node {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Self::Text { pos, .. }
            | Self::Action { pos, .. }
            | Self::Template { pos, .. }
            | Self::Break { pos }
            | Self::Continue { pos } => *pos,
            Self::If(b) | Self::With(b) | Self::Range(b) => b.pos,
        }
    }

    /// Whether `define` takes a template of such nodes for empty.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(self, Self::Text { text, .. } if text.trim().is_empty())
    }
}

impl Arg {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Self::Pipe(pipe) => pipe.pos,
            Self::Identifier { pos, .. }
            | Self::Dot { pos }
            | Self::Nil { pos }
            | Self::Field { pos, .. }
            | Self::Variable { pos, .. }
            | Self::Chain { pos, .. }
            | Self::Bool { pos, .. }
            | Self::Number { pos, .. }
            | Self::Str { pos, .. } => *pos,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text, .. } => f.write_str(text),
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::If(b) => branch(f, "if", b),
            Self::With(b) => branch(f, "with", b),
            Self::Range(b) => branch(f, "range", b),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quoted(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Self::Break { .. } => f.write_str("{{break}}"),
            Self::Continue { .. } => f.write_str("{{continue}}"),
        }
    }
}

fn branch(f: &mut fmt::Formatter<'_>, word: &str, branch: &Branch) -> fmt::Result {
    write!(f, "{{{{{word} {}}}}}", branch.pipe)?;
    for node in &branch.list {
        write!(f, "{node}")?;
    }
    if let Some(other) = &branch.other {
        f.write_str("{{else}}")?;
        for node in other {
            write!(f, "{node}")?;
        }
    }
    f.write_str("{{end}}")
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            f.write_str(&self.decl.join(", "))?;
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Arg::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => write!(f, "{arg}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipe(pipe) => write!(f, "{pipe}"),
            Self::Identifier { name, .. } => f.write_str(name),
            Self::Dot { .. } => f.write_str("."),
            Self::Nil { .. } => f.write_str("nil"),
            Self::Field { path, .. } => path.iter().try_for_each(|p| write!(f, ".{p}")),
            Self::Variable { path, .. } => f.write_str(&path.join(".")),
            Self::Chain { of, path, .. } => {
                match of.as_ref() {
                    Self::Pipe(pipe) => write!(f, "({pipe})")?,
                    other => write!(f, "{other}")?,
                }
                path.iter().try_for_each(|p| write!(f, ".{p}"))
            }
            Self::Bool { value, .. } => write!(f, "{value}"),
            Self::Number { number, .. } => f.write_str(&number.text),
            Self::Str { literal, .. } => f.write_str(literal),
        }
    }
}
