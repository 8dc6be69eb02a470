//! Roles that are assumed with a service account's token: one that is requested, or the controller's own out of a file.
//!
//! Source: AWS STS API, "AssumeRoleWithWebIdentity"; Amazon EKS, "IAM roles for service accounts".

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::provider::{Credentials, Error, ErrorKind};
use api::ServiceAccountSelector;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use zeroize::Zeroizing;

use super::auth::keys;
use super::error::{self, Target};
use crate::environment::AwsWebIdentity;

const ASSUME: &str = "AssumeRoleWithWebIdentity";
const ROLE: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE: &str = "eks.amazonaws.com/audience";
const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
/// What a token is asked to live; it is used at once. The API server's own default.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Where tokens are exchanged.
pub(super) struct Exchange {
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) target: Target,
    pub(super) session: &'static str,
}

impl Exchange {
    async fn assume(&self, role: &str, session: &str, token: &str) -> provider::Result {
        let request = self.sts.assume_role_with_web_identity().role_arn(role).role_session_name(session);
        let sent = request.web_identity_token(token).send().await;
        let answer = sent.map_err(|e| CredentialsError::provider_error(error::of_sdk(&e, ASSUME, &self.target)))?;
        keys(answer.credentials(), ASSUME)
    }
}

/// The role that a service account's annotation names.
pub(super) struct AccountRole {
    exchange: Exchange,
    account: ServiceAccountSelector,
    /// Whom the selector means, for errors alone.
    namespace: String,
    lookup: Arc<dyn Credentials>,
}

impl AccountRole {
    /// Checks that the account has a role.
    pub(super) async fn open(
        exchange: Exchange,
        account: ServiceAccountSelector,
        namespace: String,
        lookup: Arc<dyn Credentials>,
    ) -> Result<Self, Error> {
        let this = Self { exchange, account, namespace, lookup };
        this.role().await?;
        Ok(this)
    }

    /// Role and audience. They are read at each exchange: whoever corrects an annotation needn't touch the store.
    async fn role(&self) -> Result<(String, String), Error> {
        let mut annotations = self.lookup.service_account_annotations(&self.account).await?;
        let mut take = |name: &str| annotations.remove(name).filter(|value| !value.is_empty());
        let role = take(ROLE).ok_or_else(|| {
            let text = format!(
                "an IAM role must be associated with service account {} (namespace: {}): annotate it with {ROLE}",
                self.account.name, self.namespace
            );
            Error::new(ErrorKind::Invalid, ASSUME, text)
        })?;
        Ok((role, take(AUDIENCE).unwrap_or_else(|| DEFAULT_AUDIENCE.to_owned())))
    }

    async fn assume(&self) -> provider::Result {
        let (role, audience) = self.role().await.map_err(CredentialsError::provider_error)?;
        let token = self.lookup.service_account_token(&self.account, &[audience], LIFETIME).await;
        let token = token.map_err(CredentialsError::provider_error)?.token;
        let token = token.expose_str().unwrap_or_default();
        self.exchange.assume(&role, self.exchange.session, token).await
    }
}

impl fmt::Debug for AccountRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRole").field("account", &self.account.name).finish_non_exhaustive()
    }
}

impl ProvideCredentials for AccountRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// The role of the controller's own service account.
pub(super) struct OwnRole {
    pub(super) exchange: Exchange,
    pub(super) identity: AwsWebIdentity,
}

impl OwnRole {
    async fn assume(&self) -> provider::Result {
        let AwsWebIdentity { token_file, role_arn, session_name } = &self.identity;
        let token = tokio::fs::read_to_string(token_file).await.map(Zeroizing::new).map_err(|_| {
            let text = "the file that the environment variable AWS_WEB_IDENTITY_TOKEN_FILE names can't be read";
            CredentialsError::provider_error(Error::new(ErrorKind::Invalid, ASSUME, text))
        })?;
        let session = session_name.as_deref().unwrap_or(self.exchange.session);
        self.exchange.assume(role_arn, session, token.trim()).await
    }
}

impl fmt::Debug for OwnRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnRole").field("role", &self.identity.role_arn).finish_non_exhaustive()
    }
}

impl ProvideCredentials for OwnRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}
