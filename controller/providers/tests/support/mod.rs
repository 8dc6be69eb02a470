//! What the tests of this crate share: a scripted HTTP server that can misbehave, and credentials out of a table.
//!
//! Deliberately not here: what any one backend answers (`backends.rs`), and expectations.

pub(crate) mod akeyless;
pub(crate) mod azure;
pub(crate) mod backends;
pub(crate) mod crd;
pub(crate) mod gcp;
pub(crate) mod ibm;
pub(crate) mod ntlm;
pub(crate) mod onepassword;
pub(crate) mod sigv4;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{
    CaProvider, ProviderSpec, RetrySettings, SecretKeySelector, ServiceAccountSelector, StoreKind, StoreProvider,
};
use async_trait::async_trait;
use provider::{Calls, Credentials, Error, ErrorKind, Find, Provider, ReadKey, RemoteRef, ServiceAccountToken};
use providers::{Environment, HttpClients, OpenContext, StoreIdentity};
use secret::{SecretBytes, SecretMap};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request as the stub saw it. Header names are in small letters.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What the stub does.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Says `claimed` bytes, sends `body` and hangs up.
    CutOff {
        claimed: usize,
        body: Vec<u8>,
    },
    /// Never answers.
    Hang,
    /// Hangs up.
    Close,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into().into_bytes() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// An HTTP/1.1 server in this process, one request a connection. Ends when dropped.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler).await
    }

    /// With TLS, if there is an acceptor.
    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (Arc::clone(&seen), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                match tls.clone() {
                    None => drop(tokio::spawn(serve(stream, log, handler))),
                    Some(tls) => drop(tokio::spawn(async move {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, log, handler).await;
                        }
                    })),
                }
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: Arc<Mutex<Vec<Seen>>>, handler: Arc<Handler>) {
    let Some(seen) = request(&mut stream).await else {
        // As servers do that are spoken to in TLS.
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await);
        return;
    };
    let head = |status: u16, headers: &[(&str, String)], length: usize| {
        let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    };
    let reply = azure::quiet_login(&seen).or_else(|| gcp::quiet_login(&seen)).unwrap_or_else(|| {
        log.lock().unwrap().push(seen.clone());
        handler(&seen)
    });
    let bytes = match reply {
        Reply::Answer { status, headers, body } => [head(status, &headers, body.len()), body].concat(),
        Reply::CutOff { claimed, body } => [head(200, &[], claimed), body].concat(),
        Reply::Hang => return std::future::pending().await,
        Reply::Close => return,
    };
    // The client may stop reading early, which is its right.
    drop(stream.write_all(&bytes).await);
    drop(stream.shutdown().await);
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 || !bytes.first().is_some_and(u8::is_ascii_uppercase) {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or_default();
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
    Some(Seen { method, path, headers, body })
}

/// A gzip stream of zeros: some 65 KB that become `size` bytes. Fixed Huffman codes: one literal, then matches of length
/// 258 at distance 1. It has no trailer; a reader that gets so far has lost.
pub(crate) fn gzip_bomb(size: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false]; // last block, fixed codes
    bits.extend([false, false, true, true, false, false, false, false]); // literal 0: 00110000
    for _ in 0..size / 258 {
        bits.extend([true, true, false, false, false, true, false, true]); // length 258: 11000101
        bits.extend([false; 5]); // distance 1
    }
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for byte in bits.chunks(8) {
        out.push(byte.iter().enumerate().map(|(place, bit)| u8::from(*bit) << place).sum());
    }
    out
}

/// Credentials out of a table of Secrets: `name/key` to value.
#[derive(Default)]
pub(crate) struct Lookup {
    pub(crate) secrets: BTreeMap<&'static str, String>,
    pub(crate) cluster: bool,
    pub(crate) no_consumer: bool,
    /// Of every service account.
    pub(crate) annotations: BTreeMap<String, String>,
    /// How many service account tokens were asked for.
    pub(crate) tokens: AtomicUsize,
}

