//! Finding secrets: walks the folders of a mount and reads what matches.
//!
//! Lives here: the walk, with so many requests at a time and so much in wait. Deliberately not here: what an answer says
//! about one secret (`read.rs`), and paths (`path.rs`).

use std::collections::BTreeMap;

use api::VaultVersion;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use gojson::Item;
use http::StatusCode;
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::read::{CANNOT_READ, data, get, malformed, metadata, parse};
use super::{LIST, READ, Vault, error};
use crate::http::Answer;
use crate::name_pattern::NamePattern;

/// Requests of one find at a time.
const AT_A_TIME: usize = 16;
/// Names and folders that wait to be looked at.
const WAITING: usize = 100_000;

/// One request.
enum Step {
    /// List a folder: empty for the root, else it ends with a slash.
    Folder(String),
    /// Read the metadata of a name, to compare tags.
    Tags(String),
    /// Read the value of a name.
    Value(String),
}

/// What a request brought; `None` where Vault says that there is nothing (any more).
enum Outcome {
    Names(String, Option<Vec<String>>),
    Bears(String, bool),
    Value(String, Option<SecretBytes>),
}

/// Walks the folders below `path` and takes the secrets whose name, path included, matches; without a name, those that
/// bear the tags as custom metadata; without either, all. As in the reference, `name` goes before `tags`, and a secret is
/// named by its path below the mount.
///
/// Source: Vault HTTP API, "List secrets" of the KV secrets engine, version 1 and 2.
///
/// # Errors
/// `NotFound` when Vault says that there is nothing at `path`. A folder or secret that goes away meanwhile is left out.
pub(super) async fn find(vault: &Vault, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    if vault.paths.version == VaultVersion::V1 && !tags.is_empty() {
        let text = "cannot perform find by tag operations with kv version v1";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let pattern = NamePattern::of(find)?;
    let by_tags = name.is_none() && !tags.is_empty();
    let top = path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
    let (mut found, mut waiting, mut running) =
        (Gathered::default(), vec![Step::Folder(top.clone())], FuturesUnordered::new());
    loop {
        while running.len() < AT_A_TIME
            && let Some(step) = waiting.pop()
        {
            running.push(take(vault, step, tags, calls));
        }
        let Some(outcome) = running.next().await else { return Ok(found.into_values()) };
        match outcome? {
            Outcome::Names(folder, None) if folder == top => return Err(Error::not_found(LIST)),
            Outcome::Names(_, None) | Outcome::Bears(_, false) | Outcome::Value(_, None) => {}
            Outcome::Names(folder, Some(names)) => {
                for name in names {
                    let full = format!("{folder}{name}");
                    if full.ends_with('/') {
                        waiting.push(Step::Folder(full));
                    } else if !pattern.matches(&full) {
                        continue;
                    } else if by_tags {
                        waiting.push(Step::Tags(full));
                    } else {
                        found.announce(LIST)?;
                        waiting.push(Step::Value(full));
                    }
                }
                if waiting.len() > WAITING {
                    let text = format!(
                        "find would have to look at more than {WAITING} secrets and folders; narrow \
                         spec.dataFrom[].find.path"
                    );
                    return Err(Error::new(ErrorKind::Invalid, LIST, text));
                }
            }
            Outcome::Bears(name, true) => {
                found.announce(LIST)?;
                waiting.push(Step::Value(name));
            }
            Outcome::Value(name, Some(value)) => found.insert(READ, name, value)?,
        }
    }
}

async fn take(vault: &Vault, step: Step, tags: &BTreeMap<String, String>, calls: &dyn Calls) -> Result<Outcome, Error> {
    let origin = vault.wire.origin();
    let ask = async |call: &'static str, path: &[String], query| {
        let answer = get(vault, path, query).await;
        let good = |answer: &Answer| matches!(answer.status, StatusCode::OK | StatusCode::NOT_FOUND);
        calls.made(call, answer.as_ref().is_ok_and(good));
        answer
    };
    match step {
        Step::Folder(folder) => {
            let answer = ask(LIST, &vault.paths.folder(&folder)?, Some(("list", "true"))).await?;
            let names = if is_nothing(&answer) { None } else { Some(names(&answer, &origin)?) };
            Ok(Outcome::Names(folder, names))
        }
        Step::Tags(name) => {
            let answer = ask(READ, &vault.paths.listed(&name)?.metadata, None).await?;
            let bears = !is_nothing(&answer) && bears(&metadata(&answer, &origin)?, tags)?;
            Ok(Outcome::Bears(name, bears))
        }
        Step::Value(name) => {
            let answer = ask(READ, &vault.paths.listed(&name)?.data, None).await?;
            match data(&answer, vault.paths.version, &origin) {
                Ok(value) => Ok(Outcome::Value(name, Some(value))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Outcome::Value(name, None)),
                Err(error) => Err(error),
            }
        }
    }
}

fn is_nothing(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && error::is_plain_not_found(answer)
}

/// The names of a folder; those of folders end with a slash.
fn names(answer: &Answer, origin: &str) -> Result<Vec<String>, Error> {
    if answer.status != StatusCode::OK {
        return Err(error::of_answer(answer, LIST, origin).context(CANNOT_READ));
    }
    let bad = || malformed("failed to find the keys of a list".to_owned(), VaultVersion::V2);
    let document = parse(answer, origin)?;
    let data = document.member(document.root(), "data").ok_or_else(bad)?;
    let keys = document.member(data, "keys").ok_or_else(bad)?;
    let Item::Array(keys) = document.item(keys) else { return Err(bad()) };
    let name = |id| match document.item(id) {
        // A folder without a name would lead back to itself.
        Item::Text("" | "/") => Ok(None),
        Item::Text(name) => Ok(Some(name.to_owned())),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => Err(bad()),
    };
    keys.iter().filter_map(|id| name(*id).transpose()).collect()
}

/// Whether all `tags` are among the metadata, which is a JSON object of strings.
fn bears(metadata: &SecretBytes, tags: &BTreeMap<String, String>) -> Result<bool, Error> {
    let metadata = gojson::object_to_map(metadata.expose()).map_err(|_| {
        malformed("failed to unmarshall JSON: the metadata is not an object".to_owned(), VaultVersion::V2)
    })?;
    Ok(tags.iter().all(|(name, value)| metadata.get(name).is_some_and(|held| held == value.as_bytes())))
}
