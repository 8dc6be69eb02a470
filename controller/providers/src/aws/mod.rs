//! The provider `aws`: Secrets Manager, Parameter Store, and certificates of Certificate Manager.
//!
//! `config.rs` checks the settings, `auth.rs` gets credentials (static, the SDK's default chain, assumed roles),
//! `web_identity.rs` those for tokens of service accounts, `kept.rs` keeps them, `proof.rs` signs for
//! those who learn from AWS who somebody is,
//! `transport.rs` puts AWS's SDK on this crate's HTTP layer, `secrets_manager` and `parameter_store` read, find and push, `certificate_manager` reads,
//! `batch.rs` has what reading many keys in one call needs, `value.rs` picks values, `tags.rs` compares tags, `error.rs` sorts what AWS says. For users: `docs/providers/aws.md`.

mod auth;
mod batch;
mod certificate_manager;
mod config;
mod error;
mod kept;
mod parameter_store;
mod proof;
mod secrets_manager;
mod tags;
mod transport;
mod value;
mod web_identity;

use api::{AwsProvider, AwsSessionTagsPolicy, StoreKind};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use provider::{Capabilities, Error, ErrorKind, Provider};

use crate::http::{Roots, TlsSettings};
use crate::referent::{Referent, names_no_namespace, needs_consumer};
use crate::{Environment, OpenContext, StoreIdentity};
use certificate_manager::CertificateManager;
pub(crate) use config::{
    Fields, Identity, Role, Source, account_source, checked_region, own_source, static_source, sts_endpoint,
};
use config::{Service, Settings};
use parameter_store::ParameterStore;
pub(crate) use proof::{Proof, Prover, region_of_partition, signed_headers};
use secrets_manager::SecretsManager;

/// See [`crate::uses_consumer`]. Session tags of a policy name the consumer's namespace.
pub(crate) fn uses_consumer(spec: &AwsProvider, environment: &Environment) -> bool {
    let nobody = StoreIdentity { kind: StoreKind::ClusterSecretStore, name: String::new(), namespace: None };
    spec.session_tags_policy != AwsSessionTagsPolicy::None
        || Settings::of(spec, &nobody, None, &environment.aws)
            .is_ok_and(|settings| names_no_namespace(settings.identity.namespaces()))
}

/// Checks the settings and looks up static credentials. Nothing is sent to AWS yet.
pub(crate) async fn open(spec: &AwsProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec, &cx.store, cx.retry, &cx.environment.aws)?;
    if needs_consumer(cx.credentials.as_ref(), settings.identity.namespaces()) {
        use Capabilities::{ReadOnly, ReadWrite};
        let (metric_name, call_name, capabilities) = match settings.service {
            Service::SecretsManager => (secrets_manager::METRIC_NAME, secrets_manager::GET, ReadWrite),
            Service::ParameterStore => (parameter_store::METRIC_NAME, parameter_store::GET, ReadWrite),
            Service::CertificateManager => (certificate_manager::METRIC_NAME, certificate_manager::GET, ReadOnly),
        };
        return Ok(Box::new(Referent { metric_name, call_name, capabilities }));
    }
    let base = settings.sdk_config(client(cx).await?);
    let credentials = auth::credentials(&settings.identity, &base, &cx.credentials, &cx.store, &settings.refusals)
        .await
        .map_err(|e| e.context("unable to create session"))?;
    let config = base.into_builder().credentials_provider(credentials.clone()).build();
    Ok(match settings.service {
        Service::SecretsManager => Box::new(SecretsManager::new(settings, &config, credentials)),
        Service::ParameterStore => Box::new(ParameterStore::new(settings, &config, credentials)),
        Service::CertificateManager => Box::new(CertificateManager::new(&settings, &config, credentials)),
    })
}

async fn client(cx: &OpenContext<'_>) -> Result<SharedHttpClient, Error> {
    let roots = match &cx.environment.aws.ca_bundle {
        None => Roots::System,
        Some(file) => Roots::Only(tokio::fs::read(file).await.map_err(|_| {
            let text = "the file that the environment variable AWS_CA_BUNDLE names can't be read";
            Error::new(ErrorKind::Invalid, "Open", text)
        })?),
    };
    Ok(transport::client(cx.http.get(&TlsSettings { roots, identity: None })?))
}
