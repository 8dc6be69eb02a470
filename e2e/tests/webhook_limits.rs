//! Floods on the webhook's port: its memory stays bounded, it doesn't end, and an API server is served meanwhile.

use std::sync::Arc;
use std::time::Duration;

use e2e::operator::Webhook;
use e2e::shared::Shared;
use e2e::testbed::SOON;
use e2e::{Cluster, Context, Result};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PATH: &str = "/validate-external-secrets-io-v1-externalsecret";
/// Far above what is used, far below what a flood without bounds would take. Unoptimised programs are large.
const MOST_MEMORY: u64 = 192 << 20;

static CLUSTER: Shared<Cluster> = Shared::new();

#[expect(clippy::print_stdout, reason = "figures of a test")]
fn run(args: &[&str], case: impl AsyncFnOnce(&'static Cluster, &Webhook) -> Result) -> Result {
    let start = async || {
        let cluster = Cluster::start().await?;
        cluster.install().await?;
        Ok(cluster)
    };
    CLUSTER.run(start, async |cluster| {
        // One at a time: they share the configurations, and memory is measured.
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _alone = TURN.lock().await;
        let webhook = Webhook::spawn(cluster, 1, args).await?;
        let before = webhook.usage(0)?;
        case(cluster, &webhook).await?;
        webhook.alive()?;
        let namespace = cluster.namespace("after").await?;
        Webhook::judges_soon(cluster, &namespace, SOON).await?;
        let after = webhook.usage(0)?;
        println!(
            "resident: {} KiB before, {} KiB after, {} KiB at most",
            before.resident >> 10,
            after.resident >> 10,
            after.peak >> 10
        );
        assert!(after.peak < MOST_MEMORY, "{after:?}");
        Ok(())
    })
}

/// A client that trusts whatever the webhook serves, and opens a connection for each request unless told to keep them.
fn client(keep: bool) -> Result<reqwest::Client> {
    #[expect(clippy::disallowed_methods, reason = "the harness's own client of a loopback server")]
    let builder = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).timeout(SOON);
    Ok(if keep { builder.build()? } else { builder.pool_max_idle_per_host(0).build()? })
}

fn review(filling: usize) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "operation": "CREATE",
        "kind": {"group": "external-secrets.io", "version": "v1", "kind": "ExternalSecret"},
        "object": {"metadata": {"name": "x", "annotations": {"filling": "x".repeat(filling)}}, "spec": {}}}})
}

async fn judged(client: &reqwest::Client, url: &str) -> Result {
    let answer: Value = client.post(url).json(&review(0)).send().await?.error_for_status()?.json().await?;
    let message = answer["response"]["status"]["message"].as_str().context("no verdict")?;
    assert_eq!(message, "either data or dataFrom should be specified");
    Ok(())
}

#[test]
fn ten_thousand_silent_connections_keep_nobody_out_and_are_closed() -> Result {
    const MANY: usize = 10_000;
    run(&[], async |cluster, webhook| {
        let address = webhook.address(0)?;
        let secret = cluster.secrets(e2e::operator::NAMESPACE).get(Webhook::SECRET).await?;
        let ca = secret.data.unwrap_or_default().remove("ca.crt").context("no CA")?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certgen::Bundle::parse(&ca.0)?.certificates().iter().cloned());
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let at_once = Arc::new(Semaphore::new(64));
        let mut opening = JoinSet::new();
        for _ in 0..MANY {
            let (connector, at_once) = (connector.clone(), at_once.clone());
            opening.spawn(async move {
                let _turn = at_once.acquire_owned().await.ok()?;
                let stream = TcpStream::connect(address).await.ok()?;
                connector.connect(ServerName::from(address.ip()), stream).await.ok()
            });
        }
        let url = format!("https://{address}{PATH}");
        let fresh = client(false)?;
        let mut held: Vec<TlsStream<TcpStream>> = Vec::new();
        let (mut asked, mut again) = (0, 0);
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                opened = opening.join_next() => match opened {
                    Some(stream) => held.extend(stream?),
                    None => break,
                },
                _ = beat.tick() => {
                    asked += 1;
                    if let Err(error) = judged(&fresh, &url).await {
                        again += 1;
                        judged(&fresh, &url).await.context(format!("review {asked}, twice; at first: {error}"))?;
                    }
                }
            }
        }
        println!("{} of {MANY} were let in, {asked} reviews meanwhile, {again} of them at the second try", held.len());
        assert!(held.len() > 1024, "{} are no flood", held.len());
        // Each is closed for its silence, or made room before.
        let mut closing: JoinSet<_> = held
            .into_iter()
            .map(|mut stream| async move { tokio::time::timeout(SOON * 2, stream.read_u8()).await.is_ok() })
            .collect();
        while let Some(closed) = closing.join_next().await {
            assert!(closed?, "a silent connection is still open");
        }
        Ok(())
    })
}

#[test]
fn streams_that_are_opened_and_reset_at_once_exhaust_nothing() -> Result {
    run(&["--enable-http2"], async |_, webhook| {
        let url = format!("https://{}{PATH}", webhook.address(0)?);
        let flooding = client(true)?;
        let first = flooding.post(&url).json(&review(0)).send().await?;
        assert_eq!(first.version(), http::Version::HTTP_2);
        for _ in 0..200 {
            let mut flood: JoinSet<_> = (0..50).map(|_| flooding.post(&url).json(&review(1000)).send()).collect();
            // Long enough for a stream to be opened, too short for most answers.
            tokio::time::sleep(Duration::from_micros(300)).await;
            flood.shutdown().await;
        }
        // The flooding connection may have been told off for its resets, and closed.
        judged(&client(true)?, &url).await
    })
}

#[test]
fn the_largest_bodies_all_at_once_are_worked_on_in_turns() -> Result {
    run(&[], async |_, webhook| {
        let url = format!("https://{}{PATH}", webhook.address(0)?);
        let client = client(true)?;
        let body = review((7 << 20) - 4096).to_string();
        let mut flood: JoinSet<_> = (0..40)
            .map(|_| client.post(&url).header("content-type", "application/json").body(body.clone()).send())
            .collect();
        let mut answered = 0;
        while let Some(answer) = flood.join_next().await {
            // Some may not come to their turn in time, or be cut off while they still send.
            if let Ok(answer) = answer? {
                let status = answer.status().as_u16();
                assert!([200, 408, 503].contains(&status), "{status}");
                answered += usize::from(status == 200);
            }
        }
        println!("{answered} of 40 were judged");
        assert!(answered > 0);
        Ok(())
    })
}
