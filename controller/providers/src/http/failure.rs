//! Why there is no answer, in words that don't change from try to try.
//!
//! Deliberately not here: answers with a bad status.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use provider::{Error, ErrorKind};

/// There is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The host's name has no address.
    Unresolved,
    /// Nothing listens there.
    Refused,
    /// No way to the network or the host.
    Unreachable,
    /// No connection, for a reason that has no name here.
    Unconnected,
    /// The connection ended before the answer began.
    Closed,
    /// TLS: why the peer isn't trusted or doesn't trust us.
    Tls(&'static str),
    /// Nothing, or not all, in this time.
    TimedOut(Duration),
    /// A redirect to another host, or too many.
    Redirected,
    /// More than [`super::BODY_LIMIT`].
    TooLarge,
    /// The body broke off or can't be decompressed.
    Broken,
    /// The request can't be sent, such as a header with a line break.
    Unsendable,
}

impl Failure {
    /// Sorts what the HTTP stack says.
    pub(super) fn of(error: &reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() {
            let connecting = error.is_connect() && timeout > super::CONNECT_TIMEOUT;
            return Self::TimedOut(if connecting { super::CONNECT_TIMEOUT } else { timeout });
        }
        if error.is_redirect() {
            return Self::Redirected;
        }
        if error.is_builder() {
            return Self::Unsendable;
        }
        if error.is_body() || error.is_decode() {
            return Self::Broken;
        }
        deepest(error).unwrap_or(if error.is_connect() { Self::Unconnected } else { Self::Closed })
    }

    /// Sorts what the operating system says about a connection.
    pub(super) fn of_io(error: &io::Error) -> Self {
        io_failure(error.kind()).unwrap_or(Self::Unconnected)
    }

    /// The error of `operation` at `origin`; `setting` is what the reader should look at.
    pub(crate) fn into_error(self, operation: &'static str, origin: &str, setting: &str) -> Error {
        let text = match self {
            Self::Unresolved | Self::Refused | Self::Unreachable | Self::Unconnected | Self::Closed | Self::Tls(_) => {
                format!("cannot reach {origin}: {self}; check {setting}")
            }
            Self::TimedOut(_) => format!("cannot reach {origin}: {self}; check {setting} and the network between"),
            Self::Redirected | Self::TooLarge | Self::Broken => format!("{origin}: {self}; check {setting}"),
            Self::Unsendable => format!("{self}; check {setting}"),
        };
        Error::new(self.kind(), operation, text)
    }

    /// What it is to the rest of the program.
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Unresolved
            | Self::Refused
            | Self::Unreachable
            | Self::Unconnected
            | Self::Closed
            | Self::Tls(_)
            | Self::Redirected => ErrorKind::Unavailable,
            Self::TimedOut(_) => ErrorKind::Timeout,
            Self::TooLarge | Self::Broken => ErrorKind::Malformed,
            Self::Unsendable => ErrorKind::Invalid,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("the host name has no address"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("no route to the host"),
            Self::Unconnected => f.write_str("the connection failed"),
            Self::Closed => f.write_str("the connection was closed before an answer"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::TimedOut(after) => write!(f, "no answer within {after:?}"),
            Self::Redirected => f.write_str("the answer is a redirect to another host, which is not followed"),
            Self::TooLarge => write!(f, "the answer is larger than {} MiB", super::BODY_LIMIT >> 20),
            Self::Broken => f.write_str("the answer broke off or can't be decoded"),
            Self::Unsendable => {
                f.write_str("the request can't be sent: a URL, header or token has a forbidden character")
            }
        }
    }
}

impl StdError for Failure {}

/// Looks through the chain of causes for one that says more than "connecting failed".
fn deepest(error: &reqwest::Error) -> Option<Failure> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    let mut found = None;
    while let Some(current) = cause {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return Some(Failure::Tls(tls_words(tls)));
        }
        if let Some(io) = current.downcast_ref::<io::Error>() {
            let io = innermost(io);
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return Some(Failure::Tls(tls_words(tls)));
            }
            found = io_failure(io.kind()).or(found);
        }
        // The resolver's own error type isn't public; its text is fixed.
        if current.to_string().starts_with("dns error") {
            return Some(Failure::Unresolved);
        }
        cause = current.source();
    }
    found
}

/// Connectors wrap an I/O error in another, which `source` passes over.
fn innermost(io: &io::Error) -> &io::Error {
    match io.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        Some(inner) => innermost(inner),
        None => io,
    }
}

fn io_failure(kind: io::ErrorKind) -> Option<Failure> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => {
            Failure::Unreachable
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Failure::Closed,
        _ => return None,
    })
}

/// rustls's own texts hold times and names from the certificate; these don't vary.
fn tls_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Cert;
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            Cert::Expired | Cert::ExpiredContext { .. } => "the server's certificate has expired",
            Cert::NotValidYet | Cert::NotValidYetContext { .. } => "the server's certificate isn't valid yet",
            Cert::NotValidForName | Cert::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name"
            }
            Cert::UnknownIssuer | Cert::BadSignature => {
                "the server's certificate is signed by an unknown authority (give it in caBundle or caProvider)"
            }
            Cert::Revoked => "the server's certificate is revoked",
            _ => "the server's certificate is not acceptable",
        },
        rustls::Error::InvalidMessage(_) => "the server doesn't speak TLS (is its address http://?)",
        rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate"
        }
        rustls::Error::AlertReceived(_) => "the server refused the connection (client certificate, protocol version?)",
        _ => "the handshake failed",
    }
}
