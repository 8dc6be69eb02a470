//! Finding items: lists them page by page and reads what matches.
//!
//! Deliberately not here: what an answer says about one item (`item.rs`, `read.rs`).

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use gojson::{Document, Item as Json};
use http::StatusCode;
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::item::{Kind, describe, kind};
use super::read::value_of;
use super::wire::Field;
use super::{Akeyless, Command, GET_STATIC, error};
use crate::name_pattern::NamePattern;

const LIST: &str = "ListItems";
const CANNOT: &str = "can't get secrets list";
/// Requests of one find at a time.
const AT_A_TIME: usize = 16;
/// Pages of one list. Akeyless puts a thousand items on one.
const PAGES: usize = 1000;
const TYPES: [&str; 3] = ["static-secret", "dynamic-secret", "rotated-secret"];

/// Takes the secrets below `path` whose full name matches; without a name, those that bear the value of one of `tags` as a
/// tag, since Akeyless's tags are single words. As in the reference, `name` goes before `tags`, certificates aren't looked
/// at, and empty values are left out.
///
/// # Errors
/// `Invalid` without either. An item that goes away meanwhile is left out.
pub(super) async fn find(store: &Akeyless, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    let pattern = NamePattern::of(find)?;
    let folder = path.as_deref().map(folder).unwrap_or_default();
    let mut names = BTreeMap::new();
    if name.is_some() {
        list(store, &folder, None, &mut names, calls).await?;
        names.retain(|name, _| pattern.matches(name));
    } else if tags.is_empty() {
        let text = "unexpected find operator: set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    } else {
        for tag in tags.values() {
            list(store, &folder, Some(tag), &mut names, calls).await?;
        }
    }
    let mut found = Gathered::default();
    for _ in &names {
        found.announce(LIST)?;
    }
    let mut waiting = names.into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_A_TIME
            && let Some((name, kind)) = waiting.next()
        {
            running.push(take(store, name, kind, calls));
        }
        let Some(taken) = running.next().await else { return Ok(found.into_values()) };
        if let (name, Some(value)) = taken? {
            found.insert(GET_STATIC, name, value)?;
        }
    }
}

/// Begins and ends with a slash.
fn folder(path: &str) -> String {
    let front = if path.starts_with('/') { "" } else { "/" };
    let back = if path.ends_with('/') { "" } else { "/" };
    if path.is_empty() { "/".to_owned() } else { format!("{front}{path}{back}") }
}

async fn take(
    store: &Akeyless,
    name: String,
    kind: Option<Kind>,
    calls: &dyn Calls,
) -> Result<(String, Option<SecretBytes>), Error> {
    let read = async {
        let kind = match kind {
            Some(kind) => kind,
            None => describe(store, &name, Some(calls)).await?.kind,
        };
        value_of(store, &name, kind, 0, Some(calls)).await
    };
    match read.await {
        Ok(value) => Ok((name, Some(value).filter(|value| !value.is_empty()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((name, None)),
        Err(error) => Err(error),
    }
}

/// Adds the items below a folder, with their type where the list tells it.
///
/// Source: Akeyless V2 API, "List items".
async fn list(
    store: &Akeyless,
    folder: &str,
    tag: Option<&str>,
    names: &mut BTreeMap<String, Option<Kind>>,
    calls: &dyn Calls,
) -> Result<(), Error> {
    let origin = store.wire.origin();
    let mut page: Option<String> = None;
    for _ in 0..PAGES {
        let mut fields = vec![
            ("filter", Field::Text(folder)),
            ("type", Field::Texts(&TYPES)),
            ("minimal-view", Field::Flag(tag.is_none())),
        ];
        if let Some(tag) = tag {
            fields.push(("tag", Field::Text(tag)));
        }
        if let Some(page) = &page {
            fields.push(("pagination-token", Field::Text(page)));
        }
        let answer = store.send(Command::new(LIST, "list-items", &fields), Some(calls)).await?;
        if answer.status != StatusCode::OK {
            return Err(error::of_answer(&answer, LIST, &origin).context(CANNOT));
        }
        let malformed = || error::not_akeyless(LIST, &origin).context(CANNOT);
        let document = Document::parse(answer.body.expose()).map_err(|_| malformed())?;
        let root = document.root();
        match document.member(root, "items").map(|id| document.item(id)) {
            Some(Json::Null) => {}
            Some(Json::Array(items)) => {
                for item in items {
                    let name = document.text(*item, "item_name").ok_or_else(malformed)?;
                    if name.starts_with(folder) {
                        names.insert(name.to_owned(), kind(&document, *item));
                    }
                }
            }
            Some(Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_)) | None => return Err(malformed()),
        }
        match document.text(root, "next_page") {
            None | Some("") => return Ok(()),
            Some(next) if page.as_deref() == Some(next) => return Err(malformed()),
            Some(next) => page = Some(next.to_owned()),
        }
    }
    let text = format!("{CANNOT}: it has more than {PAGES} pages; narrow spec.dataFrom[].find.path");
    Err(Error::new(ErrorKind::Invalid, LIST, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_between_slashes() {
        for (path, want) in [("", "/"), ("/", "/"), ("a", "/a/"), ("/a", "/a/"), ("a/b/", "/a/b/")] {
            assert_eq!(folder(path), want, "{path}");
        }
    }
}
