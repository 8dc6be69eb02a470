//! Bounds on what a client may do: in time, in connections, in bytes. Bad reviews are `admission`, floods of them the
//! end-to-end tests'.

use std::time::Duration;

use certgen::Clock;
use certgen::fake::FakeApi;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use webhook::run::{Limits, Running};

use crate::harness::*;

fn short() -> Limits {
    let second = Duration::from_secs(1);
    Limits { handshake: second, first_request: second, idle: second, ..Limits::default() }
}

async fn ready_with(api: &FakeApi, limits: Limits) -> Running {
    install(api);
    let running = run_with(api, &[], Clock::system(), limits).await;
    eventually(SOON, || ready(&running)).await;
    running
}

/// Sends a byte now and then and says what came back until the other side closed, which it must soon.
async fn drip(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, byte: &[u8]) -> String {
    let mut answer = Vec::new();
    // Turns and not a clock, which goes on while a busy machine lets neither side run.
    for _ in 0..300 {
        match tokio::time::timeout(Duration::from_millis(100), stream.read_buf(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(Ok(_)) => {}
            // It may be closed meanwhile; the next read says so.
            Err(_) => stream.write_all(byte).await.unwrap_or_default(),
        }
    }
    panic!("still open after {answer:?}")
}

#[tokio::test]
async fn whoever_takes_too_long_is_cut_off_and_harms_nobody() {
    let api = FakeApi::default();
    let running = ready_with(&api, short()).await;
    let bundle = published(&api, &configurations()[0]);
    let tls = async || connect(running.webhook, &bundle, NAME).await.unwrap();

    let silent = TcpStream::connect(running.webhook).await.unwrap();
    assert_eq!(drip(silent, b"").await, "", "no handshake");
    let mut endless = TcpStream::connect(running.webhook).await.unwrap();
    endless.write_all(b"\x16\x03\x01\x40\x00\x01").await.unwrap();
    assert_eq!(drip(endless, b"\0").await, "", "a handshake without end");
    assert_eq!(drip(tls().await, b"").await, "", "no request");
    let mut head = tls().await;
    head.write_all(format!("POST {PATH} HTTP/1.1\r\nx: ").as_bytes()).await.unwrap();
    assert_eq!(drip(head, b"x").await, "", "a head without end");
    let mut idle = tls().await;
    exchange(&mut idle).await.unwrap();
    assert_eq!(drip(idle, b"").await, "", "silence after a request");
    review(running.webhook, &bundle).await.unwrap();
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let api = FakeApi::default();
    let running = ready_with(&api, Limits::default()).await;
    let mut body = connect(running.webhook, &published(&api, &configurations()[0]), NAME).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    body.write_all(head.as_bytes()).await.unwrap();
    let answer = drip(body, b"1\r\n \r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn tls_1_1_is_refused_with_an_alert() {
    let api = FakeApi::default();
    let running = ready_with(&api, Limits::default()).await;
    // A ClientHello of TLS 1.1 with one suite of its time and no extensions.
    let hello = [&[0x03, 0x02][..], &[7; 32], &[0, 0, 2, 0xc0, 0x09, 1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[0x16, 0x03, 0x02, 0, length + 4, 0x01, 0, 0, length][..], &hello].concat();
    let mut stream = TcpStream::connect(running.webhook).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // A fatal alert, handshake_failure or protocol_version.
    assert!(answer[0] == 0x15 && [[2, 40], [2, 70]].contains(&[answer[5], answer[6]]), "{answer:?}");
    review(running.webhook, &published(&api, &configurations()[0])).await.unwrap();
}

#[tokio::test]
async fn silent_connections_make_room_for_one_that_asks() {
    let api = FakeApi::default();
    let running = ready_with(&api, Limits { connections: 4, ..Limits::default() }).await;
    let bundle = published(&api, &configurations()[0]);
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(connect(running.webhook, &bundle, NAME).await.unwrap());
    }
    // Those that were opened a moment ago stay; after that the oldest of them goes.
    eventually(SOON, || async { review(running.webhook, &bundle).await.map(drop) }).await;
    let mut first = silent.remove(0);
    let ended = tokio::time::timeout(Duration::from_secs(5), first.read_u8()).await;
    assert!(ended.is_ok_and(|read| read.is_err()), "the oldest is closed");
}

#[tokio::test]
async fn connections_that_drip_do_not_push_out_one_that_was_answered() {
    let api = FakeApi::default();
    let running = ready_with(&api, Limits { connections: 4, ..Limits::default() }).await;
    let bundle = published(&api, &configurations()[0]);
    let mut idle = connect(running.webhook, &bundle, NAME).await.unwrap();
    eventually(SOON, || async { ready(&running).await }).await;
    exchange(&mut idle).await.unwrap();
    let mut dripping = Vec::new();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Whoever finds no room comes again.
        if let Ok(mut stream) = connect(running.webhook, &bundle, NAME).await {
            stream.write_all(b"P").await.ok();
            dripping.push(stream);
        }
        for stream in &mut dripping {
            stream.write_all(b"O").await.ok();
        }
    }
    exchange(&mut idle).await.unwrap();
}

#[tokio::test]
async fn probes_are_answered_while_connections_to_their_port_are_hoarded() {
    let api = FakeApi::default();
    let running = ready_with(&api, Limits::default()).await;
    let port = running.healthz.unwrap();
    let mut hoarded = Vec::new();
    for _ in 0..200 {
        hoarded.push(TcpStream::connect(port).await.unwrap());
    }
    let asked = async || {
        let mut stream = TcpStream::connect(port).await.map_err(|error| error.to_string())?;
        let request = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.map_err(|error| error.to_string())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(|error| error.to_string())?;
        if text.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(text) }
    };
    eventually(SOON, || async { asked().await }).await;
}

#[tokio::test]
async fn rubbish_on_the_port_harms_nobody() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &[]).await;
    eventually(SOON, || ready(&running)).await;
    let mut idle = Vec::new();
    for rubbish in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\x16\x03\x01\xff\xff\x01", &[0; 5000], b""] {
        let mut stream = TcpStream::connect(running.webhook).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        idle.push(stream);
    }
    let mut no_http = connect(running.webhook, &published(&api, &configurations()[0]), NAME).await.unwrap();
    no_http.write_all(b"\0\0\0 no http\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    no_http.read_to_end(&mut answer).await.ok();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    review(running.webhook, &published(&api, &configurations()[0])).await.unwrap();
    ready(&running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_on_the_tls_port_is_told_so_and_harms_nobody() {
    let api = FakeApi::default();
    install(&api);
    let running = run(&api, &[]).await;
    eventually(SOON, async || ready(&running).await).await;
    let (status, text) = get(running.webhook, PATH).await;
    assert_eq!(status, 400);
    assert!(text.contains("HTTPS"), "{text}");
    eventually(SOON, async || ready(&running).await).await;
}
