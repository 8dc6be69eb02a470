//! YAML with lines: documents as trees that know where each key stands. Not here: what a document means.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Spanned, UserMessageFormatter};
use std::fmt;

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line of its first character, from 1.
    pub line: u64,
    /// The value.
    pub content: Content,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text, number, boolean or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// Entries in their order.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Line of the key, from 1.
    pub line: u64,
    /// The value.
    pub node: Node,
}

/// Why a document can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where, from 1.
    pub line: u64,
    /// What is wrong.
    pub text: String,
}

/// The documents of a file, empty ones left out. After a document that can't be read come only those that the parser can
/// still tell apart from it.
pub fn documents(text: &str) -> Vec<Result<Node, Unreadable>> {
    // The limits guard a service against its callers; here the author is at the keyboard.
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    let mut bytes = text.as_bytes();
    let read = serde_saphyr::read_with_options::<_, Node>(&mut bytes, options);
    read.map(|document| {
        document.map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            Unreadable { line, text: error.without_snippet().render_with_formatter(&UserMessageFormatter) }
        })
    })
    .collect()
}

impl Node {
    /// The value below a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The text below a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            Content::Scalar(_) | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            Content::Scalar(_) | Content::List(_) => &[],
        }
    }

    /// True for nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }

    /// The value without lines, as the API server stores it: without the entries that are `null`, and with `2.0` as `2`.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(Value::Number(number)) => whole(number).map_or_else(|| number.clone().into(), Value::from),
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect(),
            Content::Map(entries) => {
                let set = entries.iter().filter(|entry| !entry.node.is_null());
                Value::Object(set.map(|entry| (entry.key.clone(), entry.node.to_value())).collect::<Map<_, _>>())
            }
        }
    }

    /// The line of a path such as `spec.data[2].secretKey`; where the path leads nowhere, that of its deepest part.
    pub fn line_of(&self, path: &str) -> u64 {
        let mut at = (self, self.line);
        let mut rest = path;
        while !rest.is_empty() {
            let next = if let Some(index) = rest.strip_prefix('[') {
                let (index, after) = index.split_once(']').unwrap_or((index, ""));
                rest = after.trim_start_matches('.');
                match (&at.0.content, index.parse::<usize>()) {
                    (Content::List(items), Ok(index)) => items.get(index).map(|node| (node, node.line)),
                    (Content::List(_) | Content::Scalar(_) | Content::Map(_), _) => None,
                }
            } else {
                // The longest key that fits, since keys of labels and annotations have dots.
                let fits = |entry: &&Entry| {
                    rest.strip_prefix(entry.key.as_str())
                        .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                };
                let entry = at.0.entries().iter().filter(fits).max_by_key(|entry| entry.key.len());
                if let Some(entry) = entry {
                    rest = rest[entry.key.len()..].trim_start_matches('.');
                }
                entry.map(|entry| (&entry.node, entry.line))
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at.1
    }
}

/// The number as an integer, where it is one that a float holds exactly.
fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15)?;
    Some(float as i64)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), content: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that JSON doesn't have"))?;
        Ok(Content::Scalar(Value::Number(number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { key: key.value, line: key.referenced.line(), node });
        }
        Ok(Content::Map(entries))
    }
}
