//! Finding Secrets by label or name.
//!
//! Lives here: what is a selector. Deliberately not here: the pages of the list (`cluster/list.rs`), and what a Secret's
//! value is (`read.rs`).

use std::collections::BTreeMap;

use gojson::{Document, NodeId};
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::SecretMap;

use super::read::whole_data;
use super::{Kubernetes, LIST};
use crate::cluster::list::List;
use crate::name_pattern::NamePattern;

/// Lists the Secrets of the namespace. As in the reference, labels go before the name: with `tags`, `name` isn't looked
/// at; `path` never is.
pub(super) async fn find(store: &Kubernetes, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path: _, name, tags } = find;
    if name.is_none() && tags.is_empty() {
        let text =
            "unexpected find operator: a kubernetes store finds by name or tags; set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let by_name = if tags.is_empty() { Some(NamePattern::of(find)?) } else { None };
    let selector = selector(tags)?;
    let what = format!("list the secrets of namespace {}", gojson::quote(&store.namespace));
    let list = List {
        operation: LIST,
        path: &["api", "v1", "namespaces", &store.namespace, "secrets"],
        selector: &selector,
        mark: ("kind", "SecretList"),
        of: "Secrets",
        what: &what,
        failed: "unable to list secrets",
    };
    let mut found = Gathered::default();
    let take = |document: &Document<'_>, secret: NodeId| {
        let name = document.text(document.member(secret, "metadata")?, "name")?;
        if !by_name.as_ref().is_none_or(|pattern| pattern.matches(name)) {
            return Some(Ok(()));
        }
        Some(found.insert(LIST, name.to_owned(), whole_data(document, secret)?))
    };
    list.each(&store.cluster, calls, take).await?;
    Ok(found.into_values())
}

/// The labels as a selector. What is no label is refused: a comma or an operator would select something else.
fn selector(tags: &BTreeMap<String, String>) -> Result<String, Error> {
    let label = |(key, value): (&String, &String)| {
        let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
        let good = is_domain(prefix) && is_label(name) && (value.is_empty() || is_label(value));
        if good {
            return Ok(format!("{key}={value}"));
        }
        let text = format!(
            "unable to validate selector tags: find.tags[{}]: the key must be [domain/]name, and name and value at most \
             63 letters, digits, '-', '_' and '.', the first and last a letter or digit",
            gojson::quote(key)
        );
        Err(Error::new(ErrorKind::Invalid, LIST, text))
    };
    let labels: Result<Vec<String>, Error> = tags.iter().map(label).collect();
    Ok(labels?.join(","))
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= 63 && bytes.iter().copied().all(inner) && ends(bytes.first()) && ends(bytes.last())
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        part.bytes().all(inner) && edge(part.as_bytes().first()) && edge(part.as_bytes().last())
    };
    text.len() <= 253 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_get_into_a_selector() {
        let long = "x".repeat(64);
        let cases = [
            (&[("b", "2"), ("a", "1")][..], Ok("a=1,b=2")),
            (&[("app.kubernetes.io/name", "My_app.1"), ("empty", "")], Ok("app.kubernetes.io/name=My_app.1,empty=")),
            (&[], Ok("")),
            (&[("a", "1,b!=2")], Err("a")),
            (&[("a,b", "1")], Err("a,b")),
            (&[("a b", "1")], Err("a b")),
            (&[("", "1")], Err("")),
            (&[("/a", "1")], Err("/a")),
            (&[("a/b/c", "1")], Err("a/b/c")),
            (&[("Up.io/a", "1")], Err("Up.io/a")),
            (&[("a", "-1")], Err("a")),
            (&[("a", &long)], Err("a")),
            (&[("a", "ü")], Err("a")),
        ];
        for (pairs, want) in cases {
            let tags = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            match (selector(&tags), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want),
                (Err(error), Err(key)) => {
                    let text = format!("unable to validate selector tags: find.tags[\"{key}\"]");
                    assert!(error.to_string().starts_with(&text), "{error}");
                }
                (got, want) => panic!("{pairs:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
