//! The access token of an open store: asked for at the first use, shared by all requests, replaced in time.
//!
//! Lives here: when to ask for a token. Deliberately not here: how (`crate::google`). Times are tokio's, so that tests run on a
//! paused clock.

use std::sync::Arc;
use std::time::Duration;

use provider::Error;
use secret::SecretBytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::google::{Authority, Granted, Source};

/// A token is replaced so long before its end, or in the last quarter of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(240);
/// While a token lives, a failed replacement is tried again after this.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// Whoever asks within this after a failure gets that failure: many reads wait for one token.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// A token that was refused is replaced no more often than this: what is refused then isn't the token.
const SETTLED: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Session {
    source: Source,
    authority: Authority,
    /// Held while a token is asked for, so that there is one request at a time and everybody waits for it.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// Counts tokens, to tell one that was replaced meanwhile.
    number: u64,
    failure: Option<(Instant, Error)>,
    refused_at: Option<Instant>,
}

struct Token {
    secret: Option<Arc<SecretBytes>>,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
}

impl Token {
    fn is_alive(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// A token for one request.
#[derive(Clone)]
pub(super) struct Bearer {
    token: Option<Arc<SecretBytes>>,
    number: u64,
}

impl Bearer {
    pub(super) fn token(&self) -> Option<&SecretBytes> {
        self.token.as_deref()
    }
}

impl Session {
    pub(super) fn new(source: Source, authority: Authority) -> Self {
        Self { source, authority, held: Mutex::default() }
    }

    /// The token to use now.
    pub(super) async fn bearer(&self) -> Result<Bearer, Error> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if held.token.as_ref().is_none_or(|token| !token.is_alive(now) || token.refresh_at.is_some_and(|at| at <= now))
        {
            self.refresh(&mut held, now).await?;
        }
        Ok(held.bearer())
    }

    /// Called when a request with `bearer` was answered with 401: another token to try with, if there is a chance.
    pub(super) async fn refused(&self, bearer: &Bearer) -> Result<Option<Bearer>, Error> {
        if bearer.token.is_none() {
            return Ok(None);
        }
        let mut held = self.held.lock().await;
        if held.number != bearer.number {
            return Ok(Some(held.bearer()));
        }
        if held.refused_at.is_some_and(|at| at.elapsed() < SETTLED) {
            return Ok(None);
        }
        held.refused_at = Some(Instant::now());
        self.replace(&mut held).await?;
        Ok(Some(held.bearer()))
    }

    /// Replaces the token. Trouble doesn't show while the old one lives.
    async fn refresh(&self, held: &mut Held, now: Instant) -> Result<(), Error> {
        if let Some((at, error)) = &held.failure
            && at.elapsed() < FAILURE_PAUSE
        {
            return Err(error.clone());
        }
        if let Some(token) = &mut held.token {
            // Set before the login: whoever gives up waiting for it doesn't have the next one wait as well.
            token.refresh_at = Some(now + RENEWAL_PAUSE);
        }
        let Err(error) = self.replace(held).await else { return Ok(()) };
        // It may have taken longer than the pause.
        let now = Instant::now();
        match &mut held.token {
            Some(token) if token.is_alive(now) => {
                tracing::debug!(error = %error, "the access token can't be replaced yet; it is still good");
                token.refresh_at = Some(now + RENEWAL_PAUSE);
                Ok(())
            }
            Some(_) | None => {
                held.failure = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    async fn replace(&self, held: &mut Held) -> Result<(), Error> {
        let asked_at = Instant::now();
        let granted = self.source.grant(&self.authority).await;
        let token = match granted.map_err(|error| error.context("unable to get credentials"))? {
            None => Token { secret: None, refresh_at: None, expires_at: None },
            Some(Granted { token, lifetime }) => {
                let margin = MARGIN.min(lifetime / 4);
                Token {
                    secret: Some(Arc::new(token)),
                    refresh_at: Some(asked_at + lifetime.saturating_sub(margin)),
                    expires_at: Some(asked_at + lifetime),
                }
            }
        };
        held.number += 1;
        (held.token, held.failure) = (Some(token), None);
        Ok(())
    }
}

impl Held {
    fn bearer(&self) -> Bearer {
        let token = self.token.as_ref().and_then(|token| token.secret.clone());
        Bearer { token, number: self.number }
    }
}
