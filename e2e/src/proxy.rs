//! A TCP proxy: stands for the webhook's Service, for a backend that is far away or out of reach, and for the network on
//! the way to the API server.
//!
//! As a Service it hands each connection to the next replica that accepts it: the API server runs outside of any pod
//! network, so it calls one loopback port. In front of a backend it delays what comes back, and can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::Result;

/// A listening proxy; dropping it stops it.
pub struct Proxy {
    port: u16,
    replicas: watch::Sender<Arc<[SocketAddr]>>,
    cut: watch::Sender<bool>,
    silenced: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn start(replicas: Vec<SocketAddr>) -> Result<Self> {
        Self::delaying(replicas, Duration::ZERO).await
    }

    /// As [`Proxy::start`]; what the replicas answer arrives later by `delay`, however much of it is under way.
    ///
    /// # Errors
    /// If the system gives no port.
    pub async fn delaying(replicas: Vec<SocketAddr>, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (replicas, routes) = watch::channel::<Arc<[SocketAddr]>>(replicas.into());
        let next = Arc::new(AtomicUsize::new(0));
        let (cut, is_cut) = watch::channel(false);
        let silenced = watch::Sender::new(());
        let silence = silenced.clone();
        let task = tokio::spawn(async move {
            while let Ok((incoming, _)) = listener.accept().await {
                let (replicas, first, mut is_cut) =
                    (routes.borrow().clone(), next.fetch_add(1, Ordering::Relaxed), is_cut.clone());
                let mut silenced = silence.subscribe();
                tokio::spawn(async move {
                    let mut forwarding = std::pin::pin!(forward(incoming, replicas, first, delay));
                    let silent = tokio::select! {
                        _ = is_cut.wait_for(|cut| *cut) => false,
                        // Either end may close at any time: that is a connection's normal end, nothing to report.
                        _ = &mut forwarding => false,
                        Ok(()) = silenced.changed() => true,
                    };
                    if silent {
                        // Held open, and moved on no more.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Ok(Self { port, replicas, cut, silenced, task })
    }

    /// Hands new connections to these, as a Service does once its endpoints have changed; those there are stay.
    pub fn route(&self, replicas: Vec<SocketAddr>) {
        self.replicas.send_replace(replicas.into());
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

    /// Closes all connections, and each further one at once.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    mut incoming: TcpStream,
    replicas: Arc<[SocketAddr]>,
    first: usize,
    delay: Duration,
) -> io::Result<()> {
    for offset in 0..replicas.len() {
        let replica = replicas[(first + offset) % replicas.len()];
        let Ok(mut outgoing) = TcpStream::connect(replica).await else { continue };
        incoming.set_nodelay(true)?;
        outgoing.set_nodelay(true)?;
        if delay.is_zero() {
            tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await?;
        } else {
            let (mut asked, to_client) = incoming.into_split();
            let (answered, mut to_replica) = outgoing.into_split();
            let requests = async {
                tokio::io::copy(&mut asked, &mut to_replica).await?;
                to_replica.shutdown().await
            };
            tokio::try_join!(requests, later(answered, to_client, delay))?;
        }
        return Ok(());
    }
    Ok(())
}

/// Passes on each piece at its own time, so that many are on their way at once.
async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> io::Result<()> {
    let (line, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut buffer).await?;
            let piece = (Instant::now() + delay, buffer[..count].to_vec());
            if count == 0 || line.send(piece).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = connection.into_split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Ok(address)
    }

    async fn ask(proxy: &Proxy) -> io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await?;
        connection.write_all(b"hello").await?;
        connection.shutdown().await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn answers_come_later_by_the_delay() -> Result {
        let delay = Duration::from_millis(30);
        let proxy = Proxy::delaying(vec![echo().await?], delay).await?;
        let asked = Instant::now();
        assert_eq!(ask(&proxy).await?, b"hello");
        assert!(asked.elapsed() >= delay, "{:?}", asked.elapsed());
        Ok(())
    }

    #[tokio::test]
    async fn a_cut_proxy_answers_nothing_until_it_is_mended() -> Result {
        let proxy = Proxy::start(vec![echo().await?]).await?;
        let mut open = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await?;
        open.write_all(b"hello").await?;
        open.read_exact(&mut [0; 5]).await?;
        proxy.cut();
        assert_eq!(open.read(&mut [0; 5]).await.unwrap_or(0), 0, "an open connection is closed");
        assert_eq!(ask(&proxy).await.unwrap_or_default(), b"", "a new one isn't answered");
        proxy.mend();
        assert_eq!(ask(&proxy).await?, b"hello");
        Ok(())
    }
}
