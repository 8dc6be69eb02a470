//! Sending requests, and finding out whether there is anybody to send them to.
//!
//! Deliberately not here: what is asked (`request.rs`), and what statuses mean (`error.rs`).

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use provider::{Error, Validation};
use reqwest::Url;

use super::config::{Settings, Templates};
use super::ntlm::{Ntlm, Trouble};
use super::request::{About, Parts, Verb};
use super::{CALL, Secrets, URL};
use crate::environment::ProxyEnvironment;
use crate::http::{Answer, Failure, Http, Request, connect};
use crate::template_env::env;

/// How long the reference waits for a connection when it validates.
const DIAL: Duration = Duration::from_secs(15);

/// How requests get there.
pub(super) enum Way {
    /// As they are.
    Plain(Http),
    /// Over a connection that is logged in.
    Ntlm(Box<Ntlm>),
}

/// A way to a store's server.
pub(super) struct Wire {
    way: Way,
    templates: Arc<Templates>,
    secrets: Secrets,
    server: Option<Url>,
    /// Whether the server is reached through a proxy, so that a connection to it says nothing.
    proxied: bool,
    method: Option<Method>,
    timeout: Duration,
}

impl Wire {
    pub(super) fn new(way: Way, settings: Settings, secrets: Secrets, proxy: &ProxyEnvironment) -> Self {
        let Settings { templates, server, method, timeout, secrets: _, ntlm: _ } = settings;
        let ProxyEnvironment { http: plain, https: tls, none: _ } = proxy;
        let proxied = server.as_ref().is_some_and(|url| if url.scheme() == "https" { tls } else { plain }.is_some());
        Self { way, templates: Arc::new(templates), secrets, server, proxied, method, timeout }
    }

    pub(super) fn templates(&self) -> &Templates {
        &self.templates
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Scheme, host and port, unless a template decides on them: they may be made of a Secret then.
    fn origin(&self) -> String {
        match &self.server {
            Some(server) => server.origin().ascii_serialization(),
            None => format!("the host that {URL} names"),
        }
    }

    /// Makes a request and sends it.
    ///
    /// # Errors
    /// `Invalid` if the templates give no request, otherwise why there is no whole answer.
    pub(super) async fn send(&self, about: About) -> Result<Answer, Error> {
        let method = match (about.method, &self.method) {
            (Verb::Default(_), Some(method)) => method.clone(),
            (Verb::Default(method) | Verb::Fixed(method), _) => method.clone(),
        };
        let (templates, secrets) = (Arc::clone(&self.templates), Arc::clone(&self.secrets));
        let Parts { url, headers, body } = aside(move || about.request(&templates, &secrets, &env())).await?;
        let mut request = Request::new(method, url);
        (request.headers, request.body, request.timeout) = (headers, body, self.timeout);
        let sent = match &self.way {
            Way::Plain(http) => http.send(request).await.map_err(|failure| self.failed(failure)),
            Way::Ntlm(ntlm) => ntlm.send(request).await.map_err(|trouble| match trouble {
                Trouble::Failure(failure) => self.failed(failure),
                Trouble::Login(error) => error,
            }),
        };
        sent.map_err(|error| error.context("failed to call endpoint"))
    }

    /// Tries to connect, as the reference does; says nothing where the host is a template or behind a proxy.
    pub(super) async fn validate(&self) -> Validation {
        let Some(server) = self.server.as_ref().filter(|_| !self.proxied) else { return Validation::Unknown(None) };
        match connect(server, DIAL).await {
            Ok(()) => Validation::Ready,
            Err(failure) => Validation::Failed(self.failed(failure).context("error accessing external store")),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        let setting = match failure {
            Failure::TimedOut(_) => format!("{URL}, spec.provider.webhook.timeout"),
            Failure::Unresolved
            | Failure::Refused
            | Failure::Unreachable
            | Failure::Unconnected
            | Failure::Closed
            | Failure::Tls(_)
            | Failure::Redirected
            | Failure::TooLarge
            | Failure::Broken
            | Failure::Unsendable => URL.to_owned(),
        };
        failure.into_error(CALL, &self.origin(), &setting)
    }
}

/// Templates may compute for long: that must not hold up what else runs.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Caught where any other panic of a read is. Nothing cancels the task.
        Err(ended) => std::panic::resume_unwind(ended.into_panic()),
    }
}
