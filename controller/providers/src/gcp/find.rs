//! Finding secrets: lists page by page, and reads what matches of each page before the next.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use http::Method;
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};
use serde::Deserialize;

use super::error::{Subject, malformed};
use super::names::last_of;
use super::read::{Secret, newest};
use super::wire::Call;
use super::{ACCESS, GcpSm, LIST};
use crate::name_pattern::NamePattern;

/// Secrets of one page.
const PAGE: &str = "500";
/// Reads of one find at a time.
const AT_A_TIME: usize = 16;
/// Names that are looked at.
const LOOKED_AT: usize = 100_000;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    secrets: Vec<Secret>,
    next_page_token: String,
}

/// Finds by name or, without one, by tags, which are labels here; within `path`, a prefix of names.
///
/// Source: Secret Manager's REST reference, "projects.secrets.list", and "Filter lists of secrets and versions".
///
/// # Errors
/// None of them is `NotFound`: what isn't there isn't found.
pub(super) async fn find(store: &GcpSm, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    if name.is_none() && tags.is_empty() {
        let text = "unexpected find operator: Secret Manager finds by name or tags; set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let pattern = NamePattern::of(find)?;
    let tags = if name.is_none() { tags.clone() } else { BTreeMap::new() };
    let filter = filter(&tags, path.as_deref());
    let wanted = |secret: &Secret, id: &str| {
        pattern.matches(id)
            && path.as_deref().is_none_or(|path| id.starts_with(path))
            && tags.iter().all(|(label, value)| secret.labels.get(label) == Some(value))
    };
    let (mut found, mut token, mut looked_at) = (Gathered::default(), String::new(), 0);
    loop {
        let page = list(store, &filter, &token, calls).await.map_err(|e| e.context("failed to list secrets"))?;
        looked_at += page.secrets.len();
        if looked_at > LOOKED_AT {
            let text =
                format!("find would have to look at more than {LOOKED_AT} secrets; narrow spec.dataFrom[].find.path");
            return Err(Error::new(ErrorKind::Invalid, LIST, text));
        }
        let mut ids = Vec::new();
        for secret in &page.secrets {
            let id = last_of(&secret.name, "secrets").ok_or_else(|| malformed(LIST, &store.wire.origin()))?;
            if wanted(secret, id) {
                found.announce(LIST)?;
                ids.push(id.to_owned());
            }
        }
        let mut answers = stream::iter(ids).map(|id| read(store, id, calls)).buffer_unordered(AT_A_TIME);
        while let Some(answer) = answers.next().await {
            let (id, value) = answer?;
            if let Some(value) = value {
                found.insert(ACCESS, id, value)?;
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(found.into_values());
        }
        if page.next_page_token == token {
            return Err(malformed(LIST, &store.wire.origin()));
        }
        token = page.next_page_token;
    }
}

/// What Google leaves out by itself. It compares parts of names here, so beginnings are compared afterwards.
fn filter(tags: &BTreeMap<String, String>, path: Option<&str>) -> String {
    let mut terms: Vec<String> = tags.iter().map(|(label, value)| format!("labels.{label}={value}")).collect();
    terms.extend(path.filter(|path| !path.is_empty()).map(|path| format!("name:{path}")));
    terms.join(" ")
}

async fn list(store: &GcpSm, filter: &str, token: &str, calls: &dyn Calls) -> Result<Page, Error> {
    let mut query = vec![("pageSize", PAGE)];
    query.extend([("filter", filter), ("pageToken", token)].into_iter().filter(|(_, value)| !value.is_empty()));
    let (path, subject) = (store.names.secrets(), Subject::Parent);
    let call = Call { operation: LIST, method: Method::GET, path: &path, query: &query, body: None, subject };
    let body = store.wire.send(call, calls).await?;
    serde_json::from_slice(body.expose()).map_err(|_| malformed(LIST, &store.wire.origin()))
}

/// The newest value; none if the secret went away meanwhile, or has no version yet.
async fn read(store: &GcpSm, id: String, calls: &dyn Calls) -> Result<(String, Option<SecretBytes>), Error> {
    match newest(store, &id, calls).await {
        Ok(value) => Ok((id, Some(value))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((id, None)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_join_labels_and_the_path() {
        let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let cases = [
            (tags(&[]), None, ""),
            (tags(&[]), Some("p-"), "name:p-"),
            (tags(&[("b", "2"), ("a", "1")]), None, "labels.a=1 labels.b=2"),
            (tags(&[("a", "1")]), Some("p"), "labels.a=1 name:p"),
        ];
        for (tags, path, want) in cases {
            assert_eq!(filter(&tags, path), want);
        }
    }
}
