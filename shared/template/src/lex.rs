//! From text to tokens, as Go's `text/template` cuts it.
//!
//! Deliberately not here: the grammar (see `parse`).

use std::borrow::Cow;

use crate::text::{is_print, quoted, rune};

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A token: its text (for an error the complaint), where it starts and on which line.
#[derive(Debug, Clone)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) pos: usize,
    pub(crate) text: Cow<'t, str>,
    pub(crate) line: usize,
}

impl Token<'_> {
    /// As Go shows it in errors.
    pub(crate) fn show(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".into(),
            Kind::Error => self.text.to_string(),
            Kind::Block
            | Kind::Break
            | Kind::Continue
            | Kind::Dot
            | Kind::Define
            | Kind::Else
            | Kind::End
            | Kind::If
            | Kind::Nil
            | Kind::Range
            | Kind::Template
            | Kind::With => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let cut: String = self.text.chars().take(10).collect();
                format!("{}...", quoted(cut.as_bytes()))
            }
            _ => quoted(self.text.as_bytes()),
        }
    }
}

/// What opens and closes an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delims {
    /// Opens an action.
    pub left: String,
    /// Closes an action.
    pub right: String,
}

impl Default for Delims {
    fn default() -> Self {
        Self { left: "{{".into(), right: "}}".into() }
    }
}

#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    input: &'t str,
    left: &'t str,
    right: &'t str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    inside: bool,
    parens: usize,
    done: bool,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: Option<char>) -> bool {
    c.is_some_and(|c| SPACES.contains(&c))
}

/// Go counts letters and digits of all scripts, but no combining marks.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() && !is_mark(c) || is_digit(c)
}

fn is_mark(c: char) -> bool {
    // Rust's Alphabetic holds dependent vowel signs too; a regular expression knows Go's letters exactly.
    !c.is_ascii() && !goregexp::is_letter(c)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && goregexp::is_digit(c)
}

fn trims_left(s: &str) -> bool {
    let mut chars = s.chars();
    chars.next() == Some('-') && is_space(chars.next())
}

