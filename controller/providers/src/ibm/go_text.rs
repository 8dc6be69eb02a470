//! JSON values as Go's `fmt` prints them with `%v`, which is how the reference hands out metadata: `map[a:1 b:[x y]]`. Pure.

use gojson::{Document, Html, Item, NodeId, Numbers};
use secret::SecretBytes;

/// Deeper values are written as JSON.
const DEPTH: usize = 64;

/// The text of one value. `None` for a number that doesn't fit a float64.
pub(super) fn go_text(document: &Document<'_>, id: NodeId) -> Option<SecretBytes> {
    let mut out = Vec::new();
    write(document, id, DEPTH, &mut out)?;
    Some(SecretBytes::new(out))
}

fn write(document: &Document<'_>, id: NodeId, depth: usize, out: &mut Vec<u8>) -> Option<()> {
    let Some(depth) = depth.checked_sub(1) else {
        out.extend(document.compact(id, Numbers::Float64, Html::Keep).ok()?);
        return Some(());
    };
    match document.item(id) {
        Item::Null => out.extend_from_slice(b"<nil>"),
        Item::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Item::Number(_) => out.extend(document.compact(id, Numbers::Float64, Html::Keep).ok()?),
        Item::Text(text) => out.extend_from_slice(text.as_bytes()),
        Item::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b' ');
                }
                write(document, *item, depth, out)?;
            }
            out.push(b']');
        }
        Item::Object(members) => {
            out.extend_from_slice(b"map[");
            for (place, (name, item)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                write(document, *item, depth, out)?;
            }
            out.push(b']');
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_go_prints_them() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let cases = [
            (r#""a b""#, "a b"),
            ("true", "true"),
            ("null", "<nil>"),
            ("3", "3"),
            ("1.50", "1.5"),
            (r#"["a",1,null]"#, "[a 1 <nil>]"),
            (r#"{"b":{"c":"d"},"a":[]}"#, "map[a:[] b:map[c:d]]"),
            ("{}", "map[]"),
            (&deep, &deep),
        ];
        for (json, want) in cases {
            let document = Document::parse(json.as_bytes()).unwrap();
            assert_eq!(go_text(&document, document.root()).unwrap().expose_str(), Some(want), "{json}");
        }
    }
}
