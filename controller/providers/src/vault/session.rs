//! The token of an open store: logged in for once, shared by all reads, renewed in time, replaced when it dies.
//!
//! Lives here: when to log in, renew and revoke. Deliberately not here: how (`auth.rs`). Times are tokio's, so that
//! tests run on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use provider::{Credentials, Error, ErrorKind};
use secret::SecretBytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::auth::{self, Lease};
use super::iam;
use super::login::Login;
use super::wire::Wire;
use crate::aws::Prover;
use crate::google::Authority;

/// A token younger than this that is refused isn't replaced unless the server says that it is dead: what is refused
/// then is the read, and a login for each refused read would only add load.
const SETTLED: Duration = Duration::from_secs(30);
/// A failed renewal is tried again after this, for as long as the token lives.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// Where an open store's token comes from.
pub(super) struct Session {
    wire: Arc<Wire>,
    source: Source,
}

enum Source {
    /// Never replaced nor revoked here. None: requests bear no token.
    Static(Option<Arc<SecretBytes>>),
    /// Logged in for.
    Login(Box<LoggedIn>),
}

struct LoggedIn {
    login: Login,
    credentials: Arc<dyn Credentials>,
    /// Of a login with an identity of AWS.
    prover: Option<Prover>,
    /// Where identities of Google come from, if one logs in.
    google: Option<Authority>,
    /// Held while logging in, so that there is one login at a time and everybody waits for it.
    held: Mutex<Held>,
}

struct Held {
    token: Arc<SecretBytes>,
    /// Counts logins, to tell a token that was replaced meanwhile.
    number: u64,
    since: Instant,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
    lifetime: Option<Duration>,
    renewable: bool,
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

impl Held {
    fn new(lease: Lease, number: u64, asked_at: Instant) -> Self {
        let Lease { token, lifetime, renewable } = lease;
        Self {
            token: Arc::new(token),
            number,
            since: asked_at,
            refresh_at: lifetime.map(|l| asked_at + l * 2 / 3),
            expires_at: lifetime.map(|l| asked_at + l),
            lifetime,
            renewable,
        }
    }

    fn bearer(&self) -> Bearer {
        Bearer { token: Some(Arc::clone(&self.token)), number: self.number }
    }
}

impl Session {
    /// Looks up a static token, or logs in.
    pub(super) async fn open(
        login: Login,
        wire: Arc<Wire>,
        credentials: Arc<dyn Credentials>,
        prover: Option<Prover>,
        google: Option<Authority>,
    ) -> Result<Self, Error> {
        let source = match &login {
            Login::Environment(token) => Source::Static(token.as_ref().map(|t| Arc::new(t.trimmed()))),
            Login::Token(selector) => {
                let token = credentials.secret_key(selector, "token").await?;
                Source::Static(Some(Arc::new(token.trimmed())))
            }
            Login::AppRole { mount: _, role: _, secret: _ }
            | Login::Kubernetes { mount: _, role: _, jwt: _ }
            | Login::Password { method: _, mount: _, user: _, password: _ }
            | Login::Jwt { mount: _, role: _, jwt: _ }
            | Login::Certificate { mount: _, role: _, certificate: _, key: _ }
            | Login::Iam(_)
            | Login::Gcp(_) => {
                let asked_at = Instant::now();
                let lease = log_in(&login, &wire, credentials.as_ref(), prover.as_ref(), google.as_ref()).await?;
                let held = Mutex::new(Held::new(lease, 1, asked_at));
                Source::Login(Box::new(LoggedIn { login, credentials, prover, google, held }))
            }
        };
        Ok(Self { wire, source })
    }

    /// The token to use now.
    pub(super) async fn bearer(&self) -> Result<Bearer, Error> {
        match &self.source {
            Source::Static(token) => Ok(Bearer { token: token.clone(), number: 0 }),
            Source::Login(session) => {
                let mut held = session.held.lock().await;
                session.refresh(&self.wire, &mut held).await?;
                Ok(held.bearer())
            }
        }
    }

    /// Called when a request with `bearer` was answered with 403: another token to try with, if there is a chance.
    pub(super) async fn refused(&self, bearer: &Bearer) -> Result<Option<Bearer>, Error> {
        let session = match &self.source {
            Source::Static(_) => return Ok(None),
            Source::Login(session) => session,
        };
        let mut held = session.held.lock().await;
        if held.number != bearer.number {
            return Ok(Some(held.bearer()));
        }
        let young = held.since.elapsed() < SETTLED;
        if young && !is_dead(auth::look_up(&self.wire, Some(&held.token)).await) {
            return Ok(None);
        }
        let old = Arc::clone(&held.token);
        session.replace(&self.wire, &mut held).await?;
        let new = held.bearer();
        drop(held);
        if !young {
            // It may have been alive: a role's new policies reach only new tokens.
            forget(&self.wire, &old).await;
        }
        Ok(Some(new))
    }

