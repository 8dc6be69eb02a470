//! The provider `azurekv`: secrets, keys and certificates of Azure Key Vault, over its REST API.
//!
//! `config.rs` checks the settings, `object.rs` understands remote keys, `auth.rs` logs in (with `certificate.rs` for client
//! certificates), `session.rs` keeps the token, `wire.rs` sends requests, `bundle.rs` reads answers, `read.rs` reads and picks values,
//! `find.rs` lists, `push.rs` writes (with `jwk.rs` for keys), `error.rs` sorts what Azure says.
//! API: <https://learn.microsoft.com/rest/api/keyvault/>. For users: `docs/providers/azurekv.md`.

mod auth;
mod bundle;
mod certificate;
mod config;
mod error;
mod find;
mod jwk;
mod object;
mod push;
mod read;
mod session;
mod wire;

use api::provider::azurekv::AzureKvProvider;
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::http::TlsSettings;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use crate::{Environment, OpenContext};
use config::Settings;
use object::Kind;
use wire::Wire;

const METRIC_NAME: &str = "Azure/KeyVault";

/// An opened `azurekv` store.
pub(crate) struct AzureKv {
    wire: Wire,
    /// Which of the reference's two clients the store asks for; they differ in what they make of metadata and JWKs.
    modern: bool,
}

/// Checks the settings and looks up the credentials. The login waits for the first request.
pub(crate) async fn open(spec: &AzureKvProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, &cx.environment.azure)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(Box::new(Referent {
            metric_name: METRIC_NAME,
            call_name: Kind::Secret.get(),
            capabilities: Capabilities::ReadWrite,
        }));
    }
    auth::check(&settings.login, cx.credentials.as_ref()).await?;
    let http = cx.http.get(&TlsSettings::default())?;
    let modern = settings.modern;
    Ok(Box::new(AzureKv { wire: Wire::new(http, settings, cx.credentials.clone()), modern }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &AzureKvProvider, environment: &Environment) -> bool {
    Settings::of(spec, &environment.azure).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

#[async_trait]
impl Provider for AzureKv {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, key: &ReadKey) -> &'static str {
        object::Object::of(&key.key, "").map_or(Kind::Secret, |object| object.kind).get()
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

    async fn validate(&self) -> Validation {
        match self.wire.log_in().await {
            Ok(()) => Validation::Ready,
            Err(error) => Validation::Failed(error),
        }
    }

    async fn close(&self) {
        self.wire.forget_token().await;
    }
}
