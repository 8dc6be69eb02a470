//! Bounds the connections to the webhook's port, and lets the ones that are in use have what room there is.
//!
//! When there is no room, a connection goes that has never had a request answered, the oldest first, and only then the one
//! whose last answer is longest ago: whoever opens thousands, and says nothing or drips bytes, keeps no API server out.
//! How long a silent connection may stay while there is room is `run`.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::Response;
use axum_server::accept::Accept;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

/// The most connections at a time: an API server keeps a handful, and memory is bounded.
pub const MAX_CONNECTIONS: usize = 1024;

/// The most connections at a time to a port of probes and scrapes, which need one each.
pub const MAX_PROBES: usize = 64;

/// A connection that was opened, or had its last answer, within this time never has to make room: a request is answered
/// in milliseconds, a handshake takes a few round trips. The shorter it is, the quicker a flood of new connections has to
/// be to shut an API server out.
const IN_USE: Duration = Duration::from_millis(250);

/// Takes connections up to a number; beyond it one that isn't in use has to go, or if there is none, the new one.
#[derive(Clone)]
pub struct Capped {
    room: Arc<Room>,
    first_byte: Option<u8>,
}

struct Room {
    most: usize,
    in_use: Duration,
    start: Instant,
    open: Mutex<Vec<Weak<Line>>>,
}

/// One connection, as the room sees it.
struct Line {
    /// Milliseconds from the room's start to its opening.
    opened: u64,
    /// The same to its last answer that wasn't an error; 0 before there is one.
    answered: AtomicU64,
    closed: AtomicBool,
    task: AtomicWaker,
}

impl Line {
    /// What makes room first is least: connections without an answer by their age, then the others by that of their last
    /// answer.
    fn merit(&self) -> (bool, u64) {
        match self.answered.load(Ordering::Relaxed) {
            0 => (false, self.opened),
            answered => (true, answered),
        }
    }
}

impl Capped {
    /// Takes at most `connections` of TLS at a time.
    pub fn tls(connections: usize) -> Self {
        Self { room: Room::new(connections, IN_USE), first_byte: Some(HANDSHAKE) }
    }

    /// Takes at most `connections` of plain HTTP at a time.
    pub fn plain(connections: usize) -> Self {
        Self { room: Room::new(connections, IN_USE), first_byte: None }
    }
}

impl Room {
    fn new(most: usize, in_use: Duration) -> Arc<Self> {
        Arc::new(Self { most, in_use, start: Instant::now(), open: Mutex::default() })
    }

    /// Never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A place for one more, if need be that of another connection.
    fn enter(&self) -> io::Result<Arc<Line>> {
        let now = self.now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            open.retain(|line| line.strong_count() > 0);
        }
        if open.len() >= self.most {
            let idle = |line: &Weak<Line>| {
                let (answered, since) = line.upgrade().map_or((false, 0), |line| line.merit());
                (u128::from(now.saturating_sub(since)) >= self.in_use.as_millis()).then_some((answered, since))
            };
            let least = open.iter().enumerate().filter_map(|(place, line)| Some((idle(line)?, place))).min();
            let Some((_, place)) = least else { return Err(io::Error::other("too many connections")) };
            if let Some(line) = open.swap_remove(place).upgrade() {
                line.closed.store(true, Ordering::Release);
                line.task.wake();
            }
        }
        let line = Arc::new(Line {
            opened: now,
            answered: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            task: AtomicWaker::new(),
        });
        open.push(Arc::downgrade(&line));
        Ok(line)
    }
}

impl<S> Accept<TcpStream, S> for Capped {
    type Stream = Counted;
    type Service = Answering<S>;
    type Future = std::future::Ready<io::Result<(Counted, Answering<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let taken = self.room.enter().and_then(|line| {
            stream.set_nodelay(true)?;
            let answering = Answering { service, line: line.clone(), room: self.room.clone() };
            Ok((Counted { stream, first_byte: self.first_byte, line }, answering))
        });
        std::future::ready(taken)
    }
}

/// The service of one connection, which notes its answers. Errors aren't noted: rubbish earns no place.
#[derive(Clone)]
pub struct Answering<S> {
    service: S,
    line: Arc<Line>,
    room: Arc<Room>,
}

