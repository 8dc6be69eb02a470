//! `auth.ntlm`: a login that holds for one connection.
//!
//! The request goes out as it is; if the server wants NTLM, it goes again with the client's offer, and once more with the answer to
//! the server's challenge, all over one connection. That connection is then logged in, until one end closes it. So a store has a
//! few clients of its own, each with one connection, which requests use in turn. `message.rs` has the messages.
//! Source: RFC 4559, and [MS-NTHT] for the scheme `NTLM`. Deliberately not here: Kerberos, which the scheme `Negotiate` may also
//! mean; proxies that want NTLM; channel bindings.

mod message;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use provider::{Error, ErrorKind};
use secret::SecretBytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::CALL;
use crate::clock;
use crate::http::{Answer, Failure, Http, REDIRECT_LIMIT, Request, redirected};
use crate::template_env::random_bytes;
use message::{Challenge, Fresh, User, authenticate, negotiate};

const FIELD: &str = "spec.provider.webhook.auth.ntlm";
/// Logins that are begun if the connection is lost in the middle of one. A refusal is never tried again: accounts get locked.
const TRIES: usize = 3;
/// Connections of a store: one would make a slow server slower for who waits for it.
const LANES: usize = 4;
/// How long a refusal of the user or password is taken for the answer: each one that is sent brings the account nearer to its lock.
const REFUSAL_KEPT: Duration = Duration::from_secs(60);
/// 100 ns steps from 1601, where Windows begins to count, to 1970.
const EPOCH: i128 = 116_444_736_000_000_000;

/// Schemes, the better one first.
const SCHEMES: [&str; 2] = ["NTLM", "Negotiate"];

/// User and password, and clients that nobody else uses.
pub(super) struct Ntlm {
    user: User,
    password: SecretBytes,
    /// As many permits as there are lanes.
    permits: Semaphore,
    /// The free lanes. The last one was used last, so that its connection is the most likely to be logged in.
    free: Mutex<Vec<Http>>,
    /// One login at a time, so that a wrong password is sent once.
    turn: tokio::sync::Mutex<()>,
    /// That the server refused the user or password, and when.
    refused: Mutex<Option<(Error, Instant)>>,
}

/// A client that one request has for itself: a second one at the same time would need a second connection.
struct Lane<'n> {
    http: Http,
    ntlm: &'n Ntlm,
}

/// How long a request may take, and what of it is left.
struct Time {
    whole: Duration,
    left: Duration,
}

impl Time {
    async fn bound<T, E: Into<Trouble>>(&mut self, work: impl Future<Output = Result<T, E>>) -> Result<T, Trouble> {
        let began = Instant::now();
        let done = tokio::time::timeout(self.left, work).await;
        self.left = self.left.saturating_sub(began.elapsed());
        match done {
            Ok(done) => done.map_err(Into::into),
            Err(_) => Err(Failure::TimedOut(self.whole).into()),
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.ntlm.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.http.clone());
    }
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// There is none.
    Failure(Failure),
    /// The login came to nothing.
    Login(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn login(kind: ErrorKind, text: &str) -> Trouble {
    Trouble::Login(Error::new(kind, CALL, format!("{text}; check {FIELD}")))
}

impl Ntlm {
    /// `client` makes one with a connection of its own ([`crate::HttpClients::alone`]).
    ///
    /// # Errors
    /// `Invalid`, naming the field, for what can't be a user or a password; those of `client`.
    pub(super) fn new(
        client: impl Fn() -> Result<Http, Error>,
        user: &SecretBytes,
        password: SecretBytes,
    ) -> Result<Self, Error> {
        let invalid =
            |field: &str, why: &str| Error::new(ErrorKind::Invalid, "Open", format!("{FIELD}.{field}: {why}"));
        let name = user.expose_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| invalid("usernameSecret", "the value is empty or no text"))?;
        if password.expose_str().is_none() {
            return Err(invalid("passwordSecret", "the value is no text"));
        }
        let free = (0..LANES).map(|_| client()).collect::<Result<_, _>>()?;
        Ok(Self {
            user: User::of(name),
            password,
            permits: Semaphore::new(LANES),
            free: Mutex::new(free),
            turn: tokio::sync::Mutex::new(()),
            refused: Mutex::new(None),
        })
    }

    /// Sends the request, and logs in if the server asks for it. `request.timeout` is for all of it.
    ///
    /// # Errors
    /// [`Trouble`]; the server's refusal of user and password is one.
    pub(super) async fn send(&self, mut request: Request) -> Result<Answer, Trouble> {
        request.headers.remove(AUTHORIZATION);
        // Neither is ever closed or empty: a permit stands for a lane.
        let Ok(_permit) = self.permits.acquire().await else { return Err(Failure::Unconnected.into()) };
        let Some(http) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() else {
            return Err(Failure::Unconnected.into());
        };
        let lane = Lane { http, ntlm: self };
        self.not_refused()?;
        let mut time = Time { whole: request.timeout, left: request.timeout };
        lane.exchange(request, &mut time).await
    }

    /// # Errors
    /// The refusal that was told a short time ago.
    fn not_refused(&self) -> Result<(), Trouble> {
        match &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((error, at)) if at.elapsed() < REFUSAL_KEPT => Err(Trouble::Login(error.clone())),
            Some(_) | None => Ok(()),
        }
    }
}

