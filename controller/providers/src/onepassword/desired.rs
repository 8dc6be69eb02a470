//! What an item is to become. Pure.
//!
//! What isn't pushed stays as Connect wrote it, byte for byte, whatever it is. Deliberately not here: finding the item and
//! sending it (`push.rs`).

use std::collections::{BTreeMap, BTreeSet};

use gojson::{Document, Html, Item as Node, NodeId, write_string};
use provider::{Error, ErrorKind};
use secret::SecretBytes;

use super::UPDATE_ITEM;
use super::item::{elements, not_one};
use super::push::CANNOT_UPDATE;

/// Members of a JSON object, each as JSON.
type Members = BTreeMap<String, SecretBytes>;

/// What deleting a field makes of an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// There is no such field.
    Absent,
    /// Nothing would be left: the item is to go.
    Nothing,
    /// What is left.
    Rest(SecretBytes),
}

fn json_text(text: &str) -> SecretBytes {
    let mut out = Vec::new();
    write_string(&mut out, text.as_bytes(), Html::Keep);
    SecretBytes::new(out)
}

fn object(members: &Members) -> SecretBytes {
    let pairs = members.iter().map(|(name, json)| (name.as_str(), json.expose()));
    SecretBytes::new(gojson::object(pairs, Html::Keep))
}

fn array(elements: &[SecretBytes]) -> SecretBytes {
    let elements: Vec<&[u8]> = elements.iter().map(SecretBytes::expose).collect();
    SecretBytes::new([b"[", elements.join(&b',').as_slice(), b"]"].concat())
}

fn members(document: &Document<'_>, of: NodeId) -> Option<Members> {
    let Node::Object(members) = document.item(of) else { return None };
    let raw = |id: &NodeId| SecretBytes::new(document.raw(*id).to_vec());
    Some(members.iter().map(|(name, id)| (name.clone(), raw(id))).collect())
}

fn new_field(label: &str, value: &str) -> SecretBytes {
    let text = [("id", ""), ("label", label), ("type", "CONCEALED"), ("value", value)];
    object(&text.into_iter().map(|(name, text)| (name.to_owned(), json_text(text))).collect())
}

fn texts(texts: &[String]) -> SecretBytes {
    array(&texts.iter().map(|text| json_text(text)).collect::<Vec<_>>())
}

fn not_an_item() -> Error {
    Error::new(ErrorKind::Malformed, UPDATE_ITEM, "the answer is not an item").context(CANNOT_UPDATE)
}

/// A new item, of the category that the reference gives it.
pub(super) fn new_item(title: &str, vault: &str, label: &str, value: &str, tags: Option<&[String]>) -> SecretBytes {
    let vault = BTreeMap::from([("id".to_owned(), json_text(vault))]);
    let mut item = BTreeMap::from([
        ("title".to_owned(), json_text(title)),
        ("vault".to_owned(), object(&vault)),
        ("category".to_owned(), json_text("SERVER")),
        ("fields".to_owned(), array(&[new_field(label, value)])),
    ]);
    if let Some(tags) = tags {
        item.insert("tags".to_owned(), texts(tags));
    }
    object(&item)
}

/// The item with this value in the field of this label, and with these tags if any are given; nothing if it is so already.
///
/// # Errors
/// `BadProperty` if two fields bear the label; `Malformed` for what is no item.
pub(super) fn with(
    item: &SecretBytes,
    key: &str,
    label: &str,
    value: &str,
    tags: Option<&[String]>,
) -> Result<Option<SecretBytes>, Error> {
    let document = Document::parse(item.expose()).map_err(|_| not_an_item())?;
    let root = document.root();
    let mut wished = members(&document, root).ok_or_else(not_an_item)?;
    let fields = elements(&document, root, "fields").ok_or_else(not_an_item)?;
    let found = the_one(&document, fields, key, label)?;
    let same_value = found.is_some_and(|field| document.text(field, "value").unwrap_or_default() == value);
    let same_tags = tags.is_none_or(|tags| tags_of(&document) == tags.iter().map(String::as_str).collect());
    if same_value && same_tags {
        return Ok(None);
    }
    let mut changed = Vec::with_capacity(fields.len() + 1);
    for field in fields {
        if Some(*field) == found {
            let mut members = members(&document, *field).ok_or_else(not_an_item)?;
            members.insert("value".to_owned(), json_text(value));
            changed.push(object(&members));
        } else {
            changed.push(SecretBytes::new(document.raw(*field).to_vec()));
        }
    }
    if found.is_none() {
        changed.push(new_field(label, value));
    }
    wished.insert("fields".to_owned(), array(&changed));
    if let Some(tags) = tags {
        wished.insert("tags".to_owned(), texts(tags));
    }
    Ok(Some(object(&wished)))
}

