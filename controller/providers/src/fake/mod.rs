//! The provider `fake`: serves the values that the store itself lists, and those that were pushed to it. The smallest of them, and the pattern of the rest.
//!
//! `config.rs` checks the settings, `read.rs` picks values, `find.rs` finds, `push.rs` writes to `memory.rs`. It has no login and no vendor errors, hence no `auth.rs` and
//! `error.rs`. For users: `docs/providers/fake.md`.

mod config;
mod find;
mod memory;
mod push;
mod read;

use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use config::{Settings, Verdict};
use memory::Pushed;

pub use memory::FakeMemory;

/// The one call, as the metric names it.
const READ: &str = "GetSecret";
const FIND: &str = "GetAllSecrets";

/// An opened `fake` store.
pub(crate) struct Fake {
    settings: Settings,
    pushed: Pushed,
}

impl Fake {
    /// Nothing can go wrong: rules on the settings are admission's business, as in the reference.
    pub(crate) fn new(spec: &api::FakeProvider, cx: &OpenContext<'_>) -> Self {
        Self::with(spec, cx.environment.fake.of_store(&cx.store))
    }

    fn with(spec: &api::FakeProvider, pushed: Pushed) -> Self {
        Self { settings: Settings::of(spec), pushed }
    }
}

#[async_trait]
impl Provider for Fake {
    fn metric_name(&self) -> &'static str {
        "Fake"
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        let pushed = || self.pushed.get(&key.key).filter(|_| key.version.as_deref().is_none_or(str::is_empty));
        self.settings.get(key).cloned().or_else(pushed).map(Payload).ok_or_else(|| Error::not_found(READ))
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    async fn find(&self, find: &Find, _: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(&self.settings, &self.pushed.all(), find)
    }

    fn converts_found_names(&self) -> bool {
        true
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        let error = || Error::new(ErrorKind::Invalid, "Validate", "unable to validate");
        match self.settings.verdict {
            Verdict::Ready => Validation::Ready,
            Verdict::Unknown => Validation::Unknown(Some(error())),
            Verdict::Failed => Validation::Failed(error()),
        }
    }
}
