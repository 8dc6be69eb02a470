//! The one way out: HTTP with the limits that every backend gets.
//!
//! Lives here: the clients (one for each distinct TLS setting), sending a request, and reading an answer no further
//! than allowed. Deliberately not here: what a status means (each provider's `error.rs`), retries, and TLS itself
//! (`tls.rs`). Nothing here puts a byte of an answer's body into an error.

mod failure;
mod form;
mod retry_after;
mod tls;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper_util::client::legacy::connect::HttpInfo;
use provider::{Calls, Error, ErrorKind};
use reqwest::redirect;
use secret::SecretBytes;

use crate::environment::{Environment, ProxyEnvironment};

pub(crate) use failure::Failure;
pub(crate) use form::{form, percent_encode};
pub(crate) use retry_after::{retry_after, waiting};
pub(crate) use tls::{Identity, Roots, TlsSettings, is_pem};

/// A header that bears `token`, which no log shows; none if it holds a character that no header can have.
pub(crate) fn bearer(token: &SecretBytes) -> Option<HeaderValue> {
    let text = SecretBytes::new([b"Bearer ".as_slice(), token.expose()].concat());
    let mut header = HeaderValue::from_bytes(text.expose()).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// A URL that an environment variable or a constant gives. `setting` says which, for the error.
///
/// # Errors
/// `Invalid` unless it is one of HTTP.
pub(crate) fn url(text: &str, setting: &str) -> Result<reqwest::Url, Error> {
    let url: Option<reqwest::Url> = text.trim().parse().ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(|| {
        let text = format!("{setting}: not a URL; write one such as https://host.example.org");
        Error::new(ErrorKind::Invalid, "Open", text)
    })
}

/// Counts no requests: those of a read are counted by whoever asked for it.
pub(crate) struct Uncounted;

impl Calls for Uncounted {
    fn made(&self, _: &'static str, _: bool) {}
}

/// Time to connect, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for one request, from the first byte sent to the last byte read.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest body that is read, after decompression. A Kubernetes Secret holds 1 MiB; backends frame and escape it.
pub(crate) const BODY_LIMIT: usize = 8 << 20;
/// Redirects within one host.
pub(crate) const REDIRECT_LIMIT: usize = 5;
/// Distinct TLS settings kept at a time.
const POOL_LIMIT: usize = 64;

/// The HTTP clients of the process, shared by all stores: one for each distinct TLS setting, so that connections are
/// shared wherever trust is. Made once at start and handed to [`crate::open`].
pub struct HttpClients {
    proxies: Vec<reqwest::Proxy>,
    system_roots: tls::SystemRoots,
    pool: Mutex<Vec<(TlsSettings, Http)>>,
}

impl HttpClients {
    /// Clients that use the proxies of `environment`.
    ///
    /// # Errors
    /// `Invalid`, naming the variable, when a proxy's address can't be understood.
    pub fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self {
            proxies: proxies(&environment.proxy)?,
            system_roots: tls::SystemRoots::default(),
            pool: Mutex::new(Vec::new()),
        })
    }

    /// The client for `tls`.
    ///
    /// # Errors
    /// `Invalid` when certificates or keys can't be used.
    pub(crate) fn get(&self, tls: &TlsSettings) -> Result<Http, Error> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = pool.iter().find(|(settings, _)| settings == tls) {
            return Ok(http.clone());
        }
        let http = self.build(tls::client_config(tls, &self.system_roots)?, |builder| builder)?;
        if pool.len() >= POOL_LIMIT {
            pool.remove(0);
        }
        pool.push((tls.clone(), http.clone()));
        Ok(http)
    }

    /// A client that is shared with nobody, and follows no redirects: for logins that hold for a connection. The connection that
    /// became free last is used first. There is no bound on free ones: one that was opened in vain would take the place of the
    /// one that is logged in.
    ///
    /// # Errors
    /// As of [`HttpClients::get`].
    pub(crate) fn alone(&self, tls: &TlsSettings) -> Result<Http, Error> {
        let mut config = tls::client_config(tls, &self.system_roots)?;
        // In HTTP/2 requests share a connection by themselves.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.build(config, |builder| builder.http1_only().redirect(redirect::Policy::none()))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one home of the HTTP client")]
    fn build(
        &self,
        tls: rustls::ClientConfig,
        adjust: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Http, Error> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::custom(same_host))
            .no_proxy();
        let mut builder = adjust(builder);
        for proxy in &self.proxies {
            builder = builder.proxy(proxy.clone());
        }
        let client = builder
            .build()
            .map_err(|_| Error::new(ErrorKind::Invalid, "Connect", "the HTTP client can't be set up with this TLS"))?;
        Ok(Http { client })
    }
}

