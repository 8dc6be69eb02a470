//! A certificate in `--cert-dir`: served as it is, exchanged when it changes, and no business of ours otherwise.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use certgen::fake::FakeApi;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use webhook::run::Running;

use crate::harness::*;

/// Somebody's PKI: a root, and pairs under an authority that lies between.
struct Pki {
    root: String,
    between: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Pair {
    chain: String,
    key: String,
}

impl Pki {
    fn new() -> Self {
        let authority = || {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority().self_signed(&root_key).unwrap();
        let issuer = Issuer::new(authority(), root_key);
        let between = authority().signed_by(&key, &issuer).unwrap().pem();
        Self { root: root.pem(), between, issuer: Issuer::new(authority(), key) }
    }

    fn pair(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        Pair { chain: leaf.pem() + &self.between, key: key.serialize_pem() }
    }

    fn publish(&self, api: &FakeApi) {
        for path in configurations() {
            let mut configuration = api.get(&path).unwrap();
            for hook in configuration["webhooks"].as_array_mut().unwrap() {
                hook["clientConfig"]["caBundle"] = json!(STANDARD.encode(&self.root));
                hook["clientConfig"]["service"] = json!({"name": "hook", "namespace": "ns", "path": "/p"});
            }
            api.put(&path, configuration);
        }
    }
}

/// Exchanges all files at once, as the kubelet does with a mounted Secret: `..data` links to the version that counts.
fn mount(directory: &Path, version: &str, files: &[(&str, &str)]) {
    use std::os::unix::fs::symlink;
    let data = directory.join(version);
    std::fs::create_dir(&data).unwrap();
    for (name, text) in files {
        std::fs::write(data.join(name), text).unwrap();
        let link = directory.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    let fresh = directory.join("..fresh");
    symlink(version, &fresh).unwrap();
    std::fs::rename(fresh, directory.join("..data")).unwrap();
}

async fn start(api: &FakeApi, directory: &Path) -> Running {
    run(api, &[&format!("--cert-dir={}", directory.display())]).await
}

async fn says(running: &Running, part: &str) {
    eventually(SOON, || async {
        match ready(running).await {
            Err(why) if why.contains(part) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_mounted_certificate_is_served_as_it_is_and_exchanged_when_it_changes() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let pki = Pki::new();
    pki.publish(&api);
    let (first, second) = (pki.pair(NAME), pki.pair(NAME));
    let files =
        |pair: &Pair| [("tls.crt", pair.chain.clone()), ("tls.key", pair.key.clone()), ("ca.crt", pki.root.clone())];
    let put = |version: &str, pair: &Pair| {
        let files = files(pair);
        mount(directory.path(), version, &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    };
    put("..1", &first);
    let running = start(&api, directory.path()).await;
    eventually(SOON, || ready(&running)).await;
    let served = async || {
        let stream = connect(running.webhook, pki.root.as_bytes(), NAME).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let of = |pair: &Pair| certgen::Bundle::parse(pair.chain.as_bytes()).unwrap().certificates()[0].to_vec();
    assert_eq!(served().await, of(&first));
    let mut open = connect(running.webhook, pki.root.as_bytes(), NAME).await.unwrap();
    exchange(&mut open).await.unwrap();

    put("..2", &second);
    eventually(SOON, || async { if served().await == of(&second) { Ok(()) } else { Err("the old one".into()) } }).await;
    exchange(&mut open).await.unwrap();

    let mismatched = Pair { chain: first.chain.clone(), key: second.key.clone() };
    let garbage = Pair { chain: "garbage".into(), key: "garbage".into() };
    let empty = Pair { chain: String::new(), key: String::new() };
    for (version, bad) in [("..3", &mismatched), ("..4", &garbage), ("..5", &empty)] {
        put(version, bad);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(served().await, of(&second), "{version}: the last good one stays");
        ready(&running).await.unwrap();
    }
    put("..6", &first);
    eventually(SOON, || async { if served().await == of(&first) { Ok(()) } else { Err("the old one".into()) } }).await;

    assert_eq!(api.get(SECRET), None, "nothing is issued");
    assert_eq!(api.count("PATCH"), 0, "nothing is published");
}

#[tokio::test]
async fn a_pair_that_cannot_be_served_is_waited_for() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let pki = Pki::new();
    pki.publish(&api);
    let (good, other) = (pki.pair(NAME), pki.pair(NAME));
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tls.crt", "garbage");
    let running = start(&api, directory.path()).await;
    says(&running, "tls.crt holds no certificate").await;
    write("tls.crt", &good.chain);
    says(&running, "tls.key is missing or empty").await;
    write("tls.key", "garbage");
    says(&running, "tls.key holds no private key").await;
    write("tls.key", &other.key);
    says(&running, "tls.crt and tls.key can't be served").await;
    assert_eq!(get(running.healthz.unwrap(), "/healthz").await.0, 200, "it is alive all the same");
    write("tls.key", &good.key);
    eventually(SOON, || ready(&running)).await;
}

#[tokio::test]
async fn readiness_tells_that_what_is_published_does_not_trust_the_mounted_certificate() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let (pki, foreign) = (Pki::new(), Pki::new());
    foreign.publish(&api);
    let pair = pki.pair(NAME);
    for (name, text) in [("tls.crt", &pair.chain), ("tls.key", &pair.key), ("ca.crt", &pki.root)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let running = start(&api, directory.path()).await;
    says(&running, "doesn't trust the certificate that is served").await;
    // cert-manager's injector comes round.
    pki.publish(&api);
    eventually(SOON, || ready(&running)).await;
}

#[tokio::test]
async fn without_the_right_to_read_configurations_the_mounted_ca_is_what_counts() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    for _ in 0..1_000 {
        for collection in [VALIDATING, MUTATING] {
            api.refuse_once("GET", collection, 403);
        }
    }
    let pki = Pki::new();
    let pair = pki.pair(NAME);
    for (name, text) in [("tls.crt", &pair.chain), ("tls.key", &pair.key), ("ca.crt", &pki.root)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let running = start(&api, directory.path()).await;
    eventually(SOON, || ready(&running)).await;
}

/// The reference's chart mounts the Secret that its cert controller keeps, and passes the flag: the Secret is empty at
/// first, and later what this webhook stored itself.
#[tokio::test]
async fn the_reference_s_mount_leaves_the_webhook_to_its_own_certificates() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let running = start(&api, directory.path()).await;
    eventually(SOON, || ready(&running)).await;
    let stored = api.get(SECRET).unwrap();
    let text =
        |name: &str| String::from_utf8(STANDARD.decode(stored["data"][name].as_str().unwrap()).unwrap()).unwrap();
    let files = ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(|name| (name, text(name)));
    mount(directory.path(), "..1", &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // It still heals, so it still looks after them.
    api.delete(SECRET);
    eventually(SOON, || async { if api.get(SECRET).is_some() { Ok(()) } else { Err("gone".into()) } }).await;
    let again = start(&api, directory.path()).await;
    eventually(SOON, || ready(&again)).await;
    let nowhere = start(&api, Path::new("/nowhere/certs")).await;
    eventually(SOON, || ready(&nowhere)).await;
}

#[tokio::test]
async fn a_certificate_that_is_mounted_later_takes_over() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let running = start(&api, directory.path()).await;
    eventually(SOON, || ready(&running)).await;
    let pki = Pki::new();
    let pair = pki.pair(NAME);
    mount(directory.path(), "..1", &[("tls.crt", &pair.chain), ("tls.key", &pair.key), ("ca.crt", &pki.root)]);
    eventually(SOON, || async { connect(running.webhook, pki.root.as_bytes(), NAME).await.map(drop) }).await;
    // What cert-manager publishes now is left alone.
    pki.publish(&api);
    eventually(SOON, || ready(&running)).await;
    assert_eq!(published(&api, &configurations()[0]), pki.root.as_bytes());
    // Emptied, it is still the issuer's; with the CA's key in it, it is ours again.
    mount(directory.path(), "..2", &[("tls.crt", ""), ("tls.key", ""), ("ca.crt", "")]);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    connect(running.webhook, pki.root.as_bytes(), NAME).await.unwrap();
    let stored = stored_bundle(&api).pem();
    mount(directory.path(), "..3", &[("ca.key", "theirs and ours")]);
    eventually(SOON, || async { connect(running.webhook, stored.as_bytes(), NAME).await.map(drop) }).await;
    eventually(SOON, || ready(&running)).await;
    assert_eq!(published(&api, &configurations()[0]), stored.as_bytes());
}

#[tokio::test]
async fn the_certificate_of_the_metrics_address_is_waited_for_and_exchanged() {
    let (api, directory) = (FakeApi::default(), tempfile::tempdir().unwrap());
    install(&api);
    let flags = ["--metrics-secure", &format!("--metrics-cert-dir={}", directory.path().display())];
    let running = run(&api, &flags).await;
    eventually(SOON, || ready(&running)).await;
    let metrics = async |root: &str| connect(running.metrics.unwrap(), root.as_bytes(), "metrics").await.map(drop);
    for name in ["first", "second"] {
        let pki = Pki::new();
        metrics(&pki.root).await.unwrap_err();
        let pair = pki.pair("metrics");
        mount(directory.path(), &format!("..{name}"), &[("tls.crt", &pair.chain), ("tls.key", &pair.key)]);
        eventually(SOON, || async { metrics(&pki.root).await }).await;
    }
}
