//! Connections: TLS with the store's own authority and client certificate, proxies, redirects. Vault stands for all.

use std::sync::Arc;

use api::RetrySettings;
use provider::{Error, ErrorKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::support::{Lookup, Opening, Reply, Stub, reference, value};

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key, in PEM.
    pub(super) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        roots
    }
}

/// What accepts TLS with a certificate for `name`; with `clients`, what wants a certificate of that authority.
pub(super) fn acceptor(authority: &Authority, name: &str, clients: Option<&Authority>) -> TlsAcceptor {
    let (certificate, key) = authority.issue(name);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let roots = Arc::new(clients.roots());
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap(),
            )
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// A server with such a certificate.
pub(super) async fn server(authority: &Authority, name: &str, clients: Option<&Authority>) -> Stub {
    let answer = || Reply::json(200, json!({"data": {"data": {"v": "x"}}}));
    Stub::start_with(Some(acceptor(authority, name, clients)), move |_| answer()).await
}

fn store(url: String, patch: Value, secrets: &[(&'static str, &str)]) -> Opening {
    let mut vault = json!({"server": url, "path": "kv", "auth": {"tokenSecretRef": {"name": "creds"}}});
    vault.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let mut secrets = secrets.to_vec();
    secrets.push(("creds/token", "t"));
    let mut opening = Opening::of(json!({"vault": vault}), Lookup::of(&secrets));
    opening.retry = Some(RetrySettings { max_retries: Some(0), retry_interval: None });
    opening
}

async fn read(opening: &Opening) -> Result<String, Error> {
    let store = opening.open().await?;
    value(store.as_ref(), &reference("k", None, Some("v"))).await
}

#[tokio::test]
async fn a_server_is_trusted_by_the_stores_own_authority_alone() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = server(&ours, "localhost", None).await;
    let misnamed = server(&ours, "other.example", None).await;
    let plain = Stub::start(|_| Reply::text(200, "canary")).await;
    let url = |stub: &Stub| format!("https://localhost:{}", stub.address.port());
    let provider = json!({"caProvider": {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}});
    let bundle = |authority: &Authority| json!({"caBundle": authority.pem()});

    assert_eq!(read(&store(url(&good), bundle(&ours), &[])).await.unwrap(), "x");
    assert_eq!(read(&store(url(&good), provider, &[("ca", &ours.pem())])).await.unwrap(), "x");

    let cases = [
        (&good, json!({}), "unknown authority (give it in caBundle or caProvider)"),
        (&good, bundle(&theirs), "unknown authority"),
        (&misnamed, bundle(&ours), "for another host name"),
        (&plain, bundle(&ours), "doesn't speak TLS"),
    ];
    for (stub, patch, text) in cases {
        let error = read(&store(url(stub), patch, &[])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{text}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut lax = store(url(&good), json!({}), &[]);
    lax.environment.vault.skip_verify = true;
    assert_eq!(read(&lax).await.unwrap(), "x");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_server_wants_one() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let stub = server(&ours, "localhost", Some(&clients)).await;
    let url = format!("https://localhost:{}", stub.address.port());
    let (certificate, key) = clients.issue("client");
    let (_, other_key) = clients.issue("client");
    let tls = json!({"caBundle": ours.pem(), "tls": {"certSecretRef": {"name": "c"}, "keySecretRef": {"name": "c"}}});

    let good = [("c/tls.crt", certificate.as_str()), ("c/tls.key", key.as_str())];
    assert_eq!(read(&store(url.clone(), tls.clone(), &good)).await.unwrap(), "x");

    let error = read(&store(url.clone(), json!({"caBundle": ours.pem()}), &[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("client certificate"), "{error}");

    let cases = [
        ([("c/tls.crt", "canary"), ("c/tls.key", key.as_str())], "certificate is not in PEM"),
        ([("c/tls.crt", certificate.as_str()), ("c/tls.key", "canary")], "private key is not in PEM"),
        ([("c/tls.crt", certificate.as_str()), ("c/tls.key", other_key.as_str())], "doesn't belong"),
    ];
    for (secrets, text) in cases {
        let error = read(&store(url.clone(), tls.clone(), &secrets)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(text) && error.to_string().contains("spec.provider.vault.tls"), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_but_not_for_loopback() {
    let proxy = Stub::start(|_| Reply::json(200, json!({"data": {"data": {"v": "proxied"}}}))).await;
    let direct = Stub::start(|_| Reply::json(200, json!({"data": {"data": {"v": "direct"}}}))).await;
    let through = |url: &str| {
        let mut opening = store(url.to_owned(), json!({}), &[]);
        opening.environment.proxy.http = Some(proxy.url());
        opening.environment.proxy.none = Some("internal.example".to_owned());
        opening
    };
    assert_eq!(read(&through("http://vault.example:8200")).await.unwrap(), "proxied");
    assert_eq!(proxy.lines(), ["GET http://vault.example:8200/v1/kv/data/k"]);
    assert_eq!(read(&through(&direct.url())).await.unwrap(), "direct");
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_only() {
    let elsewhere = Stub::start(|_| Reply::json(200, json!({"data": {"data": {"v": "stolen"}}}))).await;
    let target = elsewhere.url();
    let stub = Stub::start(move |seen| match seen.path.as_str() {
        "/v1/kv/data/k" => Reply::text(307, "").with("location", "/v1/moved"),
        "/v1/kv/data/away" => Reply::text(307, "").with("location", format!("{target}/v1/kv/data/away")),
        "/v1/kv/data/loop" => Reply::text(307, "").with("location", "/v1/kv/data/loop"),
        _ => Reply::json(200, json!({"data": {"data": {"v": "x"}}})),
    })
    .await;
    let opened = store(stub.url(), json!({}), &[]).open().await.unwrap();
    assert_eq!(value(opened.as_ref(), &reference("k", None, Some("v"))).await.unwrap(), "x");
    for key in ["away", "loop"] {
        let error = opened.read(&reference(key, None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert!(elsewhere.lines().is_empty(), "the token went to another host");
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let error = read(&store("http://no-such-host.invalid:8200".to_owned(), json!({}), &[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("http://no-such-host.invalid:8200: the host name has no address"), "{error}");
}
