//! A parsed JSON document as Go's `encoding/json` would hold it, and what External Secrets Operator makes of its values.
//!
//! Lives here: the document, its output in key order, and the two rules "value to bytes" and "object to map".
//! Deliberately not here: the grammar (see `parse`) and gjson paths, which read bytes that need not be JSON.
//!
//! Nodes lie flat in one vector, so that neither parsing, writing nor dropping a deep document recurses.

mod parse;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{Error, SyntaxError};
use crate::text::{format_float, json_float, parse_float};
use crate::write::{Html, write_string};

use parse::{Depth, Tail};

/// How numbers are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Through float64, as Go decodes into `any`; 12345678901234567890 comes out as 12345678901234567000.
    Float64,
    /// As they are written in the document, Go's `json.Number`.
    Literal,
    /// As Kubernetes decodes objects of any kind: whole numbers that fit int64 as they are, all others through float64.
    Unstructured,
}

/// Names a value of one [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(usize);

enum Node {
    Null,
    Bool(bool),
    Number,
    Text(String),
    Array(Vec<NodeId>),
    Object(BTreeMap<String, NodeId>),
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Item<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'d str),
    /// A string, decoded.
    Text(&'d str),
    /// The elements of an array.
    Array(&'d [NodeId]),
    /// The members of an object; of members with the same key the last one.
    Object(&'d BTreeMap<String, NodeId>),
}

/// A JSON document. `Debug` shows sizes only, since documents hold secret values.
pub struct Document<'j> {
    json: &'j [u8],
    nodes: Vec<(Node, Range<usize>)>,
    root: NodeId,
}

impl std::fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({} bytes, {} values)", self.json.len(), self.nodes.len())
    }
}

/// Whether `json` is one JSON value, of any depth, between white space: gjson's `Valid`.
pub fn valid(json: &[u8]) -> bool {
    parse::parse(json, Tail::Forbidden, Depth::Unlimited).is_ok()
}

impl<'j> Document<'j> {
    /// Parses one value and nothing after it: Go's `json.Unmarshal`.
    ///
    /// # Errors
    /// Go's syntax errors, also for more than 10,000 levels.
    pub fn parse(json: &'j [u8]) -> Result<Self, SyntaxError> {
        parse::parse(json, Tail::Forbidden, Depth::Go)
    }

    /// Parses the first value and ignores what follows: Go's `json.Decoder`, which Vault's client uses.
    ///
    /// # Errors
    /// As [`Document::parse`], but [`SyntaxError::Eof`] if there is nothing and [`SyntaxError::UnexpectedEof`] if the
    /// value isn't complete.
    pub fn parse_first(json: &'j [u8]) -> Result<Self, SyntaxError> {
        parse::parse(json, Tail::Ignored, Depth::Go)
    }

