//! A webhook over a fake API server, and what a client does with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::FakeApi;
use certgen::{Bundle, Clock};
use clap::Parser;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use webhook::args::Args;
use webhook::run::{Limits, Running, start};

pub(crate) const SECRET: &str = "/api/v1/namespaces/ns/secrets/hook";
pub(crate) const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
pub(crate) const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
pub(crate) const PATH: &str = "/validate-external-secrets-io-v1-externalsecret";
pub(crate) const NAME: &str = "hook.ns.svc";

pub(crate) fn configurations() -> [String; 3] {
    [
        format!("{VALIDATING}/secretstore-validate"),
        format!("{VALIDATING}/externalsecret-validate"),
        format!("{MUTATING}/externalsecret-mutate"),
    ]
}

pub(crate) fn install(api: &FakeApi) {
    for path in configurations() {
        let hook = |name: &str| {
            json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "old", "namespace": "old", "path": "/p"}}})
        };
        api.put(
            &path,
            json!({"metadata": {"labels": {"external-secrets.io/component": "webhook"}},
            "webhooks": [hook("a.external-secrets.io"), hook("b.external-secrets.io")]}),
        );
    }
}

pub(crate) async fn run(api: &FakeApi, more: &[&str]) -> Running {
    run_with(api, more, Clock::system(), Limits::default()).await
}

pub(crate) async fn run_with(api: &FakeApi, more: &[&str], clock: Clock, limits: Limits) -> Running {
    let flags = [
        "webhook",
        "--port=0",
        "--bind-address=127.0.0.1",
        "--healthz-addr=127.0.0.1:0",
        "--metrics-addr=127.0.0.1:0",
        "--service-name=hook",
        "--service-namespace=ns",
        "--secret-name=hook",
        "--shutdown-delay=100ms",
    ];
    let args = Args::try_parse_from(flags.iter().chain(more)).unwrap();
    start(&args, api.client(), clock, limits).await.unwrap()
}

/// Asks until it is so, at most for the time that the whole thing may take.
pub(crate) async fn eventually<F: Future<Output = Result<(), String>>>(
    within: Duration,
    ask: impl Fn() -> F,
) -> Duration {
    let start = Instant::now();
    loop {
        let Err(why) = ask().await else { return start.elapsed() };
        assert!(start.elapsed() < within, "not within {within:?}: {why}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

pub(crate) async fn ready(running: &Running) -> Result<(), String> {
    let (status, text) = get(running.healthz.unwrap(), "/readyz").await;
    if status == 200 { Ok(()) } else { Err(text) }
}

pub(crate) fn published(api: &FakeApi, path: &str) -> Vec<u8> {
    let bundle = api.get(path).unwrap()["webhooks"][1]["clientConfig"]["caBundle"].clone();
    STANDARD.decode(bundle.as_str().unwrap_or_default()).unwrap()
}

pub(crate) fn stored_bundle(api: &FakeApi) -> Bundle {
    let value = api.get(SECRET).unwrap()["data"]["ca.crt"].clone();
    Bundle::parse(&STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
}

pub(crate) async fn connect(address: SocketAddr, ca_bundle: &[u8], name: &str) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    let bundle = Bundle::parse(ca_bundle).map_err(|e| e.to_string())?;
    roots.add_parsable_certificates(bundle.certificates().iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())
}

/// One review over an open connection, which stays open.
pub(crate) async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Value, String> {
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "operation": "CREATE",
        "kind": {"group": "external-secrets.io", "version": "v1", "kind": "ExternalSecret"}, "object": {"metadata": {"name": "x"}, "spec": {}}}}).to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.map_err(|e| e.to_string())?;
    let mut seen = Vec::new();
    loop {
        if let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
            let length: usize =
                head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
            if seen.len() >= end + 4 + length {
                return serde_json::from_slice(&seen[end + 4..]).map_err(|e| e.to_string());
            }
        }
        if stream.read_buf(&mut seen).await.map_err(|e| e.to_string())? == 0 {
            return Err("closed".into());
        }
    }
}

pub(crate) async fn review(address: SocketAddr, ca_bundle: &[u8]) -> Result<Value, String> {
    exchange(&mut connect(address, ca_bundle, NAME).await?).await
}
