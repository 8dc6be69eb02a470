//! `/healthz` and `/readyz`. Ready means: a handshake with our own port, trusting nothing but what the configurations
//! publish and under the name that the API server uses, succeeds for every webhook of ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use certgen::inject::{Configuration, Which};
use certgen::{Bundle, Clock};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// A handshake over loopback takes a millisecond; a probe waits a second by default.
const HANDSHAKE: Duration = Duration::from_millis(900);

/// An outcome is told again for this long: however many ask, the own port has one handshake in that time.
const TOLD_AGAIN: Duration = Duration::from_millis(250);

/// Without a pass over the certificates for this long, the loop that keeps them is dead. It passes every 10 seconds.
const MAX_SILENCE_SECONDS: i64 = 120;

const NOT_READ: &str = "the webhook configurations were not read yet";
const NOT_INSTALLED: &str =
    "no webhook configuration with the label external-secrets.io/component=webhook is installed";

/// One thing that an API server relies on: calling `server_name` and trusting `ca_bundle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The configuration, for the text.
    pub configuration: String,
    /// The name in the handshake.
    pub server_name: Option<String>,
    /// The PEM that is published.
    pub ca_bundle: Vec<u8>,
}

/// What the API servers rely on, taken from the installed configurations, without repeats.
pub fn expectations(configurations: &[Configuration]) -> Vec<Expectation> {
    let mut all: Vec<Expectation> = Vec::new();
    for configuration in configurations {
        for hook in configuration.ours() {
            let (server_name, ca_bundle) = (hook.server_name(), hook.ca_bundle.clone());
            if !all.iter().any(|e| e.server_name == server_name && e.ca_bundle == ca_bundle) {
                all.push(Expectation { configuration: configuration.which.to_string(), server_name, ca_bundle });
            }
        }
    }
    all
}

/// Says that a configuration isn't known.
pub fn not_read(which: Which) -> String {
    format!("{which} was not read yet: the log says why")
}

/// What the probes look at. Clones share it.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    clock: Clock,
    own: SocketAddr,
    expectations: ArcSwap<Result<Vec<Expectation>, String>>,
    draining: AtomicBool,
    last_pass: AtomicI64,
    last_look: Mutex<Option<Look>>,
}

/// The outcome of the handshakes with these expectations.
struct Look {
    at: Instant,
    expectations: Arc<Result<Vec<Expectation>, String>>,
    outcome: Result<(), String>,
}

impl Health {
    /// Nothing is expected yet, so not ready. `own` is where the webhook can be reached by itself.
    pub fn new(clock: Clock, own: SocketAddr) -> Self {
        let last_pass = AtomicI64::new(clock.now().as_second());
        Self(Arc::new(Inner {
            clock,
            own,
            expectations: ArcSwap::from_pointee(Err(NOT_READ.to_owned())),
            draining: AtomicBool::new(false),
            last_pass,
            last_look: Mutex::new(None),
        }))
    }

    /// The configurations say so now, or why they aren't known.
    pub fn expect(&self, expectations: Result<Vec<Expectation>, String>) {
        self.0.expectations.store(Arc::new(expectations));
    }

    /// The loop that keeps the certificates is alive.
    pub fn beat(&self) {
        self.0.last_pass.store(self.0.clock.now().as_second(), Ordering::Relaxed);
    }

    /// From now on not ready, so that no new calls come.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Health::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Says why it isn't alive, if so.
    ///
    /// # Errors
    /// The reason.
    pub fn alive(&self) -> Result<(), String> {
        let silence = self.0.clock.now().as_second() - self.0.last_pass.load(Ordering::Relaxed);
        if silence <= MAX_SILENCE_SECONDS {
            return Ok(());
        }
        Err(format!("certificates were not looked after for {silence} s"))
    }

    /// Says why it isn't ready, if so.
    ///
    /// # Errors
    /// The reason.
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("shutting down".to_owned());
        }
        // Whoever asks meanwhile waits for the same outcome.
        let mut last = self.0.last_look.lock().await;
        let expectations = self.0.expectations.load_full();
        if let Some(Look { at, expectations: of, outcome }) = last.as_ref()
            && at.elapsed() < TOLD_AGAIN
            && Arc::ptr_eq(of, &expectations)
        {
            return outcome.clone();
        }
        let outcome = self.look(&expectations).await;
        *last = Some(Look { at: Instant::now(), expectations, outcome: outcome.clone() });
        outcome
    }

    async fn look(&self, expectations: &Result<Vec<Expectation>, String>) -> Result<(), String> {
        let expectations = expectations.as_ref().map_err(String::clone)?;
        if expectations.is_empty() {
            return Err(NOT_INSTALLED.to_owned());
        }
        for expectation in expectations.iter() {
            let outcome = tokio::time::timeout(HANDSHAKE, handshake(self.0.own, expectation)).await;
            let why = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(why)) => why,
                Err(_) => "the handshake took too long".to_owned(),
            };
            return Err(format!("{}: {why}", expectation.configuration));
        }
        Ok(())
    }

    /// The routes of the health address.
    pub fn router(&self) -> Router {
        async fn healthz(State(health): State<Health>) -> (StatusCode, String) {
            answer(health.alive())
        }
        async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
            answer(health.ready().await)
        }
        Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(self.clone())
    }
}

fn answer(outcome: Result<(), String>) -> (StatusCode, String) {
    match outcome {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn handshake(own: SocketAddr, expectation: &Expectation) -> Result<(), String> {
    let bundle = Bundle::parse(&expectation.ca_bundle).map_err(|_| "caBundle is empty or unreadable".to_owned())?;
    let name = expectation.server_name.clone().ok_or("clientConfig has neither service nor an https url")?;
    let name = ServerName::try_from(name).map_err(|_| "clientConfig names no valid host".to_owned())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(bundle.certificates().iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(own).await.map_err(|e| format!("own port can't be reached: {e}"))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map(drop)
        .map_err(|e| format!("the published caBundle doesn't trust the certificate that is served: {e}"))
}
