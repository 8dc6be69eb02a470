//! From tokens to a tree, with Go's parse errors: texts, actions and control structures.
//!
//! Deliberately not here: pipelines and what they are made of (see `operand`), and what a template means when it runs
//! (see `exec`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::ParseError;
use crate::lex::{Delims, Kind, Lexer, Token};
use crate::names::Names;
use crate::node::{Branch, Node};
use crate::text::{quoted, unquote};

mod number;
mod operand;

/// How deep control structures and parentheses may nest. Go has no bound; a tree is walked by recursion.
const DEEPEST: usize = 150;

/// How many texts, actions and operands a template may have. Go has no bound; each takes some hundred bytes here.
const PARTS: usize = 50_000;

/// A parsed template with those that it defines.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) trees: BTreeMap<String, Vec<Node>>,
}

/// Parses `text` as the template `name`. Only functions that `names` defines may be called: [`crate::Functions`] for what
/// is rendered, [`crate::KNOWN`] for what is only checked. An empty delimiter is Go's default.
///
/// # Errors
///
/// Fails with Go's text.
pub fn parse(name: &str, text: &str, delims: &Delims, names: &impl Names) -> Result<Template, ParseError> {
    let parser = Parser {
        name,
        text,
        names,
        lexer: Lexer::new(text, delims),
        trees: BTreeMap::new(),
        depth: 0,
        parts: 0,
        tree: Tree::default(),
    };
    let trees = parser.whole()?;
    Ok(Template { name: name.to_owned(), text: text.to_owned(), trees })
}

/// The state that Go keeps per tree; `define` and `block` start a new one.
#[derive(Debug)]
struct Tree<'t> {
    tokens: [Option<Token<'t>>; 3],
    peeked: usize,
    vars: Vec<Arc<str>>,
    action_line: usize,
    ranges: usize,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Self { tokens: [None, None, None], peeked: 0, vars: vec!["$".into()], action_line: 0, ranges: 0 }
    }
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    names: &'t dyn Names,
    lexer: Lexer<'t>,
    trees: BTreeMap<String, Vec<Node>>,
    depth: usize,
    parts: usize,
    tree: Tree<'t>,
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

impl<'t> Parser<'t> {
    fn error<T>(&self, text: &str) -> Parsed<T> {
        Err(self.fault(text))
    }

    fn fault(&self, text: &str) -> ParseError {
        let token = self.tree.tokens[0].as_ref();
        let line = token.map_or(0, |t| t.line);
        let pos = token.map_or(0, |t| t.pos);
        let before = self.text.get(..pos).unwrap_or_default();
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        let text = format!("template: {}:{line}: {text}", self.name);
        ParseError { line, column, text, template: self.name.to_owned(), function: None }
    }

    fn next(&mut self) -> Token<'t> {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.tokens[0] = Some(self.lexer.token());
        }
        self.buffered(self.tree.peeked)
    }

    fn buffered(&mut self, at: usize) -> Token<'t> {
        if self.tree.tokens[at].is_none() {
            self.tree.tokens[at] = Some(self.lexer.token());
        }
        self.tree.tokens[at].clone().unwrap_or_else(|| self.lexer.token())
    }

    fn backup(&mut self) {
        self.tree.peeked += 1;
    }

    fn backup2(&mut self, one: Token<'t>) {
        self.tree.tokens[1] = Some(one);
        self.tree.peeked = 2;
    }

    fn peek(&mut self) -> Token<'t> {
        let token = self.next();
        self.backup();
        token
    }

    fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'t> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Parsed<T> {
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

    /// Counts a text, an action or an operand.
    fn part(&mut self) -> Parsed<()> {
        self.parts += 1;
        if self.parts > PARTS {
            return self.error(&format!("the template has more than {PARTS} parts; make it smaller"));
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

    fn string(&self, token: &Token<'_>) -> Parsed<Vec<u8>> {
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
        self.part()?;
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text { pos: token.pos, text: Arc::from(&*token.text) })),
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

    fn jump(&mut self, word: &Token<'_>) -> Parsed<Node> {
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

    fn template_name(&mut self, token: &Token<'_>, context: &str) -> Parsed<String> {
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
}
