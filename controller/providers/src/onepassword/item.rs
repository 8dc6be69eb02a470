//! An item: read out of Connect's JSON or out of a payload, and what a property means in it. Pure.
//!
//! A payload is an item in Connect's own form, with what isn't needed left out and the content of files put in; a file
//! without content says why.
//!
//! Source: Connect's OpenAPI document, `FullItem`, `Field` and `File`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::{Document, Html, Item as Node, NodeId, Numbers, write_string};
use provider::{Error, ErrorKind};
use secret::{SecretBytes, SecretMap};

use super::GET_ITEM;

/// The field that is meant where none is named.
pub(super) const PASSWORD: &str = "password";
const DOCUMENT: &str = "DOCUMENT";

/// Whether this is the form of Connect's ids, which titles have by accident at most.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A vault or an item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
}

/// What a list names, `attribute` being where the name is; nothing if it isn't a list.
pub(super) fn named(json: &[u8], attribute: &str) -> Option<Vec<Named>> {
    let document = Document::parse(json).ok()?;
    let Node::Array(items) = document.item(document.root()) else { return None };
    let named = |item: &NodeId| {
        let id = document.text(*item, "id").filter(|id| !id.is_empty())?.to_owned();
        Some(Named { id, name: owned(&document, *item, attribute) })
    };
    items.iter().map(named).collect()
}

impl Named {
    /// Those that are called so. Where Connect has compared already, what it takes for equal is, unless something is spelt
    /// exactly so.
    pub(super) fn called(all: Vec<Self>, name: &str, compared: bool) -> Vec<Self> {
        let (exact, others): (Vec<Self>, Vec<Self>) = all.into_iter().partition(|one| one.name == name);
        if exact.is_empty() && compared { others } else { exact }
    }
}

/// An item as far as it is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) category: String,
    pub(super) tags: Vec<String>,
    pub(super) fields: Vec<Field>,
    pub(super) files: Vec<File>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) id: String,
    pub(super) label: String,
    /// The label of the section that it is in.
    pub(super) section: Option<String>,
    pub(super) value: SecretBytes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) name: String,
    /// Bytes, as Connect tells.
    pub(super) size: usize,
    pub(super) content: Content,
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// It wasn't asked for.
    #[default]
    Unread,
    Bytes(SecretBytes),
    /// It can't be had, which is the trouble of whoever wants it, and not of others who want something else of the item.
    Denied(String),
    Unavailable(String),
    TooLarge(String),
}

/// What a property asks for: the name without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'p> {
    Field(&'p str),
    File(&'p str),
}

/// The elements of an array; none if it isn't there or null, nothing if it is something else.
pub(super) fn elements<'d>(document: &'d Document<'_>, of: NodeId, name: &str) -> Option<&'d [NodeId]> {
    match document.member(of, name).map(|id| document.item(id)) {
        Some(Node::Array(items)) => Some(items),
        None | Some(Node::Null) => Some(&[]),
        Some(Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::Object(_)) => None,
    }
}

fn owned(document: &Document<'_>, of: NodeId, name: &str) -> String {
    document.text(of, name).unwrap_or_default().to_owned()
}

impl Item {
    /// An item out of JSON; nothing if it isn't one.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let document = Document::parse(json).ok()?;
        Self::of(&document, document.root())
    }

    /// The items of a list, which Connect shows without fields.
    pub(super) fn parse_list(json: &[u8]) -> Option<Vec<Self>> {
        let document = Document::parse(json).ok()?;
        let Node::Array(items) = document.item(document.root()) else { return None };
        items.iter().map(|id| Self::of(&document, *id)).collect()
    }

    fn of(document: &Document<'_>, root: NodeId) -> Option<Self> {
        let id = document.text(root, "id").filter(|id| !id.is_empty())?.to_owned();
        let sections: Vec<(&str, &str)> = elements(document, root, "sections")?
            .iter()
            .filter_map(|section| Some((document.text(*section, "id")?, document.text(*section, "label")?)))
            .collect();
        let section = |field: NodeId| {
            let of = document.member(field, "section")?;
            let by_id = document.text(of, "id").and_then(|id| sections.iter().find(|(known, _)| *known == id));
            Some(by_id.map(|(_, label)| *label).or_else(|| document.text(of, "label"))?.to_owned())
        };
        let field = |field: &NodeId| {
            let value = document.member(*field, "value");
            let value = value.and_then(|value| document.bytes(value, Numbers::Literal).ok());
            Field {
                id: owned(document, *field, "id"),
                label: owned(document, *field, "label"),
                section: section(*field),
                value: SecretBytes::new(value.unwrap_or_default()),
            }
        };
        let tag = |tag: &NodeId| match document.item(*tag) {
            Node::Text(tag) => Some(tag.to_owned()),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_) => None,
        };
        Some(Self {
            id,
            title: owned(document, root, "title"),
            category: owned(document, root, "category"),
            tags: elements(document, root, "tags")?.iter().filter_map(tag).collect(),
            fields: elements(document, root, "fields")?.iter().map(field).collect(),
            files: elements(document, root, "files")?.iter().map(|file| File::of(document, *file)).collect(),
        })
    }
}

