//! Makes a matcher of a parsed pattern: each expression in the terms of `regex-syntax`, and those compiled by
//! `regex-automata` within limits.

use regex_automata::meta;
use regex_syntax::hir::{Capture, Class as HirClass, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition};

use crate::syntax::{Assertion, Class, Member, Node, Syntax};
use crate::unicode;

/// Most ranges of characters in all classes of a pattern: 8 bytes each.
const MAX_RANGES: usize = 1 << 18;
/// Largest compiled program, in bytes. The engine makes two of them, forwards and backwards.
const MAX_PROGRAM: usize = 10 << 20;
/// Room for what each state of the program remembers about each group while matching, in bytes: a program that has many
/// groups must be smaller.
const MAX_MEMORY: usize = 32 << 20;
/// Room for the engine's cache of states, in bytes.
const CACHE: usize = 2 << 20;

/// The nesting that any stack has room for: the default limit of `regex`.
const SHALLOW: u32 = 250;
/// The stack for patterns that nest deeper: enough for the deepest that is accepted, in an unoptimised build too.
const STACK: usize = 32 << 20;

/// The pattern is too large, which is the one thing that can be wrong with it after parsing.
pub(crate) struct TooLarge;

/// Compiles a pattern. The engine's compiler recurses; it gets a stack of its own for patterns that nest deeper than
/// `regex` would accept.
pub(crate) fn matcher(syntax: Syntax, groups: usize) -> Result<meta::Regex, TooLarge> {
    if syntax.height <= SHALLOW {
        return compile(syntax, groups);
    }
    std::thread::scope(|scope| {
        let compiler = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || compile(syntax, groups));
        compiler.map_err(|_| TooLarge)?.join().map_err(|_| TooLarge)?
    })
}

fn compile(syntax: Syntax, groups: usize) -> Result<meta::Regex, TooLarge> {
    let hir = hir(syntax)?;
    let config = meta::Config::new()
        .nfa_size_limit(Some(MAX_PROGRAM.min(MAX_MEMORY / (groups + 1))))
        .onepass_size_limit(Some(1 << 20))
        .hybrid_cache_capacity(CACHE);
    meta::Builder::new().configure(config).build_from_hir(&hir).map_err(|_| TooLarge)
}

fn hir(syntax: Syntax) -> Result<Hir, TooLarge> {
    let mut ranges = 0;
    let mut done: Vec<Hir> = Vec::with_capacity(syntax.nodes.len());
    // An expression is part of one other at most, so it is taken and not copied.
    let take = |done: &mut Vec<Hir>, id: usize| {
        done.get_mut(id).map_or_else(Hir::fail, |hir| std::mem::replace(hir, Hir::empty()))
    };
    for node in syntax.nodes {
        let hir = match node {
            Node::Empty => Hir::empty(),
            Node::AnyChar => Hir::dot(Dot::AnyChar),
            Node::AnyCharButNewline => Hir::dot(Dot::AnyCharExceptLF),
            Node::Assertion(assertion) => Hir::look(look(assertion)),
            Node::Literal { chars, fold } => Hir::concat(chars.into_iter().map(|c| literal(c, fold)).collect()),
            Node::Class { class, fold } => {
                let class = self::class(&class, fold, &mut ranges)?;
                Hir::class(HirClass::Unicode(class))
            }
            Node::Capture { group, sub } => {
                Hir::capture(Capture { index: group, name: None, sub: Box::new(take(&mut done, sub)) })
            }
            Node::Repeat { min, max, greedy, sub } => {
                Hir::repetition(Repetition { min, max, greedy, sub: Box::new(take(&mut done, sub)) })
            }
            Node::Concat(subs) => Hir::concat(subs.into_iter().map(|sub| take(&mut done, sub)).collect()),
            Node::Alternate(subs) => Hir::alternation(subs.into_iter().map(|sub| take(&mut done, sub)).collect()),
        };
        done.push(hir);
    }
    Ok(done.pop().unwrap_or_else(Hir::empty))
}

fn look(assertion: Assertion) -> Look {
    match assertion {
        Assertion::TextStart => Look::Start,
        Assertion::TextEnd => Look::End,
        Assertion::LineStart => Look::StartLF,
        Assertion::LineEnd => Look::EndLF,
        Assertion::Boundary => Look::WordAscii,
        Assertion::NoBoundary => Look::WordAsciiNegate,
    }
}

fn literal(c: u32, fold: bool) -> Hir {
    let Some(c) = char::from_u32(c) else { return Hir::fail() };
    if !fold || c.is_ascii() && !c.is_ascii_alphabetic() {
        return Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    let mut class = unicode::range(c, c);
    unicode::fold(&mut class);
    Hir::class(HirClass::Unicode(class))
}

fn class(class: &Class, fold: bool, ranges: &mut usize) -> Result<ClassUnicode, TooLarge> {
    let mut all: Vec<ClassUnicodeRange> = Vec::new();
    let mut plain: Vec<ClassUnicodeRange> = Vec::new();
    for member in &class.members {
        let (mut set, negated, folds) = match member {
            Member::Range(low, high) => {
                plain.extend(without_surrogates(*low, *high));
                continue;
            }
            Member::Ascii { ranges, negated } => {
                let ranges = ranges.iter().map(|&(low, high)| ClassUnicodeRange::new(low.into(), high.into()));
                (ClassUnicode::new(ranges), *negated, true)
            }
            Member::Property { property, negated } => (property.class(), *negated, property.folds()),
        };
        if fold && folds {
            unicode::fold(&mut set);
        }
        if negated {
            unicode::negate(&mut set);
        }
        *ranges += set.ranges().len();
        if *ranges > MAX_RANGES {
            return Err(TooLarge);
        }
        all.extend_from_slice(set.ranges());
    }
    let mut set = ClassUnicode::new(plain);
    if fold {
        unicode::fold(&mut set);
    }
    if !all.is_empty() {
        set.union(&ClassUnicode::new(all));
    }
    if class.negated {
        unicode::negate(&mut set);
    }
    Ok(set)
}

/// The range without the code points at its ends that no text can have; nothing if there are no others.
fn without_surrogates(low: u32, high: u32) -> Option<ClassUnicodeRange> {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    (low <= high).then(|| ClassUnicodeRange::new(low, high))
}
