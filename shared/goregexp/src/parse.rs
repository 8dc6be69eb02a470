//! Reads Go's syntax: `regexp/syntax` of Go 1.26 with its flag set `Perl`. Not here: what a pattern matches.

use crate::error::{Error, What};
use crate::syntax::{self, Assertion, Class, Id, Member, Node, Syntax};
use crate::token::{Counts, MAX_REPEAT, class_char, counts, cut, escape, find, member, next, valid};

/// Deepest nesting, as the height of the parsed tree.
const MAX_HEIGHT: u32 = 1000;
/// Most expressions in a pattern, and most members of its classes. Go has no such limit; its own on the size of the compiled
/// program is farther off.
const MAX_NODES: usize = 1 << 16;

/// Parses a pattern.
///
/// # Errors
/// Go's.
pub(crate) fn parse(pattern: &[u8]) -> Result<Syntax, Error> {
    let mut parser = Parser { whole: pattern, ..Parser::default() };
    parser.run()?;
    Ok(parser.syntax)
}

/// What letters between `(?` and `)` or `:` switch.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    lines: bool,
    dot_newline: bool,
    lazy: bool,
}

/// A part of the tree, with what decides about its place in a larger one.
#[derive(Clone, Copy)]
struct Item {
    id: Id,
    height: u32,
    /// Repetitions within, multiplied along the worst path; at least 1.
    repeats: u32,
    shape: Shape,
}

/// How an item joins others. Go's tree has no sequence within a sequence, and neither has it one for plain texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Literal {
        fold: bool,
        chars: usize,
    },
    /// A class or dot.
    Set,
    Concat,
    Alternate,
    Other,
}

/// What is between a `(`, or the start, and where the parser is.
#[derive(Default)]
struct Frame {
    /// The number of the group, for `)`; none for `(?:`.
    group: Option<u32>,
    /// The flags to go back to.
    flags: Flags,
    branches: Vec<Item>,
    items: Vec<Item>,
}

