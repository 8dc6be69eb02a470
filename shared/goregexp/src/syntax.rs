//! What a pattern consists of, as a list in which every expression comes after those that it is made of. So nothing that
//! walks it recurses, however deep a pattern nests.

use crate::unicode::Property;

/// The place of an expression in [`Syntax::nodes`].
pub(crate) type Id = usize;

/// A parsed pattern.
#[derive(Debug, Default)]
pub(crate) struct Syntax {
    /// The last one is the whole pattern.
    pub(crate) nodes: Vec<Node>,
    /// Names of the groups, from group 1.
    pub(crate) names: Vec<Option<Box<str>>>,
    /// How deep the expressions nest.
    pub(crate) height: u32,
}

/// One expression.
#[derive(Debug)]
pub(crate) enum Node {
    Empty,
    /// These characters, in any case if `fold`. They may be surrogates, which match nothing.
    Literal {
        chars: Vec<u32>,
        fold: bool,
    },
    Class {
        class: Box<Class>,
        fold: bool,
    },
    AnyChar,
    AnyCharButNewline,
    Assertion(Assertion),
    Capture {
        group: u32,
        sub: Id,
    },
    Repeat {
        min: u32,
        max: Option<u32>,
        greedy: bool,
        sub: Id,
    },
    Concat(Vec<Id>),
    Alternate(Vec<Id>),
}

/// What holds at a place between characters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Assertion {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    Boundary,
    NoBoundary,
}

/// A set of characters, as written.
#[derive(Debug, Default)]
pub(crate) struct Class {
    pub(crate) negated: bool,
    pub(crate) members: Vec<Member>,
}

/// What a class is the union of.
#[derive(Debug)]
pub(crate) enum Member {
    Range(u32, u32),
    Ascii { ranges: &'static [(u8, u8)], negated: bool },
    Property { property: Property, negated: bool },
}

/// `\d`, `\s` and `\w`, or their negations for the capital letters.
pub(crate) fn perl(letter: u8) -> Option<Member> {
    let ranges = match letter.to_ascii_lowercase() {
        b'd' => DIGIT,
        b's' => &[(b'\t', b'\n'), (0x0c, b'\r'), (b' ', b' ')],
        b'w' => WORD,
        _ => return None,
    };
    Some(Member::Ascii { ranges, negated: letter.is_ascii_uppercase() })
}

/// `[:alpha:]` and its kin, by what stands between the colons.
pub(crate) fn posix(name: &[u8]) -> Option<Member> {
    let (name, negated) = name.strip_prefix(b"^").map_or((name, false), |name| (name, true));
    let ranges: &[(u8, u8)] = match name {
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"ascii" => &[(0, 0x7f)],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        b"digit" => DIGIT,
        b"graph" => &[(b'!', b'~')],
        b"lower" => &[(b'a', b'z')],
        b"print" => &[(b' ', b'~')],
        b"punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        b"space" => &[(b'\t', b'\r'), (b' ', b' ')],
        b"upper" => &[(b'A', b'Z')],
        b"word" => WORD,
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    };
    Some(Member::Ascii { ranges, negated })
}

const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
const WORD: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];
