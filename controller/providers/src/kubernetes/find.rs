//! Finding Secrets by label or name.
//!
//! Lives here: the pages of the list, and what is a selector. Deliberately not here: what a Secret's value is (`read.rs`).

use std::collections::BTreeMap;

use gojson::{Document, Item, NodeId};
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Find, Gathered, Retry};
use secret::{SecretBytes, SecretMap};

use super::read::whole_data;
use super::{Call, Kubernetes, LIST, error};
use crate::http::{Answer, Failure};
use crate::name_pattern::NamePattern;

/// Secrets in one page, to begin with: fewer if they don't fit into one answer.
const PAGE: usize = 128;

/// Lists the Secrets of the namespace. As in the reference, labels go before the name: with `tags`, `name` isn't looked
/// at; `path` never is.
///
/// Source: Kubernetes API, "Secret, list", with `limit` and `continue`.
pub(super) async fn find(store: &Kubernetes, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path: _, name, tags } = find;
    if name.is_none() && tags.is_empty() {
        let text =
            "unexpected find operator: a kubernetes store finds by name or tags; set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let by_name = if tags.is_empty() { Some(NamePattern::of(find)?) } else { None };
    let selector = selector(tags)?;
    let (mut found, mut limit, mut next) = (Gathered::default(), PAGE, None);
    loop {
        let page = match page(store, &selector, limit, next.as_deref(), calls).await? {
            Ok(page) => page,
            // One Secret always fits: the API server takes none above some 1.5 MiB.
            Err(Failure::TooLarge) if limit > 1 => {
                limit = (limit / 4).max(1);
                continue;
            }
            Err(failure) => return Err(listing(store.failed(failure, LIST))),
        };
        next = take(store, &page, by_name.as_ref(), &mut found)?;
        if next.is_none() {
            return Ok(found.into_values());
        }
    }
}

fn listing(error: Error) -> Error {
    error.context("unable to list secrets")
}

async fn page(
    store: &Kubernetes,
    selector: &str,
    limit: usize,
    next: Option<&str>,
    calls: &dyn Calls,
) -> Result<Result<Answer, Failure>, Error> {
    let limit = limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend((!selector.is_empty()).then_some(("labelSelector", selector)));
    query.extend(next.map(|token| ("continue", token)));
    let path = ["api", "v1", "namespaces", &store.namespace, "secrets"];
    let call = Call { operation: LIST, method: Method::GET, path: &path, query: &query, body: None };
    let sent = store.try_send(&call).await;
    calls.made(LIST, matches!(&sent, Ok(Ok(answer)) if answer.status == StatusCode::OK));
    let answer = match sent.map_err(listing)? {
        Ok(answer) => answer,
        Err(failure) => return Ok(Err(failure)),
    };
    match answer.status {
        StatusCode::OK => Ok(Ok(answer)),
        StatusCode::GONE => {
            let text = "the API server forgot the list while it was being read";
            Err(listing(Error::new(ErrorKind::Unavailable, LIST, text).retry(Retry::Backoff)))
        }
        _ => {
            let what = format!("list the secrets of namespace {}", gojson::quote(&store.namespace));
            Err(listing(error::of_answer(&answer, LIST, &store.origin(), &what)))
        }
    }
}

/// Takes what is wanted out of a page; answers how the next one is asked for.
fn take(
    store: &Kubernetes,
    page: &Answer,
    by_name: Option<&NamePattern>,
    found: &mut Gathered,
) -> Result<Option<String>, Error> {
    let bad = || {
        let text = format!("the answer of {} is not a list of Secrets; check {}", store.origin(), store.server_setting);
        listing(Error::new(ErrorKind::Malformed, LIST, text))
    };
    let document = Document::parse(page.body.expose()).map_err(|_| bad())?;
    if text(&document, document.root(), &["kind"]) != Some("SecretList") {
        return Err(bad());
    }
    let items = match document.member(document.root(), "items").map(|id| document.item(id)) {
        Some(Item::Array(items)) => items,
        Some(Item::Null) => &[],
        None | Some(Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Object(_)) => return Err(bad()),
    };
    for secret in items {
        let name = text(&document, *secret, &["metadata", "name"]).ok_or_else(bad)?;
        if by_name.is_none_or(|pattern| pattern.matches(name)) {
            let value: SecretBytes = whole_data(&document, *secret).ok_or_else(bad)?;
            found.insert(LIST, name.to_owned(), value)?;
        }
    }
    let next = text(&document, document.root(), &["metadata", "continue"]);
    Ok(next.filter(|token| !token.is_empty()).map(str::to_owned))
}

fn text<'d>(document: &'d Document<'_>, of: NodeId, path: &[&str]) -> Option<&'d str> {
    let found = path.iter().try_fold(of, |at, name| document.member(at, name))?;
    match document.item(found) {
        Item::Text(text) => Some(text),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    }
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
