//! The text formats of OpenSSH: the private key without a passphrase, and the line for `authorized_keys`.
//!
//! Own code: crate `ssh-key` wraps lines elsewhere than the reference does, and brings a second set of algorithms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secret::SecretBytes;
use zeroize::Zeroizing;

/// The cipher "none" still has a block.
const BLOCK: usize = 8;
/// Of a line in PEM.
const WIDTH: usize = 64;

/// A key as OpenSSH writes it.
pub(super) struct Key {
    /// Its algorithm, such as `ssh-ed25519`.
    pub(super) algorithm: &'static str,
    /// What the public key holds behind the name of the algorithm.
    pub(super) public: Blob,
    /// What the private key holds behind the name of the algorithm, but for the comment.
    pub(super) private: Blob,
}

impl Key {
    /// The line for `authorized_keys`, with a line break.
    pub(super) fn public(&self, comment: &str) -> String {
        let space = if comment.is_empty() { "" } else { " " };
        format!("{} {}{space}{comment}\n", self.algorithm, STANDARD.encode(&*self.public_blob().0))
    }

    /// The private key in PEM. `check` is any number: readers see by it whether a passphrase was right.
    pub(super) fn private(&self, comment: &str, check: u32) -> SecretBytes {
        let mut inner = Blob::default();
        inner.number(check);
        inner.number(check);
        inner.text(self.algorithm);
        inner.0.extend_from_slice(&self.private.0);
        inner.text(comment);
        for padding in 1..=(BLOCK - inner.0.len() % BLOCK) % BLOCK {
            inner.0.push(padding as u8);
        }
        let mut outer = Blob::default();
        outer.0.extend_from_slice(b"openssh-key-v1\0");
        outer.text("none");
        outer.text("none");
        outer.text("");
        outer.number(1);
        outer.string(&self.public_blob().0);
        outer.string(&inner.0);
        let base64 = Zeroizing::new(STANDARD.encode(&*outer.0));
        let mut pem = Vec::with_capacity(base64.len() + base64.len() / WIDTH + 80);
        pem.extend_from_slice(b"-----BEGIN OPENSSH PRIVATE KEY-----\n");
        for line in base64.as_bytes().chunks(WIDTH) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END OPENSSH PRIVATE KEY-----\n");
        SecretBytes::new(pem)
    }

    fn public_blob(&self) -> Blob {
        let mut blob = Blob::default();
        blob.text(self.algorithm);
        blob.0.extend_from_slice(&self.public.0);
        blob
    }
}

/// Fields in SSH's wire format (RFC 4251).
#[derive(Default)]
pub(super) struct Blob(Zeroizing<Vec<u8>>);

impl Blob {
    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Bytes with their length in front.
    pub(super) fn string(&mut self, bytes: &[u8]) {
        // Nothing here comes near to 4 GiB: a comment is part of an object, which the API server limits.
        self.number(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.string(text.as_bytes());
    }

    /// A positive number in big endian; leading zeros don't matter.
    pub(super) fn integer(&mut self, bytes: &[u8]) {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let significant = &bytes[zeros..];
        let mut signed = Zeroizing::new(Vec::with_capacity(significant.len() + 1));
        if significant.first().is_some_and(|first| first & 0x80 != 0) {
            signed.push(0);
        }
        signed.extend_from_slice(significant);
        self.string(&signed);
    }
}
