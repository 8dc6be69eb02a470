//! Unicode as of version 15, which is Go 1.26's: properties by Go's names, and simple case folding.
//!
//! Source: Go package `unicode`, `Categories`, `CategoryAliases` and `Scripts`. The characters come from `regex-syntax`,
//! which knows a later Unicode: what was not assigned in version 15 is taken out.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// A property that `\p{…}` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    Any,
    Ascii,
    Assigned,
    /// A general category.
    Category(&'static str),
    Script(&'static str),
}

impl Property {
    /// The property of that name: case, spaces, hyphens and underscores don't count.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let name: String =
            name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
        let name = name.as_str();
        let listed = |list: &'static str| list.split(' ').find(|known| *known == name);
        match name {
            "any" => Some(Self::Any),
            "ascii" => Some(Self::Ascii),
            "assigned" => Some(Self::Assigned),
            _ => listed(CATEGORIES).map(Self::Category).or_else(|| listed(SCRIPTS).map(Self::Script)),
        }
    }

    /// Whether `(?i)` adds to it. Go has no such table for cased letters.
    pub(crate) fn folds(self) -> bool {
        !matches!(self, Self::Category("lc" | "casedletter"))
    }

    /// The characters that have it.
    pub(crate) fn class(self) -> ClassUnicode {
        match self {
            Self::Any => range('\0', char::MAX),
            Self::Ascii => range('\0', '\x7f'),
            Self::Assigned => ASSIGNED.clone(),
            Self::Category("cs" | "surrogate") => ClassUnicode::empty(),
            Self::Category("cn" | "unassigned") => negated(&ASSIGNED),
            Self::Category("c" | "other") => {
                let mut class = named("\\p{gc=c}");
                class.union(&negated(&ASSIGNED));
                class
            }
            Self::Category("mn" | "nonspacingmark") => {
                let mut class = assigned(named("\\p{gc=mn}"));
                class.union(&range(MOVED, MOVED));
                class
            }
            Self::Category("mc" | "spacingmark") => {
                let mut class = assigned(named("\\p{gc=mc}"));
                class.difference(&range(MOVED, MOVED));
                class
            }
            Self::Category(name) => assigned(named(&format!("\\p{{gc={name}}}"))),
            Self::Script(name) => assigned(named(&format!("\\p{{sc={name}}}"))),
        }
    }
}

/// Whether a character is a letter (Unicode category L), as Go's `unicode.IsLetter` has it.
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { has(&LETTERS, c) }
}

/// Whether a character is a decimal digit (Unicode category Nd), as Go's `unicode.IsDigit` has it.
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { has(&DIGITS, c) }
}

/// The class with everything that differs from a member in case only.
pub(crate) fn fold(class: &mut ClassUnicode) {
    if class.ranges().last().is_none_or(|last| last.end() <= '\x7f') {
        // Two characters outside of ASCII are letters of it in another case.
        for (letter, other) in [('K', '\u{212a}'), ('S', '\u{17f}')] {
            if has(class, letter) || has(class, letter.to_ascii_lowercase()) {
                class.union(&range(other, other));
            }
        }
        let mut ascii = class.clone();
        ascii.intersect(&range('A', 'z'));
        let flipped = ascii.iter().flat_map(|r| r.start()..=r.end()).filter(char::is_ascii_alphabetic);
        let flipped: Vec<_> = flipped.map(|c| char::from(c as u8 ^ 0x20)).collect();
        class.union(&ClassUnicode::new(flipped.into_iter().map(|c| ClassUnicodeRange::new(c, c))));
        return;
    }
    let mut cased = class.clone();
    cased.intersect(&CASED);
    if cased.try_case_fold_simple().is_ok() {
        cased.intersect(&ASSIGNED);
        class.union(&cased);
    }
}

pub(crate) fn range(first: char, last: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(first, last)])
}

