//! From the names of vaults to their ids, which every other request needs: looked up once for many reads.
//!
//! Deliberately not here: the order of vaults (`config.rs`), and what is in them (`search.rs`).

use std::collections::HashMap;
use std::time::Duration;

use gojson::Document;
use http::Method;
use provider::{Calls, Error, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::item::{Named, is_id, named};
use super::wire::{Call, Wire};
use super::{GET_VAULT, error};

/// How long the id of a name counts: a vault may be renamed, and another get its name.
const AGE: Duration = Duration::from_secs(300);

/// A vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vault {
    pub(super) id: String,
    /// When Connect was asked about it, if it was.
    pub(super) seen_at: Option<Instant>,
}

/// How new the knowledge about a vault must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Freshness {
    /// Of the last minutes; a vault that is given by its id isn't asked about at all.
    Recent,
    /// Asked for at or after this.
    Since(Instant),
}

/// What is known about vaults, by the name in the store's settings.
#[derive(Default)]
pub(super) struct Vaults {
    /// Held while asking, so that there is one lookup at a time and everybody waits for it.
    known: Mutex<HashMap<String, Vault>>,
}

impl Vaults {
    /// The vault of this name or id.
    ///
    /// # Errors
    /// `Invalid` if there is no such vault, or several; what Connect says.
    pub(super) async fn get(
        &self,
        wire: &Wire,
        name: &str,
        freshness: Freshness,
        calls: &dyn Calls,
    ) -> Result<Vault, Error> {
        if matches!(freshness, Freshness::Recent) && is_id(name) {
            return Ok(Vault { id: name.to_owned(), seen_at: None });
        }
        let mut known = self.known.lock().await;
        let good = |seen_at: Instant| match freshness {
            Freshness::Recent => seen_at.elapsed() <= AGE,
            Freshness::Since(oldest) => seen_at >= oldest,
        };
        if let Some(vault) = known.get(name).filter(|vault| vault.seen_at.is_some_and(good)) {
            return Ok(vault.clone());
        }
        let seen_at = Some(Instant::now());
        let id = look_up(wire, name, calls).await.map_err(|e| e.context("error finding 1Password Vault"))?;
        let vault = Vault { id, seen_at };
        known.insert(name.to_owned(), vault.clone());
        Ok(vault)
    }

    /// Called when something went wrong with a vault: its id may be another now.
    pub(super) async fn forget(&self, name: &str) {
        self.known.lock().await.remove(name);
    }
}

/// Source: Connect's OpenAPI document, `GetVaultById` and `GetVaults` with a filter.
async fn look_up(wire: &Wire, name: &str, calls: &dyn Calls) -> Result<String, Error> {
    if is_id(name) {
        let answer = wire.succeed(&Call::get(GET_VAULT, &["vaults", name]), calls).await?;
        let document = Document::parse(answer.body.expose()).ok();
        let id = document.as_ref().and_then(|document| document.text(document.root(), "id"));
        return match id.filter(|id| *id == name) {
            Some(id) => Ok(id.to_owned()),
            None => Err(error::malformed(GET_VAULT, &wire.origin(), "a vault")),
        };
    }
    let filter = filter("name", name);
    let call =
        Call { operation: GET_VAULT, method: Method::GET, path: &["vaults"], filter: filter.as_deref(), body: None };
    let answer = wire.succeed(&call, calls).await?;
    let vaults = named(answer.body.expose(), "name")
        .ok_or_else(|| error::malformed(GET_VAULT, &wire.origin(), "a list of vaults"))?;
    match Named::called(vaults, name, filter.is_some()).as_slice() {
        [vault] => Ok(vault.id.clone()),
        found => {
            let (count, name) = (found.len(), gojson::quote(name));
            let text = format!(
                "Found {count} vaults with title {name}; check spec.provider.onepassword.vaults, where an id may stand \
                 in place of a name, and what the Connect token may read"
            );
            Err(Error::new(ErrorKind::Invalid, GET_VAULT, text))
        }
    }
}

/// A filter by name, or none for a name that could mean something else inside of it: then everything is listed and
/// compared here.
pub(super) fn filter(attribute: &str, name: &str) -> Option<String> {
    let plain = !name.chars().any(|c| matches!(c, '"' | '\\') || c.is_control());
    plain.then(|| format!("{attribute} eq \"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_ends_its_filter() {
        let cases = [
            ("App 1", Some(r#"name eq "App 1""#)),
            ("o'clock / ü", Some(r#"name eq "o'clock / ü""#)),
            (r#"a" or name eq "b"#, None),
            (r"a\", None),
            ("a\nb", None),
        ];
        for (name, want) in cases {
            assert_eq!(filter("name", name).as_deref(), want);
        }
    }
}
