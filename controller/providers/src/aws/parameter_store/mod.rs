//! AWS Systems Manager Parameter Store. `read.rs` reads one parameter, `batch.rs` several, `find.rs` finds many, `push.rs` writes.
//!
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/>.

mod batch;
mod find;
mod push;
mod read;

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ssm::Client;
use provider::{Calls, Capabilities, Error, Find, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use super::batch::{Batches, is_plain};
use super::config::Settings;
use super::error::Target;
use super::{auth, value};

pub(super) const METRIC_NAME: &str = "AWS/ParameterStore";
pub(super) const GET: &str = "GetParameter";
const GET_MANY: &str = "GetParameters";
const TAGS: &str = "ListTagsForResource";
const BY_PATH: &str = "GetParametersByPath";
/// The operation, and its name in the metric, which in the reference lacks the last letter.
const DESCRIBE: &str = "DescribeParameters";
const DESCRIBE_CALL: &str = "DescribeParameter";

/// An opened `aws` store of the service `ParameterStore`.
pub(super) struct ParameterStore {
    client: Client,
    credentials: SharedCredentialsProvider,
    prefix: String,
    target: Target,
    batches: Batches,
    patience: Option<Duration>,
}

impl ParameterStore {
    pub(super) fn new(settings: Settings, config: &SdkConfig, credentials: SharedCredentialsProvider) -> Self {
        let mut config = aws_sdk_ssm::config::Builder::from(config);
        config.set_endpoint_url(settings.ssm_endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            credentials,
            target: Target::ssm(&settings),
            patience: settings.patience(),
            prefix: settings.prefix,
            batches: Batches::default(),
        }
    }
}

#[async_trait]
impl Provider for ParameterStore {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, key: &ReadKey) -> &'static str {
        if key.metadata { TAGS } else { GET }
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