impl<S, R, B> Service<R> for Answering<S>
where
    S: Service<R, Response = Response<B>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (line, room) = (self.line.clone(), self.room.clone());
        let answer = self.service.call(request);
        async move {
            let answer = answer.await?;
            if answer.status().is_success() {
                line.answered.store(room.now(), Ordering::Relaxed);
            }
            Ok(answer)
        }
        .boxed()
    }
}

/// The first byte of every TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;

/// What a client is told that speaks HTTP to the TLS port.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    this port speaks HTTPS: use an https:// URL\n";

/// A connection that counts until it is dropped. One that should begin with a certain byte and doesn't is told why and
/// ends.
pub struct Counted {
    stream: TcpStream,
    first_byte: Option<u8>,
    line: Arc<Line>,
}

impl Counted {
    /// Fails once the connection has to make room, and has its task woken then.
    fn remains(&self, cx: &Context<'_>) -> io::Result<()> {
        self.line.task.register(cx.waker());
        if self.line.closed.load(Ordering::Acquire) {
            return Err(io::Error::other("made room for another connection"));
        }
        Ok(())
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.remains(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(first) = buf.filled().get(before)
            && let Some(wanted) = this.first_byte.take()
            && *first != wanted
        {
            // A socket that nothing was written to yet takes these few bytes at once.
            this.stream.try_write(NOT_TLS)?;
            return Poll::Ready(Err(io::Error::other("a request that isn't TLS")));
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.remains(cx)?;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // While a request is worked on nothing else may be asked for, and a connection that has to go must notice.
        let this = self.get_mut();
        this.remains(cx)?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tower::service_fn;

    use super::*;

    struct Port {
        listener: TcpListener,
        capped: Capped,
    }

    type Route = tower::util::BoxService<StatusCode, axum::response::Response, Infallible>;
    type Taken = (TcpStream, Counted, Answering<Route>);

    impl Port {
        async fn new(most: usize, in_use: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Self { listener, capped: Capped { room: Room::new(most, in_use), first_byte: Some(HANDSHAKE) } }
        }

        async fn take(&self) -> io::Result<Taken> {
            let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = self.listener.accept().await.unwrap();
            let service = service_fn(|status: StatusCode| async move { Ok::<_, Infallible>(status.into_response()) });
            let service = Route::new(service);
            let (counted, answering) = self.capped.accept(stream, service).await?;
            Ok((client, counted, answering))
        }
    }

    async fn ends(mut taken: Taken) -> bool {
        let polled = tokio::time::timeout(Duration::from_millis(1), taken.1.read_u8()).await;
        matches!(polled, Ok(Err(error)) if error.to_string() == "made room for another connection")
    }

    #[tokio::test]
    async fn connections_in_use_keep_new_ones_out_until_one_ends() {
        let port = Port::new(2, Duration::from_secs(3600)).await;
        let first = port.take().await.unwrap();
        let _second = port.take().await.unwrap();
        assert!(port.take().await.is_err());
        drop(first);
        port.take().await.unwrap();
    }

    #[tokio::test]
    async fn whoever_had_no_answer_makes_room_first_however_many_bytes_came() {
        let port = Port::new(3, Duration::ZERO).await;
        let mut served = port.take().await.unwrap();
        served.2.call(StatusCode::OK).await.unwrap();
        // Later by the clock's own measure.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut dripping = port.take().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut refused = port.take().await.unwrap();
        refused.2.call(StatusCode::NOT_FOUND).await.unwrap();
        dripping.0.write_all(&[HANDSHAKE, 1]).await.unwrap();
        dripping.1.read_u8().await.unwrap();

        let mut fresh = port.take().await.unwrap();
        fresh.2.call(StatusCode::OK).await.unwrap();
        assert!(ends(dripping).await, "the oldest without an answer");
        let _another = port.take().await.unwrap();
        assert!(ends(refused).await, "an error is no answer");
        served.0.write_all(&[HANDSHAKE]).await.unwrap();
        assert_eq!(served.1.read_u8().await.unwrap(), HANDSHAKE, "the oldest of all stays, since it was answered");
    }

    #[tokio::test]
    async fn among_the_answered_ones_the_last_answer_counts() {
        let port = Port::new(2, Duration::ZERO).await;
        let (mut first, mut second) = (port.take().await.unwrap(), port.take().await.unwrap());
        for taken in [&mut second, &mut first] {
            taken.2.call(StatusCode::OK).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _third = port.take().await.unwrap();
        assert!(ends(second).await && !ends(first).await);
    }
}
