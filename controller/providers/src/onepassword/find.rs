//! Finding fields: by the title or the tags of their items, and by their label.
//!
//! Lives here: which vaults and items are looked at, so many at a time. Deliberately not here: what is in an item
//! (`item.rs`).

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use provider::{Calls, Error, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::item::Item;
use super::read::content;
use super::vaults::{Freshness, filter};
use super::{Connect, GET_ITEM, LIST};
use crate::name_pattern::NamePattern;

/// Items read at a time.
const AT_A_TIME: usize = 8;

/// The fields whose label matches, of the items that bear all tags, else of those whose title is the path, else of all.
/// Each is named by its label; of several with one label the first counts, in the order of vaults and of Connect's lists.
///
/// As in the reference, with tags the path isn't looked at nor any vault but the first, tags are compared by their names
/// alone, and files are found only as far as a list tells of them, which Connect's doesn't.
pub(super) async fn find(store: &Connect, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name: _, tags } = find;
    let pattern = NamePattern::of(find)?;
    let path = path.as_deref().filter(|_| tags.is_empty());
    let vaults = if tags.is_empty() { store.order.len() } else { 1 };
    let mut found = Gathered::default();
    let mut taken = BTreeSet::new();
    for name in store.order.iter().take(vaults) {
        let vault = store.vaults.get(&store.wire, name, Freshness::Recent, calls).await?.id;
        let listed = store.list(&vault, path.and_then(|path| filter("title", path)).as_deref(), calls).await;
        let listed = match listed {
            Ok(listed) => Item::parse_list(listed.body.expose()).ok_or_else(|| store.not_a_list())?,
            Err(error) => {
                store.vaults.forget(name).await;
                return Err(error);
            }
        };
        let wished: Vec<Item> = listed.into_iter().filter(|item| is_wished(item, path, tags)).collect();
        for _ in &wished {
            found.announce(LIST)?;
        }
        let reads = wished.into_iter().map(|item| matching(store, &vault, item, &pattern, calls));
        let mut reads = stream::iter(reads).buffered(AT_A_TIME);
        while let Some(values) = reads.next().await {
            for (label, value) in values? {
                if taken.insert(label.clone()) {
                    found.insert(GET_ITEM, label, value)?;
                }
            }
        }
    }
    Ok(found.into_values())
}

fn is_wished(item: &Item, path: Option<&str>, tags: &BTreeMap<String, String>) -> bool {
    path.is_none_or(|path| item.title == path) && tags.keys().all(|tag| item.tags.contains(tag))
}

/// What matches in one item, in its order; nothing if it is gone.
async fn matching(
    store: &Connect,
    vault: &str,
    listed: Item,
    pattern: &NamePattern,
    calls: &dyn Calls,
) -> Result<Vec<(String, SecretBytes)>, Error> {
    let mut values = Vec::new();
    for file in listed.files.iter().filter(|file| pattern.matches(&file.name)) {
        let mut file = file.clone();
        file.content = content(store, vault, &listed.id, &file, calls).await?;
        values.push((file.name.clone(), file.bytes()?));
    }
    let Some(located) = store.get(vault, &listed.id, calls).await? else { return Ok(values) };
    let item = Item::parse(located.answer.body.expose()).ok_or_else(|| store.not_an_item())?;
    for field in item.fields.iter().filter(|field| !field.label.is_empty() && pattern.matches(&field.label)) {
        values.push(item.only(&listed.title, field)?);
    }
    Ok(values)
}