    /// The whole document's value.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// What the value is. Null for an id of another document that has more values.
    pub fn item(&self, id: NodeId) -> Item<'_> {
        match self.node(id) {
            Node::Null => Item::Null,
            Node::Bool(value) => Item::Bool(*value),
            Node::Number => Item::Number(std::str::from_utf8(self.raw(id)).unwrap_or_default()),
            Node::Text(text) => Item::Text(text),
            Node::Array(items) => Item::Array(items),
            Node::Object(members) => Item::Object(members),
        }
    }

    /// The value as it is written in the document, without white space around it.
    pub fn raw(&self, id: NodeId) -> &'j [u8] {
        self.nodes.get(id.0).and_then(|(_, span)| self.json.get(span.clone())).unwrap_or_default()
    }

    /// The member `name` of the object `of`; none if that is no object.
    pub fn member(&self, of: NodeId, name: &str) -> Option<NodeId> {
        match self.item(of) {
            Item::Object(members) => members.get(name).copied(),
            Item::Null | Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Array(_) => None,
        }
    }

    /// The text that is the member `name` of the object `of`; none if there is none, or no text.
    pub fn text(&self, of: NodeId, name: &str) -> Option<&str> {
        match self.item(self.member(of, name)?) {
            Item::Text(text) => Some(text),
            Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
        }
    }

    /// The root's members.
    ///
    /// # Errors
    /// [`Error::Type`] that names `wanted` as the Go type if the root is neither an object nor null.
    pub fn members(&self, wanted: &'static str) -> Result<Option<&BTreeMap<String, NodeId>>, Error> {
        let found = match self.node(self.root) {
            Node::Object(members) => return Ok(Some(members)),
            Node::Null => return Ok(None),
            Node::Bool(_) => "bool",
            Node::Number => "number",
            Node::Text(_) => "string",
            Node::Array(_) => "array",
        };
        Err(Error::Type { found: found.to_owned(), wanted })
    }

    /// A value as a secret's bytes: strings as they are, numbers without exponent, null as nothing, arrays and objects
    /// as compact JSON in key order with HTML escaping. With [`Numbers::Literal`] numbers stay as they are written.
    ///
    /// # Errors
    /// [`Error::Type`] if a number doesn't fit float64, but not under [`Numbers::Literal`].
    pub fn bytes(&self, id: NodeId, numbers: Numbers) -> Result<Vec<u8>, Error> {
        match (self.node(id), numbers) {
            (Node::Null, _) => Ok(Vec::new()),
            (Node::Bool(value), _) => Ok(value.to_string().into_bytes()),
            (Node::Number, Numbers::Literal) => Ok(self.raw(id).to_vec()),
            (Node::Number, Numbers::Float64) => Ok(format_float(self.float(id)?).into_bytes()),
            (Node::Number, Numbers::Unstructured) => self.unstructured(id).map(String::into_bytes),
            (Node::Text(text), _) => Ok(text.clone().into_bytes()),
            (Node::Array(_) | Node::Object(_), _) => self.compact(id, numbers, Html::Escape),
        }
    }

    /// A value as compact JSON with sorted keys: Go's `json.Marshal` of what was decoded.
    ///
    /// # Errors
    /// As [`Document::bytes`].
    pub fn compact(&self, id: NodeId, numbers: Numbers, html: Html) -> Result<Vec<u8>, Error> {
        enum Step<'d> {
            Value(NodeId),
            Key(&'d str),
            Byte(u8),
        }
        let mut out = Vec::new();
        let mut steps = vec![Step::Value(id)];
        while let Some(step) = steps.pop() {
            let id = match step {
                Step::Byte(byte) => {
                    out.push(byte);
                    continue;
                }
                Step::Key(key) => {
                    write_string(&mut out, key.as_bytes(), html);
                    out.push(b':');
                    continue;
                }
                Step::Value(id) => id,
            };
            match self.node(id) {
                Node::Null => out.extend_from_slice(b"null"),
                Node::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
                Node::Number => match numbers {
                    Numbers::Literal => out.extend_from_slice(self.raw(id)),
                    Numbers::Float64 => out.extend_from_slice(json_float(self.float(id)?).as_bytes()),
                    Numbers::Unstructured => out.extend_from_slice(self.unstructured(id)?.as_bytes()),
                },
                Node::Text(text) => write_string(&mut out, text.as_bytes(), html),
                Node::Array(items) => {
                    out.push(b'[');
                    steps.push(Step::Byte(b']'));
                    for (place, item) in items.iter().enumerate().rev() {
                        steps.push(Step::Value(*item));
                        if place > 0 {
                            steps.push(Step::Byte(b','));
                        }
                    }
                }
                Node::Object(members) => {
                    out.push(b'{');
                    steps.push(Step::Byte(b'}'));
                    for (place, (key, value)) in members.iter().enumerate().rev() {
                        steps.push(Step::Value(*value));
                        steps.push(Step::Key(key));
                        if place > 0 {
                            steps.push(Step::Byte(b','));
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// Checks what Go checks while decoding into `any`: that every number fits float64.
    fn check_floats(&self) -> Result<(), Error> {
        for (place, (node, _)) in self.nodes.iter().enumerate() {
            if matches!(node, Node::Number) {
                self.float(NodeId(place))?;
            }
        }
        Ok(())
    }

    fn float(&self, id: NodeId) -> Result<f64, Error> {
        let literal = self.raw(id);
        let value = parse_float(literal);
        if value.is_finite() {
            return Ok(value);
        }
        let literal = String::from_utf8_lossy(literal);
        Err(Error::Type { found: format!("number {literal}"), wanted: "float64" })
    }

    fn unstructured(&self, id: NodeId) -> Result<String, Error> {
        let whole = std::str::from_utf8(self.raw(id)).ok().and_then(|literal| literal.parse::<i64>().ok());
        whole.map_or_else(|| self.float(id).map(json_float), |whole| Ok(whole.to_string()))
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0).map_or(&Node::Null, |(node, _)| node)
    }
}

/// Whether both are JSON and hold the same values: member order, white space and escapes don't count, numbers do as they
/// are written.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    let compact = |json| {
        let document = Document::parse(json).ok()?;
        document.compact(document.root(), Numbers::Literal, Html::Keep).ok()
    };
    compact(one).is_some_and(|one| compact(other) == Some(one))
}

/// A JSON object as a secret's data: strings are decoded, null is empty, everything else stays as it is written.
///
/// # Errors
/// Go's texts: syntax errors, and `json: cannot unmarshal … into Go value of type map[string]json.RawMessage`.
pub fn object_to_map(json: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let document = Document::parse(json)?;
    let members = document.members("map[string]json.RawMessage")?;
    let value = |id: NodeId| match document.node(id) {
        Node::Null => Vec::new(),
        Node::Text(text) => text.clone().into_bytes(),
        Node::Bool(_) | Node::Number | Node::Array(_) | Node::Object(_) => document.raw(id).to_vec(),
    };
    Ok(members.into_iter().flatten().map(|(key, id)| (key.clone(), value(*id))).collect())
}

/// The first JSON value of `json` as a secret's bytes, see [`Document::bytes`].
///
/// # Errors
/// Go's texts for what is not JSON, or for a number that doesn't fit float64 under [`Numbers::Float64`].
pub fn value_bytes(json: &[u8], numbers: Numbers) -> Result<Vec<u8>, Error> {
    let document = Document::parse_first(json)?;
    if numbers != Numbers::Literal {
        document.check_floats()?;
    }
    document.bytes(document.root(), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_ten_thousand_levels_is_read_written_and_dropped() {
        let json = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        let document = Document::parse(&json).unwrap();
        assert_eq!(document.compact(document.root(), Numbers::Literal, Html::Keep).unwrap(), json);
        let deeper = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(Document::parse(&deeper).unwrap_err().to_string(), "exceeded max depth");
        assert!(valid(&deeper));
    }

    #[test]
    fn debug_shows_no_value() {
        let document = Document::parse(br#"{"a":"canary"}"#).unwrap();
        assert_eq!(format!("{document:?}"), "Document(14 bytes, 2 values)");
    }

    #[test]
    fn values_become_bytes_by_go_rules() {
        let cases: [(&str, Numbers, Result<&str, &str>); 12] = [
            ("\"\\u00e9\\n<\"", Numbers::Float64, Ok("é\n<")),
            ("12345678901234567890", Numbers::Float64, Ok("12345678901234567000")),
            ("12345678901234567890", Numbers::Literal, Ok("12345678901234567890")),
            (" 1e3 ", Numbers::Float64, Ok("1000")),
            ("1e3", Numbers::Literal, Ok("1e3")),
            ("null", Numbers::Float64, Ok("")),
            (
                "{\"b\":1.0,\"a\":[\"<\u{2028}\",null],\"b\":1e30}",
                Numbers::Float64,
                Ok("{\"a\":[\"\\u003c\\u2028\",null],\"b\":1e+30}"),
            ),
            ("[1.0]", Numbers::Literal, Ok("[1.0]")),
            (
                "[1.0,-0,-0.0,1e3,1e21,9007199254740993,9223372036854775808]",
                Numbers::Unstructured,
                Ok("[1,0,-0,1000,1e+21,9007199254740993,9223372036854776000]"),
            ),
            ("[1e400]", Numbers::Float64, Err("json: cannot unmarshal number 1e400 into Go value of type float64")),
            ("", Numbers::Float64, Err("EOF")),
            ("[1", Numbers::Float64, Err("unexpected EOF")),
        ];
        for (json, numbers, want) in cases {
            let got = value_bytes(json.as_bytes(), numbers).map_err(|e| e.to_string());
            assert_eq!(got, want.map(|w| w.as_bytes().to_vec()).map_err(str::to_owned), "{json}");
        }
    }

    #[test]
    fn objects_become_maps_by_go_rules() {
        let map = object_to_map(
            br#" {"s":"\ud800\ud83d\ude00","n":1.50,"o":{"b" : 1, "a":"<"},"z":null,"s2":"","s":"last"} "#,
        )
        .unwrap();
        let want: [(&str, &[u8]); 5] =
            [("n", b"1.50"), ("o", br#"{"b" : 1, "a":"<"}"#), ("s", b"last"), ("s2", b""), ("z", b"")];
        assert_eq!(map, want.map(|(k, v)| (k.to_owned(), v.to_vec())).into());
        assert!(object_to_map(b"null").unwrap().is_empty());
    }
}
