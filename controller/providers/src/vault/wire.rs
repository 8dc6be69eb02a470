//! Requests to the server: URL, headers, retries, and the replication index that `readYourWrites` plays back.
//!
//! Deliberately not here: which token a request bears (`session.rs`), and what answers mean (`error.rs`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::config::Connection;
use super::product::Peer;
use crate::http::{Answer, Http, Request};

const INDEX: &str = "x-vault-index";

/// A way to one server.
pub(super) struct Wire {
    http: Http,
    peer: Peer,
    connection: Connection,
    /// The newest replication state seen, if the store wants it played back.
    index: Option<Mutex<Option<Index>>>,
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Below `/v1`.
    pub(super) path: &'a [String],
    pub(super) query: Option<(&'static str, &'a str)>,
    pub(super) token: Option<&'a SecretBytes>,
    pub(super) body: Option<SecretBytes>,
    /// Logins may go to a namespace of their own.
    pub(super) login: bool,
}

impl Wire {
    pub(super) fn new(http: Http, connection: Connection) -> Self {
        let index = connection.read_your_writes.then(Mutex::default);
        let peer = Peer { product: connection.product, origin: connection.server.origin().ascii_serialization() };
        Self { http, peer, connection, index }
    }

    /// Who answers.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The full name of a setting.
    pub(super) fn field(&self, name: &str) -> String {
        self.peer.product.field(name)
    }

    /// The server's whole address, without a slash behind it.
    pub(super) fn address(&self) -> String {
        self.connection.server.as_str().trim_end_matches('/').to_owned()
    }

    /// Sends a request, again if the server says that it can't answer now: 5xx except 501, and 412 (a replica that lags
    /// behind). Refused connections and time-outs are left to whoever asked, who has a backoff of its own.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer, Error> {
        let url = self.url(call.path, call.query)?;
        let mut left = self.connection.retries;
        loop {
            let mut request = Request::new(call.method.clone(), url.clone());
            request.headers = self.headers(&call)?;
            request.body = call.body.clone();
            request.timeout = self.connection.timeout;
            let answer = self
                .http
                .send(request)
                .await
                .map_err(|failure| failure.into_error(call.operation, &self.peer.origin, &self.field("server")))?;
            self.remember(&answer.headers);
            if left == 0 || !worth_another_try(answer.status) {
                return Ok(answer);
            }
            left -= 1;
            tokio::time::sleep(self.wait()).await;
        }
    }

    /// See [`Connection::patience`].
    pub(super) fn patience(&self) -> Option<Duration> {
        self.connection.patience()
    }

    fn wait(&self) -> Duration {
        self.connection.wait
    }

    fn url(&self, path: &[String], query: Option<(&str, &str)>) -> Result<Url, Error> {
        let mut url = self.connection.server.clone();
        url.set_query(None);
        url.set_fragment(None);
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().push("v1").extend(path);
            }
            Err(()) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    "Open",
                    format!("{}: has no place for a path", self.field("server")),
                ));
            }
        }
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }

    fn headers(&self, call: &Call<'_>) -> Result<HeaderMap, Error> {
        let mut headers = self.connection.headers.clone();
        let connection = &self.connection;
        let namespace = if call.login { &connection.login_namespace } else { &connection.namespace };
        if let Some(namespace) = namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if let Some(token) = call.token {
            let mut token = HeaderValue::from_bytes(token.expose()).map_err(|_| {
                let text = "the token holds a character that a token can't have; check the Secret it comes from";
                Error::new(ErrorKind::Unauthenticated, call.operation, text)
            })?;
            token.set_sensitive(true);
            headers.insert("x-vault-token", token);
        }
        if call.body.is_some() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let index = self.index.as_ref().map(|index| index.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(seen) = index.as_ref().and_then(|index| index.as_ref()) {
            headers.insert(INDEX, seen.header.clone());
        }
        Ok(headers)
    }

    fn remember(&self, headers: &HeaderMap) {
        let (Some(index), Some(header)) = (&self.index, headers.get(INDEX)) else { return };
        let new = Index::of(header);
        let mut seen = index.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|old| new.replaces(old)) {
            *seen = Some(new);
        }
    }
}

fn worth_another_try(status: StatusCode) -> bool {
    (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED) || status == StatusCode::PRECONDITION_FAILED
}

/// A replication state: base64 of `v1:<cluster>:<local>:<replicated>:<mac>`.
struct Index {
    header: HeaderValue,
    state: Option<(String, u64, u64)>,
}

impl Index {
    fn of(header: &HeaderValue) -> Self {
        let state = || {
            let text = String::from_utf8(STANDARD.decode(header.as_bytes()).ok()?).ok()?;
            let mut parts = text.split(':');
            match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
                ("v1", cluster, local, replicated) => {
                    Some((cluster.to_owned(), local.parse().ok()?, replicated.parse().ok()?))
                }
                _ => None,
            }
        };
        Self { header: header.clone(), state: state() }
    }

    /// Answers overtake each other: within a cluster only a later state replaces an earlier one.
    fn replaces(&self, old: &Self) -> bool {
        match (&self.state, &old.state) {
            (Some((cluster, local, replicated)), Some((old_cluster, old_local, old_replicated)))
                if cluster == old_cluster =>
            {
                (local, replicated) >= (old_local, old_replicated)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_replication_state_replaces_an_earlier_one() {
        let index = |text: &str| Index::of(&STANDARD.encode(text).parse().unwrap());
        let cases = [
            ("v1:c:2:0:m", "v1:c:1:0:m", true),
            ("v1:c:1:0:m", "v1:c:2:0:m", false),
            ("v1:other:1:0:m", "v1:c:2:0:m", true),
            ("garbled", "v1:c:2:0:m", true),
        ];
        for (new, old, want) in cases {
            assert_eq!(index(new).replaces(&index(old)), want, "{new} after {old}");
        }
    }
}
