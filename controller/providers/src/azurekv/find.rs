//! Finding secrets: lists the vault's, page by page, and reads those that match.
//!
//! Deliberately not here: what an answer says about one secret (`bundle.rs`).

use futures::{StreamExt, TryStreamExt};
use gojson::{Document, Item};
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use reqwest::Url;
use secret::{SecretBytes, SecretMap};

use super::bundle::tags;
use super::config::VAULT_URL;
use super::object::{Kind, Object, is_name};
use super::wire::Call;
use super::{AzureKv, error};
use crate::http::Answer;
use crate::name_pattern::NamePattern;

const LIST: &str = "GetSecrets";
/// Requests of one find at a time.
const AT_A_TIME: usize = 16;
/// Pages of a list, of some 25 secrets each: a list that never ends must end.
const PAGES: usize = 10_000;

/// A page of a list.
struct Page {
    names: Vec<String>,
    next: Option<Url>,
}

/// Takes the enabled secrets whose name matches and that bear all tags; `path` has no meaning here, as in the reference.
///
/// Source: Key Vault REST API, "Get Secrets".
pub(super) async fn find(store: &AzureKv, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let pattern = NamePattern::of(find)?;
    let mut found = Gathered::default();
    let mut next = Some(store.wire.url(&[Kind::Secret.collection()]));
    for _ in 0..PAGES {
        let Some(url) = next.take() else { return Ok(found.into_values()) };
        let answer = store.wire.send(&Call { operation: LIST, method: Method::GET, url: &url, body: None }).await;
        calls.made(LIST, answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::OK));
        let page = page(store, &answer?, find)?;
        next = page.next;
        let names: Vec<String> = page.names.into_iter().filter(|name| pattern.matches(name)).collect();
        for _ in &names {
            found.announce(LIST)?;
        }
        let reads = futures::stream::iter(names.into_iter().map(|name| read(store, name, calls)));
        let mut reads = reads.buffer_unordered(AT_A_TIME);
        while let Some((name, value)) = reads.try_next().await? {
            if let Some(value) = value {
                found.insert(Kind::Secret.get(), name, value)?;
            }
        }
    }
    Err(malformed(store))
}

/// A secret that was listed; no value if it is gone meanwhile.
async fn read(store: &AzureKv, name: String, calls: &dyn Calls) -> Result<(String, Option<SecretBytes>), Error> {
    let answer = store.get(Object { kind: Kind::Secret, name: &name }, None).await;
    let bundle = answer.and_then(|answer| store.bundle(&answer, Kind::Secret));
    let value = match bundle {
        Ok(bundle) => Ok(Some(bundle.value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    calls.made(Kind::Secret.get(), value.is_ok());
    Ok((name, value?))
}

fn malformed(store: &AzureKv) -> Error {
    let text = format!("the answer of {} is not a list of Key Vault; check {VAULT_URL}", store.wire.origin());
    Error::new(ErrorKind::Malformed, LIST, text)
}

/// The enabled secrets of a page that bear the tags, and where the next one is.
fn page(store: &AzureKv, answer: &Answer, find: &Find) -> Result<Page, Error> {
    if answer.status != StatusCode::OK {
        return Err(error::of_answer(answer, LIST, &store.wire.origin()));
    }
    let bad = || malformed(store);
    let document = Document::parse(answer.body.expose()).map_err(|_| bad())?;
    let root = document.root();
    let items = document.member(root, "value").ok_or_else(bad)?;
    let Item::Array(items) = document.item(items) else { return Err(bad()) };
    let mut names = Vec::new();
    for item in items {
        let name = document.text(*item, "id").and_then(|id| id.rsplit('/').next()).filter(|name| is_name(name));
        let name = name.ok_or_else(bad)?;
        let attributes = document.member(*item, "attributes");
        let enabled = attributes.and_then(|attributes| document.member(attributes, "enabled"));
        if enabled.is_some_and(|enabled| matches!(document.item(enabled), Item::Bool(false))) {
            continue;
        }
        let borne = tags(&document, *item);
        if find.tags.iter().all(|(name, value)| borne.get(name) == Some(value)) {
            names.push(name.to_owned());
        }
    }
    let next = match document.text(root, "nextLink").filter(|next| !next.is_empty()) {
        None => None,
        Some(next) => Some(store.wire.own_url(next).ok_or_else(|| {
            let text =
                format!("{} lists on at another host, which is not followed; check {VAULT_URL}", store.wire.origin());
            Error::new(ErrorKind::Malformed, LIST, text)
        })?),
    };
    Ok(Page { names, next })
}