impl std::fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClients").finish_non_exhaustive()
    }
}

fn proxies(environment: &ProxyEnvironment) -> Result<Vec<reqwest::Proxy>, Error> {
    let ProxyEnvironment { http, https, none } = environment;
    // Go's rule, which users of the reference rely on: loopback is never reached through a proxy.
    let direct = format!("localhost,127.0.0.0/8,::1,{}", none.as_deref().unwrap_or_default());
    let direct = reqwest::NoProxy::from_string(&direct);
    let understood = |name: &str, proxy: reqwest::Result<reqwest::Proxy>| match proxy {
        Ok(proxy) => Ok(proxy.no_proxy(direct.clone())),
        Err(_) => {
            let text = format!("the address in the environment variable {name} is no URL; write http://host:port");
            Err(Error::new(ErrorKind::Invalid, "Connect", text))
        }
    };
    let http = http.as_ref().map(|url| understood("HTTP_PROXY", reqwest::Proxy::http(url)));
    let https = https.as_ref().map(|url| understood("HTTPS_PROXY", reqwest::Proxy::https(url)));
    http.into_iter().chain(https).collect()
}

/// Follows a redirect only to the host that was asked: another one would be handed the credentials in the headers.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let home = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if home && attempt.previous().len() <= REDIRECT_LIMIT { attempt.follow() } else { attempt.error("refused") }
}

/// The request that a redirect asks for, if `answer` to `request` is one: for clients that follow none by themselves.
///
/// # Errors
/// `Redirected` if it leads to another host.
pub(crate) fn redirected(request: &Request, answer: &Answer) -> Result<Option<Request>, Failure> {
    let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let Some(url) = location.and_then(|location| request.url.join(location).ok()) else { return Ok(None) };
    // RFC 9110, 15.4: some ask for another method, and so for no body; as the others are followed.
    let keeps_method = match (answer.status.as_u16(), &request.method) {
        (301 | 302, method) => method != Method::POST,
        (303, method) => matches!(*method, Method::GET | Method::HEAD),
        (307 | 308, _) => true,
        _ => return Ok(None),
    };
    if url.origin() != request.url.origin() {
        return Err(Failure::Redirected);
    }
    let mut next = Request { url, ..request.clone() };
    if !keeps_method {
        (next.method, next.body) = (Method::GET, None);
        for header in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            next.headers.remove(header);
        }
    }
    Ok(Some(next))
}

/// A client with its TLS settings. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: reqwest::Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<SecretBytes>,
    pub(crate) timeout: Duration,
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: Method, url: reqwest::Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, timeout: TOTAL_TIMEOUT }
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: SecretBytes,
}

/// Hands a secret body to the HTTP stack without a copy that outlives it.
struct Wiped(SecretBytes);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

impl Http {
    /// Sends `request` and reads the answer, whatever its status.
    ///
    /// # Errors
    /// [`Failure`] when there is no whole answer of at most [`BODY_LIMIT`] bytes in time.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        self.send_from(request).await.map(|(answer, _)| answer)
    }

    /// As [`Http::send`]; tells this end of the connection that it was sent over, which is another for each connection.
    pub(crate) async fn send_from(&self, request: Request) -> Result<(Answer, Option<SocketAddr>), Failure> {
        let Request { method, url, headers, body, timeout } = request;
        let mut out = self.client.request(method, url).headers(headers).timeout(timeout);
        if let Some(body) = body {
            out = out.body(Bytes::from_owner(Wiped(body)));
        }
        let mut answer = out.send().await.map_err(|e| Failure::of(&e, timeout))?;
        let from = answer.extensions().get().map(HttpInfo::local_addr);
        let body = read_body(&mut answer, timeout).await?;
        let answer = Answer { status: answer.status(), headers: std::mem::take(answer.headers_mut()), body };
        Ok((answer, from))
    }
}

