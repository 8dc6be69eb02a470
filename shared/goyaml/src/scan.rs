//! Characters to tokens: indentation, flow collections, and which scalars turn out to be keys.
//!
//! Deliberately not here: what is inside scalars (see `scalar`) and directives and tags (see `property`).

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use crate::MAX_DEPTH;
use crate::text::Text;

/// What is wrong with a document, and on which line; 0 where Go tells none.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) text: Cow<'static, str>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    StreamEnd,
    Version { major: u8, minor: u8 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, plain: bool },
}

/// A token and the line it starts on, from 0.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// What may become a key if a `:` follows on the same line within 1024 characters.
#[derive(Default)]
struct Candidate {
    possible: bool,
    /// Whether the document is wrong if it doesn't.
    required: bool,
    /// The number of its first token.
    token: usize,
    at: usize,
    line: usize,
    column: usize,
}

pub(crate) struct Scanner {
    text: Text,
    /// Whether the scanner looked past the characters that could be read.
    touched: Cell<bool>,
    pub(crate) at: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// How many flow collections are open.
    pub(crate) flow: usize,
    /// The column of the innermost block collection; `None` outside of any.
    pub(crate) indent: Option<usize>,
    indents: Vec<Option<usize>>,
    /// One for each open flow collection and one for the block context.
    candidates: Vec<Candidate>,
    /// Where the candidate that starts with a token is.
    by_token: HashMap<usize, usize>,
    pub(crate) key_allowed: bool,
    queue: VecDeque<Token>,
    /// How many tokens were handed out.
    taken: usize,
    /// Whether the queue's first token can no longer get a `Key` before it.
    settled: bool,
}

pub(crate) type Scan<T> = Result<T, Problem>;

pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The end of the text reads as NUL, which no document holds.
pub(crate) fn is_break_or_end(c: char) -> bool {
    is_break(c) || c == '\0'
}