/// The item without the field of this label.
///
/// # Errors
/// As of [`with`].
pub(super) fn without(item: &SecretBytes, key: &str, label: &str) -> Result<Without, Error> {
    let document = Document::parse(item.expose()).map_err(|_| not_an_item())?;
    let root = document.root();
    let mut wished = members(&document, root).ok_or_else(not_an_item)?;
    let part = |name| elements(&document, root, name).ok_or_else(not_an_item);
    let (fields, sections, files) = (part("fields")?, part("sections")?, part("files")?);
    let Some(found) = the_one(&document, fields, key, label)? else { return Ok(Without::Absent) };
    let rest: Vec<NodeId> = fields.iter().copied().filter(|field| *field != found).collect();
    let blank = |id: &NodeId, name| document.text(*id, name).unwrap_or_default().is_empty();
    // What Connect itself adds to an item: an unnamed section, and notes without text.
    let no_sections = sections.iter().all(|section| blank(section, "id") && blank(section, "label"));
    let no_fields = rest.iter().all(|field| document.text(*field, "purpose") == Some("NOTES") && blank(field, "value"));
    if no_fields && no_sections && files.is_empty() {
        return Ok(Without::Nothing);
    }
    if no_sections {
        wished.remove("sections");
    }
    let rest: Vec<SecretBytes> = rest.iter().map(|field| SecretBytes::new(document.raw(*field).to_vec())).collect();
    wished.insert("fields".to_owned(), array(&rest));
    Ok(Without::Rest(object(&wished)))
}

/// The value of the field of this label, as long as there is one such field.
pub(super) fn holds(item: &SecretBytes, label: &str, value: Option<&str>) -> bool {
    let Ok(document) = Document::parse(item.expose()) else { return false };
    let fields = elements(&document, document.root(), "fields").unwrap_or_default();
    let found = the_one(&document, fields, "", label).ok().flatten();
    found.map(|field| document.text(field, "value").unwrap_or_default()) == value
}

fn the_one(document: &Document<'_>, fields: &[NodeId], key: &str, label: &str) -> Result<Option<NodeId>, Error> {
    let found: Vec<NodeId> =
        fields.iter().copied().filter(|field| document.text(*field, "label").unwrap_or_default() == label).collect();
    match found.as_slice() {
        [] => Ok(None),
        [field] => Ok(Some(*field)),
        several => Err(not_one(key, label, several.len()).context(CANNOT_UPDATE)),
    }
}