/// Opens a connection to the host of `url` and closes it again: whether anybody listens there.
///
/// # Errors
/// [`Failure`] if there is none within `timeout`.
pub(crate) async fn connect(url: &reqwest::Url, timeout: Duration) -> Result<(), Failure> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let dial = async {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(|_| Failure::Unresolved)?.collect();
        match tokio::net::TcpStream::connect(addresses.as_slice()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of_io(&error)),
        }
    };
    tokio::time::timeout(timeout, dial).await.unwrap_or(Err(Failure::TimedOut(timeout)))
}

async fn read_body(answer: &mut reqwest::Response, timeout: Duration) -> Result<SecretBytes, Failure> {
    let announced = answer.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    if announced > BODY_LIMIT {
        return Err(Failure::TooLarge);
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = answer.chunk().await.map_err(|e| Failure::of(&e, timeout))? {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(SecretBytes::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_to_the_host_and_to_the_method_it_may() {
        let cases = [
            (302, Method::GET, Some("/b?c"), Ok(Some("GET /b?c with"))),
            (301, Method::POST, Some("b"), Ok(Some("GET /dir/b without"))),
            (302, Method::PUT, Some("/b"), Ok(Some("PUT /b with"))),
            (303, Method::PUT, Some("/b"), Ok(Some("GET /b without"))),
            (303, Method::HEAD, Some("/b"), Ok(Some("HEAD /b with"))),
            (307, Method::POST, Some("https://h:443/b"), Ok(Some("POST /b with"))),
            (308, Method::DELETE, Some("/b"), Ok(Some("DELETE /b with"))),
            (302, Method::GET, Some("http://h/b"), Err(Failure::Redirected)),
            (302, Method::GET, Some("https://h:8443/b"), Err(Failure::Redirected)),
            (302, Method::GET, Some("//other/b"), Err(Failure::Redirected)),
            (302, Method::GET, None, Ok(None)),
            (304, Method::GET, Some("/b"), Ok(None)),
            (200, Method::GET, Some("https://other/b"), Ok(None)),
            (401, Method::GET, Some("https://other/b"), Ok(None)),
        ];
        for (status, method, location, want) in cases {
            let shown = format!("{status} {method} {location:?}");
            let mut request = Request::new(method, "https://h/dir/a".parse().unwrap());
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            request.body = Some(SecretBytes::from("body"));
            let mut headers = HeaderMap::new();
            headers.extend(location.map(|location| (LOCATION, location.parse().unwrap())));
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, headers, body: SecretBytes::from("") };
            let next = redirected(&request, &answer).map(|next| {
                next.map(|Request { method, url, headers, body, timeout: _ }| {
                    assert_eq!(headers.contains_key(CONTENT_TYPE), body.is_some(), "{shown}");
                    let path = url.as_str().strip_prefix("https://h").unwrap();
                    format!("{method} {path} {}", if body.is_some() { "with" } else { "without" })
                })
            });
            assert_eq!(next, want.map(|want| want.map(str::to_owned)), "{shown}");
        }
    }

    #[test]
    fn equal_settings_share_a_client_and_a_bad_proxy_is_named() {
        let clients = HttpClients::new(&Environment::default()).unwrap();
        clients.get(&TlsSettings::default()).unwrap();
        clients.get(&TlsSettings::default()).unwrap();
        assert_eq!(clients.pool.lock().unwrap().len(), 1);

        let mut env = Environment::default();
        env.proxy.https = Some("http://[".to_owned());
        let error = HttpClients::new(&env).unwrap_err();
        assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
    }
}