pub(crate) fn is_space_or_end(c: char) -> bool {
    is_blank(c) || is_break_or_end(c)
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

impl Scanner {
    pub(crate) fn new(text: Text) -> Self {
        Self {
            text,
            touched: Cell::new(false),
            at: 0,
            line: 0,
            column: 0,
            flow: 0,
            indent: None,
            indents: Vec::new(),
            candidates: vec![Candidate::default()],
            by_token: HashMap::new(),
            key_allowed: true,
            queue: VecDeque::new(),
            taken: 0,
            settled: false,
        }
    }

    /// The next token, which stays.
    pub(crate) fn peek(&mut self) -> Scan<&Token> {
        while !self.settled {
            if self.queue.is_empty() || self.head_may_be_key()? {
                let fetched = self.fetch();
                if let (true, Some(problem)) = (self.touched.get(), self.text.failure) {
                    return Err(Problem { line: 0, text: problem.into() });
                }
                fetched?;
            } else {
                self.settled = true;
            }
        }
        match self.queue.front() {
            Some(token) => Ok(token),
            None => Err(self.problem("attempted to go past the end of stream; corrupted value?")),
        }
    }

    /// Takes the token that [`Self::peek`] showed.
    pub(crate) fn take(&mut self) -> Option<Token> {
        self.settled = false;
        self.taken += 1;
        self.queue.pop_front()
    }

    /// An error at the current position.
    pub(crate) fn problem(&self, text: impl Into<Cow<'static, str>>) -> Problem {
        // Errors on the first line come without one.
        let line = if self.line == 0 { 0 } else { self.line + 1 };
        Problem { line, text: text.into() }
    }

    /// The character so many places ahead.
    pub(crate) fn ahead(&self, places: usize) -> char {
        self.text.chars.get(self.at + places).copied().unwrap_or_else(|| {
            self.touched.set(true);
            '\0'
        })
    }

    pub(crate) fn current(&self) -> char {
        self.ahead(0)
    }

    /// Passes a character that is no line break.
    pub(crate) fn skip(&mut self) {
        self.at += 1;
        self.column += 1;
    }

    /// Passes a line break, if there is one; what it stands for in a scalar.
    pub(crate) fn skip_break(&mut self) -> Option<char> {
        let (width, stands_for) = match self.current() {
            '\r' if self.ahead(1) == '\n' => (2, '\n'),
            '\r' | '\n' | '\u{85}' => (1, '\n'),
            c @ ('\u{2028}' | '\u{2029}') => (1, c),
            _ => return None,
        };
        self.at += width;
        self.line += 1;
        self.column = 0;
        Some(stands_for)
    }

    pub(crate) fn skip_blanks(&mut self) {
        while is_blank(self.current()) {
            self.skip();
        }
    }

    pub(crate) fn skip_comment(&mut self) {
        if self.current() == '#' {
            while !is_break_or_end(self.current()) {
                self.skip();
            }
        }
    }

    /// Whether `---` or `...` stands here.
    pub(crate) fn at_document_mark(&self) -> bool {
        // All four are looked at, as Go does, since that decides which error wins in bad text.
        let four = [self.ahead(0), self.ahead(1), self.ahead(2), self.ahead(3)];
        self.column == 0 && matches!(four, ['-', '-', '-', _] | ['.', '.', '.', _]) && is_space_or_end(four[3])
    }

    fn push(&mut self, kind: Kind, line: usize) {
        self.queue.push_back(Token { kind, line });
    }

    /// Puts a token before the one with the number; at the end if that was handed out already.
    fn insert(&mut self, number: usize, kind: Kind, line: usize) {
        let token = Token { kind, line };
        match number.checked_sub(self.taken) {
            Some(place) if place < self.queue.len() => self.queue.insert(place, token),
            Some(_) | None => self.queue.push_back(token),
        }
    }

    fn next_number(&self) -> usize {
        self.taken + self.queue.len()
    }

    fn head_may_be_key(&mut self) -> Scan<bool> {
        match self.by_token.get(&self.taken) {
            Some(&level) => self.still_possible(level),
            None => Ok(false),
        }
    }

    fn still_possible(&mut self, level: usize) -> Scan<bool> {
        let Some(candidate) = self.candidates.get_mut(level).filter(|candidate| candidate.possible) else {
            return Ok(false);
        };
        if candidate.line < self.line || candidate.at + 1024 < self.at {
            if candidate.required {
                return Err(self.problem("could not find expected ':'"));
            }
            candidate.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    /// Notes that a key may start here.
    fn note_candidate(&mut self) -> Scan<()> {
        if !self.key_allowed {
            return Ok(());
        }
        let required = self.flow == 0 && self.indent == Some(self.column);
        let token = self.next_number();
        let (at, line, column) = (self.at, self.line, self.column);
        self.drop_candidate()?;
        if let Some(last) = self.candidates.last_mut() {
            *last = Candidate { possible: true, required, token, at, line, column };
        }
        self.by_token.insert(token, self.candidates.len() - 1);
        Ok(())
    }

    fn drop_candidate(&mut self) -> Scan<()> {
        let Some(last) = self.candidates.last_mut().filter(|last| last.possible) else { return Ok(()) };
        if last.required {
            return Err(self.problem("could not find expected ':'"));
        }
        last.possible = false;
        self.by_token.remove(&last.token);
        Ok(())
    }

    fn too_deep(&self) -> Problem {
        self.problem(format!("exceeded max depth of {MAX_DEPTH}"))
    }

    /// Opens a block collection at the column if that is further in; its token goes before the one with the number.
    fn open_block(&mut self, column: usize, number: Option<usize>, kind: Kind, line: usize) -> Scan<()> {
        if self.flow > 0 || self.indent.is_some_and(|indent| indent >= column) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = Some(column);
        if self.indents.len() > MAX_DEPTH {
            return Err(self.too_deep());
        }
        match number {
            Some(number) => self.insert(number, kind, line),
            None => self.push(kind, line),
        }
        Ok(())
    }

    /// Closes the block collections that are further in than the column.
    fn close_blocks(&mut self, column: Option<usize>) {
        if self.flow > 0 {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.line);
            self.indent = self.indents.pop().flatten();
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            if self.at == 0 && self.current() == '\u{feff}' {
                self.skip();
            }
            while self.current() == ' ' || (self.flow > 0 || !self.key_allowed) && self.current() == '\t' {
                self.skip();
            }
            self.skip_comment();
            if self.skip_break().is_none() {
                return;
            }
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    fn fetch(&mut self) -> Scan<()> {
        self.skip_to_token();
        self.close_blocks(Some(self.column));
        let mark = self.at_document_mark();
        let (c, next) = (self.current(), self.ahead(1));
        let spaced = is_space_or_end(next);
        match c {
            '\0' => self.end_stream(),
            '%' if self.column == 0 => {
                self.leave_blocks()?;
                let line = self.line;
                let kind = self.directive()?;
                self.push(kind, line);
                Ok(())
            }
            '-' | '.' if mark => {
                self.leave_blocks()?;
                let line = self.line;
                for _ in 0..3 {
                    self.skip();
                }
                self.push(if c == '-' { Kind::DocumentStart } else { Kind::DocumentEnd }, line);
                Ok(())
            }
            '[' => self.open_flow(Kind::FlowSequenceStart),
            '{' => self.open_flow(Kind::FlowMappingStart),
            ']' => self.close_flow(Kind::FlowSequenceEnd),
            '}' => self.close_flow(Kind::FlowMappingEnd),
            ',' => {
                self.drop_candidate()?;
                self.key_allowed = true;
                self.single(Kind::FlowEntry);
                Ok(())
            }
            '-' if spaced => self.block_entry(),
            '?' if self.flow > 0 || spaced => self.key(),
            ':' if self.flow > 0 || spaced => self.value(),
            '*' | '&' => self.with_candidate(Self::anchor),
            '!' => self.with_candidate(Self::tag),
            '|' | '>' if self.flow == 0 => {
                self.drop_candidate()?;
                self.key_allowed = true;
                let line = self.line;
                let text = self.block_scalar(c == '|')?;
                self.push(Kind::Scalar { text, plain: false }, line);
                Ok(())
            }
            '\'' | '"' => self.with_candidate(Self::quoted_scalar),
            c if is_space_or_end(c) || matches!(c, '#' | '|' | '>' | '%' | '@' | '`') => {
                Err(self.problem("found character that cannot start any token"))
            }
            _ => self.with_candidate(Self::plain_scalar),
        }
    }

    /// A token that may start a key.
    fn with_candidate(&mut self, scan: fn(&mut Self) -> Scan<Kind>) -> Scan<()> {
        self.note_candidate()?;
        self.key_allowed = false;
        let line = self.line;
        let kind = scan(self)?;
        self.push(kind, line);
        Ok(())
    }

    /// A token of one character.
    fn single(&mut self, kind: Kind) {
        self.push(kind, self.line);
        self.skip();
    }

    fn leave_blocks(&mut self) -> Scan<()> {
        self.close_blocks(None);
        self.drop_candidate()?;
        self.key_allowed = false;
        Ok(())
    }

    fn end_stream(&mut self) -> Scan<()> {
        if self.column != 0 {
            self.column = 0;
            self.line += 1;
        }
        self.leave_blocks()?;
        self.push(Kind::StreamEnd, self.line);
        Ok(())
    }

    fn open_flow(&mut self, kind: Kind) -> Scan<()> {
        self.note_candidate()?;
        // It has the number of the collection's own token, and closing an empty collection forgets that one. So Go takes
        // `[]: x` for an error.
        let token = self.next_number();
        self.candidates.push(Candidate { token, ..Candidate::default() });
        self.flow += 1;
        if self.flow > MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.key_allowed = true;
        self.single(kind);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind) -> Scan<()> {
        self.drop_candidate()?;
        if self.flow > 0 {
            self.flow -= 1;
            if let Some(last) = self.candidates.pop() {
                self.by_token.remove(&last.token);
            }
        }
        self.key_allowed = false;
        self.single(kind);
        Ok(())
    }

    fn block_entry(&mut self) -> Scan<()> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(self.problem("block sequence entries are not allowed in this context"));
            }
            self.open_block(self.column, None, Kind::BlockSequenceStart, self.line)?;
        }
        self.drop_candidate()?;
        self.key_allowed = true;
        self.single(Kind::BlockEntry);
        Ok(())
    }

    fn key(&mut self) -> Scan<()> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(self.problem("mapping keys are not allowed in this context"));
            }
            self.open_block(self.column, None, Kind::BlockMappingStart, self.line)?;
        }
        self.drop_candidate()?;
        self.key_allowed = self.flow == 0;
        self.single(Kind::Key);
        Ok(())
    }

    fn value(&mut self) -> Scan<()> {
        let level = self.candidates.len() - 1;
        if self.still_possible(level)? {
            let Candidate { token, line, column, .. } = self.candidates[level];
            self.insert(token, Kind::Key, line);
            self.open_block(column, Some(token), Kind::BlockMappingStart, line)?;
            self.candidates[level].possible = false;
            self.by_token.remove(&token);
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    return Err(self.problem("mapping values are not allowed in this context"));
                }
                self.open_block(self.column, None, Kind::BlockMappingStart, self.line)?;
            }
            self.key_allowed = self.flow == 0;
        }
        self.single(Kind::Value);
        Ok(())
    }
}
