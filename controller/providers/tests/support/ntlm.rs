//! A server that wants NTLM, which logs in a connection, not a request. It checks the proof by its own reading of [MS-NLMP].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md4::Md4;
use md5::{Digest, Md5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// How the server behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// What it offers in `WWW-Authenticate`.
    pub(crate) offers: &'static [&'static str],
    /// How many times it hangs up after its challenge.
    pub(crate) hang_ups: usize,
    /// Whether its challenge has its time and names.
    pub(crate) tells_time: bool,
    /// Where it sends who is logged in and asks for `/secret`.
    pub(crate) redirects: Option<&'static str>,
    /// How many requests over connections that are logged in must be there at once before it answers the first.
    pub(crate) together: usize,
}

impl Manner {
    pub(crate) const GOOD: Self =
        Self { offers: &["Negotiate", "NTLM"], hang_ups: 0, tells_time: true, redirects: None, together: 1 };
}

/// A request: over which connection, with which NTLM message (0: none), its path and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) connection: usize,
    pub(crate) message: u32,
    pub(crate) path: String,
    pub(crate) body: String,
}

/// The server. Ends when dropped.
pub(crate) struct Ntlm {
    pub(crate) port: u16,
    steps: Arc<Mutex<Vec<Step>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Ntlm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Server {
    manner: Manner,
    /// Domain, name and password of whom it lets in.
    user: [&'static str; 3],
    steps: Arc<Mutex<Vec<Step>>>,
    hang_ups: Mutex<usize>,
    waiting: AtomicUsize,
    /// Has no permits, and is closed when enough requests wait.
    gate: Semaphore,
}

impl Ntlm {
    pub(crate) async fn start(tls: TlsAcceptor, manner: Manner, user: [&'static str; 3]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let steps = Arc::new(Mutex::new(Vec::new()));
        let hang_ups = Mutex::new(manner.hang_ups);
        let (waiting, gate) = (AtomicUsize::new(0), Semaphore::new(0));
        let server = Arc::new(Server { manner, user, steps: Arc::clone(&steps), hang_ups, waiting, gate });
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = count.fetch_add(1, Ordering::SeqCst);
                let (tls, server) = (tls.clone(), Arc::clone(&server));
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        server.serve(stream, connection).await;
                    }
                });
            }
        });
        Self { port, steps, connections, task }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many proofs of a password there were.
    pub(crate) fn proofs(&self) -> usize {
        self.steps().iter().filter(|step| step.message == 3).count()
    }

    /// Connection and message of each request so far.
    pub(crate) fn handshakes(&self) -> Vec<(usize, u32)> {
        self.steps().iter().map(|step| (step.connection, step.message)).collect()
    }
}

impl Server {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, connection: usize) {
        // The state of the login belongs to this connection alone.
        let (mut logged_in, mut nonce) = (false, None);
        while let Some((token, path, body)) = request(&mut stream).await {
            let message = token.as_deref().map_or(0, |token| u32::from(token[8]));
            self.steps.lock().unwrap().push(Step { connection, message, path: path.clone(), body });
            let mut headers = String::new();
            match (message, nonce.take()) {
                (1, _) => {
                    let fresh = [7, 1, 2, 3, 4, 5, 6, u8::try_from(connection).unwrap()];
                    nonce = Some(fresh);
                    let challenge = STANDARD.encode(challenge(fresh, self.manner.tells_time));
                    let scheme = self.manner.offers.iter().find(|offer| **offer == "NTLM").unwrap_or(&"Negotiate");
                    headers = format!("WWW-Authenticate: {scheme} {challenge}\r\n");
                }
                (3, Some(nonce)) => logged_in = proves(&token.unwrap(), nonce, self.user),
                _ => {}
            }
            if logged_in && message == 0 {
                if self.waiting.fetch_add(1, Ordering::SeqCst) + 1 >= self.manner.together {
                    self.gate.close();
                }
                drop(self.gate.acquire().await);
            }
            let status = match self.manner.redirects.filter(|_| path == "/secret") {
                _ if !logged_in => "401 Unauthorized",
                Some(location) => {
                    headers = format!("Location: {location}\r\n");
                    "302 Found"
                }
                None => "200 OK",
            };
            if !logged_in && headers.is_empty() {
                headers = self.manner.offers.iter().map(|offer| format!("WWW-Authenticate: {offer}\r\n")).collect();
            }
            let body = if logged_in { r#"{"user":"ada"}"# } else { "<html>canary</html>" };
            let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
            if stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.is_err() {
                return;
            }
            let hangs_up = {
                let mut left = self.hang_ups.lock().unwrap();
                let hangs_up = message == 1 && *left > 0;
                *left -= usize::from(hangs_up);
                hangs_up
            };
            if hangs_up {
                drop(stream.shutdown().await);
                return;
            }
        }
    }
}

