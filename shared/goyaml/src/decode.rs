//! Nodes to values: tags, aliases, merges and keys, and then text for keys that aren't.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::MAX_DEPTH;
use crate::compose::{Id, Node, Tree};
use crate::number::format_g;
use crate::resolve::{Scalar, resolve};

const LONG_TAG: &str = "tag:yaml.org,2002:";

/// How many bytes of text may come from aliases. Go has no such limit, as it shares the text.
const MAX_ALIASED_TEXT: usize = 16 << 20;

/// Go's base64 doesn't mind bits that are set after the last byte, but wants padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What goyaml makes of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Datum>),
    Map(BTreeMap<Key, Datum>),
}

/// A key of a map. Those of different types are different, even if they look the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Null,
    Int(i64),
    Uint(u64),
    /// The bits of the float.
    Float(u64),
    Bool(bool),
    Text(String),
}

struct Decoder<'t> {
    nodes: &'t [Node],
    /// The aliases that are being followed.
    following: Vec<Id>,
    decoded: u32,
    from_aliases: u32,
    text_from_aliases: usize,
}

/// The value of a document; the error is goyaml's text without its prefix.
pub(crate) fn decode(tree: &Tree) -> Result<Datum, String> {
    let mut decoder =
        Decoder { nodes: &tree.nodes, following: Vec::new(), decoded: 0, from_aliases: 0, text_from_aliases: 0 };
    tree.root.map_or(Ok(Datum::Null), |root| decoder.value(root, 0))
}

/// Which part of a document aliases may make up, by its size: a little one may be nearly all aliases.
fn allowed_ratio(decoded: u32) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let decoded = f64::from(decoded).clamp(LOW, HIGH);
    0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW))
}

impl<'t> Decoder<'t> {
    fn count(&mut self, depth: usize) -> Result<(), String> {
        self.decoded = self.decoded.saturating_add(1);
        if !self.following.is_empty() {
            self.from_aliases = self.from_aliases.saturating_add(1);
        }
        let excessive = self.from_aliases > 100
            && self.decoded > 1000
            && f64::from(self.from_aliases) / f64::from(self.decoded) > allowed_ratio(self.decoded);
        if excessive || self.text_from_aliases > MAX_ALIASED_TEXT {
            return Err("document contains excessive aliasing".into());
        }
        if depth > MAX_DEPTH {
            return Err(format!("exceeded max depth of {MAX_DEPTH}"));
        }
        Ok(())
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Datum, String> {
        self.count(depth)?;
        let nodes: &'t [Node] = self.nodes;
        match &nodes[id] {
            Node::Scalar { text, tag, implicit } => {
                if !self.following.is_empty() {
                    self.text_from_aliases += text.len();
                }
                scalar(text, tag, *implicit)
            }
            Node::Sequence(items) => {
                let mut list = Vec::with_capacity(items.len());
                for &item in items {
                    list.push(self.value(item, depth + 1)?);
                }
                Ok(Datum::List(list))
            }
            Node::Mapping(items) => {
                let mut map = BTreeMap::new();
                self.entries(items, &mut map, depth)?;
                Ok(Datum::Map(map))
            }
            Node::Alias { name, target } => {
                self.follow(id, name)?;
                let value = self.value(*target, depth + 1);
                self.following.pop();
                value
            }
        }
    }

    fn follow(&mut self, id: Id, name: &str) -> Result<(), String> {
        if self.following.contains(&id) {
            return Err(format!("anchor '{name}' value contains itself"));
        }
        self.following.push(id);
        Ok(())
    }

    fn entries(&mut self, items: &'t [Id], map: &mut BTreeMap<Key, Datum>, depth: usize) -> Result<(), String> {
        for pair in items.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if self.is_merge(key) {
                self.merge(value, map, depth)?;
                continue;
            }
            let key = match self.value(key, depth + 1)? {
                Datum::Null => Key::Null,
                Datum::Bool(b) => Key::Bool(b),
                Datum::Int(n) => Key::Int(n),
                Datum::Uint(n) => Key::Uint(n),
                // Adding zero makes one of the two zeros.
                Datum::Float(f) => Key::Float((f + 0.0).to_bits()),
                Datum::Text(text) => Key::Text(text),
                key @ (Datum::List(_) | Datum::Map(_)) => {
                    return Err(format!("invalid map key: {}", go_syntax(&key)));
                }
            };
            let value = self.value(value, depth + 1)?;
            map.insert(key, value);
        }
        Ok(())
    }