fn tags_of<'d>(document: &'d Document<'_>) -> BTreeSet<&'d str> {
    let tags = document.member(document.root(), "tags").map(|tags| document.item(tags));
    let Some(Node::Array(tags)) = tags else { return BTreeSet::new() };
    let text = |tag: &NodeId| match document.item(*tag) {
        Node::Text(tag) => Some(tag),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Array(_) | Node::Object(_) => None,
    };
    tags.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bytes(json: &Value) -> SecretBytes {
        SecretBytes::from(json.to_string())
    }

    fn json(bytes: &SecretBytes) -> Value {
        serde_json::from_slice(bytes.expose()).unwrap()
    }

    fn item() -> Value {
        json!({"id": "i", "title": "app", "unknown": {"kept": 1.50}, "tags": ["b", "a"], "sections": [{"id": "", "label": ""}],
            "fields": [{"id": "f", "label": "password", "type": "CONCEALED", "value": "old", "entropy": 7, "section": {"id": "s"}}]})
    }

    #[test]
    fn only_what_is_pushed_changes() {
        let field = |label: &str, value: &str| json!({"id": "", "label": label, "type": "CONCEALED", "value": value});
        let changed = |value: &str| json!({"id": "f", "label": "password", "type": "CONCEALED", "value": value, "entropy": 7, "section": {"id": "s"}});
        let cases = [
            ("password", "old", None, None),
            ("password", "old", Some(vec!["a", "b"]), None),
            ("password", "n\"ew", None, Some(json!({"fields": [changed("n\"ew")]}))),
            ("password", "old", Some(vec!["a"]), Some(json!({"tags": ["a"]}))),
            ("password", "old", Some(vec![]), Some(json!({"tags": []}))),
            ("user", "u", None, Some(json!({"fields": [changed("old"), field("user", "u")]}))),
        ];
        for (label, value, tags, change) in cases {
            let tags: Option<Vec<String>> = tags.map(|tags| tags.into_iter().map(str::to_owned).collect());
            let got = with(&bytes(&item()), "app", label, value, tags.as_deref()).unwrap();
            let want = change.map(|change| {
                let mut want = item();
                want.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
                want
            });
            assert_eq!(got.as_ref().map(json), want, "{label} {value} {tags:?}");
            if let Some(got) = got {
                assert!(holds(&got, label, Some(value)) && got.expose_str().unwrap().contains("1.5"), "{got:?}");
            }
        }
    }

    #[test]
    fn a_deletion_takes_one_field_and_with_the_last_the_item() {
        let with_more = |more: Value| {
            let mut item = item();
            item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            item
        };
        let fields = item()["fields"].clone();
        let (password, user) = (fields[0].clone(), json!({"id": "g", "label": "user", "value": "u"}));
        let notes = json!({"id": "n", "label": "notesPlain", "purpose": "NOTES"});
        let mut rest = with_more(json!({"fields": [user]}));
        rest.as_object_mut().unwrap().remove("sections");
        let mut only_file = with_more(json!({"files": [{"id": "x"}], "fields": []}));
        only_file.as_object_mut().unwrap().remove("sections");
        let section = json!([{"id": "s", "label": "db"}]);
        let cases = [
            (item(), "user", Without::Absent),
            (item(), "password", Without::Nothing),
            (with_more(json!({"fields": [password, notes]})), "password", Without::Nothing),
            (with_more(json!({"fields": [password, user]})), "password", Without::Rest(bytes(&rest))),
            (with_more(json!({"files": [{"id": "x"}]})), "password", Without::Rest(bytes(&only_file))),
            (
                with_more(json!({"sections": section})),
                "password",
                Without::Rest(bytes(&with_more(json!({"sections": section, "fields": []})))),
            ),
        ];
        for (item, label, want) in cases {
            let got = without(&bytes(&item), "app", label).unwrap();
            match (&got, &want) {
                (Without::Rest(got), Without::Rest(want)) => assert_eq!(json(got), json(want), "{item}"),
                _ => assert_eq!(got, want, "{item}"),
            }
        }
    }

    #[test]
    fn two_fields_of_one_label_are_not_written_to() {
        let twice = json!({"id": "i", "fields": [{"label": "user", "value": "1"}, {"label": "user", "value": "2"}]});
        let written = with(&bytes(&twice), "app", "user", "3", None).map(drop);
        for error in [written.unwrap_err(), without(&bytes(&twice), "app", "user").map(drop).unwrap_err()] {
            let text =
                "error updating 1Password Item: expected one 1Password ItemField matching: 'user' in 'app', got 2";
            assert_eq!(error.kind(), ErrorKind::BadProperty);
            assert!(error.to_string().starts_with(text), "{error}");
        }
        for broken in [json!([]), json!({"fields": 7})] {
            assert_eq!(with(&bytes(&broken), "app", "user", "3", None).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}
