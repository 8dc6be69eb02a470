//! The bearer token of an open store: fixed, requested for a service account and replaced in time, or none.

use std::sync::Arc;
use std::time::Duration;

use api::ServiceAccountSelector;
use provider::{Credentials, Error};
use secret::SecretBytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What a requested token is asked to live.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Where a request's bearer token comes from.
pub(super) struct Token(Source);

enum Source {
    None,
    Fixed(SecretBytes),
    Requested { account: ServiceAccountSelector, credentials: Arc<dyn Credentials>, held: Mutex<Held> },
}

struct Held {
    token: SecretBytes,
    refresh_at: Instant,
}

impl Token {
    /// No token: a client certificate speaks.
    pub(super) fn none() -> Self {
        Self(Source::None)
    }

    /// A token out of a Secret, without the line break that editors leave behind it.
    pub(super) fn fixed(token: &SecretBytes) -> Self {
        Self(Source::Fixed(token.trimmed()))
    }

    /// A token that is requested now and again in time.
    pub(super) async fn requested(
        account: ServiceAccountSelector,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, Error> {
        let held = Mutex::new(request(&account, credentials.as_ref()).await?);
        Ok(Self(Source::Requested { account, credentials, held }))
    }

    /// The token to use now; a requested one is replaced when two thirds of its life are over.
    pub(super) async fn get(&self) -> Result<Option<SecretBytes>, Error> {
        match &self.0 {
            Source::None => Ok(None),
            Source::Fixed(token) => Ok(Some(token.clone())),
            Source::Requested { account, credentials, held } => {
                let mut held = held.lock().await;
                if Instant::now() >= held.refresh_at {
                    *held = request(account, credentials.as_ref()).await?;
                }
                Ok(Some(held.token.clone()))
            }
        }
    }

    /// Another token in place of `refused`, if one can be had.
    pub(super) async fn replace(&self, refused: Option<&SecretBytes>) -> Result<Option<SecretBytes>, Error> {
        match &self.0 {
            Source::None | Source::Fixed(_) => Ok(None),
            Source::Requested { account, credentials, held } => {
                let mut held = held.lock().await;
                if Some(&held.token) == refused {
                    *held = request(account, credentials.as_ref()).await?;
                }
                Ok(Some(held.token.clone()))
            }
        }
    }
}

async fn request(account: &ServiceAccountSelector, credentials: &dyn Credentials) -> Result<Held, Error> {
    let asked_at = Instant::now();
    let granted = credentials.service_account_token(account, &[], LIFETIME).await?;
    Ok(Held { token: granted.token, refresh_at: asked_at + granted.lifetime * 2 / 3 })
}