impl Lane<'_> {
    /// Follows redirects itself: the HTTP stack would send the proof along, which answers one challenge.
    async fn exchange(&self, mut request: Request, time: &mut Time) -> Result<Answer, Trouble> {
        for _ in 0..=REDIRECT_LIMIT {
            let answer = self.round(&request, time).await?;
            match redirected(&request, &answer)? {
                Some(next) => request = next,
                None => return Ok(answer),
            }
        }
        Err(Failure::Redirected.into())
    }

    async fn round(&self, request: &Request, time: &mut Time) -> Result<Answer, Trouble> {
        // The connection may still be logged in.
        let answer = time.bound(self.http.send(request.clone())).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(scheme) = SCHEMES.into_iter().find(|scheme| credentials(&answer.headers, scheme).is_some()) else {
            return Err(login(
                ErrorKind::Unauthenticated,
                "the server wants a login, but offers neither NTLM nor Negotiate",
            ));
        };
        // Waiting for others takes none of the request's time.
        let _turn = self.ntlm.turn.lock().await;
        self.ntlm.not_refused()?;
        time.bound(self.log_in(request, scheme)).await
    }

    async fn log_in(&self, request: &Request, scheme: &str) -> Result<Answer, Trouble> {
        let ntlm = self.ntlm;
        for _ in 0..TRIES {
            let (challenged, before) = self.step(request, scheme, &SecretBytes::new(negotiate())).await?;
            if challenged.status != StatusCode::UNAUTHORIZED {
                return Ok(challenged);
            }
            let token = credentials(&challenged.headers, scheme).and_then(|token| STANDARD.decode(token).ok());
            let Some(challenge) = token.and_then(|token| Challenge::parse(&token)) else {
                let text = "the server asks for NTLM, but sends no challenge of NTLM; it may accept Kerberos alone";
                return Err(login(ErrorKind::Unauthenticated, text));
            };
            let Some(proof) = authenticate(&challenge, &ntlm.user, &ntlm.password, &fresh()) else {
                return Err(login(ErrorKind::Malformed, "the challenge of the server is too long"));
            };
            let (answer, after) = self.step(request, scheme, &proof).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            if before == after {
                let text = format!("the server refuses the user or the password; check {FIELD}");
                let error = Error::new(ErrorKind::Unauthenticated, CALL, text);
                let mut refused = ntlm.refused.lock().unwrap_or_else(PoisonError::into_inner);
                *refused = Some((error.clone(), Instant::now()));
                return Err(Trouble::Login(error));
            }
        }
        let text =
            "the server (or a proxy before it) closes the connection during the login, which holds for one connection";
        Err(login(ErrorKind::Unavailable, text))
    }

    async fn step(
        &self,
        request: &Request,
        scheme: &str,
        message: &SecretBytes,
    ) -> Result<(Answer, Option<SocketAddr>), Failure> {
        let mut request = request.clone();
        let text = SecretBytes::from(format!("{scheme} {}", STANDARD.encode(message.expose())));
        let mut header = HeaderValue::from_bytes(text.expose()).map_err(|_| Failure::Unsendable)?;
        header.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, header);
        self.http.send_from(request).await
    }
}

/// What an answer says after the scheme, if it names it: nothing, or a message in base64.
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let lines = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|line| line.to_str().ok());
    let mut offers = lines.flat_map(|line| line.split(',')).map(|offer| {
        let offer = offer.trim();
        offer.split_once(' ').unwrap_or((offer, ""))
    });
    offers.find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map(|(_, token)| token.trim())
}

fn fresh() -> Fresh {
    let steps = clock::now().as_nanosecond() / 100 + EPOCH;
    let mut challenge = [0; 8];
    random_bytes(&mut challenge);
    Fresh { time: u64::try_from(steps).unwrap_or_default(), challenge }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_found_in_any_line_and_any_case() {
        let cases: [(&[&str], [Option<&str>; 2]); 6] = [
            (&["NTLM"], [Some(""), None]),
            (&["Negotiate", "ntlm TlRM="], [Some("TlRM="), Some("")]),
            (&["Negotiate abc, NTLM"], [Some(""), Some("abc")]),
            (&["Basic realm=\"NTLM\""], [None, None]),
            (&["NTLMv3 x"], [None, None]),
            (&[], [None, None]),
        ];
        for (lines, want) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
            }
            assert_eq!(SCHEMES.map(|scheme| credentials(&headers, scheme)), want, "{lines:?}");
        }
    }
}
