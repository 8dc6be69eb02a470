//! UUID: a random one (version 4 of RFC 9562).

use api::generator::UuidSpec;
use async_trait::async_trait;
use provider::Error;
use secret::{SecretBytes, SecretMap};

use crate::{Generator, Given, Random};

pub(crate) struct Uuid(pub(crate) UuidSpec);

#[async_trait]
impl Generator for Uuid {
    async fn generate(&self, given: &Given<'_>) -> Result<SecretMap, Error> {
        let UuidSpec {} = self.0;
        Ok(SecretMap::from([("uuid".to_owned(), SecretBytes::from(random(given.random)))]))
    }
}

fn random(random: Random<'_>) -> String {
    let mut number = u128::from_be_bytes(random.bytes());
    number = number & !(0xf << 76) | 4 << 76;
    number = number & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
