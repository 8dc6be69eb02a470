//! Requests to Secret Manager: URL, token, one more try with another token after a 401.
//!
//! Deliberately not here: what answers mean (`error.rs`), and retries: whoever asked has a backoff of its own.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use provider::{Calls, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::config::Endpoint;
use super::error::{self, Said, Subject};
use super::session::{Bearer, Session};
use crate::google::bearer_header;
use crate::http::{Answer, Http, Request};

/// A way to Secret Manager.
pub(super) struct Wire {
    http: Http,
    endpoint: Endpoint,
    session: Session,
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Below `/v1`.
    pub(super) path: &'a [String],
    pub(super) query: &'a [(&'static str, &'a str)],
    pub(super) body: Option<SecretBytes>,
    /// What it is about.
    pub(super) subject: Subject<'a>,
}

impl Wire {
    pub(super) fn new(http: Http, endpoint: Endpoint, session: Session) -> Self {
        Self { http, endpoint, session }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn origin(&self) -> String {
        self.endpoint.url.origin().ascii_serialization()
    }

    /// Sends a request and takes nothing but a success for an answer.
    ///
    /// # Errors
    /// See [`error::of_answer`]; `NotFound` only if Google says so about the call's own subject.
    pub(super) async fn send(&self, call: Call<'_>, calls: &dyn Calls) -> Result<SecretBytes, Said> {
        let operation = call.operation;
        let answer = self.answer(call).await;
        calls.made(operation, answer.is_ok());
        answer
    }

    async fn answer(&self, call: Call<'_>) -> Result<SecretBytes, Said> {
        let url = self.url(call.path, call.query)?;
        let bearer = self.session.bearer().await?;
        let mut answer = self.one(&call, &url, &bearer).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(new) = self.session.refused(&bearer).await?
        {
            answer = self.one(&call, &url, &new).await?;
        }
        if answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        Err(error::of_answer(&answer, call.operation, &self.origin(), call.subject))
    }

    async fn one(&self, call: &Call<'_>, url: &Url, bearer: &Bearer) -> Result<Answer, Error> {
        let mut request = Request::new(call.method.clone(), url.clone());
        if let Some(token) = bearer.token() {
            request.headers.insert(AUTHORIZATION, bearer_header(token, call.operation)?);
        }
        if call.body.is_some() {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request.body = call.body.clone();
        let sent = self.http.send(request).await;
        sent.map_err(|failure| failure.into_error(call.operation, &self.origin(), self.endpoint.setting))
    }

    fn url(&self, path: &[String], query: &[(&str, &str)]) -> Result<Url, Error> {
        let mut url = self.endpoint.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push("v1").extend(path);
            }
            Err(()) => {
                let text = format!("{}: has no place for a path", self.endpoint.setting);
                return Err(Error::new(ErrorKind::Invalid, "Open", text));
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}
