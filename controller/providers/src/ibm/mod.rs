//! The provider `ibm`: IBM Cloud Secrets Manager, over its REST API of version 2.
//!
//! `config.rs` checks the settings, `key.rs` understands remote keys, `auth.rs` gets tokens from IAM, `wire.rs` sends
//! requests, `read.rs` reads and picks values, `go_text.rs` writes metadata as Go prints it, `error.rs` sorts what IBM says.
//! It neither finds nor writes, as in the reference, hence no `find.rs` and `push.rs`.
//! API: <https://cloud.ibm.com/apidocs/secrets-manager/secrets-manager-v2>, <https://cloud.ibm.com/apidocs/iam-identity-token-api>.
//! For users: `docs/providers/ibm.md`.

mod auth;
mod config;
mod error;
mod go_text;
mod key;
mod read;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use api::provider::ibm::IbmProvider;
use async_trait::async_trait;
use provider::{Capabilities, Error, ErrorKind, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::bearer::Bearers;
use crate::http::TlsSettings;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use auth::Iam;
use config::Settings;
use key::Key;
use wire::Wire;

const METRIC_NAME: &str = "IBM/SecretsManager";
const BY_ID: &str = "GetSecret";
const BY_NAME: &str = "GetSecretByNameType";
const SERVER: &str = "spec.provider.ibm.serviceUrl";

/// An opened `ibm` store.
pub(crate) struct Ibm {
    wire: Arc<Wire>,
    bearers: Bearers<Iam>,
}

/// Checks the settings and looks up the API key. The first who reads logs in.
pub(crate) async fn open(spec: &IbmProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, cx.retry)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(Box::new(Referent {
            metric_name: METRIC_NAME,
            call_name: BY_ID,
            capabilities: Capabilities::ReadOnly,
        }));
    }
    let Settings { service, iam, login, patience } = settings;
    let wire = Arc::new(Wire::new(cx.http.get(&TlsSettings::default())?, service, patience));
    let iam = Iam::open(iam, login, Arc::clone(&wire), cx.credentials.as_ref()).await?;
    Ok(Box::new(Ibm { wire, bearers: Bearers::new(iam) }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &IbmProvider) -> bool {
    Settings::of(spec, None).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

#[async_trait]
impl Provider for Ibm {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, key: &ReadKey) -> &'static str {
        if Key::of(&key.key).is_ok_and(|key| !key.is_id()) { BY_NAME } else { BY_ID }
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn patience(&self) -> Option<Duration> {
        self.wire.patience()
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    /// Logs in, which the reference doesn't: it takes every store for valid. What may pass by itself doesn't fail the store.
    async fn validate(&self) -> Validation {
        let Err(error) = self.bearers.bearer().await else { return Validation::Ready };
        match error.kind() {
            ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Malformed => {
                Validation::Unknown(Some(error))
            }
            ErrorKind::NotFound
            | ErrorKind::AccessDenied
            | ErrorKind::Unauthenticated
            | ErrorKind::BadProperty
            | ErrorKind::Invalid
            | ErrorKind::Unsupported => Validation::Failed(error.context("invalid IBM credentials")),
        }
    }
}
