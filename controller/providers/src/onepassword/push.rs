//! Pushing fields: finds the item, writes it, and waits until Connect shows what was written.
//!
//! Deliberately not here: what the item is to become (`desired.rs`). Connect has no way to write only what nobody else has
//! changed meanwhile, and an item bears no mark of whose it is.
//!
//! Source: Connect's OpenAPI document, `CreateVaultItem`, `UpdateVaultItem`, `DeleteVaultItem`.

use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};
use secret::SecretBytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::desired::{self, Without};
use super::item::{Item, PASSWORD};
use super::search::Located;
use super::vaults::Freshness;
use super::wire::Call;
use super::{CREATE_ITEM, Connect, DELETE_ITEM, PUSH, UPDATE_ITEM, error};
use crate::push_metadata;

/// How long Connect may take to show what it has taken, and the pause between two looks: as in the reference. The next write
/// begins with a read, which must not bring what was before.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);

const CANNOT_CREATE: &str = "error creating 1Password Item";
pub(super) const CANNOT_UPDATE: &str = "error updating 1Password Item";
const CANNOT_DELETE: &str = "error deleting 1Password Item";

/// What a write is to show.
enum Sight<'a> {
    /// An item of this title or id.
    Item { vault: &'a str, key: &'a str },
    /// A field of an item with this value; `None`: no such field.
    Field { vault: &'a str, item: &'a str, label: &'a str, value: Option<&'a str> },
}

/// `spec` of the metadata.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Settings {
    /// Replace the item's tags.
    tags: Option<Vec<String>>,
    /// Where a new item goes, as the store names the vault.
    vault: Option<String>,
}

fn label(place: &Place) -> &str {
    place.property.as_deref().unwrap_or(PASSWORD)
}

impl Connect {
    async fn create(
        &self,
        key: &str,
        label: &str,
        value: &str,
        wish: &Settings,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let name = match wish.vault.as_ref().filter(|vault| !vault.is_empty()) {
            Some(vault) if !self.order.contains(vault) => {
                let text = format!(
                    "metadata vault '{vault}' not in provider vaults; name one of spec.provider.onepassword.vaults in \
                     spec.vault of the metadata"
                );
                return Err(Error::new(ErrorKind::Invalid, PUSH, text));
            }
            Some(vault) => Some(vault),
            None => self.order.first(),
        };
        let name = name.ok_or_else(|| Error::new(ErrorKind::Invalid, PUSH, "no vaults found"))?;
        let vault = self.vaults.get(&self.wire, name, Freshness::Recent, calls).await?.id;
        let body = desired::new_item(key, &vault, label, value, wish.tags.as_deref());
        let path = ["vaults", &vault, "items"];
        self.write(CREATE_ITEM, Method::POST, &path, body, calls).await.map_err(|e| e.context(CANNOT_CREATE))?;
        self.wait(Sight::Item { vault: &vault, key }, calls).await
    }

    /// Writes an item, and waits until its field is as written.
    async fn update(
        &self,
        found: &Located,
        body: SecretBytes,
        label: &str,
        value: Option<&str>,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let id = self.id(found)?;
        let path = ["vaults", &found.vault, "items", &id];
        self.write(UPDATE_ITEM, Method::PUT, &path, body, calls).await.map_err(|e| e.context(CANNOT_UPDATE))?;
        self.wait(Sight::Field { vault: &found.vault, item: &id, label, value }, calls).await
    }

    fn id(&self, found: &Located) -> Result<String, Error> {
        Item::parse(found.answer.body.expose()).map(|item| item.id).ok_or_else(|| self.not_an_item())
    }

    async fn write(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: SecretBytes,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let call = Call { operation, method, path, filter: None, body: Some(body) };
        let answer = self.wire.succeed(&call, calls).await?;
        let written = Item::parse(answer.body.expose());
        written.map(drop).ok_or_else(|| error::malformed(operation, &self.wire.origin(), "an item"))
    }

    /// Whether there was anything to delete.
    async fn remove(&self, found: &Located, calls: &dyn Calls) -> Result<bool, Error> {
        let id = self.id(found)?;
        let path = ["vaults", &found.vault, "items", &id];
        let call = Call { operation: DELETE_ITEM, method: Method::DELETE, path: &path, filter: None, body: None };
        let answer = self.wire.send(&call, calls).await.map_err(|e| e.context(CANNOT_DELETE))?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND if error::is_missing_item(&answer) => Ok(false),
            _ => Err(error::of_answer(&answer, DELETE_ITEM, &self.wire.origin()).context(CANNOT_DELETE)),
        }
    }

    async fn sees(&self, sight: &Sight<'_>, calls: &dyn Calls) -> Result<bool, Error> {
        match sight {
            Sight::Item { vault, key } => Ok(self.search(vault, key, calls).await?.is_some()),
            Sight::Field { vault, item, label, value } => {
                let now = self.get(vault, item, calls).await?;
                Ok(now.is_some_and(|now| desired::holds(&now.answer.body, label, *value)))
            }
        }
    }

    async fn wait(&self, sight: Sight<'_>, calls: &dyn Calls) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let seen = self.sees(&sight, calls).await;
            if matches!(seen, Ok(true)) {
                return Ok(());
            }
            if begun.elapsed() >= PATIENCE {
                let text =
                    format!("{} took what was written, but doesn't show it after {PATIENCE:?}", self.wire.origin());
                return Err(seen.err().unwrap_or_else(|| Error::new(ErrorKind::Unavailable, PUSH, text)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl Write for Connect {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let Push { place, metadata, source: _, secret_key: _ } = push;
        let wish: Settings = push_metadata::spec(metadata.as_ref(), PUSH)?;
        let value = push.value()?;
        let value = value.expose_str().ok_or_else(|| {
            let text = "the value is not UTF-8, and a field of 1Password holds text only; encode it, with b64enc in \
                        spec.template";
            Error::new(ErrorKind::Invalid, PUSH, text)
        })?;
        let (key, label) = (place.key.as_str(), label(place));
        let Some(found) = self.locate(key, calls).await? else {
            self.create(key, label, value, &wish, calls).await?;
            return Ok(Pushed::Written);
        };
        let Some(body) = desired::with(&found.answer.body, key, label, value, wish.tags.as_deref())? else {
            return Ok(Pushed::Unchanged);
        };
        self.update(&found, body, label, Some(value), calls).await?;
        Ok(Pushed::Written)
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let (key, label) = (place.key.as_str(), label(place));
        let Some(found) = self.locate(key, calls).await? else { return Ok(Removed::Absent) };
        match desired::without(&found.answer.body, key, label)? {
            Without::Absent => Ok(Removed::Absent),
            Without::Nothing => Ok(if self.remove(&found, calls).await? { Removed::Deleted } else { Removed::Absent }),
            Without::Rest(body) => {
                self.update(&found, body, label, None, calls).await?;
                Ok(Removed::Deleted)
            }
        }
    }

    /// Without a property it is the item that counts, as in the reference.
    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Some(found) = self.locate(&place.key, calls).await? else { return Ok(false) };
        let item = Item::parse(found.answer.body.expose()).ok_or_else(|| self.not_an_item())?;
        Ok(place.property.as_ref().is_none_or(|label| item.fields.iter().any(|field| field.label == *label)))
    }
}
