//! AWS Certificate Manager: certificates with their keys, exported. `read.rs` reads one. Importing them (pushes) is not there yet.
//!
//! API: <https://docs.aws.amazon.com/acm/latest/APIReference/>.

mod read;

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_acm::Client;
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};

use super::auth;
use super::config::Settings;
use super::error::Target;
use read::Exports;

pub(super) const METRIC_NAME: &str = "AWS/CertificateManager";
pub(super) const GET: &str = "GetCertificate";

/// An opened `aws` store of the service `CertificateManager`.
pub(super) struct CertificateManager {
    client: Client,
    credentials: SharedCredentialsProvider,
    target: Target,
    exports: Exports,
    patience: Option<Duration>,
}

impl CertificateManager {
    pub(super) fn new(settings: &Settings, config: &SdkConfig, credentials: SharedCredentialsProvider) -> Self {
        let mut config = aws_sdk_acm::config::Builder::from(config);
        config.set_endpoint_url(settings.acm_endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            credentials,
            target: Target::acm(settings),
            exports: Exports::default(),
            patience: settings.patience(),
        }
    }
}

fn unsupported(operation: &'static str) -> Error {
    let text = "operation not supported by AWS Certificate Manager provider: a certificate is read whole, by `data`";
    Error::new(ErrorKind::Unsupported, operation, text)
}

#[async_trait]
impl Provider for CertificateManager {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        GET
    }

    /// Neither version nor metadata has a meaning, as in the reference.
    fn read_key(&self, reference: &RemoteRef) -> ReadKey {
        ReadKey { key: reference.read.key.clone(), version: None, metadata: false }
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// A property has no meaning, as in the reference.
    fn value(&self, payload: &Payload, _: &RemoteRef) -> Result<SecretBytes, Error> {
        Ok(payload.0.clone())
    }

    fn map(&self, _: &Payload, _: &RemoteRef) -> Result<SecretMap, Error> {
        Err(unsupported(GET))
    }

    async fn find(&self, _: &Find, _: &dyn Calls) -> Result<SecretMap, Error> {
        Err(unsupported("ListCertificates"))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    async fn validate(&self) -> Validation {
        auth::validate(&self.credentials, &self.target).await
    }
}
