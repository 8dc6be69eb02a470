//! Finding, replacing and splitting, as Go's methods on `*regexp.Regexp` do. Not here: compiling.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use regex_automata::util::captures::Captures;
use regex_automata::{Input, meta};

use crate::subject::Subject;

/// A compiled pattern. Clones are cheap and share its caches.
#[derive(Clone, Debug)]
pub struct Regexp {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) matcher: meta::Regex,
    /// The groups' names, from group 1.
    pub(crate) names: Vec<Option<Box<str>>>,
    /// Whether the pattern's text is empty.
    pub(crate) is_empty: bool,
}

/// What comes in place of a match.
#[derive(Clone, Copy, Debug)]
pub enum Replacement<'r> {
    /// These bytes.
    Literal(&'r [u8]),
    /// These with `$1`, `$name`, `${1}` and `${name}` for what the groups matched and `$$` for a dollar. An unknown group
    /// is empty; a dollar before anything else stays.
    Template(&'r [u8]),
}

impl Regexp {
    /// Size of the compiled program in bytes. In the worst case a search takes time in proportion to this and to the text's
    /// length, both multiplied.
    pub fn size(&self) -> usize {
        self.inner.matcher.memory_usage()
    }

    /// Whether there is a match anywhere in `input`.
    pub fn is_match(&self, input: &[u8]) -> bool {
        // The engine's own `is_match` stops at the first sign of a match. If that is an empty one within a character, it goes
        // on behind it, past a match that begins with the character.
        self.inner.matcher.search_half(&Input::new(Subject::new(input).text())).is_some()
    }

    /// The leftmost match, as offsets into `input`.
    pub fn find(&self, input: &[u8]) -> Option<Range<usize>> {
        let subject = Subject::new(input);
        self.inner.matcher.find(subject.text()).map(|found| subject.span(found.range()))
    }

    /// All matches that don't overlap, from left to right and at most `most`. An empty match right behind another match
    /// doesn't count.
    pub fn find_all(&self, input: &[u8], most: usize) -> Vec<Range<usize>> {
        let subject = Subject::new(input);
        let matches = self.inner.matcher.find_iter(subject.text());
        matches.take(most).map(|found| subject.span(found.range())).collect()
    }

    /// `input` with `template` in place of each match; see [`Replacement::Template`].
    pub fn replace_all(&self, input: &[u8], template: &[u8]) -> Vec<u8> {
        let unlimited = |_| Ok::<(), Infallible>(());
        self.try_replace_all(input, Replacement::Template(template), unlimited).unwrap_or_else(|never| match never {})
    }

    /// As [`Regexp::replace_all`], but asks before it writes each replacement, with its length in bytes or, if that is more,
    /// the number of groups that the template looks at: a long template can be empty for each of a million matches.
    ///
    /// # Errors
    /// Those of `allow`.
    pub fn try_replace_all<E>(
        &self,
        input: &[u8],
        replacement: Replacement<'_>,
        mut allow: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let subject = Subject::new(input);
        let mut out = Vec::new();
        let mut copied = 0;
        match replacement {
            Replacement::Literal(bytes) => {
                for found in self.inner.matcher.find_iter(subject.text()) {
                    allow(bytes.len())?;
                    let span = subject.span(found.range());
                    out.extend_from_slice(&input[copied..span.start]);
                    out.extend_from_slice(bytes);
                    copied = span.end;
                }
            }
            Replacement::Template(template) => {
                let pieces = self.pieces(template);
                let cost: usize = pieces.iter().map(Piece::cost).sum();
                for groups in self.inner.matcher.captures_iter(subject.text()) {
                    let Some(whole) = groups.get_match() else { continue };
                    let span = subject.span(whole.range());
                    let texts = || pieces.iter().map(|piece| piece.text(input, &subject, &groups));
                    allow(texts().map(<[u8]>::len).sum::<usize>().max(cost))?;
                    out.extend_from_slice(&input[copied..span.start]);
                    texts().for_each(|text| out.extend_from_slice(text));
                    copied = span.end;
                }
            }
        }
        out.extend_from_slice(&input[copied..]);
        Ok(out)
    }

    /// The parts of `input` between matches, at most `most` of them; the last one holds the rest. As Go's `Split` with a
    /// positive or, for `None`, a negative number; Go gives nothing for 0.
    pub fn split(&self, input: &[u8], most: Option<usize>) -> Vec<Range<usize>> {
        if most == Some(0) {
            return Vec::new();
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        // Go asks whether the pattern's text is empty; such a pattern has no part in an empty text.
        if input.is_empty() && !self.inner.is_empty {
            parts.push(0..0);
            return parts;
        }
        for found in self.find_all(input, usize::MAX) {
            if most.is_some_and(|most| parts.len() + 1 == most) {
                break;
            }
            end = found.start;
            if found.end != 0 {
                parts.push(begin..end);
            }
            begin = found.end;
        }
        if end != input.len() {
            parts.push(begin..input.len());
        }
        parts
    }

    /// A template's pieces.
    fn pieces<'t>(&self, template: &'t [u8]) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut known = HashMap::new();
        let mut rest = template;
        while let Some(at) = rest.iter().position(|&b| b == b'$') {
            let (before, dollar) = rest.split_at(at);
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            let (piece, after) = self.piece(dollar, &mut known);
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        pieces
    }

    /// Reads the piece that begins with the dollar. `known` keeps the groups of names that were looked up.
    fn piece<'t>(&self, dollar: &'t [u8], known: &mut HashMap<&'t str, Rc<[usize]>>) -> (Piece<'t>, &'t [u8]) {
        let (sign, body) = dollar.split_at(1);
        if let Some(after) = body.strip_prefix(b"$") {
            return (Piece::Text(sign), after);
        }
        let (braced, body) = body.strip_prefix(b"{").map_or((false, body), |inner| (true, inner));
        let name = name(body);
        let after = &body[name.len()..];
        let after = if braced { after.strip_prefix(b"}") } else { Some(after) };
        match after {
            Some(after) if !name.is_empty() => {
                let groups = known.entry(name).or_insert_with(|| self.groups(name).into());
                (Piece::Groups(Rc::clone(groups)), after)
            }
            _ => (Piece::Text(sign), &dollar[1..]),
        }
    }

    /// The groups that a name may stand for: several can have the same one.
    fn groups(&self, name: &str) -> Vec<usize> {
        // Go takes a number of more digits for a name, and one with a leading zero.
        let number = name.bytes().all(|b| b.is_ascii_digit()) && name.len() <= 9;
        if number && (name == "0" || !name.starts_with('0')) {
            return name.parse().into_iter().collect();
        }
        let named = self.inner.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
        named.map(|(index, _)| index + 1).collect()
    }
}

/// A part of a template.
enum Piece<'t> {
    Text(&'t [u8]),
    /// What the first of these groups that took part in the match has matched.
    Groups(Rc<[usize]>),
}

impl<'t> Piece<'t> {
    fn cost(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Groups(numbers) => numbers.len(),
        }
    }

    fn text(&self, input: &'t [u8], subject: &Subject<'_>, groups: &Captures) -> &'t [u8] {
        match self {
            Self::Text(text) => text,
            Self::Groups(numbers) => {
                let found = numbers.iter().find_map(|&number| groups.get_group(number));
                found.map_or(&[], |span| &input[subject.span(span.range())])
            }
        }
    }
}

/// The letters, digits and underscores at the start of a text.
fn name(text: &[u8]) -> &str {
    // One character after the other: what follows the name is not its business, and may be long.
    let character = |at: usize| text[at..text.len().min(at + 4)].utf8_chunks().next()?.valid().chars().next();
    let mut end = 0;
    while let Some(c) = character(end).filter(|&c| c == '_' || crate::is_letter(c) || crate::is_digit(c)) {
        end += c.len_utf8();
    }
    std::str::from_utf8(&text[..end]).unwrap_or_default()
}
