//! From tokens to a tree, with Go's parse errors.
//!
//! Deliberately not here: what a template means when it runs (see `exec`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::float::{parse_float_literal, parse_int, parse_uint};
use crate::function::Functions;
use crate::lex::{Delims, Kind, Lexer, Token};
use crate::node::{Arg, Branch, Command, Node, Number, Pipe};
use crate::text::{quoted, unquote, unquote_char};
use crate::value::Value;

/// How deep control structures and parentheses may nest. Go has no bound; a tree is walked by recursion.
const DEEPEST: usize = 150;

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
}

/// A parsed template with those that it defines.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) trees: BTreeMap<String, Vec<Node>>,
}

/// Parses `text` as the template `name`. Only functions in `functions` may be called. An empty delimiter is Go's default.
///
/// # Errors
///
/// Fails with Go's text.
pub fn parse(name: &str, text: &str, delims: &Delims, functions: &Functions) -> Result<Template, ParseError> {
    let parser = Parser {
        name,
        text,
        functions,
        lexer: Lexer::new(text, delims),
        trees: BTreeMap::new(),
        depth: 0,
        tree: Tree::default(),
    };
    let trees = parser.whole()?;
    Ok(Template { name: name.to_owned(), text: text.to_owned(), trees })
}

/// The state that Go keeps per tree; `define` and `block` start a new one.
#[derive(Debug)]
struct Tree {
    tokens: [Option<Token>; 3],
    peeked: usize,
    vars: Vec<Arc<str>>,
    action_line: usize,
    ranges: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { tokens: [None, None, None], peeked: 0, vars: vec!["$".into()], action_line: 0, ranges: 0 }
    }
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    functions: &'t Functions,
    lexer: Lexer<'t>,
    trees: BTreeMap<String, Vec<Node>>,
    depth: usize,
    tree: Tree,
}

enum Item {
    Node(Node),
    End,
    Else,
}

impl Item {
    fn show(&self) -> String {
        match self {
            Self::Node(node) => node.to_string(),
            Self::End => "{{end}}".into(),
            Self::Else => "{{else}}".into(),
        }
    }
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn error<T>(&self, text: &str) -> Parsed<T> {
        let token = self.tree.tokens[0].as_ref();
        let line = token.map_or(0, |t| t.line);
        let pos = token.map_or(0, |t| t.pos);
        let before = self.text.get(..pos).unwrap_or_default();
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Err(ParseError { line, column, text: format!("template: {}:{line}: {text}", self.name) })
    }