    fn is_merge(&self, key: Id) -> bool {
        match &self.nodes[key] {
            Node::Scalar { text, tag, implicit } => {
                text == "<<" && (*implicit || tag.strip_prefix(LONG_TAG) == Some("merge"))
            }
            Node::Sequence(_) | Node::Mapping(_) | Node::Alias { .. } => false,
        }
    }

    /// Puts the entries of one map, or of several of which the first wins, into another. They win over what is there.
    fn merge(&mut self, value: Id, map: &mut BTreeMap<Key, Datum>, depth: usize) -> Result<(), String> {
        const WRONG: &str = "map merge requires map or sequence of maps as the value";
        let nodes: &'t [Node] = self.nodes;
        match &nodes[value] {
            Node::Sequence(sources) => {
                for &source in sources.iter().rev() {
                    if matches!(nodes[source], Node::Sequence(_)) {
                        return Err(WRONG.into());
                    }
                    self.merge(source, map, depth + 1)?;
                }
                Ok(())
            }
            Node::Mapping(items) => {
                self.count(depth)?;
                self.entries(items, map, depth + 1)
            }
            Node::Alias { name, target } => {
                let Node::Mapping(items) = &nodes[*target] else { return Err(WRONG.into()) };
                self.count(depth)?;
                self.follow(value, name)?;
                self.count(depth + 1)?;
                self.entries(items, map, depth + 1)?;
                self.following.pop();
                Ok(())
            }
            Node::Scalar { .. } => Err(WRONG.into()),
        }
    }
}

fn scalar(text: &str, tag: &str, implicit: bool) -> Result<Datum, String> {
    if tag.is_empty() && !implicit {
        return Ok(Datum::Text(text.into()));
    }
    let wanted = match tag.strip_prefix(LONG_TAG).unwrap_or(tag) {
        "binary" if tag.len() > LONG_TAG.len() => {
            // Line breaks don't count.
            let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = BASE64.decode(packed).map_err(|_| "!!binary value contains invalid base64 data")?;
            return Ok(Datum::Text(to_text(&bytes)));
        }
        short @ ("str" | "bool" | "int" | "float" | "null" | "timestamp") if tag.starts_with(LONG_TAG) => short,
        _ if tag.is_empty() => "",
        _ => return Ok(Datum::Text(text.into())),
    };
    let resolved = match wanted {
        "str" => Scalar::Text,
        _ => resolve(text, matches!(wanted, "" | "timestamp")),
    };
    let found = resolved.tag();
    let value = match (wanted, resolved) {
        ("float", Scalar::Int(n)) => return Ok(Datum::Float(int_as_float(n))),
        (_, Scalar::Null) => Datum::Null,
        (_, Scalar::Bool(b)) => Datum::Bool(b),
        (_, Scalar::Int(n)) => Datum::Int(n),
        (_, Scalar::Uint(n)) => Datum::Uint(n),
        (_, Scalar::Float(f)) => Datum::Float(f),
        (_, Scalar::Timestamp | Scalar::Text) => Datum::Text(text.into()),
    };
    if wanted.is_empty() || wanted == "str" || found.strip_prefix("!!") == Some(wanted) {
        Ok(value)
    } else {
        Err(format!("cannot decode {found} `{text}` as a !!{wanted}"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go's float64(n), which rounds")]
fn int_as_float(n: i64) -> f64 {
    n as f64
}

/// Bytes as JSON holds them: each that isn't part of UTF-8 becomes U+FFFD.
fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text
}

/// A value in Go's syntax, its `%#v`.
pub(crate) fn go_syntax(value: &Datum) -> String {
    match value {
        Datum::Null => "<nil>".into(),
        Datum::Bool(b) => b.to_string(),
        Datum::Int(n) => n.to_string(),
        Datum::Uint(n) => format!("{n:#x}"),
        Datum::Float(f) => format_g(*f),
        Datum::Text(text) => gojson::quote(text),
        Datum::List(items) => {
            let items: Vec<_> = items.iter().map(inner_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Datum::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(k, v)| format!("{}:{}", inner_syntax(&k.value()), inner_syntax(v))).collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}

fn inner_syntax(value: &Datum) -> String {
    match value {
        Datum::Null => "interface {}(nil)".into(),
        other => go_syntax(other),
    }
}

impl Key {
    fn value(&self) -> Datum {
        match self {
            Self::Null => Datum::Null,
            Self::Int(n) => Datum::Int(*n),
            Self::Uint(n) => Datum::Uint(*n),
            Self::Float(bits) => Datum::Float(f64::from_bits(*bits)),
            Self::Bool(b) => Datum::Bool(*b),
            Self::Text(text) => Datum::Text(text.clone()),
        }
    }
}
