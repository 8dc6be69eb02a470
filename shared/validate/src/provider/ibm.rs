//! The provider `ibm`: URL of the service, exactly one login method, the API key or the container's token.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::SecretKeySelector;
use api::provider::ibm::{IbmAuth, IbmContainerAuth, IbmProvider, IbmSecretRef};

/// Where a container's token is unless `tokenLocation` says otherwise.
const TOKEN: &str = "/var/run/secrets/tokens/vault-token";

pub(super) fn rules(provider: &IbmProvider, at: At<'_>) -> Result<(), Finding> {
    let IbmProvider { auth: IbmAuth { container_auth, secret_ref }, service_url } = provider;
    if service_url.is_none() {
        return Err(at.error("serviceUrl", Code::SettingMissing, "serviceURL is required"));
    }
    match (container_auth, secret_ref) {
        (None, None) => Err(at.error("auth", Code::AuthIncomplete, "missing auth method")),
        (Some(_), Some(_)) => Err(at.error("auth", Code::AuthAmbiguous, "too many auth methods defined")),
        (Some(container), None) => container_token(container, at),
        (None, Some(IbmSecretRef { secret_api_key_secret_ref, iam_endpoint: _ })) => {
            let absent = SecretKeySelector::default();
            let key = secret_api_key_secret_ref.as_ref().unwrap_or(&absent);
            let field = "auth.secretRef.secretApiKeySecretRef";
            at.secret(field, "", key, Form::Strict)?;
            at.name(field, key, "secretAPIKey.name cannot be empty")?;
            at.key(field, key, "secretAPIKey.key cannot be empty")
        }
    }
}

/// The file that the rules of this provider want to be readable where they run.
pub(crate) fn token_file(provider: &IbmProvider) -> Option<&str> {
    provider.auth.container_auth.as_ref().filter(|container| !container.profile.is_empty()).map(location)
}

fn location(container: &IbmContainerAuth) -> &str {
    container.token_location.as_deref().filter(|path| !path.is_empty()).unwrap_or(TOKEN)
}

fn container_token(container: &IbmContainerAuth, at: At<'_>) -> Result<(), Finding> {
    let IbmContainerAuth { profile, iam_endpoint: _, token_location: _ } = container;
    at.filled("auth.containerAuth.profile", profile, "container auth profile cannot be empty")?;
    let path = location(container);
    let Some(reason) = at.unreadable(path) else { return Ok(()) };
    let text = format!("cannot read container auth token {path}. {reason}");
    Err(at.error("auth.containerAuth.tokenLocation", Code::TokenFile, text))
}