impl File {
    fn of(document: &Document<'_>, file: NodeId) -> Self {
        let number = |name| match document.item(document.member(file, name)?) {
            Node::Number(number) => number.parse().ok(),
            Node::Null | Node::Bool(_) | Node::Text(_) | Node::Array(_) | Node::Object(_) => None,
        };
        let problem = |name: &str| document.text(file, name).map(str::to_owned);
        let content = document.text(file, "content").and_then(|content| STANDARD.decode(content).ok());
        let content = content.map(|bytes| Content::Bytes(SecretBytes::new(bytes)));
        let content = content.or_else(|| problem("denied").map(Content::Denied));
        let content = content.or_else(|| problem("unavailable").map(Content::Unavailable));
        let content = content.or_else(|| problem("tooLarge").map(Content::TooLarge));
        Self {
            id: owned(document, file, "id"),
            name: owned(document, file, "name"),
            size: number("size").unwrap_or_default(),
            content: content.unwrap_or_default(),
        }
    }

    /// What is in it.
    pub(super) fn bytes(&self) -> Result<SecretBytes, Error> {
        let (kind, text) = match &self.content {
            Content::Bytes(bytes) => return Ok(bytes.clone()),
            Content::Unread => (ErrorKind::Malformed, "it was not read"),
            Content::Denied(text) => (ErrorKind::AccessDenied, text.as_str()),
            Content::Unavailable(text) => (ErrorKind::Unavailable, text.as_str()),
            Content::TooLarge(text) => (ErrorKind::Invalid, text.as_str()),
        };
        let text = format!("error finding 1Password Document: {}: {text}", gojson::quote(&self.name));
        Err(Error::new(kind, GET_ITEM, text))
    }
}

/// Appends `"name":"text"`, behind a comma unless it is the first.
fn put(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
    write_string(out, name.as_bytes(), Html::Keep);
    out.push(b':');
    write_string(out, text, Html::Keep);
}

/// Appends `,"name":[…]` with what `each` writes between the braces of an element.
fn put_all<T>(out: &mut Vec<u8>, name: &str, all: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b',');
    write_string(out, name.as_bytes(), Html::Keep);
    out.extend_from_slice(b":[");
    for (place, one) in all.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"{" } else { b",{" });
        each(out, one);
        out.push(b'}');
    }
    out.push(b']');
}

