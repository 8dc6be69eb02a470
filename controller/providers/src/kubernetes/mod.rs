//! The provider `kubernetes`: Secrets of one namespace of this or another cluster.
//!
//! `config.rs` checks the settings, `kubeconfig.rs` reads the one of `authRef`, `auth.rs` keeps the token, `read.rs`
//! reads and picks values, `find.rs` lists, `push.rs` writes what `desired.rs` says, `review.rs` validates, `error.rs` sorts what the API server says.
//! API: <https://kubernetes.io/docs/reference/kubernetes-api/>. For users: `docs/providers/kubernetes.md`.
//! Plain HTTP rather than a Kubernetes client: a foreign API server gets the same limits as any other backend.

mod auth;
mod config;
mod desired;
mod error;
mod find;
mod kubeconfig;
mod push;
mod read;
mod review;

use api::{KubernetesProvider, StoreKind};
use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use reqwest::Url;
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::http::{Answer, Failure, Http, Request};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use auth::Token;
use config::{Cluster, Settings};

const METRIC_NAME: &str = "Kubernetes";
const READ: &str = "GetSecret";
const LIST: &str = "ListSecrets";

/// An opened `kubernetes` store.
pub(crate) struct Kubernetes {
    http: Http,
    server: Url,
    /// The setting that errors point to when the server can't be reached.
    server_setting: &'static str,
    token: Token,
    namespace: String,
    is_cluster_store: bool,
}

/// Checks the settings and looks up the credentials.
pub(crate) async fn open(spec: &KubernetesProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        let capabilities = Capabilities::ReadWrite;
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: READ, capabilities }));
    }
    let Cluster { server, server_setting, tls, token } =
        settings.resolve(&cx.credentials).await.map_err(|e| e.context("failed to prepare auth"))?;
    let is_cluster_store = cx.store.kind == StoreKind::ClusterSecretStore;
    let (http, namespace) = (cx.http.get(&tls)?, settings.namespace);
    Ok(Box::new(Kubernetes { http, server, server_setting, token, namespace, is_cluster_store }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &KubernetesProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

/// One request.
struct Call<'a> {
    operation: &'static str,
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a SecretBytes>,
}

impl Kubernetes {
    fn origin(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// Sends a request; once more with a new token if there can be one and the first was not accepted.
    async fn send(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let sent = self.try_send(call).await?;
        sent.map_err(|failure| self.failed(failure, call.operation))
    }

    /// As [`Kubernetes::send`], for a caller who does something about a failure of the connection.
    async fn try_send(&self, call: &Call<'_>) -> Result<Result<Answer, Failure>, Error> {
        let first = self.token.get().await?;
        let answer = match self.send_with(call, first.as_ref()).await? {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => answer,
            done => return Ok(done),
        };
        match self.token.replace(first.as_ref()).await? {
            Some(second) => self.send_with(call, Some(&second)).await,
            None => Ok(Ok(answer)),
        }
    }

    fn failed(&self, failure: Failure, operation: &'static str) -> Error {
        failure.into_error(operation, &self.origin(), self.server_setting)
    }

    async fn send_with(&self, call: &Call<'_>, token: Option<&SecretBytes>) -> Result<Result<Answer, Failure>, Error> {
        let Call { operation, method, path, query, body } = call;
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(*path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(*query);
        }
        let mut request = Request::new(method.clone(), url);
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let header = crate::http::bearer(token).ok_or_else(|| {
                let text = "the bearer token holds a character that a token can't have; check the Secret it comes from";
                Error::new(ErrorKind::Unauthenticated, operation, text)
            })?;
            request.headers.insert(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = Some((*body).clone());
        }
        Ok(self.http.send(request).await)
    }
}

#[async_trait]
impl Provider for Kubernetes {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
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

    /// The reference takes a missing Secret for a missing remote key in `extract` only; in `data` it is an error that
    /// deletes nothing.
    fn missing_value(&self, _: Error, reference: &RemoteRef) -> Error {
        let text = format!("secrets {} not found", gojson::quote(&reference.read.key));
        Error::new(ErrorKind::Invalid, READ, text)
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
        review::validate(self).await
    }
}