    /// Asks the server whether the token is good.
    pub(super) async fn look_up(&self) -> Result<(), Error> {
        let bearer = self.bearer().await?;
        let first = match auth::look_up(&self.wire, bearer.token()).await {
            Err(error) if is_denial(error.kind()) => error,
            done => return done,
        };
        match self.refused(&bearer).await? {
            Some(new) => auth::look_up(&self.wire, new.token()).await,
            None => Err(first),
        }
    }

    /// Revokes a token that was logged in for.
    pub(super) async fn close(&self) {
        match &self.source {
            Source::Static(_) => {}
            Source::Login(session) => {
                let token = Arc::clone(&session.held.lock().await.token);
                forget(&self.wire, &token).await;
            }
        }
    }
}

impl LoggedIn {
    /// Renews the token, or logs in again, once two thirds of its life are over. Trouble doesn't show while it lives.
    async fn refresh(&self, wire: &Wire, held: &mut Held) -> Result<(), Error> {
        let now = Instant::now();
        let alive = held.expires_at.is_none_or(|at| now < at);
        if alive && held.refresh_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        // Set before the login: whoever gives up waiting for it doesn't have the next one wait as well.
        held.refresh_at = Some(now + RENEWAL_PAUSE);
        if alive && held.renewable && self.renew(wire, held, now).await {
            return Ok(());
        }
        match self.replace(wire, held).await {
            Err(error) if alive => {
                tracing::debug!(error = %error, "the token can't be renewed yet; it is still good");
                // It may have taken longer than the pause.
                held.refresh_at = Some(Instant::now() + RENEWAL_PAUSE);
                Ok(())
            }
            done => done,
        }
    }

    /// Whether the token's life was lengthened enough: near its maximum, Vault grants less and less.
    async fn renew(&self, wire: &Wire, held: &mut Held, now: Instant) -> bool {
        let lease = match auth::renew(wire, &held.token).await {
            Ok(lease) => lease,
            Err(error) => {
                tracing::debug!(error = %error, "the token can't be renewed; logging in again");
                return false;
            }
        };
        let enough = match (lease.lifetime, held.lifetime) {
            (Some(new), Some(old)) => new >= old / 2,
            (None, _) | (Some(_), None) => true,
        };
        if enough {
            held.refresh_at = lease.lifetime.map(|l| now + l * 2 / 3);
            held.expires_at = lease.lifetime.map(|l| now + l);
        }
        enough
    }

    async fn replace(&self, wire: &Wire, held: &mut Held) -> Result<(), Error> {
        let asked_at = Instant::now();
        let (prover, google) = (self.prover.as_ref(), self.google.as_ref());
        let lease = log_in(&self.login, wire, self.credentials.as_ref(), prover, google).await?;
        *held = Held::new(lease, held.number + 1, asked_at);
        Ok(())
    }
}

async fn log_in(
    login: &Login,
    wire: &Wire,
    credentials: &dyn Credentials,
    prover: Option<&Prover>,
    google: Option<&Authority>,
) -> Result<Lease, Error> {
    match login {
        Login::AppRole { mount, role, secret } => auth::app_role(wire, credentials, mount, role, secret).await,
        Login::Kubernetes { mount, role, jwt } => auth::kubernetes(wire, credentials, mount, role, jwt).await,
        Login::Password { method, mount, user, password } => {
            auth::password(wire, credentials, method, mount, user, password).await
        }
        Login::Jwt { mount, role, jwt } => auth::jwt(wire, credentials, mount, role.as_deref(), jwt).await,
        Login::Certificate { mount, role, certificate: _, key: _ } => {
            auth::certificate(wire, mount, role.as_deref()).await
        }
        Login::Gcp(gcp) => match google {
            Some(google) => auth::gcp(wire, gcp, google).await,
            None => Err(Error::new(ErrorKind::Invalid, "Login", "there is no way to Google")),
        },
        Login::Iam(iam) => match prover {
            Some(prover) => iam::log_in(wire, iam, prover).await,
            None => Err(Error::new(ErrorKind::Invalid, "Login", "the identity of AWS was not opened")),
        },
        Login::Environment(_) | Login::Token(_) => {
            Err(Error::new(ErrorKind::Invalid, "Login", "a static token is not logged in for"))
        }
    }
}

fn is_denial(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AccessDenied | ErrorKind::Unauthenticated)
}

fn is_dead(looked_up: Result<(), Error>) -> bool {
    looked_up.is_err_and(|error| is_denial(error.kind()))
}

/// Revokes a token that isn't used any more. If that fails it dies by itself, at the end of its lease.
async fn forget(wire: &Wire, token: &SecretBytes) {
    if let Err(error) = auth::revoke(wire, token).await {
        tracing::debug!(error = %error, "a token could not be revoked");
    }
}
