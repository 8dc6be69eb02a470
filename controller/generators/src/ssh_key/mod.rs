//! SSHKey: a pair of keys, as `ssh-keygen` would write it.
//!
//! Here: which key to make, and the two entries. The numbers of a key are made in `ec` and `rsa`, and written down in
//! `openssh`.

mod ec;
mod openssh;
mod rsa;

use api::generator::{SshKeySpec, SshKeyType};
use async_trait::async_trait;
use provider::Error;
use secret::{SecretBytes, SecretMap};

use crate::{Generator, Given, Random, invalid};

const RSA_BITS: i64 = 2048;

pub(crate) struct SshKey(pub(crate) SshKeySpec);

#[async_trait]
impl Generator for SshKey {
    async fn generate(&self, given: &Given<'_>) -> Result<SecretMap, Error> {
        let SshKeySpec { key_type, key_size, comment } = &self.0;
        let comment = comment.as_deref().unwrap_or_default();
        let key = make(*key_type, *key_size, given.random)
            .map_err(|text| invalid(format!("unable to generate SSH key: {text}")))?;
        let check = u32::from_be_bytes(given.random.bytes());
        Ok(SecretMap::from([
            ("privateKey".to_owned(), key.private(comment, check)),
            ("publicKey".to_owned(), SecretBytes::from(key.public(comment))),
        ]))
    }
}

/// An unknown size of an ECDSA key means 256 bits, as in the reference; that of an Ed25519 key is fixed.
fn make(key_type: SshKeyType, bits: Option<i64>, random: Random<'_>) -> Result<openssh::Key, String> {
    match key_type {
        SshKeyType::Rsa => rsa::make(bits.unwrap_or(RSA_BITS)),
        SshKeyType::Ed25519 => ec::ed25519(random),
        SshKeyType::Ecdsa => ec::ecdsa(
            match bits {
                Some(384) => ec::Curve::P384,
                Some(521) => ec::Curve::P521,
                Some(_) | None => ec::Curve::P256,
            },
            random,
        ),
    }
}
