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

use super::product::Peer;
use super::read::{data, get, malformed, metadata, parse};
use super::{LIST, READ, Vault, error};
use crate::http::Answer;
use crate::name_pattern::NamePattern;

/// Requests of one find at a time.
pub(super) const AT_A_TIME: usize = 16;
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
    check_tags(vault, tags)?;
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
                bounded(waiting.len())?;
            }
            Outcome::Bears(name, true) => {
                found.announce(LIST)?;
                waiting.push(Step::Value(name));
            }
            Outcome::Value(name, Some(value)) => found.insert(READ, name, value)?,
        }
    }
}

/// Version 1 has no tags.
pub(super) fn check_tags(vault: &Vault, tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if vault.paths.version == VaultVersion::V1 && !tags.is_empty() {
        let text = "cannot perform find by tag operations with kv version v1";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    Ok(())
}

async fn take(vault: &Vault, step: Step, tags: &BTreeMap<String, String>, calls: &dyn Calls) -> Result<Outcome, Error> {
    match step {
        Step::Folder(folder) => {
            let names = list(vault, &folder, calls).await?;
            Ok(Outcome::Names(folder, names))
        }
        Step::Tags(name) => {
            let bears = bears(vault, &name, tags, calls).await?;
            Ok(Outcome::Bears(name, bears))
        }
        Step::Value(name) => {
            let value = value(vault, &name, calls).await?;
            Ok(Outcome::Value(name, value))
        }
    }
}

/// Refuses to have more names and folders than [`WAITING`] in wait.
pub(super) fn bounded(waiting: usize) -> Result<(), Error> {
    if waiting <= WAITING {
        return Ok(());
    }
    let text =
        format!("find would have to look at more than {WAITING} secrets and folders; narrow spec.dataFrom[].find.path");
    Err(Error::new(ErrorKind::Invalid, LIST, text))
}

/// The names in a folder, which is empty or ends with a slash; `None` if the server says that there is none.
pub(super) async fn list(vault: &Vault, folder: &str, calls: &dyn Calls) -> Result<Option<Vec<String>>, Error> {
    let answer = ask(vault, LIST, &vault.paths.folder(folder)?, Some(("list", "true")), calls).await?;
    if is_nothing(&answer) { Ok(None) } else { names(&answer, vault.wire.peer()).map(Some) }
}

/// Whether a listed name is there and bears all `tags` among its metadata.
pub(super) async fn bears(
    vault: &Vault,
    name: &str,
    tags: &BTreeMap<String, String>,
    calls: &dyn Calls,
) -> Result<bool, Error> {
    let answer = ask(vault, READ, &vault.paths.listed(name)?.metadata, None, calls).await?;
    let peer = vault.wire.peer();
    Ok(!is_nothing(&answer) && has_all(&metadata(&answer, peer)?, tags, peer)?)
}

/// The data of a listed name; `None` if the server says that there is none.
pub(super) async fn value(vault: &Vault, name: &str, calls: &dyn Calls) -> Result<Option<SecretBytes>, Error> {
    let answer = ask(vault, READ, &vault.paths.listed(name)?.data, None, calls).await?;
    match data(&answer, vault.paths.version, vault.wire.peer()) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask(
    vault: &Vault,
    call: &'static str,
    path: &[String],
    query: Option<(&'static str, &str)>,
    calls: &dyn Calls,
) -> Result<Answer, Error> {
    let answer = get(vault, path, query).await;
    let good = |answer: &Answer| matches!(answer.status, StatusCode::OK | StatusCode::NOT_FOUND);
    calls.made(call, answer.as_ref().is_ok_and(good));
    answer
}

fn is_nothing(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && error::is_plain_not_found(answer)
}

/// The names of a folder; those of folders end with a slash.
fn names(answer: &Answer, peer: &Peer) -> Result<Vec<String>, Error> {
    if answer.status != StatusCode::OK {
        return Err(error::of_answer(answer, LIST, peer).context(peer.product.cannot_read()));
    }
    let bad = || malformed("failed to find the keys of a list", VaultVersion::V2, peer.product);
    let document = parse(answer, peer)?;
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
fn has_all(metadata: &SecretBytes, tags: &BTreeMap<String, String>, peer: &Peer) -> Result<bool, Error> {
    let metadata = gojson::object_to_map(metadata.expose()).map_err(|_| {
        malformed("failed to unmarshall JSON: the metadata is not an object", VaultVersion::V2, peer.product)
    })?;
    Ok(tags.iter().all(|(name, value)| metadata.get(name).is_some_and(|held| held == value.as_bytes())))
}
