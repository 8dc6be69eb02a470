//! The provider `akeyless`: Akeyless, or a gateway of it, over its REST API of version 2.
//!
//! `config.rs` checks the settings, `wire.rs` sends requests, `auth.rs` logs in (with `aws_cloud_id.rs`, `cloud.rs` and
//! `azure.rs` for identities of clouds), `item.rs` tells what an item is, `read.rs`
//! reads and picks values, `find.rs` finds, `push.rs` writes, `error.rs` sorts what Akeyless says.
//! API: <https://docs.akeyless.io/reference>. For users: `docs/providers/akeyless.md`.

mod auth;
mod aws_cloud_id;
mod azure;
mod cloud;
mod config;
mod error;
mod find;
mod item;
mod push;
mod read;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use api::provider::akeyless::AkeylessProvider;
use async_trait::async_trait;
use http::StatusCode;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::bearer::Bearers;
use crate::http::{Answer, TOTAL_TIMEOUT, TlsSettings};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use auth::Auth;
use config::Settings;
use wire::{Field, Wire};

/// The reference's own spelling.
const METRIC_NAME: &str = "AKEYLESSLESS/SecretsManager";
const SERVER: &str = "spec.provider.akeyless.akeylessGWApiURL";

/// Where the login by an access id is set.
const AUTH_FIELD: &str = "spec.provider.akeyless.authSecretRef";

const DESCRIBE: &str = "DescribeItem";
const GET_STATIC: &str = "GetSecretValue";

/// A value may be made only when it is asked for: a dynamic secret's target has to answer first.
const MADE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a cloud id takes at most: at Google a federation's own token, its exchange, acting as an account, and the ID token.
const CLOUD_REQUESTS: u32 = 4;

/// An opened `akeyless` store.
pub(crate) struct Akeyless {
    wire: Arc<Wire>,
    bearers: Bearers<Auth>,
    ignore_cache: bool,
}

/// Checks the settings and looks up the credentials. The first who reads logs in.
pub(crate) async fn open(spec: &AkeylessProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        let capabilities = Capabilities::ReadWrite;
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: GET_STATIC, capabilities }));
    }
    let roots = crate::ca::roots(spec.ca_bundle.as_deref(), spec.ca_provider.as_ref(), cx.credentials.as_ref()).await?;
    let http = cx.http.get(&TlsSettings { roots, identity: None })?;
    let Settings { server, login, ignore_cache } = settings;
    let wire = Arc::new(Wire::new(http, server));
    let auth = Auth::open(login, Arc::clone(&wire), cx).await?;
    Ok(Box::new(Akeyless { wire, bearers: Bearers::new(auth), ignore_cache }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &AkeylessProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

/// One command of the API.
struct Command<'c> {
    /// As the metric names it.
    operation: &'static str,
    /// Its path.
    path: &'static str,
    fields: &'c [(&'static str, Field<'c>)],
    timeout: Duration,
}

impl<'c> Command<'c> {
    fn new(operation: &'static str, path: &'static str, fields: &'c [(&'static str, Field<'c>)]) -> Self {
        Self { operation, path, fields, timeout: TOTAL_TIMEOUT }
    }
}

impl Akeyless {
    /// Sends a command with the token, again with a new one if that is refused. Tells `calls`, where there are any.
    async fn send(&self, command: Command<'_>, calls: Option<&dyn Calls>) -> Result<Answer, Error> {
        let operation = command.operation;
        let answer = self.try_send(&command).await;
        if let Some(calls) = calls {
            let good = |answer: &Answer| answer.status.is_success() || error::is_missing_item(answer);
            calls.made(operation, answer.as_ref().is_ok_and(good));
        }
        answer
    }

    async fn try_send(&self, command: &Command<'_>) -> Result<Answer, Error> {
        let bearer = self.bearers.bearer().await?;
        let answer = self.wire.post(command, Some(bearer.token())).await?;
        // Which of the two means a token that is over isn't published.
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && let Some(other) = self.bearers.refused(&bearer).await?
        {
            return self.wire.post(command, Some(other.token())).await;
        }
        Ok(answer)
    }
}

#[async_trait]
impl Provider for Akeyless {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    /// Which it is shows only when the item is described; most are static.
    fn call_name(&self, _: &ReadKey) -> &'static str {
        GET_STATIC
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn patience(&self) -> Option<Duration> {
        Some(TOTAL_TIMEOUT * (CLOUD_REQUESTS + 2) + MADE_TIMEOUT)
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

    /// Logs in. The reference only opens a connection.
    async fn validate(&self) -> Validation {
        match self.bearers.bearer().await {
            Ok(_) => Validation::Ready,
            Err(error) => Validation::Failed(error),
        }
    }
}
