//! A token that is logged in for: one login at a time, kept until shortly before its end, replaced when it is refused.
//!
//! Deliberately not here: how to log in, and how an answer says that a token is refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provider::Error;
use secret::SecretBytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token that is refused so soon after its login isn't to blame: another one would be refused too.
const SETTLED: Duration = Duration::from_secs(10);
/// After a login that failed while the old token still lives.
const PAUSE: Duration = Duration::from_secs(30);

/// A token as it was granted.
pub(crate) struct Grant {
    pub(crate) token: SecretBytes,
    /// `None`: nobody said; it is kept until it is refused.
    pub(crate) lifetime: Option<Duration>,
}

/// A way to get a token.
#[async_trait]
pub(crate) trait Login: Send + Sync {
    /// Asks for a new token.
    ///
    /// # Errors
    /// Why there is none.
    async fn log_in(&self) -> Result<Grant, Error>;
}

/// The token of one store. Everybody who needs it while there is none waits for one login.
pub(crate) struct Bearers<L> {
    login: L,
    held: Mutex<Option<Held>>,
}

struct Held {
    bearer: Bearer,
    since: Instant,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
}

/// A token for one request.
#[derive(Clone)]
pub(crate) struct Bearer {
    token: Arc<SecretBytes>,
    /// Counts logins, to tell a token that was replaced meanwhile.
    number: u64,
}

impl Bearer {
    pub(crate) fn token(&self) -> &SecretBytes {
        &self.token
    }
}

impl<L: Login> Bearers<L> {
    /// Without a token: the first who needs one logs in.
    pub(crate) fn new(login: L) -> Self {
        Self { login, held: Mutex::new(None) }
    }

    /// The token to use now. It is replaced once four fifths of its life are over; trouble with that doesn't show while it
    /// lives.
    ///
    /// # Errors
    /// Those of the login, if there is no living token.
    pub(crate) async fn bearer(&self) -> Result<Bearer, Error> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        let Some(old) = held.as_mut() else { return self.replace(&mut held).await };
        let alive = old.expires_at.is_none_or(|at| now < at).then(|| old.bearer.clone());
        if let Some(bearer) = &alive
            && old.refresh_at.is_none_or(|at| now < at)
        {
            return Ok(bearer.clone());
        }
        // Set before the login: whoever gives up waiting for it doesn't have the next one wait as well.
        old.refresh_at = Some(now + PAUSE);
        match (self.replace(&mut held).await, alive) {
            (Err(error), Some(bearer)) => {
                if let Some(old) = held.as_mut() {
                    // It may have taken longer than the pause.
                    old.refresh_at = Some(Instant::now() + PAUSE);
                }
                tracing::debug!(error = %error, "the token can't be replaced yet; it is still good");
                Ok(bearer)
            }
            (done, _) => done,
        }
    }

    /// Called when a request with `bearer` was refused: another token to try with, if there is a chance.
    ///
    /// # Errors
    /// Those of the login.
    pub(crate) async fn refused(&self, bearer: &Bearer) -> Result<Option<Bearer>, Error> {
        let mut held = self.held.lock().await;
        match held.as_ref() {
            Some(other) if other.bearer.number != bearer.number => return Ok(Some(other.bearer.clone())),
            Some(same) if same.since.elapsed() < SETTLED => return Ok(None),
            Some(_) | None => {}
        }
        self.replace(&mut held).await.map(Some)
    }

    async fn replace(&self, held: &mut Option<Held>) -> Result<Bearer, Error> {
        let since = Instant::now();
        let Grant { token, lifetime } = self.login.log_in().await?;
        let number = held.as_ref().map_or(1, |old| old.bearer.number + 1);
        let bearer = Bearer { token: Arc::new(token), number };
        *held = Some(Held {
            bearer: bearer.clone(),
            since,
            refresh_at: lifetime.map(|life| since + life * 4 / 5),
            expires_at: lifetime.map(|life| since + life),
        });
        Ok(bearer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use provider::ErrorKind;

    use super::*;

    #[derive(Default)]
    struct Counter {
        logins: AtomicU64,
        down: AtomicBool,
        /// How long a login takes, in seconds.
        takes: AtomicU64,
        lifetime: Option<Duration>,
    }

    #[async_trait]
    impl Login for Counter {
        async fn log_in(&self) -> Result<Grant, Error> {
            tokio::time::sleep(Duration::from_secs(self.takes.load(Ordering::SeqCst))).await;
            if self.down.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, "Login", "down"));
            }
            let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Grant { token: SecretBytes::from(format!("t{number}")), lifetime: self.lifetime })
        }
    }

    fn bearers(lifetime: Option<u64>) -> Bearers<Counter> {
        Bearers::new(Counter { lifetime: lifetime.map(Duration::from_secs), ..Counter::default() })
    }

    async fn shown(bearers: &Bearers<Counter>) -> Result<String, ErrorKind> {
        let bearer = bearers.bearer().await.map_err(|error| error.kind())?;
        Ok(bearer.token().expose_str().unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_serves_everybody_until_four_fifths_of_its_life_are_over() {
        let bearers = bearers(Some(100));
        let all = futures::future::join_all((0..20).map(|_| shown(&bearers))).await;
        assert!(all.iter().all(|token| token.as_deref() == Ok("t1")), "{all:?}");
        tokio::time::advance(Duration::from_secs(79)).await;
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t1"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_login_shows_only_when_the_token_is_dead() {
        let bearers = bearers(Some(100));
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t1"));
        bearers.login.down.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(99)).await;
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t1"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(shown(&bearers).await, Err(ErrorKind::Unavailable));
        bearers.login.down.store(false, Ordering::SeqCst);
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_login_that_fails_delays_one_round_of_readers() {
        let bearers = bearers(Some(3600));
        assert_eq!(shown(&bearers).await.as_deref(), Ok("t1"));
        bearers.login.down.store(true, Ordering::SeqCst);
        bearers.login.takes.store(50, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(3000)).await;
        let began = Instant::now();
        let all = futures::future::join_all((0..20).map(|_| shown(&bearers))).await;
        assert!(all.iter().all(|token| token.as_deref() == Ok("t1")), "{all:?}");
        assert_eq!(began.elapsed(), Duration::from_secs(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_once_unless_it_is_new() {
        let bearers = bearers(None);
        let first = bearers.bearer().await.unwrap();
        assert!(bearers.refused(&first).await.unwrap().is_none(), "it was granted just now");
        tokio::time::advance(Duration::from_secs(3600)).await;
        for _ in 0..3 {
            let second = bearers.refused(&first).await.unwrap().unwrap();
            assert_eq!(second.token().expose(), b"t2");
        }
        assert_eq!(bearers.login.logins.load(Ordering::SeqCst), 2);
    }
}
