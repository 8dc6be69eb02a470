//! The token of an open store: got for the first request, shared by all, replaced in time and when it is refused.
//!
//! Lives here: when to log in, and for which resource. Deliberately not here: how (`auth.rs`). Times are tokio's, so that
//! tests run on a paused clock. A token of Entra ID can't be revoked: closing a session drops it.

use std::sync::Arc;
use std::time::Duration;

use provider::{Credentials, Error};
use secret::SecretBytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::auth;
use super::config::Login;
use crate::entra::Lease;
use crate::http::Http;

/// A token younger than this that is refused isn't replaced: a new one would be refused too.
const SETTLED: Duration = Duration::from_secs(30);
/// A token is replaced so long before its end, a short one at two thirds of its life.
const EARLY: Duration = Duration::from_secs(300);
/// A login that failed while the old token lives is tried again after this.
const PAUSE: Duration = Duration::from_secs(30);

/// Where requests get their token from.
pub(super) struct Session {
    http: Http,
    login: Login,
    credentials: Arc<dyn Credentials>,
    /// Held while logging in, so that there is one login at a time and everybody waits for it.
    held: Mutex<Held>,
}

struct Held {
    /// Whom tokens are for, once that is known.
    resource: Option<String>,
    token: Option<Token>,
    /// Counts logins, to tell a token that was replaced meanwhile.
    number: u64,
}

struct Token {
    token: Arc<SecretBytes>,
    since: Instant,
    refresh_at: Instant,
    expires_at: Instant,
}

/// A token for one request.
pub(super) struct Bearer {
    pub(super) token: Arc<SecretBytes>,
    number: u64,
}

impl Session {
    pub(super) fn new(http: Http, login: Login, resource: Option<String>, credentials: Arc<dyn Credentials>) -> Self {
        Self { http, login, credentials, held: Mutex::new(Held { resource, token: None, number: 0 }) }
    }

    /// The token to use now; none while nobody has said whom it is for, which the answer to a request without one does.
    pub(super) async fn bearer(&self) -> Result<Option<Bearer>, Error> {
        let mut held = self.held.lock().await;
        if held.resource.is_none() {
            return Ok(None);
        }
        let now = Instant::now();
        match &mut held.token {
            Some(token) if now < token.refresh_at => {}
            Some(token) if now < token.expires_at => {
                // Set before the login: whoever gives up waiting for it doesn't have the next one wait as well.
                token.refresh_at = now + PAUSE;
                if let Err(error) = self.replace(&mut held).await {
                    tracing::debug!(error = %error, "the token for Azure can't be replaced yet; it is still good");
                }
            }
            Some(_) | None => self.replace(&mut held).await?,
        }
        Ok(held.bearer())
    }

    /// Called when a request with `bearer` was answered with 401: another token to try with, if there is a chance.
    /// `challenged` is the resource that the vault asks tokens to be for.
    pub(super) async fn refused(
        &self,
        bearer: Option<&Bearer>,
        challenged: Option<String>,
    ) -> Result<Option<Bearer>, Error> {
        let mut held = self.held.lock().await;
        if held.number != bearer.map_or(0, |bearer| bearer.number) {
            return Ok(held.bearer());
        }
        let settled = held.token.as_ref().is_some_and(|token| token.since.elapsed() >= SETTLED);
        let other = challenged.filter(|resource| held.resource.as_ref() != Some(resource));
        if other.is_none() && !settled {
            return Ok(None);
        }
        if let Some(resource) = other {
            held.resource = Some(resource);
            held.token = None;
        }
        self.replace(&mut held).await?;
        Ok(held.bearer())
    }

    /// Drops the token.
    pub(super) async fn close(&self) {
        self.held.lock().await.token = None;
    }

    async fn replace(&self, held: &mut Held) -> Result<(), Error> {
        let resource = held.resource.clone().unwrap_or_default();
        let since = Instant::now();
        let Lease { token, lifetime } =
            auth::log_in(&self.http, &self.login, &resource, self.credentials.as_ref()).await?;
        let expires_at = since + lifetime;
        let refresh_at = expires_at - EARLY.min(lifetime / 3);
        held.token = Some(Token { token: Arc::new(token), since, refresh_at, expires_at });
        held.number += 1;
        Ok(())
    }
}

impl Held {
    fn bearer(&self) -> Option<Bearer> {
        let number = self.number;
        self.token.as_ref().map(|token| Bearer { token: Arc::clone(&token.token), number })
    }
}
