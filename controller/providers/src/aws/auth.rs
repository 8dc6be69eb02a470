//! Credentials: the first ones, and those of the roles that are assumed with them.
//!
//! Deliberately not here: for how long they are kept (`kept.rs`), and tokens of service accounts (`web_identity.rs`).

use std::sync::Arc;

use ::provider::{Credentials, Error, ErrorKind, Validation};
use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::Tag;

use super::config::{Identity, Role, Source};
use super::error::{self, Target};
use super::kept::{Kept, Refusals};
use super::web_identity::{AccountRole, Exchange, OwnRole};
use crate::StoreIdentity;

/// The credentials of an identity.
pub(super) async fn credentials(
    identity: &Identity,
    base: &SdkConfig,
    lookup: &Arc<dyn Credentials>,
    store: &StoreIdentity,
    refusals: &Refusals,
) -> Result<SharedCredentialsProvider, Error> {
    // Each link of the chain is told by whoever is spoken to with it: the next one's STS, the last one by the service.
    let told = |link: usize| if link == identity.roles.len() { refusals.clone() } else { Refusals::default() };
    let mut refusals = told(0);
    let exchange = || {
        let target = Target::sts(identity, &Refusals::default());
        Exchange { sts: client(base, identity, None), target, session: identity.session }
    };
    let mut credentials = match &identity.source {
        Source::Static { id, key, session } => {
            SharedCredentialsProvider::new(static_keys(id, key, session.as_ref(), lookup.as_ref()).await?)
        }
        Source::ServiceAccount(account) => {
            let named = account.namespace.as_ref().filter(|name| lookup.is_cluster_store() && !name.is_empty());
            let namespace = named.or(store.namespace.as_ref()).cloned().unwrap_or_default();
            let role = AccountRole::open(exchange(), account.clone(), namespace, Arc::clone(lookup)).await?;
            Kept::of(SharedCredentialsProvider::new(role), &refusals)
        }
        Source::WebIdentity(identity) => {
            let role = OwnRole { exchange: exchange(), identity: identity.clone() };
            Kept::of(SharedCredentialsProvider::new(role), &refusals)
        }
        Source::DefaultChain => {
            let mut config = ProviderConfig::default().with_region(base.region().cloned());
            if let Some(http) = base.http_client() {
                config = config.with_http_client(http);
            }
            // Without a region of its own the chain would ask profile files and the instance for one.
            let chain = DefaultCredentialsChain::builder().configure(config).region(base.region().cloned());
            Kept::of(SharedCredentialsProvider::new(chain.build().await), &refusals)
        }
    };
    for (number, role) in identity.roles.iter().enumerate() {
        let sts = client(base, identity, Some(credentials));
        let target = Target::sts(identity, &refusals);
        let role = AssumedRole { sts, role: role.clone(), target, session: identity.session };
        refusals = told(number + 1);
        credentials = Kept::of(SharedCredentialsProvider::new(role), &refusals);
    }
    Ok(credentials)
}

/// Validation of a store. As in the reference, credentials that can be had are good: no call tells without the right to
/// something.
pub(super) async fn validate(credentials: &SharedCredentialsProvider, target: &Target) -> Validation {
    match credentials.provide_credentials().await {
        Ok(_) => Validation::Ready,
        Err(error) => Validation::Failed(error::of_credentials(&error, "Validate", target)),
    }
}

async fn static_keys(
    id: &api::SecretKeySelector,
    key: &api::SecretKeySelector,
    session: Option<&api::SecretKeySelector>,
    lookup: &dyn Credentials,
) -> Result<Keys, Error> {
    let get = async |selector, what: &str| {
        let context = format!("could not fetch {what} secret");
        let bytes = lookup.secret_key(selector, "").await.map_err(|e| e.context(&context))?;
        let text = bytes.expose_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        text.ok_or_else(|| Error::new(ErrorKind::Invalid, "Open", format!("{context}: the value is empty or not text")))
    };
    let id = get(id, "accessKeyID").await?;
    let key = get(key, "SecretAccessKey").await?;
    let session = match session {
        Some(session) => Some(get(session, "SessionToken").await?),
        None => None,
    };
    Ok(Keys::new(id, key, session, None, "SecretRef"))
}

fn client(
    base: &SdkConfig,
    identity: &Identity,
    credentials: Option<SharedCredentialsProvider>,
) -> aws_sdk_sts::Client {
    let mut config = aws_sdk_sts::config::Builder::from(base);
    config.set_endpoint_url(identity.sts_endpoint.clone());
    config.set_credentials_provider(credentials);
    if let Some(timeouts) = base.timeout_config().filter(|timeouts| timeouts.operation_timeout().is_some()) {
        config.set_timeout_config(Some(timeouts.to_builder().operation_timeout(error::STS_TIMEOUT).build()));
    }
    aws_sdk_sts::Client::from_conf(config.build())
}

/// The credentials of a role that is assumed with others.
#[derive(Debug)]
struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role: Role,
    target: Target,
    session: &'static str,
}

impl AssumedRole {
    async fn assume(&self) -> provider::Result {
        let Role { arn, external_id, tags, transitive_tag_keys } = &self.role;
        let tags: Result<Vec<Tag>, _> = tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect();
        let tags = tags.map_err(CredentialsError::invalid_configuration)?;
        let some = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
        let answer = self
            .sts
            .assume_role()
            .role_arn(arn)
            .role_session_name(self.session)
            .set_external_id(external_id.clone())
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
            .set_transitive_tag_keys(some(transitive_tag_keys))
            .send()
            .await
            .map_err(|e| CredentialsError::provider_error(error::of_sdk(&e, "AssumeRole", &self.target)))?;
        keys(answer.credentials(), "AssumeRole")
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// The credentials that STS granted.
pub(super) fn keys(granted: Option<&aws_sdk_sts::types::Credentials>, name: &'static str) -> provider::Result {
    let granted = granted.ok_or_else(|| {
        CredentialsError::provider_error(Error::new(ErrorKind::Malformed, name, "STS answered without credentials"))
    })?;
    let expiration = (*granted.expiration()).try_into().map_err(CredentialsError::unhandled)?;
    Ok(Keys::new(
        granted.access_key_id(),
        granted.secret_access_key(),
        Some(granted.session_token().to_owned()),
        Some(expiration),
        name,
    ))
}
