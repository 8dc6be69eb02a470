//! The provider `doppler`: the login method and its references.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::doppler::{DopplerAuth, DopplerOidcAuth, DopplerProvider, DopplerSecretRef};

const PREFIX: &str = "invalid store: ";

pub(super) fn rules(provider: &DopplerProvider, at: At<'_>) -> Result<(), Finding> {
    let DopplerProvider { auth, config: _, format: _, name_transformer: _, project: _ } = provider;
    let DopplerAuth { oidc_config, secret_ref } = auth;
    match (secret_ref, oidc_config) {
        (Some(DopplerSecretRef { doppler_token }), _) => {
            let field = "auth.secretRef.dopplerToken";
            at.secret(field, PREFIX, doppler_token, Form::Strict)?;
            at.name(field, doppler_token, "invalid store: dopplerToken.name cannot be empty")
        }
        (None, Some(login)) => oidc(login, at),
        (None, None) => {
            let text = "invalid store: either auth.secretRef or auth.oidcConfig must be specified";
            Err(at.error("auth", Code::AuthIncomplete, text))
        }
    }
}

fn oidc(login: &DopplerOidcAuth, at: At<'_>) -> Result<(), Finding> {
    let DopplerOidcAuth { identity, service_account_ref, expiration_seconds: _ } = login;
    at.filled("auth.oidcConfig.identity", identity, "invalid store: oidcConfig.identity cannot be empty")?;
    let field = "auth.oidcConfig.serviceAccountRef";
    let text = "invalid store: oidcConfig.serviceAccountRef.name cannot be empty";
    at.filled(&format!("{field}.name"), &service_account_ref.name, text)?;
    at.account(field, PREFIX, Some(service_account_ref), Form::Strict)
}
