//! A certificate that somebody else keeps in a directory (`--cert-dir`), such as cert-manager's, mounted from its Secret:
//! it is served as it is and read again all the time. Nothing is issued here, and nothing written to the cluster.
//!
//! Whose the directory is, its files tell. The reference's chart mounts the Secret of its cert controller there, which is
//! the one that this webhook keeps itself: it holds the CA's key, or nothing yet. Then `trust` does what it always does.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certgen::inject::{CONFIGURATIONS, Configuration, Which};
use certgen::secret::{CA_CRT, CA_KEY, TLS_CRT, TLS_KEY};
use certgen::{Clock, Validity};
use futures::StreamExt;
use futures::stream::BoxStream;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secret::SecretBytes;

use crate::metrics::{Certificate, Metrics};
use crate::ready::{self, Expectation, Health};
use crate::tls::Tls;

/// How often the files are read: a mounted Secret changes by a link that is exchanged, which a look at the files notices
/// wherever the directory comes from.
const LOOK: Duration = Duration::from_secs(1);

/// How long the webhook configurations may stay unread before `ca.crt` stands for what they publish: whoever runs with
/// certificates of their own may have given the webhook no role at all.
const UNREAD: Duration = Duration::from_secs(5);

/// One file as it was found.
#[derive(Clone, PartialEq, Eq)]
enum File {
    /// There is none, or an empty one.
    Absent,
    /// It can't be read.
    Unreadable(ErrorKind),
    /// Its bytes; all of them are treated as a key is.
    Holds(SecretBytes),
}

impl File {
    async fn read(path: &Path) -> Self {
        match tokio::fs::read(path).await {
            Ok(bytes) if bytes.is_empty() => Self::Absent,
            Ok(bytes) => Self::Holds(SecretBytes::new(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Self::Absent,
            Err(error) => Self::Unreadable(error.kind()),
        }
    }

    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    fn bytes(&self, name: &str) -> Result<&[u8], String> {
        match self {
            Self::Absent => Err(format!("{name} is missing or empty")),
            Self::Unreadable(kind) => Err(format!("{name} can't be read: {kind}")),
            Self::Holds(bytes) => Ok(bytes.expose()),
        }
    }
}

/// All that matters of the directory.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    tls_crt: File,
    tls_key: File,
    ca_crt: File,
    ca_key: File,
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Files {
    /// Whether somebody else keeps a certificate here. Whoever holds the CA's key too is the Secret of the reference's
    /// cert controller, or ours: no issuer gives its key to those it serves.
    fn are_somebody_elses(&self) -> bool {
        let Self { tls_crt, tls_key, ca_crt: _, ca_key } = self;
        ca_key.is_absent() && !(tls_crt.is_absent() && tls_key.is_absent())
    }

    fn pair(&self) -> Result<Pair, String> {
        pair((TLS_CRT, &self.tls_crt), (TLS_KEY, &self.tls_key))
    }
}

/// A certificate and a key, each with what its file is called.
fn pair((crt, certificate): (&str, &File), (key, private): (&str, &File)) -> Result<Pair, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.bytes(crt)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(format!("{crt} holds no certificate"))?;
    let private =
        PrivateKeyDer::from_pem_slice(private.bytes(key)?).map_err(|_| format!("{key} holds no private key"))?;
    Ok((chain, private))
}

/// A directory of certificates.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--cert-dir {}", self.0.display())
    }
}

impl Directory {
    /// The directory that the flag names.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Whether somebody else keeps a certificate in it now.
    pub async fn is_somebody_elses(&self) -> bool {
        self.read().await.are_somebody_elses()
    }

    /// Waits until somebody else keeps a certificate in it.
    pub async fn becomes_somebody_elses(&self) {
        self.becomes(Files::are_somebody_elses).await;
    }

    /// Waits until it holds the CA's key. A directory that was emptied tells nothing: an issuer fills it again.
    pub async fn becomes_ours(&self) {
        self.becomes(|files| !files.ca_key.is_absent()).await;
    }

