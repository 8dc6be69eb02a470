//! Where an item is: the vaults in their order, in each by id or by title.
//!
//! Deliberately not here: what is in the item (`item.rs`).

use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind};
use tokio::time::Instant;

use super::item::{Named, is_id, named};
use super::vaults::{Freshness, filter};
use super::wire::Call;
use super::{Connect, GET_ITEM, LIST, error};
use crate::http::Answer;

pub(super) const CANNOT_FIND: &str = "error finding 1Password Item";

/// An item where it was found.
pub(super) struct Located {
    /// Id of its vault.
    pub(super) vault: String,
    /// What Connect says about it.
    pub(super) answer: Answer,
}

impl Connect {
    /// The item of this id or title in the first vault that has one. Nothing only if Connect has said so of each vault, and
    /// has shown each vault, while this was asked: an outdated name or a token that lost a vault must not pass for a
    /// missing item.
    pub(super) async fn locate(&self, key: &str, calls: &dyn Calls) -> Result<Option<Located>, Error> {
        if key.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                GET_ITEM,
                "the remote key is empty; write the title or id of an item",
            ));
        }
        let begun = Instant::now();
        let mut looked_in = Vec::new();
        for name in &self.order {
            let vault = self.vaults.get(&self.wire, name, Freshness::Recent, calls).await?;
            if let Some(found) = self.search_named(name, &vault.id, key, calls).await? {
                return Ok(Some(found));
            }
            looked_in.push(vault);
        }
        let seen = |at: Option<Instant>| at.is_some_and(|at| at >= begun);
        for (name, before) in self.order.iter().zip(looked_in) {
            if seen(before.seen_at) {
                continue;
            }
            let vault = self.vaults.get(&self.wire, name, Freshness::Since(begun), calls).await?;
            if vault.id != before.id
                && let Some(found) = self.search_named(name, &vault.id, key, calls).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn search_named(
        &self,
        name: &str,
        vault: &str,
        key: &str,
        calls: &dyn Calls,
    ) -> Result<Option<Located>, Error> {
        let found = self.search(vault, key, calls).await;
        if found.is_err() {
            self.vaults.forget(name).await;
        }
        found
    }

    /// The item of this id or title in one vault.
    pub(super) async fn search(&self, vault: &str, key: &str, calls: &dyn Calls) -> Result<Option<Located>, Error> {
        if is_id(key)
            && let Some(found) = self.get(vault, key, calls).await?
        {
            return Ok(Some(found));
        }
        let filter = filter("title", key);
        let items = self.list(vault, filter.as_deref(), calls).await?;
        let items = named(items.body.expose(), "title").ok_or_else(|| self.not_a_list())?;
        match Named::called(items, key, filter.is_some()).as_slice() {
            [] => Ok(None),
            [item] => match self.get(vault, &item.id, calls).await? {
                Some(found) => Ok(Some(found)),
                None => {
                    let text = format!(
                        "{CANNOT_FIND}: {} lists it and doesn't find it; it may be synchronising",
                        self.wire.origin()
                    );
                    Err(Error::new(ErrorKind::Unavailable, GET_ITEM, text))
                }
            },
            several => {
                let count = several.len();
                let text = format!(
                    "expected one 1Password Item matching: '{key}', got {count}; give each its own title, or name the item \
                     by its id"
                );
                Err(Error::new(ErrorKind::Invalid, GET_ITEM, text))
            }
        }
    }

    /// An item by its id; nothing if Connect says that it isn't in this vault.
    ///
    /// Source: Connect's OpenAPI document, `GetVaultItemById`.
    pub(super) async fn get(&self, vault: &str, item: &str, calls: &dyn Calls) -> Result<Option<Located>, Error> {
        let path = ["vaults", vault, "items", item];
        let answer = self.wire.send(&Call::get(GET_ITEM, &path), calls).await.map_err(|e| e.context(CANNOT_FIND))?;
        match answer.status {
            StatusCode::OK => Ok(Some(Located { vault: vault.to_owned(), answer })),
            StatusCode::NOT_FOUND if error::is_missing_item(&answer) => Ok(None),
            _ => Err(error::of_answer(&answer, GET_ITEM, &self.wire.origin()).context(CANNOT_FIND)),
        }
    }

    /// The list of a vault's items, as Connect sends it.
    ///
    /// Source: Connect's OpenAPI document, `GetVaultItems`.
    pub(super) async fn list(&self, vault: &str, filter: Option<&str>, calls: &dyn Calls) -> Result<Answer, Error> {
        let path = ["vaults", vault, "items"];
        let call = Call { operation: LIST, method: Method::GET, path: &path, filter, body: None };
        self.wire.succeed(&call, calls).await.map_err(|e| e.context(CANNOT_FIND))
    }

    pub(super) fn not_a_list(&self) -> Error {
        error::malformed(LIST, &self.wire.origin(), "a list of items").context(CANNOT_FIND)
    }

    pub(super) fn not_an_item(&self) -> Error {
        error::malformed(GET_ITEM, &self.wire.origin(), "an item").context(CANNOT_FIND)
    }
}
