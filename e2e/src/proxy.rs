//! A round-robin TCP proxy that stands for the webhook's Service.
//!
//! The API server runs outside of any pod network, so it calls one loopback port; this hands each connection to the next
//! replica that accepts it, as a Service does among ready endpoints.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::error::Result;

/// A listening proxy; dropping it stops it.
pub struct Proxy {
    port: u16,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start(replicas: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let replicas: Arc<[SocketAddr]> = replicas.into();
        let next = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            while let Ok((incoming, _)) = listener.accept().await {
                let (replicas, first) = (replicas.clone(), next.fetch_add(1, Ordering::Relaxed));
                tokio::spawn(forward(incoming, replicas, first));
            }
        });
        Ok(Self { port, task })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut incoming: TcpStream, replicas: Arc<[SocketAddr]>, first: usize) {
    for offset in 0..replicas.len() {
        let replica = replicas[(first + offset) % replicas.len()];
        if let Ok(mut outgoing) = TcpStream::connect(replica).await {
            // Either end may close at any time: that is a connection's normal end, nothing to report.
            tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await.unwrap_or_default();
            return;
        }
    }
}
