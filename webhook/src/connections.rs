//! Bounds the connections to the webhook's port, and lets the ones that are in use have what room there is.
//!
//! When there is no room, the connection goes that was silent longest: whoever opens thousands and says nothing can't keep
//! an API server out. How long a silent connection may stay while there is room is `run`.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum_server::accept::Accept;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most connections at a time: an API server keeps a handful, and memory is bounded.
pub const MAX_CONNECTIONS: usize = 1024;

/// A connection on which something came or went within this time is in use and never has to make room: a request is
/// answered in milliseconds, a handshake takes a few round trips. The shorter it is, the quicker a flood of new connections
/// has to be to shut an API server out.
const IN_USE: Duration = Duration::from_millis(250);

/// Takes connections up to a number; beyond it a silent one has to go, or if there is none, the new one.
#[derive(Clone)]
pub struct Capped(Arc<Room>);

struct Room {
    most: usize,
    in_use: Duration,
    start: Instant,
    open: Mutex<Vec<Weak<Line>>>,
}

/// One connection, as the room sees it.
struct Line {
    /// Milliseconds from the room's start to the last byte in either direction.
    active: AtomicU64,
    closed: AtomicBool,
    task: AtomicWaker,
}

impl Capped {
    /// Takes at most `connections` at a time.
    pub fn new(connections: usize) -> Self {
        Self::with(connections, IN_USE)
    }

    fn with(most: usize, in_use: Duration) -> Self {
        Self(Arc::new(Room { most, in_use, start: Instant::now(), open: Mutex::default() }))
    }
}

impl Room {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A place for one more, if need be that of the connection which was silent longest.
    fn enter(&self) -> io::Result<Arc<Line>> {
        let now = self.now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            open.retain(|line| line.strong_count() > 0);
        }
        if open.len() >= self.most {
            let silent_since = |line: &Weak<Line>| line.upgrade().map_or(0, |line| line.active.load(Ordering::Relaxed));
            let longest = open.iter().enumerate().map(|(place, line)| (silent_since(line), place)).min();
            let place = match longest {
                Some((since, place)) if u128::from(now.saturating_sub(since)) >= self.in_use.as_millis() => place,
                Some(_) | None => return Err(io::Error::other("too many connections")),
            };
            if let Some(silent) = open.swap_remove(place).upgrade() {
                silent.closed.store(true, Ordering::Release);
                silent.task.wake();
            }
        }
        let line =
            Arc::new(Line { active: AtomicU64::new(now), closed: AtomicBool::new(false), task: AtomicWaker::new() });
        open.push(Arc::downgrade(&line));
        Ok(line)
    }
}

impl<S> Accept<TcpStream, S> for Capped {
    type Stream = Counted;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let taken = self.0.enter().and_then(|line| {
            stream.set_nodelay(true)?;
            Ok((Counted { stream, begun: false, line, room: self.0.clone() }, service))
        });
        std::future::ready(taken)
    }
}

/// The first byte of every TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;

/// What a client is told that speaks HTTP to the TLS port.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    this port speaks HTTPS: use an https:// URL\n";

/// A connection that counts until it is dropped. One that begins as HTTP is told so and ends.
pub struct Counted {
    stream: TcpStream,
    begun: bool,
    line: Arc<Line>,
    room: Arc<Room>,
}

impl Counted {
    /// Fails once the connection has to make room.
    fn remains(&self) -> io::Result<()> {
        if self.line.closed.load(Ordering::Acquire) {
            return Err(io::Error::other("made room for another connection"));
        }
        Ok(())
    }

    /// Does I/O and notes that something moved; fails as [`Counted::remains`] does.
    fn moving<T>(
        &mut self,
        cx: &mut Context<'_>,
        io: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.line.task.register(cx.waker());
        self.remains()?;
        let polled = io(Pin::new(&mut self.stream), cx);
        if polled.is_ready() {
            self.line.active.store(self.room.now(), Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = this.moving(cx, |stream, cx| stream.poll_read(cx, buf));
        if !this.begun
            && let Some(first) = buf.filled().get(before)
        {
            this.begun = true;
            if *first != HANDSHAKE {
                // A socket that nothing was written to yet takes these few bytes at once.
                this.stream.try_write(NOT_TLS)?;
                return Poll::Ready(Err(io::Error::other("a request that isn't TLS")));
            }
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().moving(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // While a request is worked on nothing else may be asked for, and a connection that has to go must notice.
        let this = self.get_mut();
        this.line.task.register(cx.waker());
        this.remains()?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    struct Port {
        listener: TcpListener,
        capped: Capped,
    }

    impl Port {
        async fn new(in_use: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self { listener, capped: Capped::with(2, in_use) }
        }

        async fn take(&self) -> io::Result<(TcpStream, Counted)> {
            let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = self.listener.accept().await.unwrap();
            let (counted, ()) = self.capped.accept(stream, ()).await?;
            Ok((client, counted))
        }
    }

    #[tokio::test]
    async fn connections_in_use_keep_new_ones_out_until_one_ends() {
        let port = Port::new(Duration::from_secs(3600)).await;
        let first = port.take().await.unwrap();
        let _second = port.take().await.unwrap();
        assert!(port.take().await.is_err());
        drop(first);
        port.take().await.unwrap();
    }

    #[tokio::test]
    async fn the_connection_that_was_silent_longest_makes_room() {
        let port = Port::new(Duration::ZERO).await;
        let (mut first_client, mut first) = port.take().await.unwrap();
        let (_second_client, mut second) = port.take().await.unwrap();
        // Later than the second one's beginning by the clock's own measure.
        tokio::time::sleep(Duration::from_millis(5)).await;
        first_client.write_all(&[HANDSHAKE]).await.unwrap();
        first.read_u8().await.unwrap();
        let waiting = tokio::spawn(async move { second.read_u8().await });
        tokio::task::yield_now().await;
        let _third = port.take().await.unwrap();
        let ended = waiting.await.unwrap().unwrap_err();
        assert_eq!(ended.to_string(), "made room for another connection");
        first_client.write_all(b"x").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'x', "the one in use stays");
    }
}