fn trims_right(s: &str) -> bool {
    let mut chars = s.chars();
    is_space(chars.next()) && chars.next() == Some('-')
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(input: &'t str, delims: &'t Delims) -> Self {
        let left = if delims.left.is_empty() { "{{" } else { &delims.left };
        let right = if delims.right.is_empty() { "}}" } else { &delims.right };
        Self { input, left, right, pos: 0, start: 0, line: 1, start_line: 1, inside: false, parens: 0, done: false }
    }

    fn rest(&self) -> &'t str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn advance_to(&mut self, pos: usize) {
        self.line += self.input.get(self.pos..pos).map_or(0, |s| s.matches('\n').count());
        self.pos = pos;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn emit(&mut self, kind: Kind) -> Token<'t> {
        let text = self.input.get(self.start..self.pos).unwrap_or_default();
        let token = Token { kind, pos: self.start, text: text.into(), line: self.start_line };
        self.ignore();
        token
    }

    fn error(&mut self, text: String) -> Token<'t> {
        self.done = true;
        Token { kind: Kind::Error, pos: self.start, text: text.into(), line: self.start_line }
    }

    fn at_right(&self) -> (bool, bool) {
        let rest = self.rest();
        if trims_right(rest) && rest.get(2..).is_some_and(|r| r.starts_with(self.right)) {
            return (true, true);
        }
        (rest.starts_with(self.right), false)
    }

    /// The next token; after an error or the end only ends.
    pub(crate) fn token(&mut self) -> Token<'t> {
        loop {
            if self.done {
                self.start = self.pos;
                return Token { kind: Kind::Eof, pos: self.pos, text: "EOF".into(), line: self.start_line };
            }
            if self.inside {
                return self.inside_action();
            }
            if let Some(token) = self.text() {
                return token;
            }
        }
    }

    fn text(&mut self) -> Option<Token<'t>> {
        let Some(at) = self.rest().find(self.left) else {
            self.advance_to(self.input.len());
            if self.pos > self.start {
                return Some(self.emit(Kind::Text));
            }
            self.done = true;
            return None;
        };
        if at > 0 {
            let full = self.pos + at;
            let after = self.input.get(full + self.left.len()..).unwrap_or_default();
            let text = self.rest().get(..at).unwrap_or_default();
            let kept = if trims_left(after) { text.trim_end_matches(SPACES) } else { text }.len();
            let end = self.pos + kept;
            self.advance_to(end);
            let token = (kept > 0).then(|| self.emit(Kind::Text));
            self.advance_to(full);
            self.ignore();
            if token.is_some() {
                return token;
            }
        }
        self.left_delim()
    }

    fn left_delim(&mut self) -> Option<Token<'t>> {
        let open = self.pos + self.left.len();
        let after = self.input.get(open..).unwrap_or_default();
        let marker = if trims_left(after) { 2 } else { 0 };
        if after.get(marker..).is_some_and(|r| r.starts_with("/*")) {
            self.advance_to(open + marker);
            self.ignore();
            return self.comment();
        }
        self.pos = open;
        let token = self.emit(Kind::LeftDelim);
        self.inside = true;
        self.parens = 0;
        self.advance_to(open + marker);
        self.ignore();
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'t>> {
        let body = self.rest().get(2..).unwrap_or_default();
        let Some(end) = body.find("*/") else { return Some(self.error("unclosed comment".into())) };
        let end = self.pos + 2 + end + 2;
        self.advance_to(end);
        let (closed, trim) = self.at_right();
        if !closed {
            return Some(self.error("comment ends before closing delimiter".into()));
        }
        self.close(trim);
        self.ignore();
        None
    }

    /// Moves behind the right delimiter and what it trims.
    fn close(&mut self, trim: bool) {
        let mut end = self.pos + self.right.len() + if trim { 2 } else { 0 };
        if trim {
            let rest = self.input.get(end..).unwrap_or_default();
            end += rest.len() - rest.trim_start_matches(SPACES).len();
        }
        self.advance_to(end);
    }

    fn right_delim(&mut self) -> Token<'t> {
        let (_, trim) = self.at_right();
        if trim {
            self.advance_to(self.pos + 2);
            self.ignore();
        }
        self.pos += self.right.len();
        let token = self.emit(Kind::RightDelim);
        if trim {
            let rest = self.rest();
            let end = self.pos + rest.len() - rest.trim_start_matches(SPACES).len();
            self.advance_to(end);
            self.ignore();
        }
        self.inside = false;
        token
    }

    fn inside_action(&mut self) -> Token<'t> {
        let (closes, _) = self.at_right();
        if closes {
            if self.parens == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren".into());
        }
        let before = self.pos;
        let Some(c) = self.next() else { return self.error("unclosed action".into()) };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.space(before),
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return self.error("expected :=".into());
                }
                self.emit(Kind::Declare)
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => {
                loop {
                    match self.next() {
                        None => return self.error("unterminated raw quoted string".into()),
                        Some('`') => break,
                        Some(_) => {}
                    }
                }
                self.emit(Kind::RawString)
            }
            '$' => self.field_or_variable(Kind::Variable),
            '.' if self.pos < self.input.len() && !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos = before;
                self.number()
            }
            c if is_word(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => {
                if self.parens == 0 {
                    return self.error("unexpected right paren".into());
                }
                self.parens -= 1;
                self.emit(Kind::RightParen)
            }
            c if c.is_ascii() && is_print(c) => self.emit(Kind::Char),
            c => {
                let shown = unicode(Some(c));
                self.error(format!("unrecognized character in action: {shown}"))
            }
        }
    }

    fn space(&mut self, first: usize) -> Token<'t> {
        let mut count = 1;
        let mut last = first;
        while is_space(self.peek()) {
            last = self.pos;
            self.next();
            count += 1;
        }
        let tail = self.input.get(last..).unwrap_or_default();
        if trims_right(tail) && tail.get(2..).is_some_and(|r| r.starts_with(self.right)) {
            if self.input.as_bytes().get(last) == Some(&b'\n') {
                self.line -= 1;
            }
            self.pos = last;
            if count == 1 {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }

    fn quoted(&mut self, mark: char, kind: Kind, complaint: &str) -> Token<'t> {
        loop {
            match self.next() {
                Some('\\') => match self.next() {
                    None | Some('\n') => return self.error(complaint.into()),
                    Some(_) => {}
                },
                None | Some('\n') => return self.error(complaint.into()),
                Some(c) if c == mark => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn terminated(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(self.right),
        }
    }

    fn word(&mut self) -> Option<char> {
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        self.peek()
    }

    fn field_or_variable(&mut self, kind: Kind) -> Token<'t> {
        if self.terminated() {
            return self.emit(if kind == Kind::Variable { kind } else { Kind::Dot });
        }
        let c = self.word();
        if !self.terminated() {
            return self.error(format!("bad character {}", unicode(c)));
        }
        self.emit(kind)
    }

    fn identifier(&mut self) -> Token<'t> {
        let c = self.word();
        if !self.terminated() {
            return self.error(format!("bad character {}", unicode(c)));
        }
        let kind = match self.input.get(self.start..self.pos).unwrap_or_default() {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let mut exponent = "eE";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
                exponent = "pP";
            } else if self.accept("oO") {
                digits = "01234567_";
                exponent = "";
            } else if self.accept("bB") {
                digits = "01_";
                exponent = "";
            }
        }
        while self.accept(digits) {}
        if self.accept(".") {
            while self.accept(digits) {}
        }
        if self.accept(exponent) {
            self.accept("+-");
            while self.accept("0123456789_") {}
        }
        self.accept("i");
        if self.peek().is_some_and(is_word) {
            self.next();
            return false;
        }
        true
    }

    fn number(&mut self) -> Token<'t> {
        let mut fits = self.scan_number();
        let mut kind = Kind::Number;
        if fits && matches!(self.peek(), Some('+' | '-')) {
            fits = self.scan_number() && self.input.get(..self.pos).is_some_and(|s| s.ends_with('i'));
            kind = Kind::Complex;
        }
        if !fits {
            let text = quoted(self.input.get(self.start..self.pos).unwrap_or_default().as_bytes());
            return self.error(format!("bad number syntax: {text}"));
        }
        self.emit(kind)
    }
}

/// `%#U`.
fn unicode(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".into(),
        Some(c) => {
            let (c, _) = rune(c.encode_utf8(&mut [0; 4]).as_bytes());
            let code = u32::from(c);
            if is_print(c) { format!("U+{code:04X} '{c}'") } else { format!("U+{code:04X}") }
        }
    }
}
