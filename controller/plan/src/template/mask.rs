//! Takes values out of texts. A function's error may quote its argument: `parsing "hunter2": invalid syntax`.
//!
//! What is known to be a value is looked for: the values themselves, their lines, and what they hold if they are JSON.
//! What a template has made of a value, its halves say, can't be known.

use std::collections::BTreeSet;

use gojson::{Document, Item, NodeId};
use secret::SecretMap;

/// Shorter texts are left: they are found everywhere and tell little.
const SHORTEST: usize = 4;

/// What stands for a value.
const MASK: &str = "***";

/// `text` without the values of `data`.
pub(crate) fn masked(text: String, data: &SecretMap) -> String {
    let mut parts = BTreeSet::new();
    for value in data.values() {
        collect(value.expose(), &mut parts);
    }
    // A key's name is no secret, even where some value reads the same.
    let told = |part: &String| text.contains(part.as_str()) && !data.contains_key(part);
    let mut parts: Vec<String> = parts.into_iter().filter(told).collect();
    // The longest first: a value may lie in another one.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.iter().fold(text, |text, part| text.replace(part.as_str(), MASK))
}

fn collect(value: &[u8], parts: &mut BTreeSet<String>) {
    let text = String::from_utf8_lossy(value);
    add(&text, parts);
    for line in text.lines() {
        add(line, parts);
    }
    let Ok(document) = Document::parse(value) else { return };
    let mut open: Vec<NodeId> = vec![document.root()];
    while let Some(id) = open.pop() {
        match document.item(id) {
            Item::Null | Item::Bool(_) => {}
            Item::Number(number) => add(number, parts),
            Item::Text(text) => add(text, parts),
            Item::Array(items) => open.extend(items),
            Item::Object(members) => open.extend(members.values()),
        }
    }
}

/// A text, as it is and as Go quotes it.
fn add(text: &str, parts: &mut BTreeSet<String>) {
    let trimmed = text.trim();
    if trimmed.len() < SHORTEST {
        return;
    }
    parts.insert(trimmed.to_owned());
    let quoted = gojson::quote(trimmed);
    if let Some(inner) = quoted.get(1..quoted.len() - 1).filter(|inner| *inner != trimmed) {
        parts.insert(inner.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use secret::SecretBytes;

    use super::*;

    #[test]
    fn values_their_lines_and_what_json_holds_are_masked() {
        let data: SecretMap =
            [("a", "hunter2\n"), ("b", "first\nsecond"), ("c", r#"{"deep": ["canary", 12345]}"#), ("d", "1")]
                .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
                .into();
        let cases = [
            ("parsing \"hunter2\": invalid", "parsing \"***\": invalid"),
            ("k:1:3: first\\nsecond, second", "k:1:3: ***, ***"),
            ("canary 12345 1", "*** *** 1"),
            ("nothing here", "nothing here"),
        ];
        for (text, want) in cases {
            assert_eq!(masked(text.to_owned(), &data), want);
        }
    }
}
