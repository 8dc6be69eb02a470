//! Fake: the values that the spec lists.

use api::generator::FakeSpec;
use async_trait::async_trait;
use provider::Error;
use secret::{SecretBytes, SecretMap};

use crate::{Generator, Given};

pub(crate) struct Fake(pub(crate) FakeSpec);

#[async_trait]
impl Generator for Fake {
    async fn generate(&self, _: &Given<'_>) -> Result<SecretMap, Error> {
        let FakeSpec { controller: _, data } = &self.0;
        Ok(data.iter().map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str()))).collect())
    }
}