impl Lookup {
    pub(crate) fn of(secrets: &[(&'static str, &str)]) -> Arc<Self> {
        let secrets = secrets.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Arc::new(Self { secrets, ..Self::default() })
    }
}

#[async_trait]
impl Credentials for Lookup {
    async fn secret_key(&self, selector: &SecretKeySelector, default_key: &str) -> Result<SecretBytes, Error> {
        let name = selector.name.as_deref().unwrap_or_default();
        let key = selector.key.as_deref().unwrap_or(default_key);
        match self.secrets.get(format!("{name}/{key}").as_str()) {
            Some(value) => Ok(SecretBytes::from(value.as_str())),
            None if self.secrets.keys().any(|known| known.starts_with(&format!("{name}/"))) => {
                let text = format!("cannot find secret data for key: {key:?}");
                Err(Error::new(ErrorKind::Invalid, "Lookup", text))
            }
            None => {
                let text = format!("cannot get Kubernetes secret \"{name}\" from namespace \"shop\": not found");
                Err(Error::new(ErrorKind::Invalid, "Lookup", text))
            }
        }
    }

    /// The Secrets' label is their key `label`.
    async fn labelled_secret(&self, selector: &SecretKeySelector, value: &str) -> Result<SecretMap, Error> {
        let label = SecretKeySelector { key: Some("label".to_owned()), ..selector.clone() };
        let found = self.secret_key(&label, "").await?;
        if found.expose() != value.as_bytes() {
            return Err(Error::new(ErrorKind::Invalid, "Lookup", format!("secret type is not '{value}'")));
        }
        let prefix = format!("{}/", selector.name.as_deref().unwrap_or_default());
        let keys = self.secrets.iter().filter_map(|(name, value)| {
            name.strip_prefix(&prefix).map(|key| (key.to_owned(), SecretBytes::from(value.as_str())))
        });
        Ok(keys.collect())
    }

    async fn certificate_authority(&self, ca: &CaProvider) -> Result<Vec<u8>, Error> {
        self.secrets.get(ca.name.as_str()).map(|pem| pem.clone().into_bytes()).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "Lookup", format!("failed to get caProvider configMap {}", ca.name))
        })
    }

    async fn service_account_token(
        &self,
        selector: &ServiceAccountSelector,
        audiences: &[String],
        lifetime: Duration,
    ) -> Result<ServiceAccountToken, Error> {
        let number = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        let token = format!("jwt-{}-{}-{number}", selector.name, [audiences, &selector.audiences].concat().join("+"));
        Ok(ServiceAccountToken { token: SecretBytes::from(token), lifetime })
    }

    async fn service_account_annotations(&self, _: &ServiceAccountSelector) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.annotations.clone())
    }

    async fn own_token(&self) -> Result<SecretBytes, Error> {
        Ok(SecretBytes::from("own-token\n"))
    }

    fn has_consumer(&self) -> bool {
        !self.no_consumer
    }

    fn is_cluster_store(&self) -> bool {
        self.cluster
    }
}

/// Opens a store the way the controller does.
pub(crate) struct Opening {
    pub(crate) spec: Value,
    pub(crate) lookup: Arc<Lookup>,
    pub(crate) retry: Option<RetrySettings>,
    pub(crate) environment: Environment,
    /// Whether it is a ClusterSecretStore.
    cluster: bool,
}

impl Opening {
    pub(crate) fn of(spec: Value, lookup: Arc<Lookup>) -> Self {
        Self { spec, lookup, retry: None, environment: Environment::default(), cluster: true }
    }

    /// As a SecretStore.
    pub(crate) fn namespaced(mut self) -> Self {
        self.cluster = false;
        self
    }

    /// One try a call.
    pub(crate) fn once(mut self) -> Self {
        self.retry = Some(RetrySettings { max_retries: Some(0), retry_interval: None });
        self
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Provider>, Error> {
        let wire: StoreProvider = serde_json::from_value(self.spec.clone()).unwrap();
        let spec: ProviderSpec = wire.parse().unwrap();
        let http = HttpClients::new(&self.environment)?;
        let store = StoreIdentity {
            kind: if self.cluster { StoreKind::ClusterSecretStore } else { StoreKind::SecretStore },
            name: "store".to_owned(),
            namespace: Some("shop".to_owned()),
        };
        let credentials: Arc<dyn Credentials> = Arc::clone(&self.lookup) as _;
        let cx =
            OpenContext { store, credentials, retry: self.retry.as_ref(), environment: &self.environment, http: &http };
        providers::open(&spec, cx).await
    }
}

pub(crate) fn reference(key: &str, version: Option<&str>, property: Option<&str>) -> RemoteRef {
    let read = ReadKey { key: key.to_owned(), version: version.map(str::to_owned), metadata: false };
    RemoteRef { read, property: property.map(str::to_owned) }
}

/// Read and value in one, as text.
pub(crate) async fn value(store: &dyn Provider, reference: &RemoteRef) -> Result<String, Error> {
    let payload = store.read(&store.read_key(reference)).await?;
    let value = store.value(&payload, reference)?;
    Ok(value.expose_str().unwrap().to_owned())
}

/// Read and map in one, as `key=value` texts.
pub(crate) async fn map(store: &dyn Provider, reference: &RemoteRef) -> Result<Vec<String>, Error> {
    let payload = store.read(&store.read_key(reference)).await?;
    let map = store.map(&payload, reference)?;
    Ok(map.iter().map(|(key, value)| format!("{key}={}", value.expose_str().unwrap())).collect())
}

/// Counts the calls of finds.
#[derive(Default)]
pub(crate) struct Made(pub(crate) Mutex<BTreeMap<&'static str, usize>>);

impl Calls for Made {
    fn made(&self, call: &'static str, _succeeded: bool) {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
    }
}

/// A find out of the YAML fields' names.
pub(crate) fn wished(find: Value) -> Find {
    let api::Find { path, name, tags, .. } = serde_json::from_value(find).unwrap();
    Find { path, name: name.map(|name| name.regexp.unwrap_or_default()), tags }
}

/// What a find brings, as `name=value` texts.
pub(crate) async fn found(store: &dyn Provider, find: Value) -> Result<Vec<String>, Error> {
    let values = store.find(&wished(find), &Made::default()).await?;
    Ok(values.iter().map(|(name, value)| format!("{name}={}", value.expose_str().unwrap())).collect())
}
