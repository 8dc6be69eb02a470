//! Load on one HTTPS address: the same POST over and over on connections that stay open, by `wrk` or by ourselves.
//!
//! Not here: what is posted and what the figures mean (`bench_webhook`).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::{Context, Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What makes the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Load {
    /// The program wrk.
    Wrk,
    /// Threads of this program.
    Own,
}

/// Where the load goes.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// JSON.
    pub(crate) body: String,
    /// The authority of the certificate, PEM.
    pub(crate) ca: Vec<u8>,
    /// Where files for wrk go.
    pub(crate) folder: PathBuf,
}

/// What one round gave.
pub(crate) struct Run {
    pub(crate) reviews: u64,
    /// Broken connections, time-outs and answers other than 200.
    pub(crate) failed: u64,
    pub(crate) took: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// The load's threads: two, so that neither wrk nor we are what limits on the two cores of the published figures.
const THREADS: u16 = 2;

const WRK_SCRIPT: &str = r#"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrk => "wrk",
            Self::Own => "our own threads",
        })
    }
}

impl Load {
    /// wrk if it is installed.
    pub(crate) fn installed() -> Self {
        let found = Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_ok() { Self::Wrk } else { Self::Own }
    }

    /// One round.
    ///
    /// # Errors
    /// If the load can't be made at all; failed requests are counted.
    pub(crate) async fn run(self, target: &Target, connections: u16, length: Duration) -> Result<Run> {
        match self {
            Self::Wrk => wrk(target, connections, length).await,
            Self::Own => own(target, connections, length).await,
        }
    }
}

async fn wrk(target: &Target, connections: u16, length: Duration) -> Result<Run> {
    let (script, body) = (target.folder.join("wrk.lua"), target.folder.join("review.json"));
    std::fs::write(&script, WRK_SCRIPT)?;
    std::fs::write(&body, &target.body)?;
    let done = tokio::process::Command::new("wrk")
        .arg(format!("-t{}", THREADS.min(connections)))
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", length.as_secs()))
        .arg("-s")
        .arg(&script)
        .arg(format!("https://{}{}", target.address, target.path))
        .env("BODY", &body)
        .output()
        .await
        .context("wrk")?;
    let text = String::from_utf8_lossy(&done.stdout);
    let figures = text.lines().find_map(|line| line.strip_prefix("figures ")).context(format!("wrk said: {text}"))?;
    let figures: Vec<u64> = figures.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [reviews, took, p50, p99, failed] = figures[..] else {
        return Err(Error::new(format!("wrk gave other figures: {figures:?}")));
    };
    let micros = Duration::from_micros;
    Ok(Run { reviews, failed, took: micros(took), p50: micros(p50), p99: micros(p99) })
}

/// Connections are dealt out to threads with a runtime each, so that the harness's own tasks don't share theirs.
async fn own(target: &Target, connections: u16, length: Duration) -> Result<Run> {
    let threads = THREADS.min(connections);
    let started = Instant::now();
    let mut running = Vec::new();
    for thread in 0..threads {
        let share = connections / threads + u16::from(thread < connections % threads);
        let (connect, request) = (target.connector()?, target.request());
        let address = target.address;
        running.push(tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let one = |_| keep_asking(address, connect.clone(), request.clone(), started + length);
                Ok::<_, Error>(futures::future::join_all((0..share).map(one)).await)
            })
        }));
    }
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for thread in running {
        for (of_connection, failures) in thread.await?? {
            latencies.extend(of_connection);
            failed += failures;
        }
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    let quantile = |part: usize| {
        let at = latencies.len().saturating_sub(1) * part / 100;
        latencies.get(at).map_or(Duration::ZERO, |micros| Duration::from_micros(u64::from(*micros)))
    };
    Ok(Run { reviews: latencies.len() as u64, failed, took, p50: quantile(50), p99: quantile(99) })
}

/// Asks on one connection until `end`, and gives the latencies in microseconds and the number of failures.
async fn keep_asking(address: SocketAddr, connect: TlsConnector, request: Arc<[u8]>, end: Instant) -> (Vec<u32>, u64) {
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while Instant::now() < end {
        let Ok(mut connection) = Connection::open(address, &connect).await else {
            failed += 1;
            continue;
        };
        while Instant::now() < end {
            let asked = Instant::now();
            match connection.ask(&request).await {
                Ok((200, _)) => latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)),
                Ok(_) => failed += 1,
                Err(_) => {
                    failed += 1;
                    break;
                }
            }
        }
    }
    (latencies, failed)
}

impl Target {
    /// Asks once and fails unless the answer allows the object: anything else would measure another path.
    pub(crate) async fn check(&self) -> Result {
        let mut connection = Connection::open(self.address, &self.connector()?).await?;
        let (status, body) = connection.ask(&self.request()).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != 200 || answer["response"]["allowed"] != true {
            return Err(Error::new(format!("HTTP {status}: {}", String::from_utf8_lossy(&body))));
        }
        Ok(())
    }

    fn request(&self) -> Arc<[u8]> {
        let Self { address, path, body, ca: _, folder: _ } = self;
        let length = body.len();
        let head = "Content-Type: application/json\r\nContent-Length:";
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{head} {length}\r\n\r\n{body}").into_bytes().into()
    }

    fn connector(&self) -> Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.ca) {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// An open connection with a reader of plain answers: a status, a `content-length`, a body.
struct Connection {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr, connect: &TlsConnector) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let stream = connect.connect(ServerName::from(address.ip()), tcp).await?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    async fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Error::new("the connection was closed"));
            }
            let Some(end) = self.received.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.received[..end])?;
            let status = head.split(' ').nth(1).context("no status")?.parse()?;
            let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
            let length = head.lines().find(is_length).and_then(|line| line.split(':').nth(1)).context("no length")?;
            let whole = end + 4 + length.trim().parse::<usize>()?;
            if self.received.len() >= whole {
                return Ok((status, self.received[end + 4..whole].to_vec()));
            }
        }
    }
}