/// Turns a class into that of all other characters.
pub(crate) fn negate(class: &mut ClassUnicode) {
    const BEFORE_SURROGATES: char = '\u{d7ff}';
    const BEHIND_SURROGATES: char = '\u{e000}';
    if has(class, BEFORE_SURROGATES) && has(class, BEHIND_SURROGATES) {
        // Two ranges with nothing but surrogates between them must be one: `negate` would put these two characters there.
        class.union(&range(BEFORE_SURROGATES, BEHIND_SURROGATES));
    }
    class.negate();
}

fn negated(class: &ClassUnicode) -> ClassUnicode {
    let mut class = class.clone();
    negate(&mut class);
    class
}

fn has(class: &ClassUnicode, c: char) -> bool {
    let ranges = class.ranges();
    ranges.get(ranges.partition_point(|range| range.end() < c)).is_some_and(|range| range.start() <= c)
}

fn assigned(mut class: ClassUnicode) -> ClassUnicode {
    class.intersect(&ASSIGNED);
    class
}

/// A class in the syntax of `regex-syntax`; empty for one that it doesn't know.
fn named(pattern: &str) -> ClassUnicode {
    match regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        // A class of one.
        Ok(HirKind::Literal(one)) => {
            let chars =
                String::from_utf8_lossy(&one.0).chars().map(|c| ClassUnicodeRange::new(c, c)).collect::<Vec<_>>();
            ClassUnicode::new(chars)
        }
        Ok(_) | Err(_) => ClassUnicode::empty(),
    }
}

/// The one character whose category changed after version 15: from Mn to Mc.
const MOVED: char = '\u{1171e}';
static ASSIGNED: LazyLock<ClassUnicode> = LazyLock::new(|| named("[\\p{age=15.0}--\\p{gc=cn}]"));
static LETTERS: LazyLock<ClassUnicode> = LazyLock::new(|| Property::Category("l").class());
static DIGITS: LazyLock<ClassUnicode> = LazyLock::new(|| Property::Category("nd").class());
/// What has another case. Folding a class looks at every member, so the rest is left out before.
static CASED: LazyLock<ClassUnicode> = LazyLock::new(|| assigned(named("[\\p{CWCM}\\p{CWCF}\\p{Lu}\\p{Ll}\\p{Lt}]")));

/// General categories, short and long.
const CATEGORIES: &str = "\
    c casedletter cc cf closepunctuation cn cntrl co combiningmark connectorpunctuation control cs \
    currencysymbol dashpunctuation decimalnumber digit enclosingmark finalpunctuation format \
    initialpunctuation l lc letter letternumber lineseparator ll lm lo lowercaseletter lt lu m mark mathsymbol \
    mc me mn modifierletter modifiersymbol n nd nl no nonspacingmark number openpunctuation other otherletter \
    othernumber otherpunctuation othersymbol p paragraphseparator pc pd pe pf pi po privateuse ps punct \
    punctuation s sc separator sk sm so spaceseparator spacingmark surrogate symbol titlecaseletter unassigned \
    uppercaseletter z zl zp zs";

/// Scripts of one word. Those of several words exist in Go's table, but its look-up can't find them.
const SCRIPTS: &str = "\
    adlam ahom arabic armenian avestan balinese bamum batak bengali bhaiksuki bopomofo brahmi braille buginese \
    buhid carian chakma cham cherokee chorasmian common coptic cuneiform cypriot cyrillic deseret devanagari \
    dogra duployan elbasan elymaic ethiopic georgian glagolitic gothic grantha greek gujarati gurmukhi han \
    hangul hanunoo hatran hebrew hiragana inherited javanese kaithi kannada katakana kawi kharoshthi khmer \
    khojki khudawadi lao latin lepcha limbu lisu lycian lydian mahajani makasar malayalam mandaic manichaean \
    marchen medefaidrin miao modi mongolian mro multani myanmar nabataean nandinagari newa nko nushu ogham \
    oriya osage osmanya palmyrene phoenician rejang runic samaritan saurashtra sharada shavian siddham sinhala \
    sogdian soyombo sundanese syriac tagalog tagbanwa takri tamil tangsa tangut telugu thaana thai tibetan \
    tifinagh tirhuta toto ugaritic vai vithkuqi wancho yezidi yi";
