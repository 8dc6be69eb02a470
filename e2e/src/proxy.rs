//! A round-robin TCP proxy: it stands for the webhook's Service, and for the network on the way to the API server.
//!
//! The API server runs outside of any pod network, so it calls one loopback port; this hands each connection to the next
//! replica that accepts it, as a Service does among ready endpoints.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Result;

/// A listening proxy; dropping it stops it.
pub struct Proxy {
    port: u16,
    silenced: watch::Sender<()>,
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
        let silenced = watch::Sender::new(());
        let silence = silenced.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut incoming, _)) = listener.accept().await {
                let (replicas, first) = (replicas.clone(), next.fetch_add(1, Ordering::Relaxed));
                let mut silenced = silence.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        () = forward(&mut incoming, replicas, first) => {}
                        Ok(()) = silenced.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Ok(Self { port, silenced, task })
    }

    /// Nothing passes any more on the connections there are, and none of them is closed: what a client sees when the
    /// network forgets it. New connections work.
    pub fn silence(&self) {
        self.silenced.send_replace(());
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

async fn forward(incoming: &mut TcpStream, replicas: Arc<[SocketAddr]>, first: usize) {
    for offset in 0..replicas.len() {
        let replica = replicas[(first + offset) % replicas.len()];
        if let Ok(mut outgoing) = TcpStream::connect(replica).await {
            // Either end may close at any time: that is a connection's normal end, nothing to report.
            tokio::io::copy_bidirectional(incoming, &mut outgoing).await.unwrap_or_default();
            return;
        }
    }
}
