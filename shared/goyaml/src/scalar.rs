//! What is inside scalars: plain, quoted and block ones, with their folding and escapes.

use crate::scan::{Kind, Scan, Scanner, is_blank, is_break, is_break_or_end, is_space_or_end};

/// White space between two parts of a plain or quoted scalar. It is kept as it is within a line; a single line break becomes
/// a space, and of more than one the first is dropped.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: Option<char>,
    more_breaks: String,
    /// Whether there was a line break, even an escaped one.
    broken: bool,
}

impl Gap {
    fn add_break(&mut self, c: char) {
        if self.broken {
            self.more_breaks.push(c);
        } else {
            self.blanks.clear();
            self.first_break = Some(c);
            self.broken = true;
        }
    }

    /// Ends the gap: what it stands for goes to `text`.
    fn close(&mut self, text: &mut String) {
        match self.first_break {
            _ if !self.broken => text.push_str(&self.blanks),
            Some('\n') if self.more_breaks.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more_breaks),
            first => {
                text.extend(first);
                text.push_str(&self.more_breaks);
            }
        }
        *self = Self::default();
    }
}

impl Scanner {
    pub(crate) fn plain_scalar(&mut self) -> Scan<Kind> {
        let mut text = String::new();
        let mut gap = Gap::default();
        let indent = self.indent.map_or(0, |indent| indent + 1);
        loop {
            if self.at_document_mark() || self.current() == '#' {
                break;
            }
            while !is_space_or_end(self.current()) {
                let c = self.current();
                if c == ':' && is_space_or_end(self.ahead(1))
                    || self.flow > 0 && matches!(c, ',' | '?' | '[' | ']' | '{' | '}')
                {
                    break;
                }
                if gap.broken || !gap.blanks.is_empty() {
                    gap.close(&mut text);
                }
                text.push(c);
                self.skip();
            }
            if !(is_blank(self.current()) || is_break(self.current())) {
                break;
            }
            loop {
                if let Some(c) = self.skip_break() {
                    gap.add_break(c);
                } else if is_blank(self.current()) {
                    if !gap.broken {
                        gap.blanks.push(self.current());
                    } else if self.column < indent && self.current() == '\t' {
                        return Err(self.problem("found a tab character that violates indentation"));
                    }
                    self.skip();
                } else {
                    break;
                }
            }
            if self.flow == 0 && self.column < indent {
                break;
            }
        }
        if gap.broken {
            self.key_allowed = true;
        }
        Ok(Kind::Scalar { text, plain: true })
    }

    pub(crate) fn quoted_scalar(&mut self) -> Scan<Kind> {
        let quote = self.current();
        self.skip();
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.at_document_mark() {
                return Err(self.problem("found unexpected document indicator"));
            }
            if self.current() == '\0' {
                return Err(self.problem("found unexpected end of stream"));
            }
            while !is_space_or_end(self.current()) {
                match (self.current(), self.ahead(1)) {
                    ('\'', '\'') if quote == '\'' => {
                        text.push('\'');
                        self.skip();
                        self.skip();
                    }
                    (c, _) if c == quote => break,
                    ('\\', next) if quote == '"' => {
                        self.skip();
                        if is_break(next) {
                            self.skip_break();
                            gap.broken = true;
                            break;
                        }
                        text.push(self.escape(next)?);
                    }
                    (c, _) => {
                        text.push(c);
                        self.skip();
                    }
                }
            }
            if self.current() == quote {
                break;
            }
            loop {
                if let Some(c) = self.skip_break() {
                    gap.add_break(c);
                } else if is_blank(self.current()) {
                    if !gap.broken {
                        gap.blanks.push(self.current());
                    }
                    self.skip();
                } else {
                    break;
                }
            }
            gap.close(&mut text);
        }
        self.skip();
        Ok(Kind::Scalar { text, plain: false })
    }

    /// What an escape stands for; the scanner is on the character after the backslash.
    fn escape(&mut self, c: char) -> Scan<char> {
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let simple = match c {
            '0' => '\0',
            'a' => '\x07',
            'b' => '\x08',
            't' | '\t' => '\t',
            'n' => '\n',
            'v' => '\x0b',
            'f' => '\x0c',
            'r' => '\r',
            'e' => '\x1b',
            ' ' | '"' | '\'' | '\\' => c,
            'N' => '\u{85}',
            '_' => '\u{a0}',
            'L' => '\u{2028}',
            'P' => '\u{2029}',
            _ if digits > 0 => '\0',
            _ => return Err(self.problem("found unknown escape character")),
        };
        self.skip();
        if digits == 0 {
            return Ok(simple);
        }
        let mut code: u32 = 0;
        for place in 0..digits {
            match self.ahead(place).to_digit(16) {
                Some(digit) => code = code << 4 | digit,
                None => return Err(self.problem("did not find expected hexdecimal number")),
            }
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.problem("found invalid Unicode character escape code"));
        };
        for _ in 0..digits {
            self.skip();
        }
        Ok(c)
    }

    pub(crate) fn block_scalar(&mut self, literal: bool) -> Scan<String> {
        self.skip();
        let (keep, strip, increment) = self.block_header()?;
        let mut indent = increment.map(|by| self.indent.map_or(by, |indent| indent + by));
        let mut text = String::new();
        let mut first_break: Option<char> = None;
        let mut more_breaks = self.block_breaks(&mut indent)?;
        let mut after_blank = false;
        while Some(self.column) == indent && self.current() != '\0' {
            let blank = is_blank(self.current());
            // Lines that start with white space aren't folded, nor are the breaks around them.
            if !literal && !after_blank && !blank && first_break == Some('\n') {
                if more_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.extend(first_break);
            }
            text.push_str(&more_breaks);
            after_blank = blank;
            while !is_break_or_end(self.current()) {
                text.push(self.current());
                self.skip();
            }
            first_break = self.skip_break();
            more_breaks = self.block_breaks(&mut indent)?;
        }
        if !strip {
            text.extend(first_break);
        }
        if keep {
            text.push_str(&more_breaks);
        }
        Ok(text)
    }

    /// Whether to keep all line breaks at the end, whether to drop all, and by how much the text is indented if that is said.
    fn block_header(&mut self) -> Scan<(bool, bool, Option<usize>)> {
        let (mut keep, mut strip, mut increment) = (false, false, None);
        for _ in 0..2 {
            match self.current() {
                c @ ('+' | '-') if !keep && !strip => {
                    keep = c == '+';
                    strip = c == '-';
                    self.skip();
                }
                '0' if increment.is_none() => {
                    return Err(self.problem("found an indentation indicator equal to 0"));
                }
                c @ '1'..='9' if increment.is_none() => {
                    increment = c.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                    self.skip();
                }
                _ => break,
            }
        }
        self.end_line()?;
        Ok((keep, strip, increment))
    }

    /// Passes indentation and empty lines, whose breaks it gives back, and sets the indentation if that is still open.
    fn block_breaks(&mut self, indent: &mut Option<usize>) -> Scan<String> {
        let mut breaks = String::new();
        let mut widest = 0;
        loop {
            while indent.is_none_or(|indent| self.column < indent) && self.current() == ' ' {
                self.skip();
            }
            widest = widest.max(self.column);
            if indent.is_none_or(|indent| self.column < indent) && self.current() == '\t' {
                return Err(self.problem("found a tab character where an indentation space is expected"));
            }
            match self.skip_break() {
                Some(c) => breaks.push(c),
                None => break,
            }
        }
        if indent.is_none() {
            *indent = Some(widest.max(self.indent.map_or(0, |indent| indent + 1)).max(1));
        }
        Ok(breaks)
    }
}
