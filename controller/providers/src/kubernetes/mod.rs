//! The provider `kubernetes`: Secrets of one namespace of this or another cluster.
//!
//! `config.rs` checks the settings, `kubeconfig.rs` reads the one of `authRef`, `auth.rs` keeps the token, `read.rs`
//! reads and picks values, `review.rs` validates, `error.rs` sorts what the API server says.
//! API: <https://kubernetes.io/docs/reference/kubernetes-api/>. For users: `docs/providers/kubernetes.md`.
//! Plain HTTP rather than a Kubernetes client: a foreign API server gets the same limits as any other backend.

mod auth;
mod config;
mod error;
mod kubeconfig;
mod read;
mod review;

use api::KubernetesProvider;
use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use provider::{Capabilities, Error, ErrorKind, Payload, Provider, ReadKey, RemoteRef, Validation};
use reqwest::Url;
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::http::{Answer, Http, Request};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use auth::Token;
use config::{Cluster, Settings};

const METRIC_NAME: &str = "Kubernetes";
const READ: &str = "GetSecret";

/// An opened `kubernetes` store.
pub(crate) struct Kubernetes {
    http: Http,
    server: Url,
    /// The setting that errors point to when the server can't be reached.
    server_setting: &'static str,
    token: Token,
    namespace: String,
}

/// Checks the settings and looks up the credentials.
pub(crate) async fn open(spec: &KubernetesProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: READ }));
    }
    let Cluster { server, server_setting, tls, token } =
        settings.resolve(&cx.credentials).await.map_err(|e| e.context("failed to prepare auth"))?;
    let store = Kubernetes { http: cx.http.get(&tls)?, server, server_setting, token, namespace: settings.namespace };
    Ok(Box::new(store))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &KubernetesProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

impl Kubernetes {
    fn origin(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// Sends a request; once more with a new token if there can be one and the first was not accepted.
    async fn send(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        body: Option<&str>,
    ) -> Result<Answer, Error> {
        let first = self.token.get().await?;
        let answer = self.send_with(operation, &method, path, body, first.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.token.replace(first.as_ref()).await? {
            Some(second) => self.send_with(operation, &method, path, body, Some(&second)).await,
            None => Ok(answer),
        }
    }

    async fn send_with(
        &self,
        operation: &'static str,
        method: &Method,
        path: &[&str],
        body: Option<&str>,
        token: Option<&SecretBytes>,
    ) -> Result<Answer, Error> {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = Request::new(method.clone(), url);
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            let header = [b"Bearer ", token.expose()].concat();
            let mut header = HeaderValue::from_bytes(&header).map_err(|_| {
                let text = "the bearer token holds a character that a token can't have; check the Secret it comes from";
                Error::new(ErrorKind::Unauthenticated, operation, text)
            })?;
            header.set_sensitive(true);
            request.headers.insert(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = Some(SecretBytes::from(body));
        }
        let sent = self.http.send(request).await;
        sent.map_err(|failure| failure.into_error(operation, &self.origin(), self.server_setting))
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

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        review::validate(self).await
    }
}
