//! `caBundle` and `caProvider`: whom a store trusts.
//!
//! Deliberately not here: TLS itself (`http/tls.rs`), and which namespace a `caProvider` may name (`Credentials`).

use api::CaProvider;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::{Credentials, Error, ErrorKind};

use crate::http::{Roots, is_pem};

const OPERATION: &str = "Open";

/// The roots that a store names: its bundle, else what its `caProvider` refers to, else the system's.
///
/// # Errors
/// `Invalid` for what isn't PEM; whatever looking up the `caProvider` gives.
pub(crate) async fn roots(
    bundle: Option<&str>,
    provider: Option<&CaProvider>,
    credentials: &dyn Credentials,
) -> Result<Roots, Error> {
    if let Some(bundle) = bundle.filter(|b| !b.is_empty()) {
        return decode(bundle.as_bytes()).map(Roots::Only);
    }
    match provider {
        Some(provider) => decode(&credentials.certificate_authority(provider).await?).map(Roots::Only),
        None => Ok(Roots::System),
    }
}

/// PEM out of a field that holds PEM, base64 of PEM, or (since the API server shows bytes in base64) base64 of that.
fn decode(given: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = given.to_vec();
    for _ in 0..3 {
        if is_pem(&text) {
            return Ok(text);
        }
        text.retain(|b| !b.is_ascii_whitespace());
        match STANDARD.decode(&text) {
            Ok(decoded) => text = decoded,
            Err(_) => break,
        }
    }
    let text = "failed to decode ca bundle: failed to parse the new certificate, not valid pem data";
    Err(Error::new(ErrorKind::Invalid, OPERATION, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a certificate in PEM; whether it is one is TLS's business.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_bundle_is_pem_or_base64_of_pem() {
        let once = STANDARD.encode(PEM);
        let twice = STANDARD.encode(&once);
        let broken = once.replacen("LS0t", "LS0t\n", 1);
        for good in [PEM, &once, &twice, &broken] {
            assert_eq!(decode(good.as_bytes()).unwrap(), PEM.as_bytes(), "{good}");
        }
        for bad in ["", "canary", "Y2FuYXJ5", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"] {
            let error = decode(bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("not valid pem data"), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
