//! From text to steps. Deliberately not here: what the steps mean.

use std::iter::Peekable;
use std::str::Chars;

use super::{Expression, Fault, MAX_DEPTH, Step};

/// The steps of a whole path.
pub(super) fn path(text: &str) -> Result<Vec<Step>, Fault> {
    let mut parser = Parser { rest: text.chars().peekable(), at: 1, depth: 0 };
    let mut steps = match (parser.takes('$'), parser.name()) {
        (true, None) => Vec::new(),
        (true, Some(_)) => return parser.fault("expected . or [ after $"),
        (false, Some(name)) => vec![Step::Key(Expression::Text(name))],
        (false, None) => return parser.fault("a path begins with $"),
    };
    steps.append(&mut parser.steps()?);
    match parser.peek() {
        None => Ok(steps),
        Some('(') => parser.fault("scripts in ( ) are not supported"),
        Some(_) => parser.fault("expected the end, or . or ["),
    }
}

struct Parser<'t> {
    rest: Peekable<Chars<'t>>,
    /// Of the next character, from 1.
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault::Syntax { at: self.at, what })
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.rest.next()
    }

    fn next_if(&mut self, wanted: impl FnOnce(char) -> bool) -> Option<char> {
        let found = self.rest.next_if(|c| wanted(*c));
        self.at += usize::from(found.is_some());
        found
    }

    /// The next character that isn't white space.
    fn peek(&mut self) -> Option<char> {
        while self.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
        self.rest.peek().copied()
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.next().is_some()
    }

    fn steps(&mut self) -> Result<Vec<Step>, Fault> {
        let mut steps = Vec::new();
        loop {
            if self.takes('[') {
                steps.push(self.bracket(false)?);
            } else if !self.takes('.') {
                return Ok(steps);
            } else if !self.takes('.') {
                steps.push(self.name_or_all("expected a name, * or . after .")?);
            } else {
                steps.push(Step::Below);
                let next = if self.takes('[') {
                    self.bracket(true)?
                } else {
                    self.name_or_all("expected a name, * or [ after ..")?
                };
                steps.push(next);
            }
        }
    }

    fn name_or_all(&mut self, due: &'static str) -> Result<Step, Fault> {
        if self.takes('*') {
            return Ok(Step::All);
        }
        self.peek();
        match self.name() {
            Some(name) => Ok(Step::Key(Expression::Text(name))),
            None => self.fault(due),
        }
    }

    fn name(&mut self) -> Option<String> {
        let first = self.next_if(|c| c.is_alphabetic() || c == '_')?;
        let mut name = String::from(first);
        while let Some(c) = self.next_if(|c| c.is_alphanumeric() || c == '_') {
            name.push(c);
        }
        Some(name)
    }

    /// What stands between `[` and `]`.
    fn bracket(&mut self, below: bool) -> Result<Step, Fault> {
        if self.takes('*') {
            self.due(']', "expected ] after *")?;
            return Ok(Step::All);
        }
        if self.takes('?') {
            let filter = self.expression()?;
            self.due(']', "expected ] after the filter; only == and != can compare")?;
            return Ok(Step::Filter(filter));
        }
        let first = if self.peek() == Some(':') { None } else { Some(self.expression()?) };
        if self.peek() == Some(':') {
            if below {
                return self.fault("a slice can't follow ..");
            }
            return self.slice(first);
        }
        let Some(first) = first else { return self.fault("expected a key") };
        let mut keys = vec![first];
        while self.takes(',') {
            keys.push(self.expression()?);
        }
        self.due(']', "expected ], , or : after a key")?;
        match (keys.pop(), keys.is_empty()) {
            (Some(only), true) if !below => Ok(Step::Key(only)),
            (last, _) => Ok(Step::Keys(keys.into_iter().chain(last).collect())),
        }
    }

    fn slice(&mut self, from: Option<Expression>) -> Result<Step, Fault> {
        let mut bounds = [None, None];
        for bound in &mut bounds {
            if !self.takes(':') {
                break;
            }
            if !matches!(self.peek(), Some(':' | ']')) {
                *bound = Some(self.expression()?);
            }
        }
        self.due(']', "expected ] after the slice")?;
        let [to, step] = bounds;
        Ok(Step::Slice { from, to, step })
    }

    fn due(&mut self, wanted: char, due: &'static str) -> Result<(), Fault> {
        if self.takes(wanted) { Ok(()) } else { self.fault(due) }
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        let mut left = self.operand()?;
        loop {
            let equal = match self.peek() {
                Some('=') => true,
                Some('!') => false,
                _ => return Ok(left),
            };
            self.next();
            if self.next_if(|c| c == '=').is_none() {
                return self.fault("expected == or !=");
            }
            let right = Box::new(self.operand()?);
            left = Expression::Comparison { left: Box::new(left), right, equal };
        }
    }

    fn operand(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fault("brackets nest too deep");
        }
        let operand = match self.peek() {
            Some('$') => {
                self.next();
                Expression::Root(self.steps()?)
            }
            Some('@') => {
                self.next();
                Expression::Current(self.steps()?)
            }
            Some('(') => {
                self.next();
                let inner = self.expression()?;
                self.due(')', "expected ) ; only == and != can compare")?;
                inner
            }
            Some('-') => {
                self.next();
                let inner = self.operand()?;
                let number = match &inner {
                    Expression::Null | Expression::Bool(_) => false,
                    Expression::Text(text) => text.parse::<f64>().is_ok(),
                    Expression::Number(_)
                    | Expression::Root(_)
                    | Expression::Current(_)
                    | Expression::Negative(_)
                    | Expression::Comparison { .. } => true,
                };
                if !number {
                    return self.fault("expected a number after -");
                }
                Expression::Negative(Box::new(inner))
            }
            Some(quote @ ('"' | '\'' | '`')) => {
                self.next();
                Expression::Text(self.text(quote)?)
            }
            Some('0'..='9') => self.number()?,
            _ => match self.name().as_deref() {
                Some("true") => Expression::Bool(true),
                Some("false") => Expression::Bool(false),
                Some("null") => Expression::Null,
                Some(name) => {
                    let mut steps = vec![Step::Key(Expression::Text(name.to_owned()))];
                    steps.append(&mut self.steps()?);
                    Expression::Root(steps)
                }
                None => return self.fault("expected a text in quotes, a number, $ or @"),
            },
        };
        self.depth -= 1;
        Ok(operand)
    }

    fn number(&mut self) -> Result<Expression, Fault> {
        let mut text = String::new();
        while let Some(c) = self.next_if(|c| c.is_ascii_alphanumeric() || c == '.') {
            text.push(c);
        }
        match text.parse() {
            Ok(number) => Ok(Expression::Number(number)),
            Err(_) => self.fault("this is no number"),
        }
    }

    /// Up to the closing quote. Escapes are those that Go and JSON share, and both quotes.
    fn text(&mut self, quote: char) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return self.fault("the closing quote is missing"),
                Some(c) if c == quote => return Ok(text),
                Some('\\') if quote != '`' => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let unescaped = match self.next() {
            Some(c @ ('\\' | '"' | '\'')) => Some(c),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => {
                let digits: String = (0..4).filter_map(|_| self.next_if(|c| c.is_ascii_hexdigit())).collect();
                u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4).and_then(char::from_u32)
            }
            _ => None,
        };
        unescaped.map_or_else(|| self.fault("this escape is not understood"), Ok)
    }
}
