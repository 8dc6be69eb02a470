//! Finding secrets in one folder, as the reference's OpenBao provider does: it descends into none.
//!
//! Deliberately not here: lists and values (`vault/find.rs`).

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::SecretMap;

use super::super::find::{AT_A_TIME, bears, bounded, check_tags, list, value};
use super::super::{LIST, READ, Vault};
use crate::name_pattern::NamePattern;

/// Takes the secrets right below `path` whose name matches and which bear all the tags as custom metadata. They are called
/// by their name alone, without the path.
///
/// Source: OpenBao HTTP API, "List secrets" of the KV secrets engine, version 1 and 2.
///
/// # Errors
/// `Invalid` without anything to find by. A folder that isn't there has nothing in it, as in the reference; a secret that
/// goes away meanwhile is left out.
pub(super) async fn find(vault: &Vault, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    if name.is_none() && tags.is_empty() {
        let text =
            "unexpected find operator: an openBao store finds by name or tags; set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    check_tags(vault, tags)?;
    let pattern = NamePattern::of(find)?;
    let folder = path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
    let names = matching(list(vault, &folder, calls).await?.unwrap_or_default(), &pattern);
    bounded(names.len())?;
    let mut found = Gathered::default();
    let names = if tags.is_empty() {
        names
    } else {
        let bearing = names.into_iter().map(|name| async {
            let bears = bears(vault, &format!("{folder}{name}"), tags, calls).await?;
            Ok::<_, Error>(bears.then_some(name))
        });
        stream::iter(bearing).buffer_unordered(AT_A_TIME).try_filter_map(async |name| Ok(name)).try_collect().await?
    };
    for _ in &names {
        found.announce(LIST)?;
    }
    let values = names.into_iter().map(|name| async {
        let value = value(vault, &format!("{folder}{name}"), calls).await?;
        Ok::<_, Error>(value.map(|value| (name, value)))
    });
    let mut values = stream::iter(values).buffer_unordered(AT_A_TIME);
    while let Some(value) = values.try_next().await? {
        if let Some((name, value)) = value {
            found.insert(READ, name, value)?;
        }
    }
    Ok(found.into_values())
}

/// The names that match. Those of folders end with a slash; the reference reads them like others, so that one which is a
/// secret too is found under both names.
fn matching(names: Vec<String>, pattern: &NamePattern) -> Vec<String> {
    let known: BTreeSet<String> = names.iter().cloned().collect();
    let is_secret = |name: &str| name.strip_suffix('/').is_none_or(|name| known.contains(name));
    names.into_iter().filter(|name| pattern.matches(name) && is_secret(name)).collect()
}
