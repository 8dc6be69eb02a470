//! Free ports of the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::Result;

/// As many different free ports as asked for.
///
/// # Errors
/// If the system gives none.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    // All are held until all are known, so that none is handed out twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
