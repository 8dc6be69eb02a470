//! Credentials: the first ones, and those of the roles that are assumed with them.
//!
//! Deliberately not here: caching. The SDK's client keeps credentials until shortly before they expire.

use ::provider::{Credentials, Error, ErrorKind, Validation};
use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::Tag;

use super::config::{Role, Settings, Source};
use super::error::{self, Target};
use crate::environment::AwsWebIdentity;

/// Session name of assumed roles, as audit logs show it.
const SESSION: &str = "external-secrets-provider-aws";

/// The credentials of a store.
pub(super) async fn credentials(
    settings: &Settings,
    base: &SdkConfig,
    lookup: &dyn Credentials,
    sts: &Target,
) -> Result<SharedCredentialsProvider, Error> {
    let first = match &settings.source {
        Source::Static { id, key, session } => {
            SharedCredentialsProvider::new(static_keys(id, key, session.as_ref(), lookup).await?)
        }
        Source::WebIdentity(identity) => SharedCredentialsProvider::new(WebIdentity {
            sts: client(base, settings, None),
            identity: identity.clone(),
            target: sts.clone(),
        }),
        Source::DefaultChain => {
            let mut config = ProviderConfig::default().with_region(base.region().cloned());
            if let Some(http) = base.http_client() {
                config = config.with_http_client(http);
            }
            // Without a region of its own the chain would ask profile files and the instance for one.
            let chain = DefaultCredentialsChain::builder().configure(config).region(base.region().cloned());
            SharedCredentialsProvider::new(chain.build().await)
        }
    };
    let assume = |before, role: &Role| {
        let sts_client = client(base, settings, Some(before));
        SharedCredentialsProvider::new(AssumedRole { sts: sts_client, role: role.clone(), target: sts.clone() })
    };
    Ok(settings.roles.iter().fold(first, assume))
}

/// Validation of a store. As in the reference, credentials that can be had are good: no call tells without the right to
/// something.
pub(super) async fn validate(credentials: &SharedCredentialsProvider) -> Validation {
    match credentials.provide_credentials().await {
        Ok(_) => Validation::Ready,
        Err(error) => Validation::Failed(error::of_credentials(&error, "Validate")),
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
    settings: &Settings,
    credentials: Option<SharedCredentialsProvider>,
) -> aws_sdk_sts::Client {
    let mut config = aws_sdk_sts::config::Builder::from(base);
    config.set_endpoint_url(settings.sts_endpoint.clone());
    config.set_credentials_provider(credentials);
    aws_sdk_sts::Client::from_conf(config.build())
}

/// The credentials of a role that is assumed with others.
#[derive(Debug)]
struct AssumedRole {
    sts: aws_sdk_sts::Client,
    role: Role,
    target: Target,
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
            .role_session_name(SESSION)
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

/// The credentials of a role that is assumed with a service account's token.
#[derive(Debug)]
struct WebIdentity {
    sts: aws_sdk_sts::Client,
    identity: AwsWebIdentity,
    target: Target,
}

impl WebIdentity {
    async fn assume(&self) -> provider::Result {
        let AwsWebIdentity { token_file, role_arn, session_name } = &self.identity;
        let token = tokio::fs::read_to_string(token_file).await.map_err(|_| {
            let text = "the file that the environment variable AWS_WEB_IDENTITY_TOKEN_FILE names can't be read";
            CredentialsError::provider_error(Error::new(ErrorKind::Invalid, "AssumeRoleWithWebIdentity", text))
        })?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(role_arn)
            .role_session_name(session_name.as_deref().unwrap_or(SESSION))
            .web_identity_token(token.trim())
            .send()
            .await
            .map_err(|e| {
                CredentialsError::provider_error(error::of_sdk(&e, "AssumeRoleWithWebIdentity", &self.target))
            })?;
        keys(answer.credentials(), "AssumeRoleWithWebIdentity")
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

fn keys(granted: Option<&aws_sdk_sts::types::Credentials>, name: &'static str) -> provider::Result {
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
