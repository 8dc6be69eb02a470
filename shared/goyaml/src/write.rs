//! Scalars in their styles, with lines folded where a space stands beyond column 80.

use crate::emit::{is_break, is_printable};

const WIDTH: usize = 80;
const INDENT: usize = 2;

pub(crate) struct Writer {
    pub(crate) text: String,
    /// Of the collection that is open.
    pub(crate) indent: usize,
    /// Whether none is open.
    outside: bool,
    column: usize,
    /// Whether the last character was white space.
    whitespace: bool,
    /// Whether the line has nothing but indentation and indicators that count as such.
    pub(crate) indention: bool,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { text: String::new(), indent: 0, outside: true, column: 0, whitespace: true, indention: true }
    }

    /// Goes in by one level; gives back what `indent` is to be set to afterwards.
    pub(crate) fn open(&mut self, scalar: bool, flush: bool) -> usize {
        let outer = self.indent;
        if self.outside {
            self.indent = if scalar { INDENT } else { 0 };
            self.outside = scalar;
        } else if !flush {
            self.indent += INDENT;
        }
        outer
    }

    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }

    /// A line break; all but newlines stay what they are.
    fn put_break(&mut self, c: char) {
        self.text.push(c);
        self.column = 0;
    }

    pub(crate) fn write_indent(&mut self) {
        if !self.indention || self.column > self.indent || self.column == self.indent && !self.whitespace {
            self.put_break('\n');
        }
        while self.column < self.indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(crate) fn indicator(&mut self, text: &str, space_before: bool, whitespace: bool, indention: bool) {
        if space_before && !self.whitespace {
            self.put(' ');
        }
        for c in text.chars() {
            self.put(c);
        }
        self.whitespace = whitespace;
        self.indention &= indention;
    }

    fn end_scalar(&mut self) {
        self.whitespace = false;
        self.indention = false;
    }

    pub(crate) fn plain(&mut self, text: &str, fold: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        self.flow_text(text, fold, false);
        self.end_scalar();
    }

    pub(crate) fn single_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("'", true, false, false);
        self.flow_text(text, fold, true);
        self.indicator("'", false, false, false);
        self.end_scalar();
    }

    fn flow_text(&mut self, text: &str, fold: bool, quoted: bool) {
        let mut chars = text.chars().enumerate().peekable();
        let (mut after_space, mut after_break) = (false, false);
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|&(_, next)| next);
            if c == ' ' {
                let inside = !quoted || at > 0 && next.is_some();
                if fold && !after_space && self.column > WIDTH && inside && next != Some(' ') {
                    self.write_indent();
                } else {
                    self.put(c);
                }
                after_space = true;
            } else if is_break(c) {
                if !after_break && c == '\n' {
                    self.put_break('\n');
                }
                self.put_break(c);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if quoted && c == '\'' {
                    self.put(c);
                }
                self.put(c);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
    }

    pub(crate) fn double_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("\"", true, false, false);
        // Go looks for the byte order mark at the beginning, whichever character it is at.
        let all_escaped = text.starts_with('\u{feff}');
        let mut chars = text.chars().enumerate().peekable();
        let mut after_space = false;
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|&(_, next)| next);
            if all_escaped || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escape(c);
                after_space = false;
            } else if c == ' ' {
                if fold && !after_space && self.column > WIDTH && at > 0 && next.is_some() {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                after_space = true;
            } else {
                self.put(c);
                after_space = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.end_scalar();
    }

    fn escape(&mut self, c: char) {
        let start = self.text.len();
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => '\0',
        };
        self.text.push('\\');
        let code = u32::from(c);
        match (short, code) {
            ('\0', 0..=0xff) => self.text.push_str(&format!("x{code:02X}")),
            ('\0', 0x100..=0xffff) => self.text.push_str(&format!("u{code:04X}")),
            ('\0', _) => self.text.push_str(&format!("U{code:08X}")),
            (short, _) => self.text.push(short),
        }
        self.column += self.text.len() - start;
    }

    pub(crate) fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut back = text.chars().rev();
        match (back.next().is_some_and(is_break), back.next()) {
            (false, _) => self.indicator("-", false, false, false),
            (true, None) => self.indicator("+", false, false, false),
            (true, Some(c)) if is_break(c) => self.indicator("+", false, false, false),
            (true, Some(_)) => {}
        }
        self.put_break('\n');
        self.indention = true;
        self.whitespace = true;
        let mut after_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.put_break(c);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
                after_break = false;
            }
        }
    }
}
