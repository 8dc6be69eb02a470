//! Requests to a vault: URL, token, and the challenge by which a vault says whom tokens must be for.
//!
//! Deliberately not here: which token a request bears (`session.rs`), and what answers mean (`error.rs`).

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::config::{Settings, VAULT_URL};
use super::session::{Bearer, Session};
use crate::http::{Answer, Http, Request};

/// What the reference's older client speaks, and the newer one.
const LEGACY_VERSION: &str = "7.0";
const MODERN_VERSION: &str = "7.6";

/// A way to one vault.
pub(super) struct Wire {
    http: Http,
    vault: Url,
    version: &'static str,
    session: Session,
}

/// One request.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) body: Option<SecretBytes>,
}

impl Wire {
    pub(super) fn new(http: Http, settings: Settings, credentials: Arc<dyn Credentials>) -> Self {
        let Settings { vault, modern, resource, login } = settings;
        let version = if modern { MODERN_VERSION } else { LEGACY_VERSION };
        let session = Session::new(http.clone(), login, resource, credentials);
        Self { http, vault, version, session }
    }

    /// Scheme, host and port: what errors show of the address.
    pub(super) fn origin(&self) -> String {
        self.vault.origin().ascii_serialization()
    }

    /// The URL of a place in the vault.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.vault.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url.query_pairs_mut().append_pair("api-version", self.version);
        url
    }

    /// A URL that the vault gave, if it leads back to it: another one would be handed the token.
    pub(super) fn own_url(&self, text: &str) -> Option<Url> {
        text.parse().ok().filter(|url: &Url| url.origin() == self.vault.origin())
    }

    /// Gets a token, unless there is a good one.
    pub(super) async fn log_in(&self) -> Result<(), Error> {
        self.session.bearer().await.map(|_| ())
    }

    /// Forgets the token.
    pub(super) async fn forget_token(&self) {
        self.session.close().await;
    }

    /// Sends a request; once more with another token if the first isn't accepted.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let first = self.session.bearer().await?;
        let answer = self.send_with(call, first.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let resource = challenged(&answer.headers, &self.vault);
        match self.session.refused(first.as_ref(), resource).await? {
            Some(second) => self.send_with(call, Some(&second)).await,
            None => Ok(answer),
        }
    }

    async fn send_with(&self, call: &Call<'_>, bearer: Option<&Bearer>) -> Result<Answer, Error> {
        let Call { operation, method, url, body } = call;
        let mut request = Request::new(method.clone(), (*url).clone());
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(bearer) = bearer {
            let header = crate::http::bearer(&bearer.token).ok_or_else(|| {
                let text = "the login service gave a token with a character that a token can't have";
                Error::new(ErrorKind::Malformed, operation, text)
            })?;
            request.headers.insert(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = Some(body.clone());
        }
        let sent = self.http.send(request).await;
        sent.map_err(|failure| failure.into_error(operation, &self.origin(), VAULT_URL))
    }
}

/// The resource of a challenge such as `Bearer authorization="https://login…/tenant", resource="https://vault.azure.net"`.
/// It counts only if the vault lives below it, so that no host can ask for a token that is good elsewhere. Where to log in
/// is never taken from a challenge.
///
/// Source: Azure documentation, "Authentication, requests and responses" of Key Vault.
fn challenged(headers: &HeaderMap, vault: &Url) -> Option<String> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let bearer =
        texts.filter_map(|text| text.split_once(' ')).find(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let parameters = bearer?.1.split([',', ' ']).filter_map(|part| part.trim().split_once('='));
    let (_, resource) = parameters.into_iter().find(|(name, _)| matches!(*name, "resource" | "scope"))?;
    let resource = resource.trim_matches('"');
    let resource = resource.strip_suffix("/.default").unwrap_or(resource).trim_end_matches('/');
    let url: Url = resource.parse().ok()?;
    let (domain, host) = (url.host_str()?, vault.host_str()?);
    let below = host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    below.then(|| resource.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resource_above_the_vault_is_taken_from_a_challenge() {
        let vault: Url = "https://team.vault.azure.net/".parse().unwrap();
        let cases = [
            (
                r#"Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net""#,
                Some("https://vault.azure.net"),
            ),
            (
                r#"Bearer authorization="https://login.windows.net/t",scope="https://vault.azure.net/.default""#,
                Some("https://vault.azure.net"),
            ),
            (r#"bearer resource="https://vault.azure.net/guid""#, Some("https://vault.azure.net/guid")),
            (r#"Bearer resource=https://team.vault.azure.net/"#, Some("https://team.vault.azure.net")),
            (r#"Bearer resource="https://management.azure.com""#, None),
            (r#"Bearer resource="https://ault.azure.net""#, None),
            (r#"Bearer resource="vault.azure.net""#, None),
            (r#"Basic resource="https://vault.azure.net""#, None),
            ("Bearer", None),
            ("", None),
        ];
        for (text, want) in cases {
            let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, text.parse().unwrap())]);
            assert_eq!(challenged(&headers, &vault).as_deref(), want, "{text}");
        }
    }
}