    fn next(&mut self) -> Token {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.tokens[0] = Some(self.lexer.token());
        }
        self.buffered(self.tree.peeked)
    }

    fn buffered(&mut self, at: usize) -> Token {
        if self.tree.tokens[at].is_none() {
            self.tree.tokens[at] = Some(self.lexer.token());
        }
        self.tree.tokens[at].clone().unwrap_or_else(|| self.lexer.token())
    }

    fn backup(&mut self) {
        self.tree.peeked += 1;
    }

    fn backup2(&mut self, one: Token) {
        self.tree.tokens[1] = Some(one);
        self.tree.peeked = 2;
    }

    fn peek(&mut self) -> Token {
        let token = self.next();
        self.backup();
        token
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        if token.kind == Kind::Error {
            let mut extra = String::new();
            let started = self.tree.action_line;
            if started != 0 && started != token.line {
                extra = format!(" in action started at {}:{started}", self.name);
                if token.text.ends_with(" action") {
                    extra.replace_range(..10, "");
                }
            }
            return self.error(&format!("{}{extra}", token.text));
        }
        self.error(&format!("unexpected {} in {context}", token.show()))
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.error(&format!("actions nest deeper than {DEEPEST} levels; make them flatter"));
        }
        Ok(())
    }

    fn whole(mut self) -> Parsed<BTreeMap<String, Vec<Node>>> {
        let mut root = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    let outer = std::mem::take(&mut self.tree);
                    self.definition()?;
                    self.tree = outer;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Item::Node(node) => root.push(node),
                item @ (Item::End | Item::Else) => return self.error(&format!("unexpected {}", item.show())),
            }
        }
        let name = self.name.to_owned();
        self.add(name, root)?;
        Ok(self.trees)
    }

    fn add(&mut self, name: String, root: Vec<Node>) -> Parsed<()> {
        if self.trees.get(&name).is_none_or(|old| old.iter().all(Node::is_blank)) {
            self.trees.insert(name, root);
            return Ok(());
        }
        if root.iter().all(Node::is_blank) {
            return Ok(());
        }
        self.error(&format!("template: multiple definition of template {}", quoted(name.as_bytes())))
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.next_non_space();
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(&token, context);
        }
        let name = self.string(&token)?;
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, context);
        }
        let (root, end) = self.items()?;
        if !matches!(end, Item::End) {
            return self.error(&format!("unexpected {} in {context}", end.show()));
        }
        self.add(String::from_utf8_lossy(&name).into_owned(), root)
    }

    fn string(&self, token: &Token) -> Parsed<Vec<u8>> {
        unquote(token.text.as_bytes()).map_or_else(|| self.error("invalid syntax"), Ok)
    }

    fn items(&mut self) -> Parsed<(Vec<Node>, Item)> {
        let mut list = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => list.push(node),
                item @ (Item::End | Item::Else) => return Ok((list, item)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text { pos: token.pos, text: token.text })),
            Kind::LeftDelim => {
                self.tree.action_line = token.line;
                let item = self.action()?;
                self.tree.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => self.jump(&token)?,
            Kind::Else => {
                let peeked = self.peek_non_space();
                if !matches!(peeked.kind, Kind::If | Kind::With) {
                    let token = self.next_non_space();
                    if token.kind != Kind::RightDelim {
                        return self.unexpected(&token, "else");
                    }
                }
                return Ok(Item::Else);
            }
            Kind::End => {
                let token = self.next_non_space();
                if token.kind != Kind::RightDelim {
                    return self.unexpected(&token, "end");
                }
                return Ok(Item::End);
            }
            Kind::If => Node::If(self.control("if")?),
            Kind::Range => Node::Range(self.control("range")?),
            Kind::With => Node::With(self.control("with")?),
            Kind::Template => {
                let context = "template clause";
                let token = self.next_non_space();
                let name = self.template_name(&token, context)?;
                let mut pipe = None;
                if self.next_non_space().kind != Kind::RightDelim {
                    self.backup();
                    pipe = Some(self.pipeline(context, Kind::RightDelim)?);
                }
                Node::Template { pos: token.pos, name, pipe }
            }
            _ => {
                self.backup();
                let pos = self.peek().pos;
                Node::Action { pos, pipe: self.pipeline("command", Kind::RightDelim)? }
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, word: &Token) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, &format!("{{{{{}}}}}", word.text));
        }
        if self.tree.ranges == 0 {
            return self.error(&format!("{{{{{}}}}} outside {{{{range}}}}", word.text));
        }
        let pos = word.pos;
        Ok(if word.kind == Kind::Break { Node::Break { pos } } else { Node::Continue { pos } })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        Ok(String::from_utf8_lossy(&self.string(token)?).into_owned())
    }

    fn block(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        self.deeper()?;
        let outer = std::mem::take(&mut self.tree);
        let (root, end) = self.items()?;
        if !matches!(end, Item::End) {
            return self.error(&format!("unexpected {} in {context}", end.show()));
        }
        self.add(name.clone(), root)?;
        self.tree = outer;
        self.depth -= 1;
        Ok(Node::Template { pos: token.pos, name, pipe: Some(pipe) })
    }

    fn control(&mut self, context: &str) -> Parsed<Branch> {
        self.deeper()?;
        let vars = self.tree.vars.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let ranges = usize::from(context == "range");
        self.tree.ranges += ranges;
        let (list, end) = self.items()?;
        self.tree.ranges -= ranges;
        let mut other = None;
        if matches!(end, Item::Else) {
            let next = self.peek().kind;
            other = Some(match (context, next) {
                ("if", Kind::If) => {
                    self.next();
                    vec![Node::If(self.control("if")?)]
                }
                ("with", Kind::With) => {
                    self.next();
                    vec![Node::With(self.control("with")?)]
                }
                _ => {
                    let (list, end) = self.items()?;
                    if !matches!(end, Item::End) {
                        return self.error(&format!("expected end; found {}", end.show()));
                    }
                    list
                }
            });
        }
        self.tree.vars.truncate(vars);
        self.depth -= 1;
        Ok(Branch { pos: pipe.pos, pipe, list, other })
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let mut pipe = Pipe { pos: self.peek_non_space().pos, decl: Vec::new(), assign: false, commands: Vec::new() };
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                break;
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assign = next.kind == Kind::Assign;
                    self.next_non_space();
                    pipe.decl.push(variable.text.clone());
                    self.tree.vars.push(variable.text);
                    break;
                }
                Kind::Char if &*next.text == "," => {
                    self.next_non_space();
                    pipe.decl.push(variable.text.clone());
                    self.tree.vars.push(variable.text);
                    if context == "range" && pipe.decl.len() < 2 {
                        match self.peek_non_space().kind {
                            Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                            _ => return self.error("range can only initialize variables"),
                        }
                    }
                    return self.error(&format!("too many declarations in {context}"));
                }
                _ if after.kind == Kind::Space => {
                    self.tree.tokens[1] = Some(after);
                    self.tree.tokens[2] = Some(variable);
                    self.tree.peeked = 3;
                    break;
                }
                _ => {
                    self.backup2(variable);
                    break;
                }
            }
        }
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(&format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if let Some(Arg::Bool { .. } | Arg::Dot { .. } | Arg::Nil { .. } | Arg::Number { .. } | Arg::Str { .. }) =
                command.args.first()
            {
                return self.error(&format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, args: Vec::new() };
        loop {
            self.peek_non_space();
            command.args.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.args.is_empty() {
            return self.error("empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parsed<Option<Arg>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(term));
        }
        let pos = first.pos;
        let mut more: Vec<Arc<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            let token = self.next();
            more.push(token.text.get(1..).unwrap_or_default().into());
        }
        Ok(Some(match term {
            Arg::Field { mut path, .. } => {
                path.append(&mut more);
                Arg::Field { pos, path }
            }
            Arg::Variable { mut path, .. } => {
                path.append(&mut more);
                Arg::Variable { pos, path }
            }
            Arg::Bool { .. } | Arg::Str { .. } | Arg::Number { .. } | Arg::Nil { .. } | Arg::Dot { .. } => {
                return self.error(&format!("unexpected . after term {}", quoted(term.to_string().as_bytes())));
            }
            Arg::Pipe(_) | Arg::Identifier { .. } | Arg::Chain { .. } => {
                Arg::Chain { pos, of: Box::new(term), path: more }
            }
        }))
    }

    fn term(&mut self) -> Parsed<Option<Arg>> {
        let token = self.next_non_space();
        let pos = token.pos;
        Ok(Some(match token.kind {
            Kind::Identifier => {
                if self.functions.get(&token.text).is_none() {
                    return self.error(&format!("function {} not defined", quoted(token.text.as_bytes())));
                }
                Arg::Identifier { pos, name: token.text }
            }
            Kind::Dot => Arg::Dot { pos },
            Kind::Nil => Arg::Nil { pos },
            Kind::Variable => {
                if !self.tree.vars.contains(&token.text) {
                    return self.error(&format!("undefined variable {}", quoted(token.text.as_bytes())));
                }
                Arg::Variable { pos, path: vec![token.text] }
            }
            Kind::Field => Arg::Field { pos, path: vec![token.text.get(1..).unwrap_or_default().into()] },
            Kind::Bool => Arg::Bool { pos, value: &*token.text == "true" },
            Kind::CharConstant | Kind::Complex | Kind::Number => match number(&token) {
                Ok(number) => Arg::Number { pos, number },
                Err(text) => return self.error(&text),
            },
            Kind::LeftParen => {
                self.deeper()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                Arg::Pipe(pipe)
            }
            Kind::String | Kind::RawString => {
                let value = Value::str(self.string(&token)?);
                Arg::Str { pos, literal: token.text, value }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        }))
    }
}

/// A whole number from a float, if the float is one and fits.
fn whole(n: &mut Number, f: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let int = f as i64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the way back")]
    let uint = f as u64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is what Go does")]
    if n.int.is_none() && int as f64 == f && int != i64::MAX {
        n.int = Some(int);
    }
    #[expect(clippy::cast_precision_loss, reason = "the comparison is what Go does")]
    if n.uint.is_none() && uint as f64 == f && uint != u64::MAX {
        n.uint = Some(uint);
    }
}

#[expect(clippy::cast_precision_loss, reason = "an integer literal used as a float is rounded")]
fn number(token: &Token) -> Result<Number, String> {
    let text = &*token.text;
    let mut n = Number { text: text.to_owned(), ..Number::default() };
    if token.kind == Kind::CharConstant {
        let inner = text.as_bytes().get(1..).unwrap_or_default();
        let (_, code, tail) = unquote_char(inner, b'\'').ok_or("invalid syntax")?;
        if tail != b"'" {
            return Err(format!("malformed character constant: {text}"));
        }
        n.int = Some(i64::from(code));
        n.uint = Some(u64::from(code));
        n.float = Some(f64::from(code));
        return Ok(n);
    }
    if let Some(body) = text.strip_suffix('i') {
        let split = if token.kind == Kind::Complex {
            let signs = body.char_indices().skip(1).filter(|&(i, c)| {
                matches!(c, '+' | '-') && !body.get(..i).is_some_and(|b| b.ends_with(['e', 'E', 'p', 'P']))
            });
            signs.last().map(|(i, _)| body.split_at(i))
        } else {
            Some(("0", body))
        };
        let parts = split.and_then(|(re, im)| Some((parse_float_literal(re)?, parse_float_literal(im)?)));
        if let Some((re, im)) = parts {
            n.complex = Some((re, im));
            if im == 0.0 {
                n.float = Some(re);
                whole(&mut n, re);
            }
            return Ok(n);
        }
    }
    n.uint = parse_uint(text);
    n.int = parse_int(text);
    if n.int == Some(0) {
        n.uint = Some(0);
    }
    n.float = n.int.map(|i| i as f64).or(n.uint.map(|u| u as f64));
    if n.float.is_none()
        && let Some(f) = parse_float_literal(text)
    {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quoted(text.as_bytes())));
        }
        n.float = Some(f);
        whole(&mut n, f);
    }
    if n.float.is_none() {
        return Err(format!("illegal number syntax: {}", quoted(text.as_bytes())));
    }
    Ok(n)
}

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
