//! Listen addresses as Go writes them: `:8080`, `host:port`, `[::1]:0`, and `0` for "don't listen".

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::str::FromStr;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Nowhere (`0`).
    Off,
    /// On all interfaces (`:port`); port 0 lets the system choose.
    All(u16),
    /// On one host name or IP address.
    Host(String, u16),
}

/// A text that is no listen address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no listen address: give \":PORT\", \"HOST:PORT\", \"[IPV6]:PORT\", or \"0\" to switch it off")]
pub struct BadAddress(String);

impl FromStr for ListenAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text == "0" {
            return Ok(Self::Off);
        }
        let bad = || BadAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        Ok(if bare.is_empty() { Self::All(port) } else { Self::Host(bare.to_owned(), port) })
    }
}

impl ListenAddress {
    /// Binds it. `None` when it is off.
    ///
    /// # Errors
    /// The system's, such as an address in use.
    pub fn bind(&self) -> std::io::Result<Option<TcpListener>> {
        match self {
            Self::Off => Ok(None),
            // `[::]` takes IPv4 as well; a machine without IPv6 refuses it.
            Self::All(port) => TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port))
                .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)))
                .map(Some),
            Self::Host(host, port) => TcpListener::bind((host.as_str(), *port)).map(Some),
        }
    }
}

/// The address under which a process reaches its own listener.
pub fn loopback(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port())),
        // A dual-stack listener takes IPv4 even where no IPv6 loopback is configured.
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v6.port())),
        SocketAddr::V4(_) | SocketAddr::V6(_) => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_addresses_are_read() {
        let host = |h: &str, p| Some(ListenAddress::Host(h.into(), p));
        let table = [
            (":8080", Some(ListenAddress::All(8080))),
            (":0", Some(ListenAddress::All(0))),
            ("0", Some(ListenAddress::Off)),
            ("[::]:8080", host("::", 8080)),
            ("127.0.0.1:0", host("127.0.0.1", 0)),
            ("localhost:8081", host("localhost", 8081)),
            ("[::1]:443", host("::1", 443)),
            ("8080", None),
            ("", None),
            (":", None),
            (":70000", None),
            ("::1:80", None),
            ("[::1:80", None),
        ];
        for (text, want) in table {
            assert_eq!(text.parse().ok(), want, "{text:?}");
        }
    }
}
