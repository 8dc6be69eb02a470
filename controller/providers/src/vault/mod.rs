//! The providers `vault` and `openBao`: KV version 1 and 2 of HashiCorp Vault and of OpenBao, over their HTTP API.
//!
//! `config.rs` checks the settings, `path.rs` makes request paths, `wire.rs` sends requests, `login.rs` knows the login
//! methods, `gcp.rs` and `iam.rs` those by identities of Google and AWS, `auth.rs` logs in, `session.rs` keeps the token,
//! `read.rs` reads and picks values, `find.rs` walks and finds, `push.rs` writes, `error.rs` sorts what the server says.
//! `openbao/` has what the provider `openBao` does otherwise, and `product.rs` the names of either.
//! API: <https://developer.hashicorp.com/vault/api-docs>. For users: `docs/providers/vault.md`, `openbao.md`. Why no client
//! library: `docs/adr/0003-vault-over-http.md`.

mod auth;
mod config;
mod error;
mod find;
mod gcp;
mod iam;
mod login;
pub(crate) mod openbao;
mod path;
mod product;
mod push;
mod read;
mod session;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use api::VaultProvider;
use async_trait::async_trait;
use http::{Method, StatusCode};
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::google::Authority;
use crate::http::{Answer, TlsSettings};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use crate::{Environment, OpenContext};
use config::Settings;
use login::Login;
use path::Paths;
use product::Product;
use session::Session;
use wire::{Call, Wire};

const METRIC_NAME: &str = "HashiCorp/Vault";
/// Reads of data and of metadata bear one name in the metric, as in the reference.
const READ: &str = "ReadSecretData";
const LIST: &str = "ListSecrets";

/// An opened `vault` store.
pub(crate) struct Vault {
    wire: Arc<Wire>,
    session: Session,
    paths: Paths,
}

/// Checks the settings, looks up the credentials and logs in.
pub(crate) async fn open(spec: &VaultProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, Product::Vault, cx.retry, &cx.environment.vault)?;
    let capabilities = Capabilities::ReadWrite;
    let referent = Referent { metric_name: METRIC_NAME, call_name: READ, capabilities };
    Ok(connect(settings, cx).await?.map_or_else(|| Box::new(referent) as _, |vault| Box::new(vault) as _))
}

/// Looks up the credentials and logs in; `None` if they can't be looked up before there is a consumer.
async fn connect(settings: Settings, cx: &OpenContext<'_>) -> Result<Option<Vault>, Error> {
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(None);
    }
    let tls = settings.tls.resolve(cx.credentials.as_ref()).await?;
    let wire = Arc::new(Wire::new(cx.http.get(&tls)?, settings.connection));
    let prover = if let Login::Iam(iam) = &settings.login { Some(iam.prover(cx).await?) } else { None };
    let google = if let Login::Gcp(_) = &settings.login {
        let http = cx.http.get(&TlsSettings::default())?;
        Some(Authority::new(http, Arc::clone(&cx.credentials), cx.environment, gcp::FIELD)?)
    } else {
        None
    };
    let session = Session::open(settings.login, Arc::clone(&wire), Arc::clone(&cx.credentials), prover, google).await?;
    Ok(Some(Vault { wire, session, paths: settings.paths }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &VaultProvider, environment: &Environment) -> bool {
    let settings = Settings::of(spec, Product::Vault, None, &environment.vault);
    settings.is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

/// One request, but for its token.
struct Ask<'a> {
    operation: &'static str,
    method: Method,
    /// Below `/v1`.
    path: &'a [String],
    query: Option<(&'static str, &'a str)>,
    body: Option<SecretBytes>,
}

impl Vault {
    /// Sends a request, with another token if the first was refused.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let Ask { operation, method, path, query, body } = ask;
        let send = async |bearer: &session::Bearer| {
            let (method, body) = (method.clone(), body.clone());
            self.wire.send(Call { operation, method, path, query, token: bearer.token(), body, login: false }).await
        };
        let bearer = self.session.bearer().await?;
        let answer = send(&bearer).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(answer);
        }
        match self.session.refused(&bearer).await? {
            Some(new) => send(&new).await,
            None => Ok(answer),
        }
    }
}

#[async_trait]
impl Provider for Vault {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
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
        match self.session.look_up().await {
            Ok(()) => Validation::Ready,
            Err(error) => Validation::Failed(error.context("invalid vault credentials")),
        }
    }

    async fn close(&self) {
        self.session.close().await;
    }
}
