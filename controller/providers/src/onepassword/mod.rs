//! The provider `onepassword`: fields and files of items in 1Password, over a Connect server's REST API.
//!
//! `config.rs` checks the settings, `auth.rs` looks the token up, `wire.rs` sends requests, `vaults.rs` knows vaults by name,
//! `search.rs` finds an item, `item.rs` picks out of it, `read.rs` reads it with its files, `find.rs` finds, `push.rs` writes
//! what `desired.rs` says, `error.rs` sorts what Connect says.
//! API: <https://github.com/1Password/connect/blob/main/docs/openapi/spec.yaml>. For users: `docs/providers/onepassword.md`.

mod auth;
mod config;
mod desired;
mod error;
mod find;
mod item;
mod push;
mod read;
mod search;
mod vaults;
mod wire;

use api::provider::onepassword::OnePasswordProvider;
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};
use tokio::time::Instant;

use crate::OpenContext;
use crate::http::TlsSettings;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use config::Settings;
use vaults::{Freshness, Vaults};
use wire::{Uncounted, Wire};

const METRIC_NAME: &str = "1Password/Connect";
const GET_VAULT: &str = "GetVault";
const LIST: &str = "GetItems";
const GET_ITEM: &str = "GetItem";
const GET_FILE: &str = "GetFileContent";
const CREATE_ITEM: &str = "CreateItem";
const UPDATE_ITEM: &str = "UpdateItem";
const DELETE_ITEM: &str = "DeleteItem";
const PUSH: &str = "PushSecret";
const HOST: &str = "spec.provider.onepassword.connectHost";

/// An opened `onepassword` store.
pub(crate) struct Connect {
    wire: Wire,
    /// Names or ids of the vaults, in the order of search.
    order: Vec<String>,
    vaults: Vaults,
}

/// Checks the settings and looks up the token.
pub(crate) async fn open(spec: &OnePasswordProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(Box::new(Referent {
            metric_name: METRIC_NAME,
            call_name: GET_ITEM,
            capabilities: Capabilities::ReadWrite,
        }));
    }
    let Settings { server, vaults: order, token } = settings;
    let bearer = auth::bearer(cx.credentials.as_ref(), &token).await?;
    let wire = Wire::new(cx.http.get(&TlsSettings::default())?, server, bearer);
    Ok(Box::new(Connect { wire, order, vaults: Vaults::default() }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &OnePasswordProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

#[async_trait]
impl Provider for Connect {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        GET_ITEM
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(self, find, calls).await
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    /// Asks about each vault.
    async fn validate(&self) -> Validation {
        let begun = Instant::now();
        for name in &self.order {
            if let Err(error) = self.vaults.get(&self.wire, name, Freshness::Since(begun), &Uncounted).await {
                return Validation::Failed(error);
            }
        }
        Validation::Ready
    }
}
