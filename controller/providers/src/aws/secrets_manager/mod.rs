//! AWS Secrets Manager. `read.rs` reads one secret, `find.rs` finds many.
//!
//! API: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>.

mod find;
mod read;

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};

use super::config::Settings;
use super::error::Target;
use super::{auth, value};

pub(super) const METRIC_NAME: &str = "AWS/SecretsManager";
pub(super) const GET: &str = "GetSecretValue";
const DESCRIBE: &str = "DescribeSecret";
const LIST: &str = "ListSecrets";
const BATCH: &str = "BatchGetSecretValue";

/// An opened `aws` store of the service `SecretsManager`.
pub(super) struct SecretsManager {
    client: Client,
    credentials: SharedCredentialsProvider,
    prefix: String,
    target: Target,
    /// Whether reading several secrets by name in one call was refused: the reference doesn't need the right to it.
    no_batches: AtomicBool,
}

impl SecretsManager {
    pub(super) fn new(settings: Settings, config: &SdkConfig, credentials: SharedCredentialsProvider) -> Self {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(config);
        config.set_endpoint_url(settings.secrets_manager_endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            credentials,
            target: Target::secrets_manager(&settings),
            prefix: settings.prefix,
            no_batches: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Provider for SecretsManager {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, key: &ReadKey) -> &'static str {
        if key.metadata { DESCRIBE } else { GET }
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        read::read(self, key).await
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        value::value(payload, reference, GET)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        value::map(payload, reference, GET)
    }

    async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(self, find, calls).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        auth::validate(&self.credentials).await
    }
}