#[derive(Default)]
struct Parser<'p> {
    whole: &'p [u8],
    syntax: Syntax,
    members: usize,
    /// No `:]` follows any more: looking for it again and again would take quadratic time.
    names_end: bool,
    flags: Flags,
    frame: Frame,
    outer: Vec<Frame>,
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<(), Error> {
        let mut rest = self.whole;
        // Where the operator right before begins, to find two in a row.
        let mut repeated: Option<&[u8]> = None;
        while let Some(&first) = rest.first() {
            let mut operator = None;
            match first {
                b'(' if rest.get(1) == Some(&b'?') => rest = self.perl_group(rest)?,
                b'(' => {
                    self.open_capture(None);
                    rest = &rest[1..];
                }
                b'|' => {
                    let branch = self.concat()?;
                    self.frame.branches.push(branch);
                    rest = &rest[1..];
                }
                b')' => {
                    self.close()?;
                    rest = &rest[1..];
                }
                b'^' => {
                    self.assertion(if self.flags.lines { Assertion::LineStart } else { Assertion::TextStart })?;
                    rest = &rest[1..];
                }
                b'$' => {
                    self.assertion(if self.flags.lines { Assertion::LineEnd } else { Assertion::TextEnd })?;
                    rest = &rest[1..];
                }
                b'.' => {
                    self.set(if self.flags.dot_newline { Node::AnyChar } else { Node::AnyCharButNewline })?;
                    rest = &rest[1..];
                }
                b'[' => rest = self.class(rest)?,
                b'*' | b'+' | b'?' => {
                    let (min, max) = match first {
                        b'*' => (0, None),
                        b'+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    operator = Some(rest);
                    rest = self.repeat(rest, &rest[1..], repeated, Counts { min, max, explicit: false })?;
                }
                b'{' => match counts(rest) {
                    None => {
                        self.literal(u32::from(first))?;
                        rest = &rest[1..];
                    }
                    Some((counts, after)) => {
                        if !counts.are_possible() {
                            return Err(What::RepeatSize.at(cut(rest, after)));
                        }
                        operator = Some(rest);
                        rest = self.repeat(rest, after, repeated, counts)?;
                    }
                },
                b'\\' => rest = self.backslash(rest)?,
                _ => {
                    let (c, after) = next(rest)?;
                    self.literal(c)?;
                    rest = after;
                }
            }
            repeated = operator;
        }
        self.alternate()?;
        if self.outer.is_empty() { Ok(()) } else { Err(What::MissingParen.at(self.whole)) }
    }

    // Building.

    fn node(&mut self, node: Node) -> Result<Id, Error> {
        if self.syntax.nodes.len() + self.members >= MAX_NODES {
            return Err(What::TooLarge.at(self.whole));
        }
        self.syntax.nodes.push(node);
        Ok(self.syntax.nodes.len() - 1)
    }

    fn push(&mut self, node: Node, shape: Shape, height: u32, repeats: u32) -> Result<Item, Error> {
        if height > MAX_HEIGHT {
            return Err(What::Nesting.at(self.whole));
        }
        self.syntax.height = self.syntax.height.max(height);
        Ok(Item { id: self.node(node)?, height, repeats, shape })
    }

    fn add(&mut self, node: Node, shape: Shape) -> Result<(), Error> {
        self.join_literals();
        let item = self.push(node, shape, 1, 1)?;
        self.frame.items.push(item);
        Ok(())
    }

    fn assertion(&mut self, assertion: Assertion) -> Result<(), Error> {
        self.add(Node::Assertion(assertion), Shape::Other)
    }

    fn set(&mut self, node: Node) -> Result<(), Error> {
        self.add(node, Shape::Set)
    }

    fn literal(&mut self, c: u32) -> Result<(), Error> {
        let fold = self.flags.fold;
        self.add(Node::Literal { chars: vec![c], fold }, Shape::Literal { fold, chars: 1 })
    }

    /// Makes one text of two at the end. The last one stays alone until something follows it: an operator takes one
    /// character only.
    fn join_literals(&mut self) {
        let [.., first, second] = self.frame.items.as_mut_slice() else { return };
        let (Shape::Literal { fold, chars }, Shape::Literal { fold: other, chars: more }) = (first.shape, second.shape)
        else {
            return;
        };
        let last = second.id + 1 == self.syntax.nodes.len();
        if fold != other || !last {
            return;
        }
        first.shape = Shape::Literal { fold, chars: chars + more };
        let target = first.id;
        self.frame.items.pop();
        if let Some(Node::Literal { chars: tail, .. }) = self.syntax.nodes.pop()
            && let Some(Node::Literal { chars, .. }) = self.syntax.nodes.get_mut(target)
        {
            chars.extend(tail);
        }
    }

    /// Makes one expression of what was read since the last `|` or `(`.
    fn concat(&mut self) -> Result<Item, Error> {
        self.join_literals();
        let items = std::mem::take(&mut self.frame.items);
        match items.as_slice() {
            [] => self.push(Node::Empty, Shape::Other, 1, 1),
            [only] => Ok(*only),
            several => self.collect(several, Shape::Concat, Node::Concat),
        }
    }

    /// Makes one expression of the branches since the last `(`.
    fn alternate(&mut self) -> Result<Item, Error> {
        let last = self.concat()?;
        let mut branches = std::mem::take(&mut self.frame.branches);
        if branches.is_empty() {
            return Ok(last);
        }
        branches.push(last);
        let is_set = |item: &Item| matches!(item.shape, Shape::Set | Shape::Literal { chars: 1, .. });
        if branches.iter().all(is_set) {
            // Go makes one class of them.
            let ids = branches.iter().map(|item| item.id).collect();
            return self.push(Node::Alternate(ids), Shape::Set, 1, 1);
        }
        self.collect(&branches, Shape::Alternate, Node::Alternate)
    }

    fn collect(&mut self, items: &[Item], shape: Shape, node: impl Fn(Vec<Id>) -> Node) -> Result<Item, Error> {
        let height = items.iter().map(|item| item.height - u32::from(item.shape == shape)).max().unwrap_or(0) + 1;
        let repeats = items.iter().map(|item| item.repeats).max().unwrap_or(1);
        self.push(node(items.iter().map(|item| item.id).collect()), shape, height, repeats)
    }

    fn open_capture(&mut self, name: Option<&str>) {
        self.syntax.names.push(name.map(Into::into));
        let group = u32::try_from(self.syntax.names.len()).unwrap_or(u32::MAX);
        self.open(Some(group), self.flags);
    }

    fn open(&mut self, group: Option<u32>, flags: Flags) {
        self.join_literals();
        let frame = Frame { group, flags, ..Frame::default() };
        self.outer.push(std::mem::replace(&mut self.frame, frame));
    }

    fn close(&mut self) -> Result<(), Error> {
        let inner = self.alternate()?;
        let Some(outer) = self.outer.pop() else { return Err(What::UnexpectedParen.at(self.whole)) };
        let frame = std::mem::replace(&mut self.frame, outer);
        self.flags = frame.flags;
        let item = match frame.group {
            None => inner,
            Some(group) => {
                let node = Node::Capture { group, sub: inner.id };
                self.push(node, Shape::Other, inner.height + 1, inner.repeats)?
            }
        };
        self.frame.items.push(item);
        Ok(())
    }

    /// Applies an operator that stands between `before` and `after`; gives back what follows it.
    fn repeat(
        &mut self,
        before: &[u8],
        after: &'p [u8],
        repeated: Option<&[u8]>,
        counts: Counts,
    ) -> Result<&'p [u8], Error> {
        let (after, lazy) =
            after.strip_prefix(b"?").map_or((after, self.flags.lazy), |after| (after, !self.flags.lazy));
        if let Some(repeated) = repeated {
            return Err(What::Repeat.at(cut(repeated, after)));
        }
        let Some(sub) = self.frame.items.pop() else { return Err(What::MissingArgument.at(cut(before, after))) };
        let Counts { min, max, explicit } = counts;
        let repeats = match max {
            _ if !explicit => sub.repeats,
            Some(0) => 1,
            Some(most) => sub.repeats.saturating_mul(most),
            None => sub.repeats.saturating_mul(min.max(1)),
        };
        let node = Node::Repeat { min, max, greedy: !lazy, sub: sub.id };
        let item = self.push(node, Shape::Other, sub.height + 1, repeats)?;
        self.frame.items.push(item);
        if explicit && (min >= 2 || max.is_some_and(|max| max >= 2)) && repeats > MAX_REPEAT {
            return Err(What::RepeatSize.at(cut(before, after)));
        }
        Ok(after)
    }

    // Reading.

    /// Reads what begins with `(?`: a named group, or flags with or without a group.
    fn perl_group(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let marks: [(&[u8], usize); 2] = [(b"(?P<", 5), (b"(?<", 4)];
        if let Some((mark, _)) = marks.into_iter().find(|&(mark, least)| text.starts_with(mark) && text.len() >= least)
        {
            let Some(end) = find(text, b">") else {
                valid(text)?;
                return Err(What::NamedCapture.at(text));
            };
            let name = valid(&text[mark.len()..end])?;
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                return Err(What::NamedCapture.at(&text[..=end]));
            }
            self.open_capture(Some(name));
            return Ok(&text[end + 1..]);
        }
        let mut rest = &text[2..];
        let mut flags = self.flags;
        let (mut on, mut any) = (true, false);
        while !rest.is_empty() {
            let (c, after) = next(rest)?;
            rest = after;
            let flag = match char::from_u32(c) {
                Some('i') => &mut flags.fold,
                Some('m') => &mut flags.lines,
                Some('s') => &mut flags.dot_newline,
                Some('U') => &mut flags.lazy,
                Some('-') if on => {
                    (on, any) = (false, false);
                    continue;
                }
                Some(end @ (':' | ')')) if on || any => {
                    if end == ':' {
                        self.open(None, self.flags);
                    }
                    self.flags = flags;
                    return Ok(rest);
                }
                _ => break,
            };
            *flag = on;
            any = true;
        }
        Err(What::Perl.at(cut(text, rest)))
    }

    /// Reads a backslash outside of a class and what belongs to it.
    fn backslash(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let assertion = match text.get(1) {
            Some(b'A') => Assertion::TextStart,
            Some(b'z') => Assertion::TextEnd,
            Some(b'b') => Assertion::Boundary,
            Some(b'B') => Assertion::NoBoundary,
            Some(b'C') => return Err(What::Escape.at(&text[..2])),
            Some(b'Q') => return self.quotation(&text[2..]),
            _ => {
                if let Some((member, rest)) = member(text)? {
                    self.add_class(false, vec![member])?;
                    return Ok(rest);
                }
                let (c, rest) = escape(text)?;
                self.literal(c)?;
                return Ok(rest);
            }
        };
        self.assertion(assertion)?;
        Ok(&text[2..])
    }

    /// Reads a quotation from behind its `\Q`.
    fn quotation(&mut self, text: &'p [u8]) -> Result<&'p [u8], Error> {
        let (mut quoted, rest) = find(text, br"\E").map_or((text, &b""[..]), |at| (&text[..at], &text[at + 2..]));
        while !quoted.is_empty() {
            let (c, after) = next(quoted)?;
            self.literal(c)?;
            quoted = after;
        }
        Ok(rest)
    }

    fn add_class(&mut self, negated: bool, members: Vec<Member>) -> Result<(), Error> {
        let fold = self.flags.fold;
        self.members += members.len();
        self.set(Node::Class { class: Box::new(Class { negated, members }), fold })
    }

    /// Reads a class from `[` to behind its `]`.
    fn class(&mut self, whole: &'p [u8]) -> Result<&'p [u8], Error> {
        let mut rest = &whole[1..];
        let negated = rest.first() == Some(&b'^');
        rest = &rest[usize::from(negated)..];
        let mut members = Vec::new();
        while members.is_empty() || rest.first() != Some(&b']') {
            if members.len() >= MAX_NODES {
                return Err(What::TooLarge.at(self.whole));
            }
            if let Some(named) = rest.strip_prefix(b"[:").filter(|_| !self.names_end)
                && let Some(end) = find(named, b":]").or_else(|| {
                    self.names_end = true;
                    None
                })
            {
                let after = &named[end + 2..];
                let Some(member) = syntax::posix(&named[..end]) else {
                    return Err(What::CharRange.at(cut(rest, after)));
                };
                members.push(member);
                rest = after;
                continue;
            }
            if let Some((member, after)) = member(rest)? {
                members.push(member);
                rest = after;
                continue;
            }
            let range = rest;
            let (low, after) = class_char(rest, whole)?;
            rest = after;
            let mut high = low;
            // `[a-]` is `a` or `-`.
            if let [b'-', next, ..] = rest
                && *next != b']'
            {
                (high, rest) = class_char(&rest[1..], whole)?;
                if high < low {
                    return Err(What::CharRange.at(cut(range, rest)));
                }
            }
            members.push(Member::Range(low, high));
        }
        self.add_class(negated, members)?;
        Ok(&rest[1..])
    }
}