    /// Two looks must say so: one may fall into a change.
    async fn becomes(&self, says: impl Fn(&Files) -> bool) {
        let mut said = false;
        loop {
            let says = says(&self.read().await);
            if said && says {
                return;
            }
            said = says;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read(&self) -> Files {
        Files {
            tls_crt: self.file(TLS_CRT).await,
            tls_key: self.file(TLS_KEY).await,
            ca_crt: self.file(CA_CRT).await,
            ca_key: self.file(CA_KEY).await,
        }
    }

    async fn file(&self, name: &str) -> File {
        File::read(&self.0.join(name)).await
    }
}

/// Certificate and key of the metrics address, in files of any name.
pub struct PairFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl PairFiles {
    /// The files that the flags name.
    pub fn new(directory: &str, certificate: &str, key: &str) -> Self {
        let directory = PathBuf::from(directory);
        Self { certificate: directory.join(certificate), key: directory.join(key) }
    }

    /// Serves them, for ever: each time they change, and as soon as they are there. Else the last good ones stay.
    pub async fn follow(self, tls: &Tls) {
        let mut seen = None;
        loop {
            let files = (File::read(&self.certificate).await, File::read(&self.key).await); // I/O
            if seen.as_ref() != Some(&files) {
                let (crt, key) = (self.certificate.display().to_string(), self.key.display().to_string());
                let served = pair((&crt, &files.0), (&key, &files.1)).and_then(|(chain, private)| {
                    tls.serve_pair(chain, private).map_err(|error| format!("{crt} and {key} can't be served: {error}"))
                });
                match served {
                    Ok(()) => tracing::info!(certificate = crt, "the metrics address serves a new certificate"),
                    Err(why) => tracing::error!(why, "--metrics-cert-dir can't be used"),
                }
                seen = Some(files);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What [`Mounted`] works with.
#[derive(Clone)]
pub struct Parts {
    /// Where the certificate is.
    pub directory: Directory,
    /// The name under which the API servers call.
    pub server_name: String,
    /// The time.
    pub clock: Clock,
    /// Serves the certificate.
    pub tls: Tls,
    /// Is told what the configurations publish.
    pub health: Health,
    /// Knows when the certificate ends.
    pub metrics: Metrics,
}

/// Serves what the directory holds; see [`Mounted::run`].
pub struct Mounted {
    parts: Parts,
    configurations: BTreeMap<Which, Option<Configuration>>,
    seen: Option<Files>,
    /// Why nothing can be served yet; `None` once something is.
    wanting: Option<String>,
}

impl Mounted {
    /// Nothing is read yet.
    pub fn new(parts: Parts) -> Self {
        Self { parts, configurations: BTreeMap::new(), seen: None, wanting: Some("not read yet".to_owned()) }
    }

    /// Works until `changes` ends, which watches never do.
    pub async fn run(mut self, mut changes: BoxStream<'static, (Which, Option<Configuration>)>) {
        tracing::info!(directory = %self.parts.directory, "serving the certificate of a directory; nothing is issued or published");
        let mut unread = Box::pin(tokio::time::sleep(UNREAD));
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = changes.next() => {
                    let Some((which, configuration)) = change else { return };
                    self.configurations.insert(which, configuration);
                }
                _ = look.tick() => {
                    let files = self.parts.directory.read().await; // I/O
                    self.take(files);
                }
                () = &mut unread, if !unread.is_elapsed() => {}
            }
            self.parts.health.beat();
            self.parts.health.expect(self.expectations(unread.is_elapsed()));
        }
    }

    /// Serves these files if they can be served; else the last good ones stay.
    fn take(&mut self, files: Files) {
        if self.seen.as_ref() == Some(&files) {
            return;
        }
        let Parts { directory, server_name: _, clock, tls, health: _, metrics } = &self.parts;
        let served = files.pair().and_then(|(chain, key)| {
            let first = chain.first().cloned();
            tls.serve_pair(chain, key).map_err(|error| format!("{TLS_CRT} and {TLS_KEY} can't be served: {error}"))?;
            Ok(first)
        });
        match served {
            Ok(certificate) => {
                self.wanting = None;
                let validity = certificate.and_then(|certificate| Validity::of(&certificate).ok());
                if let Some(validity) = validity {
                    let ends = validity.not_after;
                    metrics.expires(Certificate::Leaf, ends);
                    tracing::info!(%directory, until = %ends, "serving a new certificate");
                    if !validity.contains(clock.now()) {
                        tracing::warn!(%directory, from = %validity.not_before, until = %ends, "it isn't valid now");
                    }
                }
            }
            Err(why) => {
                let wanting = self.wanting.is_some();
                tracing::error!(%directory, why, last_good_is_served = !wanting, "the certificate can't be used");
                if wanting {
                    self.wanting = Some(why);
                }
            }
        }
        self.seen = Some(files);
    }

    fn expectations(&self, long_unread: bool) -> Result<Vec<Expectation>, String> {
        let Parts { directory, server_name, .. } = &self.parts;
        if let Some(why) = &self.wanting {
            return Err(format!("{directory}: {why}"));
        }
        let unread = CONFIGURATIONS.into_iter().find(|which| !self.configurations.contains_key(which));
        let Some(unread) = unread else {
            let installed: Vec<Configuration> = self.configurations.values().flatten().cloned().collect();
            return Ok(ready::expectations(&installed));
        };
        match self.seen.as_ref().map(|files| &files.ca_crt) {
            Some(File::Holds(ca)) if long_unread => Ok(vec![Expectation {
                configuration: format!("{directory}: {CA_CRT}"),
                server_name: Some(server_name.clone()),
                ca_bundle: ca.expose().to_vec(),
            }]),
            Some(_) | None => Err(ready::not_read(unread)),
        }
    }
}
