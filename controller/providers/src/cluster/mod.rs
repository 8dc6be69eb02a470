//! A Kubernetes API server that a store reads: what the providers `kubernetes` and `crd` share.
//!
//! `connection.rs` checks `server`, `auth` and `authRef`, `kubeconfig.rs` reads the one of `authRef`, `token.rs` keeps
//! the token, `list.rs` goes through a list page by page, `review.rs` asks what the account may do, `error.rs` sorts what the API
//! server says. Deliberately not here: which objects are read, and what is made of them.
//! API: <https://kubernetes.io/docs/reference/kubernetes-api/>.
//! Plain HTTP rather than a Kubernetes client: a foreign API server gets the same limits as any other backend.

mod connection;
mod error;
mod kubeconfig;
pub(crate) mod list;
pub(crate) mod review;
mod token;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use crate::http::{Answer, Failure, Http, Request};
pub(crate) use connection::{Connection, Fields};
pub(crate) use error::is_missing;
use token::Token;

/// Whether `text` can be the name of a Secret or namespace and one segment of a path.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed) && text != "." && text != ".."
}

/// An API server, and how to show up there.
pub(crate) struct Cluster {
    http: Http,
    server: Url,
    token: Token,
    settings: Settings,
}

/// The settings that errors point to: a kubeconfig has both in one.
struct Settings {
    /// When the server can't be reached, or is no API server.
    server: &'static str,
    /// When it doesn't know who asks.
    auth: &'static str,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a SecretBytes>,
}

impl<'a> Call<'a> {
    /// A GET without a query.
    pub(crate) fn get(operation: &'static str, path: &'a [&'a str]) -> Self {
        Self { operation, method: Method::GET, path, query: &[], body: None }
    }
}

impl Cluster {
    /// Sends a request; once more with a new token if there can be one and the first was not accepted.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let sent = self.try_send(call).await?;
        sent.map_err(|failure| self.failed(failure, call.operation))
    }

    /// As [`Cluster::send`], for a caller who does something about a failure of the connection.
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
        failure.into_error(operation, &self.origin(), self.settings.server)
    }

    /// The error of an answer that isn't a success; `what` was asked for.
    pub(crate) fn refused(&self, answer: &Answer, operation: &'static str, what: &str) -> Error {
        error::of_answer(answer, operation, &self.settings, &self.origin(), what)
    }

    /// The error of a success that isn't `what` (such as `a Secret`).
    pub(crate) fn not_that(&self, what: &str, operation: &'static str) -> Error {
        let text = format!("the answer of {} is not {what}; check {}", self.origin(), self.settings.server);
        Error::new(ErrorKind::Malformed, operation, text)
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.server.origin().ascii_serialization()
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
