//! Values to YAML: the layout, and which style a scalar takes.
//!
//! Deliberately not here: how a scalar is written in its style (see `write`) and the order of keys (see `order`).

use crate::decode::{Datum, Key};
use crate::number::format_g;
use crate::order;
use crate::resolve::{Scalar, is_base60, resolve};
use crate::write::Writer;

/// Keys that are longer, in bytes, or have more than one line are written after a `?`.
const MAX_SIMPLE_KEY: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    /// A key or a value of a map.
    Entry,
    SimpleKey,
}

/// A value as a document with a newline at the end; nothing if that has more than so many bytes.
pub(crate) fn emit(value: &Datum, most: usize) -> Option<String> {
    let mut writer = Writer::new();
    node(&mut writer, value, Place::Root, most);
    writer.indent = 0;
    writer.write_indent();
    Some(writer.text).filter(|text| text.len() <= most)
}

fn node(writer: &mut Writer, value: &Datum, place: Place, most: usize) {
    if writer.text.len() > most {
        return;
    }
    match value {
        Datum::Null => bare(writer, "null", place),
        Datum::Bool(b) => bare(writer, if *b { "true" } else { "false" }, place),
        Datum::Int(n) => bare(writer, &n.to_string(), place),
        Datum::Uint(n) => bare(writer, &n.to_string(), place),
        // The largest that JSON holds is finite.
        Datum::Float(f) => bare(writer, &format_g(*f), place),
        Datum::Text(text) => scalar(writer, text, wish(text), place),
        Datum::List(items) if items.is_empty() => empty(writer, '[', ']'),
        Datum::Map(entries) if entries.is_empty() => empty(writer, '{', '}'),
        Datum::List(items) => {
            // A list below a key isn't indented.
            let flush = place == Place::Entry && !writer.indention;
            let outer = writer.open(false, flush);
            for item in items {
                writer.write_indent();
                writer.indicator("-", true, false, true);
                node(writer, item, Place::Item, most);
            }
            writer.indent = outer;
        }
        Datum::Map(entries) => {
            let outer = writer.open(false, false);
            for (key, value) in order::sorted(entries) {
                writer.write_indent();
                // Keys are text: the map comes from JSON.
                let Key::Text(key) = key else { continue };
                if key.len() <= MAX_SIMPLE_KEY && !Analysis::of(key).breaks {
                    scalar(writer, key, wish(key), Place::SimpleKey);
                    writer.indicator(":", false, false, false);
                } else {
                    writer.indicator("?", true, false, true);
                    scalar(writer, key, wish(key), Place::Entry);
                    writer.write_indent();
                    writer.indicator(":", true, false, true);
                }
                node(writer, value, Place::Entry, most);
            }
            writer.indent = outer;
        }
    }
}

fn empty(writer: &mut Writer, open: char, close: char) {
    writer.indicator(open.encode_utf8(&mut [0; 4]), true, true, false);
    writer.indicator(close.encode_utf8(&mut [0; 4]), false, false, false);
}

fn bare(writer: &mut Writer, text: &str, place: Place) {
    scalar(writer, text, Style::Plain, place);
}

/// The style for a text, before a look at the characters in it: what would be read as something else is put into double
/// quotes.
fn wish(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if resolve(text, true) == Scalar::Text && !is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    }
}

fn scalar(writer: &mut Writer, text: &str, wish: Style, place: Place) {
    let analysis = Analysis::of(text);
    let key = place == Place::SimpleKey;
    let mut style = wish;
    if key && analysis.breaks {
        style = Style::Double;
    }
    if style == Style::Plain && (!analysis.plain || key && text.is_empty()) {
        style = Style::Single;
    }
    if style == Style::Single && !analysis.single || style == Style::Literal && (!analysis.block || key) {
        style = Style::Double;
    }
    let outer = writer.open(true, false);
    match style {
        Style::Plain => writer.plain(text, !key),
        Style::Single => writer.single_quoted(text, !key),
        Style::Double => writer.double_quoted(text, !key),
        Style::Literal => writer.literal(text),
    }
    writer.indent = outer;
}

/// Which styles can hold a text.
struct Analysis {
    breaks: bool,
    plain: bool,
    single: bool,
    block: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self { breaks: false, plain: true, single: true, block: false };
        }
        let chars: Vec<char> = text.chars().collect();
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut breaks, mut space_break, mut break_space) = (false, false, false, false);
        let mut before = None;
        for (at, &c) in chars.iter().enumerate() {
            let spaced = chars.get(at + 1).is_none_or(|&next| is_blank(next));
            indicators |= match c {
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => at == 0,
                '#' => before.is_none_or(|before| is_blank(before) || is_break(before)),
                ':' => spaced,
                '?' | '-' => at == 0 && spaced,
                _ => false,
            };
            special |= !is_printable(c);
            if c == ' ' {
                break_space |= before.is_some_and(is_break);
            } else if is_break(c) {
                breaks = true;
                space_break |= before == Some(' ');
            }
            before = Some(c);
        }
        let edge = |c: Option<&char>| c.is_some_and(|&c| c == ' ' || is_break(c));
        let unclean = space_break || special;
        Self {
            breaks,
            plain: !(indicators || breaks || unclean || edge(chars.first()) || edge(chars.last())),
            single: !(unclean || break_space),
            block: !(unclean || chars.last() == Some(&' ')),
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether Go writes a character as it is. It doesn't for those above U+FFFF.
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fffd}') && c != '\u{feff}'
}
