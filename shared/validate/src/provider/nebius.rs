//! The provider `nebiusmysterybox`: domain of the API, exactly one login method, CA certificates.

use super::at::At;
use super::reference::Form;
use crate::domain;
use crate::finding::{Code, Finding};
use api::provider::nebius::{NebiusAuth, NebiusProvider};
use api::{CaSecretRef, SecretKeySelector};

pub(super) fn rules(provider: &NebiusProvider, at: At<'_>) -> Result<(), Finding> {
    let NebiusProvider { api_domain, auth, ca_provider } = provider;
    if api_domain.trim().is_empty() {
        return Err(at.error("apiDomain", Code::SettingMissing, "API domain must be set"));
    }
    host(api_domain)
        .map_err(|reason| at.error("apiDomain", Code::SettingInvalid, format!("API domain is not valid: {reason}")))?;
    let login = login(auth, at)?;
    let ca = ca_provider.as_ref().map(|ca| certificate(ca, at)).transpose()?;
    at.secret(login.0, "", login.1, Form::Strict)?;
    ca.map_or(Ok(()), |ca| at.secret("caProvider.certSecretRef", "", ca, Form::Strict))
}

fn host(domain: &str) -> Result<(), String> {
    if domain.contains("://") {
        return Err("scheme is not allowed".to_owned());
    }
    let host = match domain.contains(':') {
        true => gourl::split_host_port(domain).map_err(|reason| reason.to_string())?.0,
        false => domain,
    };
    domain::check(host)
}

/// The method in use, as its field and reference. A reference without a name isn't set.
fn login<'v>(auth: &'v NebiusAuth, at: At<'_>) -> Result<(&'static str, &'v SecretKeySelector), Finding> {
    let NebiusAuth { service_account_creds_secret_ref, token_secret_ref } = auth;
    fn named(selector: Option<&SecretKeySelector>) -> Option<&SecretKeySelector> {
        selector.filter(|selector| selector.name.as_deref().is_some_and(|name| !name.is_empty()))
    }
    match (named(token_secret_ref.as_ref()), named(service_account_creds_secret_ref.as_ref())) {
        (None, None) => Err(at.error("auth", Code::AuthIncomplete, "invalid auth configuration: none provided")),
        (Some(_), Some(_)) => {
            let text = "invalid auth configuration: exactly one must be specified";
            Err(at.error("auth", Code::AuthAmbiguous, text))
        }
        (Some(token), None) => {
            let field = "auth.tokenSecretRef";
            at.key(field, token, "invalid token auth configuration: no secret key specified")?;
            Ok((field, token))
        }
        (None, Some(credentials)) => {
            let field = "auth.serviceAccountCredsSecretRef";
            at.key(field, credentials, "invalid ServiceAccount creds auth configuration: no secret key specified")?;
            Ok((field, credentials))
        }
    }
}

fn certificate<'v>(ca: &'v CaSecretRef, at: At<'_>) -> Result<&'v SecretKeySelector, Finding> {
    let CaSecretRef { cert_secret_ref } = ca;
    let field = "caProvider.certSecretRef";
    let Some(selector) = cert_secret_ref else {
        let text = "invalid certificate configuration: no name specified";
        return Err(at.error(field, Code::ReferenceIncomplete, text));
    };
    at.name(field, selector, "invalid certificate configuration: no name specified")?;
    at.key(field, selector, "invalid certificate configuration: no key specified")?;
    Ok(selector)
}
