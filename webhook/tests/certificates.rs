//! A whole webhook over loopback against a fake API server: certificates appear, heal, rotate, and readiness tells the truth.

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    use webhook::run::{Running, start};

    type Spoil = fn(&FakeApi);

    const SECRET: &str = "/api/v1/namespaces/ns/secrets/hook";
    const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    const PATH: &str = "/validate-external-secrets-io-v1-externalsecret";
    const NAME: &str = "hook.ns.svc";

    fn configurations() -> [String; 3] {
        [
            format!("{VALIDATING}/secretstore-validate"),
            format!("{VALIDATING}/externalsecret-validate"),
            format!("{MUTATING}/externalsecret-mutate"),
        ]
    }

    fn install(api: &FakeApi) {
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

    async fn run(api: &FakeApi, more: &[&str]) -> Running {
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
        start(&args, api.client(), Clock::system()).await.unwrap()
    }

    /// Asks until it is so, at most for the time that the whole thing may take.
    async fn eventually<F: Future<Output = Result<(), String>>>(within: Duration, ask: impl Fn() -> F) -> Duration {
        let start = Instant::now();
        loop {
            let Err(why) = ask().await else { return start.elapsed() };
            assert!(start.elapsed() < within, "not within {within:?}: {why}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    const SOON: Duration = Duration::from_secs(20);

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    async fn ready(running: &Running) -> Result<(), String> {
        let (status, text) = get(running.healthz.unwrap(), "/readyz").await;
        if status == 200 { Ok(()) } else { Err(text) }
    }

    fn published(api: &FakeApi, path: &str) -> Vec<u8> {
        let bundle = api.get(path).unwrap()["webhooks"][1]["clientConfig"]["caBundle"].clone();
        STANDARD.decode(bundle.as_str().unwrap_or_default()).unwrap()
    }

    fn stored_bundle(api: &FakeApi) -> Bundle {
        let value = api.get(SECRET).unwrap()["data"]["ca.crt"].clone();
        Bundle::parse(&STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
    }

    async fn connect(address: SocketAddr, ca_bundle: &[u8], name: &str) -> Result<TlsStream<TcpStream>, String> {
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
    async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Value, String> {
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

    async fn review(address: SocketAddr, ca_bundle: &[u8]) -> Result<Value, String> {
        exchange(&mut connect(address, ca_bundle, NAME).await?).await
    }

    #[tokio::test]
    async fn from_nothing_it_becomes_ready_and_judges_under_every_name() {
        let api = FakeApi::default();
        install(&api);
        let running = run(&api, &["--dns-name=localhost,127.0.0.1,hook.example"]).await;
        eventually(SOON, || ready(&running)).await;
        for path in configurations() {
            let client = &api.get(&path).unwrap()["webhooks"][1]["clientConfig"];
            assert_eq!(client["service"], json!({"name": "hook", "namespace": "ns", "path": "/p"}));
            for name in [NAME, "hook.ns.svc.cluster.local", "hook", "localhost", "127.0.0.1", "hook.example"] {
                let mut stream = connect(running.webhook, &published(&api, &path), name).await.unwrap();
                let answer = exchange(&mut stream).await.unwrap();
                assert_eq!(
                    answer["response"]["status"]["message"], "either data or dataFrom should be specified",
                    "{name}"
                );
            }
        }
        assert_eq!(get(running.healthz.unwrap(), "/healthz").await.0, 200);
        let (_, metrics) = get(running.metrics.unwrap(), "/metrics").await;
        for part in [
            "external_secrets_webhook_certificate_expiration_timestamp_seconds{certificate=\"leaf\"}",
            "certificate=\"ca\",reason=\"absent\"} 1",
        ] {
            assert!(metrics.contains(part), "{metrics}");
        }
    }

    #[tokio::test]
    async fn replicas_that_start_together_share_one_ca() {
        let api = FakeApi::default();
        install(&api);
        let replicas = futures::future::join_all((0..5).map(|_| run(&api, &[]))).await;
        for replica in &replicas {
            eventually(SOON, || ready(replica)).await;
            review(replica.webhook, &published(&api, &configurations()[0])).await.unwrap();
        }
        assert_eq!(stored_bundle(&api).certificates().len(), 1);
        assert_eq!(api.count("PATCH /api/v1/namespaces/ns/secrets"), 0, "nobody replaced what another one made");
    }

    #[tokio::test]
    async fn it_is_not_ready_until_what_is_published_trusts_it() {
        let api = FakeApi::default();
        let running = run(&api, &[]).await;
        eventually(SOON, || async {
            let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
            if why.starts_with("no webhook configuration with the label") { Ok(()) } else { Err(why) }
        })
        .await;
        // An API server that refuses the publication: what is there is empty, then foreign.
        for _ in 0..2_000 {
            for path in configurations() {
                api.refuse_once("PATCH", &path, 403);
            }
        }
        install(&api);
        eventually(SOON, || async {
            let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
            if why.ends_with("caBundle is empty or unreadable\n") { Ok(()) } else { Err(why) }
        })
        .await;
        let foreign = FakeApi::default();
        install(&foreign);
        let other = run(&foreign, &[]).await;
        eventually(SOON, || ready(&other)).await;
        for path in configurations() {
            api.put(&path, foreign.get(&path).unwrap());
        }
        eventually(SOON, || async {
            let (_, why) = get(running.healthz.unwrap(), "/readyz").await;
            if why.contains("doesn't trust the certificate that is served") { Ok(()) } else { Err(why) }
        })
        .await;
        assert_eq!(get(running.healthz.unwrap(), "/healthz").await.0, 200, "it is alive all the same");
    }

    #[tokio::test]
    async fn a_wiped_or_foreign_bundle_is_repaired() {
        let api = FakeApi::default();
        install(&api);
        let running = run(&api, &[]).await;
        eventually(SOON, || ready(&running)).await;
        let path = &configurations()[1];
        let good = published(&api, path);
        for spoiled in [Value::Null, json!(STANDARD.encode("garbage"))] {
            let mut configuration = api.get(path).unwrap();
            configuration["webhooks"][1]["clientConfig"]["caBundle"] = spoiled;
            api.put(path, configuration);
            let took = eventually(SOON, || async {
                if published(&api, path) == good { Ok(()) } else { Err("still spoiled".into()) }
            })
            .await;
            assert!(took < Duration::from_secs(2), "took {took:?}");
            eventually(SOON, || ready(&running)).await;
        }
        assert_eq!(api.count("POST /api/v1/namespaces/ns/secrets"), 1, "the CA stayed");
    }

    #[tokio::test]
    async fn a_deleted_or_broken_secret_is_replaced_with_overlap_and_no_connection_is_closed() {
        let api = FakeApi::default();
        install(&api);
        // The settling time is a tenth of the leaf's life.
        let running = run(&api, &["--cert-lifetime=5s", "--ca-lifetime=1h"]).await;
        eventually(SOON, || ready(&running)).await;
        let mut open = connect(running.webhook, &published(&api, &configurations()[0]), NAME).await.unwrap();
        exchange(&mut open).await.unwrap();
        let broken = |api: &FakeApi| {
            let mut secret = api.get(SECRET).unwrap();
            secret["data"]["ca.key"] = json!(STANDARD.encode("garbage"));
            api.put(SECRET, secret);
        };
        let delete = |api: &FakeApi| api.delete(SECRET);
        let spoil: [(&str, Spoil); 2] = [("deleted", delete), ("broken", broken)];
        for (what, spoil) in spoil {
            let before = stored_bundle(&api).certificates()[0].clone();
            spoil(&api);
            eventually(SOON, || async {
                if api.get(SECRET).is_none() {
                    return Err("no Secret".into());
                }
                let bundle = stored_bundle(&api);
                let all_published = configurations().iter().all(|c| published(&api, c) == bundle.pem().as_bytes());
                if bundle.certificates()[0] != before && bundle.contains(&before) && all_published {
                    Ok(())
                } else {
                    Err("not replaced".into())
                }
            })
            .await;
            // At every moment what is published is enough for a new connection.
            review(running.webhook, &published(&api, &configurations()[2])).await.unwrap();
            let only_new = Bundle::overlapping(
                &stored_bundle(&api).certificates()[0],
                [],
                jiff::Timestamp::UNIX_EPOCH,
                Duration::ZERO,
            )
            .pem();
            eventually(SOON, || async { review(running.webhook, only_new.as_bytes()).await.map(drop) }).await;
            exchange(&mut open).await.unwrap_or_else(|why| panic!("{what}: the open connection broke: {why}"));
            eventually(SOON, || ready(&running)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ca_and_leaf_rotate_under_load_without_a_failure() {
        let api = FakeApi::default();
        install(&api);
        let flags = ["--ca-lifetime=9s", "--cert-lifetime=6s"];
        let replicas = [run(&api, &flags).await, run(&api, &flags).await];
        for replica in &replicas {
            eventually(SOON, || ready(replica)).await;
        }
        let first = stored_bundle(&api).certificates()[0].clone();
        let stop = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = replicas
            .iter()
            .map(|r| r.webhook)
            .map(|address| {
                let (api, stop, served) = (api.clone(), stop.clone(), served.clone());
                tokio::spawn(async move {
                    let mut failures = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        for path in configurations() {
                            // An API server is always a little behind with what it read.
                            let bundle = published(&api, &path);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            match review(address, &bundle).await {
                                Ok(_) => served.fetch_add(1, Ordering::Relaxed),
                                Err(why) => {
                                    failures.push(why);
                                    0
                                }
                            };
                        }
                    }
                    failures
                })
            })
            .collect();
        // Two new CAs later.
        let second = async {
            let mut seen = vec![first];
            while seen.len() < 3 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let now = stored_bundle(&api).certificates()[0].clone();
                if !seen.contains(&now) {
                    seen.push(now)
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), second).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Vec::<String>::new());
        }
        assert!(served.load(Ordering::Relaxed) > 50, "{served:?}");
    }

    #[tokio::test]
    async fn it_says_not_ready_before_it_stops_answering() {
        let api = FakeApi::default();
        install(&api);
        let running = run(&api, &[]).await;
        eventually(SOON, || ready(&running)).await;
        let (webhook, healthz) = (running.webhook, running.healthz.unwrap());
        let bundle = published(&api, &configurations()[0]);
        let mut open = connect(webhook, &bundle, NAME).await.unwrap();
        exchange(&mut open).await.unwrap();
        let stopping = tokio::spawn(running.stop(Duration::from_secs(1)));
        eventually(SOON, || async {
            if get(healthz, "/readyz").await == (503, "shutting down\n".into()) { Ok(()) } else { Err("ready".into()) }
        })
        .await;
        review(webhook, &bundle).await.unwrap();
        exchange(&mut open).await.unwrap();
        stopping.await.unwrap();
        assert!(TcpStream::connect(webhook).await.is_err(), "the port is closed");
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
}