/// The NTLM message, the path and the body of the next request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(Option<Vec<u8>>, String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = |name: &str| {
        let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let token = header("authorization").map(|value| {
        let (scheme, token) = value.split_once(' ').unwrap();
        assert!(["NTLM", "Negotiate"].contains(&scheme), "{scheme}");
        STANDARD.decode(token).unwrap()
    });
    let path = head.split(' ').nth(1).unwrap().to_owned();
    Some((token, path, String::from_utf8(bytes[end..].to_vec()).unwrap()))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A domain server's challenge; one that tells its time does it in its list of names.
fn challenge(nonce: [u8; 8], tells_time: bool) -> Vec<u8> {
    let (target, domain) = (utf16("CORP"), utf16("CORP"));
    let mut info = [&2u16.to_le_bytes()[..], &8u16.to_le_bytes(), &domain].concat();
    if tells_time {
        info.extend([7, 0, 8, 0, 0x80, 0x3e, 0xd5, 0xde, 0xb1, 0x9d, 0xdc, 1]);
    }
    info.extend([0; 4]);
    let mut out = b"NTLMSSP\0\x02\0\0\0".to_vec();
    out.extend([8, 0, 8, 0, 48, 0, 0, 0]);
    // With key exchange, which nobody offered.
    out.extend(0xe28a_8235_u32.to_le_bytes());
    out.extend(nonce);
    out.extend([0; 8]);
    let length = u16::try_from(info.len()).unwrap().to_le_bytes();
    out.extend([length[0], length[1], length[0], length[1], 56, 0, 0, 0]);
    [out, target, info].concat()
}

/// RFC 2104, with MD5.
fn hmac_md5(key: &[u8], text: &[u8]) -> Vec<u8> {
    let padded = |with: u8| (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Md5::digest([padded(0x36), text.to_vec()].concat());
    Md5::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

/// Whether the third message proves the password of this user, to this nonce.
fn proves(message: &[u8], nonce: [u8; 8], [domain, name, password]: [&str; 3]) -> bool {
    let short = |at: usize| usize::from(u16::from_le_bytes([message[at], message[at + 1]]));
    let field = |at: usize| &message[short(at + 4)..short(at + 4) + short(at)];
    let (nt, given_domain, given_name) = (field(20), field(28), field(36));
    // Also the other ways of a domain to say who somebody is.
    let at_domain = utf16(&format!("{name}@{}.example", domain.to_lowercase()));
    let known = (given_domain == utf16(domain) && given_name == utf16(name))
        || (given_domain.is_empty() && given_name == at_domain);
    let given_name: Vec<u16> = given_name.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let capital = String::from_utf16(&given_name).unwrap().to_ascii_uppercase();
    let hash = Md4::digest(utf16(password));
    let key = hmac_md5(&hash, &[utf16(&capital), given_domain.to_vec()].concat());
    let (proof, blob) = nt.split_at(16);
    // Key exchange was asked for, and must not be taken up by who didn't offer it.
    let flags = u32::from_le_bytes(message[60..64].try_into().unwrap());
    let well_formed = blob[..8] == [1, 1, 0, 0, 0, 0, 0, 0] && flags & (1 << 30) == 0;
    known && well_formed && proof == hmac_md5(&key, &[&nonce, blob].concat())
}
