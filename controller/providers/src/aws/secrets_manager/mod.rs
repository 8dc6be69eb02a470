//! AWS Secrets Manager. `read.rs` reads one secret, `find.rs` finds many, `push.rs` writes.
//!
//! API: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>.

mod batch;
mod desired;
mod find;
mod push;
mod read;

use std::time::Duration;

use api::AwsDeletion;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use super::batch::{Batches, is_plain};
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
    batches: Batches,
    patience: Option<Duration>,
    deletion: AwsDeletion,
}

impl SecretsManager {
    pub(super) fn new(settings: Settings, config: &SdkConfig, credentials: SharedCredentialsProvider) -> Self {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(config);
        config.set_endpoint_url(settings.secrets_manager_endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            credentials,
            target: Target::secrets_manager(&settings),
            patience: settings.patience(),
            prefix: settings.prefix,
            batches: Batches::default(),
            deletion: settings.deletion,
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

    fn batch(&self, key: &ReadKey) -> usize {
        if self.batches.allowed() && is_plain(key) { batch::SIZE } else { 1 }
    }

    async fn read_many(&self, keys: &[ReadKey], calls: &dyn Calls) -> Vec<Result<Payload, Error>> {
        batch::read_many(self, keys, calls).await
    }

    fn patience(&self) -> Option<Duration> {
        self.patience
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

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        auth::validate(&self.credentials, &self.target).await
    }
}
