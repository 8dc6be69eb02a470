//! Reading a certificate: certificate, chain and key as one PEM text.
//!
//! Each export is paid for, so what was exported is kept until the certificate is another one, and nobody exports what
//! another one is exporting.
//!
//! Source: AWS Certificate Manager API, "GetCertificate", "DescribeCertificate" and "ExportCertificate".

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_acm::types::CertificateExport;
use aws_smithy_types::Blob;
use provider::{Error, ErrorKind, Payload, ReadKey};
use secret::SecretBytes;
use zeroize::Zeroizing;

use super::super::error::{of_empty_answer, of_sdk};
use super::{CertificateManager, GET};
use crate::template_env::random_bytes;

const DESCRIBE: &str = "DescribeCertificate";
const EXPORT: &str = "ExportCertificate";
const PASSPHRASE: usize = 32;
/// All that ACM takes without ado, and as many as divide 256.
const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
/// So many certificates of a store are kept.
const KEPT: usize = 128;

/// What was exported last, the oldest first.
#[derive(Default)]
pub(super) struct Exports {
    kept: Mutex<VecDeque<Export>>,
    /// Held during an export, so that whoever wants the same one waits for it.
    exporting: tokio::sync::Mutex<()>,
}

struct Export {
    arn: String,
    /// A digest of the certificate and its chain.
    print: Vec<u8>,
    /// One that can't be opened is paid for as well.
    opened: Result<SecretBytes, Error>,
}

impl Exports {
    fn of(&self, arn: &str, print: &[u8]) -> Option<Result<SecretBytes, Error>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|export| export.arn == arn && export.print == print).map(|export| export.opened.clone())
    }

    fn keep(&self, export: Export) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.arn != export.arn);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(export);
    }
}

/// # Errors
/// `Invalid` for a certificate that isn't there, as in the reference: it is no sign that a Secret may go.
pub(super) async fn read(store: &CertificateManager, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key: arn, version: _, metadata: _ } = read;
    if arn.is_empty() {
        let text = "certificate ARN must be specified in remoteRef.key";
        return Err(Error::new(ErrorKind::Invalid, GET, text));
    }
    let sent = store.client.get_certificate().certificate_arn(arn).send().await;
    let failed = |error: Error| error.context(format_args!("failed to get certificate {arn}"));
    let held = sent.map_err(|error| failed(of_sdk(&error, GET, &store.target)))?;
    let certificate = held.certificate().ok_or_else(|| failed(of_empty_answer(GET, &store.target)))?;
    let print = fingerprint(certificate, held.certificate_chain());
    if let Some(opened) = store.exports.of(arn, &print) {
        return opened.map(Payload);
    }
    let _exporting = store.exports.exporting.lock().await;
    if let Some(opened) = store.exports.of(arn, &print) {
        return opened.map(Payload);
    }
    let sent = store.client.describe_certificate().certificate_arn(arn).send().await;
    let described = sent.map_err(|error| {
        of_sdk(&error, DESCRIBE, &store.target).context(format_args!("failed to describe certificate {arn}"))
    })?;
    let options = described.certificate().and_then(|detail| detail.options());
    if options.and_then(|options| options.export()) != Some(&CertificateExport::Enabled) {
        let text = format!(
            "certificate {arn} is not exportable (Options.Export is not ENABLED); request one with export enabled"
        );
        return Err(Error::new(ErrorKind::Invalid, DESCRIBE, text));
    }
    let opened = export(store, arn).await?;
    store.exports.keep(Export { arn: arn.clone(), print, opened: opened.clone() });
    opened.map(Payload)
}

fn fingerprint(certificate: &str, chain: Option<&str>) -> Vec<u8> {
    let text = format!("{}\n{}", certificate.trim(), chain.unwrap_or_default().trim());
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

/// The certificate, exported. The inner error is that of one whose key can't be decrypted.
async fn export(store: &CertificateManager, arn: &str) -> Result<Result<SecretBytes, Error>, Error> {
    let mut passphrase = Zeroizing::new([0; PASSPHRASE]);
    random_bytes(&mut *passphrase);
    for byte in passphrase.iter_mut() {
        *byte = ALPHABET[usize::from(*byte) % ALPHABET.len()];
    }
    let request = store.client.export_certificate().certificate_arn(arn).passphrase(Blob::new(*passphrase));
    let failed = |error: Error| error.context(format_args!("failed to export certificate {arn}"));
    let exported = request.send().await.map_err(|error| failed(of_sdk(&error, EXPORT, &store.target)))?;
    let (Some(certificate), Some(key)) = (exported.certificate(), exported.private_key()) else {
        return Err(failed(of_empty_answer(EXPORT, &store.target)));
    };
    let key = match template::open_pkcs8(key.as_bytes(), &*passphrase) {
        Ok(key) => key,
        Err(why) => {
            let text = format!("failed to decrypt exported private key: {why}");
            return Ok(Err(Error::new(ErrorKind::Malformed, EXPORT, text)));
        }
    };
    let parts = [Some(certificate.as_bytes()), exported.certificate_chain().map(str::as_bytes), Some(&key)];
    let mut pem = Vec::with_capacity(16 * 1024);
    for part in parts.into_iter().flatten() {
        pem.extend_from_slice(part.trim_ascii_end());
        pem.push(b'\n');
    }
    Ok(Ok(SecretBytes::new(pem)))
}
