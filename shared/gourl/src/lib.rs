//! Go's URLs and IP addresses, with Go's error texts: what admission rules and template functions both need of them.
//!
//! Here: `net/url`, and what is needed of `net` and `net/netip`, on bytes. Deliberately not here: queries as lists of
//! values, resolving of relative references, names of hosts, and I/O. Source: Go 1.26.

#![doc = include_str!("../README.md")]

mod escape;
mod host_port;
mod ip;
mod quote;
mod url;

pub use host_port::split_host_port;
pub use ip::{parse_addr, parse_ip};
pub use quote::quoted;
pub use url::{Url, User, Written, parse, parse_request_uri};

/// Why a text isn't accepted. Prints Go's text, which quotes the whole of what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);
