//! The provider `aws`: Secrets Manager. Parameter Store and Certificate Manager are not there yet.
//!
//! `config.rs` checks the settings, `auth.rs` gets credentials (static, the SDK's default chain, assumed roles),
//! `transport.rs` puts AWS's SDK on this crate's HTTP layer, `read.rs` reads and picks values, `error.rs` sorts what AWS
//! says. API: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>. For users: `docs/providers/aws.md`.

mod auth;
mod config;
mod error;
mod read;
mod transport;

use api::{AwsProvider, AwsSessionTagsPolicy, StoreKind};
use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::Client;
use provider::{Capabilities, Error, ErrorKind, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};

use crate::http::{Roots, TlsSettings};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use crate::{Environment, OpenContext, StoreIdentity};
use config::Settings;
use error::Target;

const METRIC_NAME: &str = "AWS/SecretsManager";
const GET: &str = "GetSecretValue";
const DESCRIBE: &str = "DescribeSecret";

/// An opened `aws` store.
pub(crate) struct SecretsManager {
    client: Client,
    credentials: SharedCredentialsProvider,
    prefix: String,
    target: Target,
}

/// See [`crate::uses_consumer`]. Session tags of a policy name the consumer's namespace.
pub(crate) fn uses_consumer(spec: &AwsProvider, environment: &Environment) -> bool {
    let nobody = StoreIdentity { kind: StoreKind::ClusterSecretStore, name: String::new(), namespace: None };
    spec.session_tags_policy != AwsSessionTagsPolicy::None
        || Settings::of(spec, &nobody, None, &environment.aws)
            .is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

/// Checks the settings and looks up static credentials. Nothing is sent to AWS yet.
pub(crate) async fn open(spec: &AwsProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, &cx.store, cx.retry, &cx.environment.aws)?;
    if needs_consumer(cx.credentials.as_ref(), settings.namespaces()) {
        return Ok(Box::new(Referent { metric_name: METRIC_NAME, call_name: GET }));
    }
    let roots = match &cx.environment.aws.ca_bundle {
        None => Roots::System,
        Some(file) => Roots::Only(tokio::fs::read(file).await.map_err(|_| {
            let text = "the file that the environment variable AWS_CA_BUNDLE names can't be read";
            Error::new(ErrorKind::Invalid, "Open", text)
        })?),
    };
    let http = cx.http.get(&TlsSettings { roots, identity: None })?;
    let base = settings.sdk_config(transport::client(http));
    let sts = Target::sts(&settings);
    let credentials = auth::credentials(&settings, &base, cx.credentials.as_ref(), &sts)
        .await
        .map_err(|e| e.context("unable to create session"))?;
    let config = base.into_builder().credentials_provider(credentials.clone()).build();
    let mut config = aws_sdk_secretsmanager::config::Builder::from(&config);
    config.set_endpoint_url(settings.secrets_manager_endpoint.clone());
    Ok(Box::new(SecretsManager {
        client: Client::from_conf(config.build()),
        credentials,
        target: Target::secrets_manager(&settings),
        prefix: settings.prefix,
    }))
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
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    /// As in the reference, credentials that can be had are good: no call tells without the right to something.
    async fn validate(&self) -> Validation {
        match self.credentials.provide_credentials().await {
            Ok(_) => Validation::Ready,
            Err(error) => Validation::Failed(error::of_credentials(&error, "Validate")),
        }
    }
}
