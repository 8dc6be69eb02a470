//! Names of Unicode properties that Go 1.26 knows in `\p{…}`. Not here: which characters have them.
//!
//! Source: Go package `unicode`, `Categories`, `CategoryAliases` and `Scripts`.

/// Whether a name is known: case, spaces, hyphens and underscores don't count.
pub(super) fn is_known(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    let name = name.as_str();
    let listed = |list: &str| list.split(' ').any(|known| known == name);
    matches!(name, "any" | "assigned" | "ascii") || listed(CATEGORIES) || listed(SCRIPTS)
}

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
