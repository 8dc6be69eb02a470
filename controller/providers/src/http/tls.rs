//! TLS of outgoing connections: whom to trust, and with which certificate to show up.
//!
//! Lives here: from PEM to a rustls configuration. Deliberately not here: where the PEM comes from (`ca.rs`).

use std::sync::{Arc, OnceLock};

use provider::{Error, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secret::SecretBytes;

const OPERATION: &str = "Connect";

/// Everything about TLS that makes two connections different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) roots: Roots,
    pub(crate) identity: Option<Identity>,
}

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The system's certificate authorities.
    #[default]
    System,
    /// Only these, in PEM. As the reference does, so that a store with a CA of its own can't be served by a public one.
    Only(Vec<u8>),
    /// Anyone. Only where the operator's own environment asks for it.
    Anyone,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The certificate and what lies between it and its root, in PEM.
    pub(crate) chain: Vec<u8>,
    /// The private key in PEM.
    pub(crate) key: SecretBytes,
    /// The setting it comes from, for errors.
    pub(crate) setting: &'static str,
}

/// The system's certificate authorities, read at the first use: some 150 of them, which most stores share.
#[derive(Default)]
pub(crate) struct SystemRoots(OnceLock<Arc<RootCertStore>>);

impl SystemRoots {
    fn get(&self) -> Arc<RootCertStore> {
        let load = || {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            let (_, ignored) = roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                tracing::warn!(
                    ignored,
                    "the system has no certificate authorities; https needs caBundle or caProvider"
                );
            }
            Arc::new(roots)
        };
        Arc::clone(self.0.get_or_init(load))
    }
}

/// Whether `text` holds at least one certificate in PEM, and no certificate that isn't one.
pub(crate) fn is_pem(text: &[u8]) -> bool {
    certificates(text).is_some()
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certs: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!certs.is_empty()).then_some(certs)
}

/// The rustls configuration of `settings`.
///
/// # Errors
/// `Invalid` when certificates or keys can't be used.
pub(super) fn client_config(settings: &TlsSettings, system: &SystemRoots) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = |what: &str| Error::new(ErrorKind::Invalid, OPERATION, what.to_owned());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("no usable TLS version"))?;
    let builder = match &settings.roots {
        Roots::System => builder.with_root_certificates(system.get()),
        Roots::Only(pem) => {
            let mut roots = RootCertStore::empty();
            let (_, ignored) = roots.add_parsable_certificates(
                certificates(pem).ok_or_else(|| unusable("failed to decode ca bundle: no certificate in PEM"))?,
            );
            if roots.is_empty() || ignored > 0 {
                return Err(unusable("failed to parse the new certificate, not valid pem data"));
            }
            builder.with_root_certificates(roots)
        }
        Roots::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification::new(&provider))),
    };
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key, setting }) => {
            let chain = certificates(chain)
                .ok_or_else(|| unusable(&format!("{setting}: the client certificate is not in PEM")))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose())
                .map_err(|_| unusable(&format!("{setting}: the private key is not in PEM")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| unusable(&format!("{setting}: the private key doesn't belong to the certificate")))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts any server certificate; the handshake's own signatures are still checked.
#[derive(Debug)]
struct NoVerification(WebPkiSupportedAlgorithms);

impl NoVerification {
    fn new(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
