//! Serves TLS with a certificate that can be exchanged while connections are open.
//!
//! Which certificate, and when, is `trust` or `mounted`; how many connections there may be is `connections`. Connections
//! keep the certificate that they began with; only new handshakes see the new one.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use certgen::Leaf;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What the flags say about TLS.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Cipher suites of TLS 1.2 under Go's names; empty means all that rustls has.
    pub ciphers: Vec<String>,
    /// `1.2`, or anything else for 1.3.
    pub min_version: String,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// A serving configuration without a fixed certificate.
#[derive(Clone)]
pub struct Tls {
    live: RustlsConfig,
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
}

/// Until there is a certificate, handshakes fail.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl Tls {
    /// Reads the settings. Returns what of them could not be heeded, for the log.
    ///
    /// # Errors
    /// rustls's, when no usable combination is left.
    pub fn new(settings: &Settings) -> Result<(Self, Vec<String>), rustls::Error> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        let wanted: Vec<&str> = settings.ciphers.iter().map(|c| c.trim()).filter(|c| !c.is_empty()).collect();
        let mut ignored = Vec::new();
        if !wanted.is_empty() {
            for name in &wanted {
                if !provider.cipher_suites.iter().any(|suite| go_name(*suite) == *name) {
                    ignored.push(format!("--tls-ciphers: {name} is not supported and is left out"));
                }
            }
            // As in Go, the suites of TLS 1.3 are not a matter of choice.
            provider
                .cipher_suites
                .retain(|suite| suite.tls13().is_some() || wanted.contains(&go_name(*suite).as_str()));
        }
        let mut versions: &'static [&'static SupportedProtocolVersion] = match settings.min_version.as_str() {
            "1.2" => rustls::ALL_VERSIONS,
            "1.3" => ONLY_TLS13,
            other => {
                ignored.push(format!("--tls-min-version: {other:?} is unknown, 1.3 is used (1.2 and 1.3 are known)"));
                ONLY_TLS13
            }
        };
        if provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()) && versions.len() > 1 {
            ignored
                .push("--tls-ciphers: no supported cipher suite of TLS 1.2 is left, only TLS 1.3 is served".to_owned());
            versions = ONLY_TLS13;
        }
        let provider = Arc::new(provider);
        let alpn = if settings.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        let empty = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        Ok((Self { live: RustlsConfig::from_config(Arc::new(empty)), provider, versions, alpn }, ignored))
    }

    /// Serves `leaf` from the next handshake on.
    ///
    /// # Errors
    /// rustls's, when certificate and key don't fit.
    pub fn serve(&self, leaf: &Leaf) -> Result<(), rustls::Error> {
        self.serve_pair(vec![leaf.certificate().clone()], leaf.private_key())
    }

    /// Serves a certificate, followed by those between it and its root, from the next handshake on.
    ///
    /// # Errors
    /// rustls's, when certificate and key can't be read or don't fit; then nothing changes.
    pub fn serve_pair(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = self.alpn.clone();
        self.live.reload_from_config(Arc::new(config));
        Ok(())
    }

    /// The configuration for a server; it follows [`Tls::serve`].
    pub fn live(&self) -> RustlsConfig {
        self.live.clone()
    }
}

/// rustls's name of a suite is Go's, but for the prefix of TLS 1.3 (`TLS13_AES_…` for Go's `TLS_AES_…`).
fn go_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ciphers, lowest version, number of versions, suites of 1.2, flags that are told about.
    type Row = (&'static [&'static str], &'static str, usize, usize, &'static [&'static str]);

    const ECDSA: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";

    fn settings(ciphers: &[&str], min_version: &str) -> Settings {
        Settings {
            ciphers: ciphers.iter().map(|c| (*c).to_owned()).collect(),
            min_version: min_version.to_owned(),
            http2: false,
        }
    }

    #[test]
    fn flags_become_suites_and_versions_and_what_cannot_be_heeded_is_told() {
        let table: [Row; 7] = [
            (&[], "1.2", 2, 6, &[]),
            (&[""], "1.2", 2, 6, &[]),
            (&[], "1.3", 1, 6, &[]),
            (&[], "1.1", 1, 6, &["--tls-min-version"]),
            (&[ECDSA, " TLS_AES_128_GCM_SHA256"], "1.2", 2, 1, &[]),
            (&[ECDSA, "TLS_RSA_WITH_AES_128_CBC_SHA"], "1.2", 2, 1, &["TLS_RSA_WITH_AES_128_CBC_SHA"]),
            (&["TLS_RSA_WITH_AES_128_CBC_SHA"], "1.2", 1, 0, &["TLS_RSA_WITH_AES_128_CBC_SHA", "only TLS 1.3"]),
        ];
        for (ciphers, min_version, versions, suites, told) in table {
            let (tls, ignored) = Tls::new(&settings(ciphers, min_version)).unwrap();
            let of_12 = tls.provider.cipher_suites.iter().filter(|s| s.tls13().is_none()).count();
            assert_eq!((tls.versions.len(), of_12), (versions, suites), "{ciphers:?} {min_version}");
            assert_eq!(ignored.len(), told.len(), "{ignored:?}");
            assert!(ignored.iter().zip(told).all(|(text, part)| text.contains(part)), "{ignored:?}");
        }
    }
}
