//! The provider `gcpsm`: Google Cloud Secret Manager, over its REST API (version 1).
//!
//! `config.rs` checks the settings, `names.rs` makes resource names, `session.rs` keeps an access token
//! (`crate::google` gets them), `wire.rs` sends requests, `read.rs` reads and picks values, `find.rs` finds, `push.rs` writes what `desired.rs` says,
//! `checksum.rs` has the checksum of payloads, `error.rs` sorts what Google says.
//! API: <https://cloud.google.com/secret-manager/docs/reference/rest>. For users: `docs/providers/gcpsm.md`.

mod checksum;
mod config;
mod desired;
mod error;
mod find;
mod names;
mod push;
mod read;
mod session;
mod wire;

use std::sync::Arc;

use api::provider::gcpsm::GcpSmProvider;
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::google::Authority;
use crate::http::TlsSettings;
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use config::Settings;
use names::Names;
use session::Session;
use wire::Wire;

/// Where the login is set.
const AUTH: &str = "spec.provider.gcpsm.auth";
const METRIC_NAME: &str = "GCP/SecretManager";
const ACCESS: &str = "AccessSecretVersion";
const GET: &str = "GetSecret";
const LIST: &str = "ListSecrets";
const LIST_VERSIONS: &str = "ListSecretVersions";

/// An opened `gcpsm` store.
pub(crate) struct GcpSm {
    wire: Wire,
    names: Names,
    /// Whether the newest enabled version is read where the latest one is disabled or destroyed.
    falls_back: bool,
}

/// Checks the settings and looks up credentials that are in Secrets. Asks Google for a token only with the first read;
/// the metadata server is asked for the project if nothing else names it.
pub(crate) async fn open(spec: &GcpSmProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, &cx.environment.gcp)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        let capabilities = Capabilities::ReadWrite;
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: ACCESS, capabilities }));
    }
    let http = cx.http.get(&TlsSettings::default())?;
    let Settings { login, project, location, falls_back, endpoint } = settings;
    let authority = Authority::new(http.clone(), Arc::clone(&cx.credentials), cx.environment, AUTH)?;
    let login = login.open(&authority).await.map_err(|e| e.context("failed to create GCP secretmanager client"))?;
    let project = match project.or_else(|| login.project()) {
        Some(project) => project,
        None => authority.project().await.map_err(|_| {
            config::invalid(
                "unable to find ProjectID in storeSpec: set spec.provider.gcpsm.projectID; the metadata server, which would \
                 know the cluster's, doesn't answer",
            )
        })?,
    };
    let names = Names::new(&project, location.as_deref())?;
    let session = Session::new(login, authority);
    Ok(Box::new(GcpSm { wire: Wire::new(http, endpoint, session), names, falls_back }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &GcpSmProvider) -> bool {
    Settings::of(spec, &crate::GcpEnvironment::default())
        .is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

#[async_trait]
impl Provider for GcpSm {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, key: &ReadKey) -> &'static str {
        if key.metadata { GET } else { ACCESS }
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
        match self.wire.session().bearer().await {
            Ok(_) => Validation::Ready,
            Err(error) => Validation::Failed(error),
        }
    }
}
