//! An HTTPS API that holds a value under each path: stands for whatever the provider `webhook` talks to.
//!
//! `GET` gives, `POST` and `PUT` set, `DELETE` takes away; all but with the right `Authorization` is refused.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::{Error, Result};

/// What `Authorization` must say.
const LOGIN: &str = "Bearer shelf-token";

type Values = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// A running server; dropping it stops it.
pub struct Shelf {
    address: String,
    certificate: String,
    values: Values,
    task: JoinHandle<()>,
}

impl Shelf {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("https://{}", listener.local_addr()?);
        let own = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(Error::new)?;
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key)?;
        let listener = Secured { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        let values = Values::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&values));
        let task = tokio::spawn(async move {
            // It ends with the test.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { address, certificate: own.cert.pem(), values, task })
    }

    /// Scheme, host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The certificate that it shows, as a store's `caBundle`: PEM, base64 encoded.
    pub fn ca_bundle(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// Puts a value under a path, query included.
    pub fn put(&self, path: &str, value: &str) {
        self.lock().insert(path.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes connections that speak TLS; others are dropped.
struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn answer(
    State(values): State<Values>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    if headers.get(AUTHORIZATION).is_none_or(|login| login != LOGIN) {
        return (StatusCode::UNAUTHORIZED, Bytes::new());
    }
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
    let found = match method {
        Method::GET => values.get(&path).cloned(),
        Method::DELETE => values.remove(&path),
        _ => {
            values.insert(path, body);
            Some(Bytes::new())
        }
    };
    found.map_or((StatusCode::NOT_FOUND, Bytes::new()), |value| (StatusCode::OK, value))
}
