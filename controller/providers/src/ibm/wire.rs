//! Requests to IBM: URL, headers, retries.
//!
//! Deliberately not here: which token a request bears (`bearer.rs`), and what answers mean (`error.rs`).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::SERVER;
use super::config::Patience;
use crate::http::{Answer, Http, Request, TOTAL_TIMEOUT, bearer};

/// The first pause before another try; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A way to one instance and its IAM.
pub(super) struct Wire {
    http: Http,
    service: Url,
    patience: Patience,
}

impl Wire {
    pub(super) fn new(http: Http, service: Url, patience: Patience) -> Self {
        Self { http, service, patience }
    }

    /// Scheme, host and port of the instance: what errors show of the address.
    pub(super) fn origin(&self) -> String {
        self.service.origin().ascii_serialization()
    }

    /// A GET of the instance.
    pub(super) async fn get(
        &self,
        operation: &'static str,
        path: &[&str],
        token: &SecretBytes,
    ) -> Result<Answer, Error> {
        let url = below(&self.service, path, SERVER)?;
        let mut headers = json();
        headers.insert(AUTHORIZATION, authorization(token, operation)?);
        self.send(operation, SERVER, &url, &|url| {
            let mut request = Request::new(Method::GET, url);
            request.headers = headers.clone();
            request
        })
        .await
    }

    /// A form that is posted to `url`; `setting` is the field that names it.
    pub(super) async fn post_form(
        &self,
        operation: &'static str,
        url: &Url,
        setting: &str,
        form: SecretBytes,
    ) -> Result<Answer, Error> {
        let mut headers = json();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(operation, setting, url, &|url| {
            let mut request = Request::new(Method::POST, url);
            request.headers = headers.clone();
            request.body = Some(form.clone());
            request
        })
        .await
    }

    /// Sends a request, again if the server can't answer now (5xx except 501). Throttling is left to whoever asked.
    async fn send(
        &self,
        operation: &'static str,
        setting: &str,
        url: &Url,
        request: &(dyn Fn(Url) -> Request + Sync),
    ) -> Result<Answer, Error> {
        let mut waits = waits(self.patience);
        loop {
            let origin = url.origin().ascii_serialization();
            let answer = self.http.send(request(url.clone())).await;
            let answer = answer.map_err(|failure| failure.into_error(operation, &origin, setting))?;
            let passing = answer.status.is_server_error() && answer.status != StatusCode::NOT_IMPLEMENTED;
            match waits.next() {
                Some(wait) if passing => tokio::time::sleep(wait).await,
                Some(_) | None => return Ok(answer),
            }
        }
    }

    /// How long a read may take if retries were set: each try to its end, and the pauses.
    pub(super) fn patience(&self) -> Option<Duration> {
        let tries = TOTAL_TIMEOUT.saturating_mul(self.patience.retries.saturating_add(1));
        (self.patience.retries > 0).then(|| waits(self.patience).fold(tries, Duration::saturating_add))
    }
}

/// The pauses between tries.
fn waits(patience: Patience) -> impl Iterator<Item = Duration> {
    let Patience { retries, longest_wait } = patience;
    (0..retries).map(move |n| FIRST_WAIT.saturating_mul(2_u32.saturating_pow(n)).min(longest_wait))
}

/// `base` with more path segments.
///
/// # Errors
/// `Invalid`, naming the field that `base` is from.
pub(super) fn below(base: &Url, path: &[&str], setting: &str) -> Result<Url, Error> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(path),
        Err(()) => return Err(Error::new(ErrorKind::Invalid, "Open", format!("{setting}: has no place for a path"))),
    };
    Ok(url)
}

fn json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

fn authorization(token: &SecretBytes, operation: &'static str) -> Result<HeaderValue, Error> {
    bearer(token).ok_or_else(|| {
        let text = "the IAM token holds a character that a token can't have; does IAM answer at iamEndpoint?";
        Error::new(ErrorKind::Malformed, operation, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |retries, longest| {
            let patience = Patience { retries, longest_wait: Duration::from_secs(longest) };
            waits(patience).map(|wait| wait.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(0, 5), [0; 0]);
        assert_eq!(seconds(5, 5), [1, 2, 4, 5, 5]);
        assert_eq!(seconds(2, 0), [0, 0]);
        assert_eq!(seconds(40, 60).last(), Some(&60));
    }
}
