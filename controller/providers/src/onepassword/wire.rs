//! Requests to Connect: URL, headers, and the refusal that passes by itself.
//!
//! Deliberately not here: what is asked for (`vaults.rs`, `search.rs`, `push.rs`) and what answers mean (`error.rs`).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use provider::{Calls, Error};
use reqwest::Url;
use secret::SecretBytes;

use super::{HOST, error};
use crate::http::{Answer, Http, Request};

/// Pauses before a passing refusal is asked about again, as in the reference.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// A way to one Connect server.
pub(super) struct Wire {
    http: Http,
    server: Url,
    bearer: HeaderValue,
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Below `/v1`.
    pub(super) path: &'a [&'a str],
    pub(super) filter: Option<&'a str>,
    pub(super) body: Option<SecretBytes>,
}

impl<'a> Call<'a> {
    /// A request that only looks.
    pub(super) fn get(operation: &'static str, path: &'a [&'a str]) -> Self {
        Self { operation, method: Method::GET, path, filter: None, body: None }
    }
}

impl Wire {
    pub(super) fn new(http: Http, server: Url, bearer: HeaderValue) -> Self {
        Self { http, server, bearer }
    }

    /// Scheme, host and port: what errors show of the address.
    pub(super) fn origin(&self) -> String {
        self.server.origin().ascii_serialization()
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(super) async fn send(&self, call: &Call<'_>, calls: &dyn Calls) -> Result<Answer, Error> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let answer = self.send_once(call).await;
            let looks = call.method == Method::GET;
            let good = |answer: &Answer| answer.status.is_success() || (looks && error::is_missing_item(answer));
            calls.made(call.operation, answer.as_ref().is_ok_and(good));
            match (answer?, pauses.next()) {
                (refused, Some(pause)) if error::is_passing_refusal(&refused) => tokio::time::sleep(pause).await,
                (answer, _) => return Ok(answer),
            }
        }
    }

    /// As [`Wire::send`], where only a success will do.
    pub(super) async fn succeed(&self, call: &Call<'_>, calls: &dyn Calls) -> Result<Answer, Error> {
        let answer = self.send(call, calls).await?;
        if matches!(answer.status, StatusCode::OK | StatusCode::CREATED) {
            return Ok(answer);
        }
        Err(error::of_answer(&answer, call.operation, &self.origin()))
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let Call { operation, method, path, filter, body } = call;
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(*path);
        }
        if let Some(filter) = filter {
            url.query_pairs_mut().append_pair("filter", filter);
        }
        let mut request = Request::new(method.clone(), url);
        request.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        request.headers.insert(AUTHORIZATION, self.bearer.clone());
        // What Connect's activity log shows, there as with the reference.
        request.headers.insert(USER_AGENT, HeaderValue::from_static("external-secrets"));
        if body.is_some() {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request.body.clone_from(body);
        let sent = self.http.send(request).await;
        sent.map_err(|failure| failure.into_error(operation, &self.origin(), HOST))
    }
}