impl Item {
    /// The payload: what [`Item::parse`] makes the same item of, but for tags and title.
    pub(super) fn payload(&self) -> SecretBytes {
        let Self { id, title: _, category, tags: _, fields, files } = self;
        let mut out = vec![b'{'];
        put(&mut out, "id", id.as_bytes());
        put(&mut out, "category", category.as_bytes());
        put_all(&mut out, "fields", fields, |out, field| {
            let Field { id, label, section, value } = field;
            put(out, "id", id.as_bytes());
            put(out, "label", label.as_bytes());
            put(out, "value", value.expose());
            if let Some(section) = section {
                out.extend_from_slice(b",\"section\":{");
                put(out, "label", section.as_bytes());
                out.push(b'}');
            }
        });
        put_all(&mut out, "files", files, |out, file| {
            let File { id, name, size: _, content } = file;
            put(out, "id", id.as_bytes());
            put(out, "name", name.as_bytes());
            match content {
                Content::Unread => {}
                Content::Bytes(bytes) => put(out, "content", STANDARD.encode(bytes.expose()).as_bytes()),
                Content::Denied(text) => put(out, "denied", text.as_bytes()),
                Content::Unavailable(text) => put(out, "unavailable", text.as_bytes()),
                Content::TooLarge(text) => put(out, "tooLarge", text.as_bytes()),
            }
        });
        out.push(b'}');
        SecretBytes::new(out)
    }

    /// Whether a property means a field or a file: by its prefix, else by the item's category.
    pub(super) fn wanted<'p>(&self, property: Option<&'p str>) -> Wanted<'p> {
        let property = property.unwrap_or_default();
        if let Some(label) = property.strip_prefix("field/") {
            return Wanted::Field(label);
        }
        match property.strip_prefix("file/") {
            Some(name) => Wanted::File(name),
            None if self.category == DOCUMENT => Wanted::File(property),
            None => Wanted::Field(property),
        }
    }

    /// One value. `key` is what the item is called in errors.
    ///
    /// # Errors
    /// `BadProperty` if there isn't exactly one such field, or no such file; that of a file that couldn't be read.
    pub(super) fn value(&self, key: &str, wanted: Wanted<'_>) -> Result<SecretBytes, Error> {
        match wanted {
            Wanted::Field("") => self.field(key, PASSWORD).map(|field| field.value.clone()),
            Wanted::Field(name) => self.field(key, name).map(|field| field.value.clone()),
            Wanted::File(name) => self.file(key, name)?.bytes(),
        }
    }

    /// All fields or all files, or the one that is named, by label or name.
    ///
    /// # Errors
    /// As of [`Item::value`]; `BadProperty` also if two fields have one label.
    pub(super) fn map(&self, key: &str, wanted: Wanted<'_>) -> Result<SecretMap, Error> {
        match wanted {
            Wanted::Field("") => {
                let labelled = self.fields.iter().filter(|field| !field.label.is_empty());
                labelled.map(|field| self.only(key, field)).collect()
            }
            Wanted::Field(name) => {
                let field = self.field(key, name)?;
                Ok(SecretMap::from([(field.label.clone(), field.value.clone())]))
            }
            Wanted::File("") => self.files.iter().map(|file| Ok((file.name.clone(), file.bytes()?))).collect(),
            Wanted::File(name) => {
                let file = self.file(key, name)?;
                Ok(SecretMap::from([(file.name.clone(), file.bytes()?)]))
            }
        }
    }

    /// A field as label and value, if no other bears its label.
    pub(super) fn only(&self, key: &str, field: &Field) -> Result<(String, SecretBytes), Error> {
        match self.fields.iter().filter(|other| other.label == field.label).count() {
            1 => Ok((field.label.clone(), field.value.clone())),
            count => Err(not_one(key, &field.label, count)),
        }
    }

    /// By label, else by section and label, else by id. More than one is an error at once: which one was meant is not to be
    /// guessed.
    fn field(&self, key: &str, name: &str) -> Result<&Field, Error> {
        let in_section = |field: &Field| {
            let section = field.section.as_deref().unwrap_or_default();
            let label = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('/'));
            !section.is_empty() && label == Some(field.label.as_str())
        };
        let rules: [&dyn Fn(&Field) -> bool; 3] =
            [&|field| field.label == name, &in_section, &|field| field.id == name];
        for rule in rules {
            let found: Vec<&Field> = self.fields.iter().filter(|field| rule(field)).collect();
            match found.as_slice() {
                [] => {}
                [field] => return Ok(field),
                several => return Err(not_one(key, name, several.len())),
            }
        }
        Err(not_one(key, name, 0))
    }

    /// By name, else by id; without either the first. Of several with one name the first, as in the reference.
    fn file(&self, key: &str, name: &str) -> Result<&File, Error> {
        let by_name = self.files.iter().find(|file| name.is_empty() || file.name == name);
        by_name.or_else(|| self.files.iter().find(|file| file.id == name)).ok_or_else(|| {
            let text = format!("error finding 1Password Document: '{key}', '{name}': the item has no such file");
            Error::new(ErrorKind::BadProperty, GET_ITEM, text)
        })
    }
}

/// The error of a label that isn't borne by exactly one field.
pub(super) fn not_one(key: &str, label: &str, count: usize) -> Error {
    let hint = match count {
        0 => "a field is named by its label, section/label or id",
        _ => "name the field as section/label or by its id, or give each its own label",
    };
    let text = format!("expected one 1Password ItemField matching: '{label}' in '{key}', got {count}; {hint}");
    Error::new(ErrorKind::BadProperty, GET_ITEM, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(category: &str) -> Item {
        let field = |id: &str, label: &str, section: &str, value: &str| json!({"id": id, "type": "CONCEALED", "label": label, "section": {"id": section}, "value": value});
        let json = json!({
            "id": "i", "title": "app", "category": category, "tags": ["a", "b"],
            "sections": [{"id": "s1", "label": "db"}, {"id": "s2", "label": "web/eu"}],
            "fields": [
                field("f1", "password", "", "p"),
                field("f2", "user", "s1", "du"),
                field("f3", "user", "s2", "wu"),
                field("f4", "host", "s1", "h"),
                field("f5", "db/host", "", "exact"),
                {"id": "f6", "type": "STRING", "label": "", "purpose": "NOTES"},
                {"id": "user", "type": "STRING", "label": "other", "value": "by id"},
                {"id": "f8", "type": "STRING", "label": "port", "section": {"id": "s9", "label": "late"}, "value": 7},
            ],
            "files": [
                {"id": "x1", "name": "tls.crt", "size": 1, "content": "Yw=="},
                {"id": "x2", "name": "tls.crt", "size": 1, "content": "Mg=="},
                {"id": "x3", "name": "big", "size": 9, "tooLarge": "the file is larger than 1 MiB"},
            ],
        });
        // As it is when it comes out of a payload.
        let read = Item::parse(json.to_string().as_bytes()).unwrap();
        Item::parse(read.payload().expose()).unwrap()
    }

    fn text(value: &SecretBytes) -> String {
        value.expose_str().unwrap().to_owned()
    }

    #[test]
    fn a_property_is_a_label_or_a_section_and_label_or_an_id() {
        let (login, document) = (item("LOGIN"), item("DOCUMENT"));
        let one = |label: &str, count: usize| {
            Err(format!("expected one 1Password ItemField matching: '{label}' in 'app', got {count}"))
        };
        let no_file = |name: &str| Err(format!("error finding 1Password Document: 'app', '{name}'"));
        let cases = [
            (&login, None, Ok("p")),
            (&login, Some(""), Ok("p")),
            (&login, Some("field/"), Ok("p")),
            (&login, Some("host"), Ok("h")),
            (&login, Some("field/host"), Ok("h")),
            (&login, Some("db/host"), Ok("exact")),
            (&login, Some("db/user"), Ok("du")),
            (&login, Some("web/eu/user"), Ok("wu")),
            (&login, Some("late/port"), Ok("7")),
            (&login, Some("f3"), Ok("wu")),
            (&login, Some("user"), one("user", 2)),
            (&login, Some("none"), one("none", 0)),
            (&login, Some("/user"), one("/user", 0)),
            (&login, Some("tls.crt"), one("tls.crt", 0)),
            (&login, Some("file/tls.crt"), Ok("c")),
            (&login, Some("file/"), Ok("c")),
            (&login, Some("file/x2"), Ok("2")),
            (&login, Some("file/none"), no_file("none")),
            (&login, Some("file/big"), Err("error finding 1Password Document: \"big\": the file is larger".to_owned())),
            (&document, None, Ok("c")),
            (&document, Some("tls.crt"), Ok("c")),
            (&document, Some("user"), no_file("user")),
            (&document, Some("field/db/user"), Ok("du")),
        ];
        for (item, property, want) in cases {
            match (item.value("app", item.wanted(property)), want) {
                (Ok(got), Ok(want)) => assert_eq!(text(&got), want, "{property:?}"),
                (Err(error), Err(want)) => assert!(error.to_string().starts_with(&want), "{property:?}: {error}"),
                (got, want) => panic!("{property:?}: {got:?}, not {want:?}"),
            }
        }
        let empty = Item { category: "DOCUMENT".to_owned(), ..Item::default() };
        let error = empty.value("app", empty.wanted(None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadProperty);
    }

    #[test]
    fn a_map_holds_what_has_a_label_of_its_own() {
        let (mut login, document) = (item("LOGIN"), item("DOCUMENT"));
        let shown = |item: &Item, property: &str| {
            let map = item.map("app", item.wanted(Some(property)));
            map.map(|m| m.iter().map(|(k, v)| format!("{k}={}", text(v))).collect::<Vec<_>>())
                .map_err(|e| e.to_string())
        };
        assert!(
            shown(&login, "")
                .unwrap_err()
                .starts_with("expected one 1Password ItemField matching: 'user' in 'app', got 2")
        );
        assert_eq!(shown(&login, "db/user").unwrap(), ["user=du"]);
        assert_eq!(shown(&login, "host").unwrap(), ["host=h"]);
        assert!(shown(&login, "none").is_err(), "nothing must not pass for an empty map");
        login.fields.remove(2);
        assert_eq!(
            shown(&login, "").unwrap(),
            ["db/host=exact", "host=h", "other=by id", "password=p", "port=7", "user=du"]
        );
        assert_eq!(shown(&document, "tls.crt").unwrap(), ["tls.crt=c"]);
        assert!(shown(&document, "").is_err(), "a file that can't be read must not be left out");
    }

    #[test]
    fn what_is_no_item_is_not_read_as_an_empty_one() {
        for json in ["", "7", "[]", "{}", r#"{"id":""}"#, r#"{"id":"i","fields":{}}"#, r#"{"id":"i","files":"x"}"#] {
            assert_eq!(Item::parse(json.as_bytes()), None, "{json}");
        }
        for json in ["", "{}", "7", r#"[{"title":"t"}]"#, "[7]"] {
            assert_eq!(named(json.as_bytes(), "title"), None, "{json}");
        }
    }

    #[test]
    fn what_is_spelt_so_goes_before_what_connect_takes_for_equal() {
        let all = |names: &[&str]| {
            names.iter().map(|name| Named { id: (*name).to_owned(), name: (*name).to_owned() }).collect()
        };
        let cases: [(&[&str], bool, &[&str]); 4] =
            [(&["App", "app"], true, &["app"]), (&["App"], true, &["App"]), (&["App"], false, &[]), (&[], true, &[])];
        for (names, compared, want) in cases {
            let got: Vec<String> = Named::called(all(names), "app", compared).into_iter().map(|one| one.name).collect();
            assert_eq!(got, want);
        }
    }
}
