//! The provider `conjur`: URL, exactly one login method, its account and references.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::conjur::{ConjurApiKeyAuth, ConjurAuth, ConjurCertAuth, ConjurJwtAuth, ConjurProvider};

pub(super) fn rules(provider: &ConjurProvider, at: At<'_>) -> Result<(), Finding> {
    let ConjurProvider { auth, url, ca_bundle: _, ca_provider: _ } = provider;
    at.filled("url", url, "conjur URL cannot be empty")?;
    let ConjurAuth { apikey, cert, jwt } = auth;
    match (apikey, jwt, cert) {
        (Some(login), None, None) => api_key(login, at),
        (None, Some(login), None) => token(login, at),
        (None, None, Some(login)) => certificate(login, at),
        (None, None, None) | (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            Err(at.error("auth", Code::AuthAmbiguous, "must specify exactly one Auth.* method"))
        }
    }
}

fn api_key(login: &ConjurApiKeyAuth, at: At<'_>) -> Result<(), Finding> {
    let ConjurApiKeyAuth { account, api_key_ref, user_ref } = login;
    at.filled("auth.apikey.account", account, "missing Auth.ApiKey.Account")?;
    at.secret("auth.apikey.userRef", "invalid Auth.Apikey.UserRef: ", user_ref, Form::Referent)?;
    at.secret("auth.apikey.apiKeyRef", "invalid Auth.Apikey.ApiKeyRef: ", api_key_ref, Form::Referent)
}

fn token(login: &ConjurJwtAuth, at: At<'_>) -> Result<(), Finding> {
    let ConjurJwtAuth { account, service_id, secret_ref, service_account_ref, host_id: _ } = login;
    at.filled("auth.jwt.account", account, "missing Auth.Jwt.Account")?;
    at.filled("auth.jwt.serviceID", service_id, "missing Auth.Jwt.ServiceID")?;
    let (secret, account) = (secret_ref.as_ref(), service_account_ref.as_ref());
    if secret.is_none() && account.is_none() {
        let text = "must specify Auth.Jwt.SecretRef or Auth.Jwt.ServiceAccountRef";
        return Err(at.error("auth.jwt", Code::AuthIncomplete, text));
    }
    at.optional_secret("auth.jwt.secretRef", "invalid Auth.Jwt.SecretRef: ", secret, Form::Referent)?;
    at.account("auth.jwt.serviceAccountRef", "invalid Auth.Jwt.ServiceAccountRef: ", account, Form::Referent)
}

fn certificate(login: &ConjurCertAuth, at: At<'_>) -> Result<(), Finding> {
    let ConjurCertAuth { account, client_cert_ref, client_key_ref, service_id, host_id: _ } = login;
    at.filled("auth.cert.account", account, "missing Auth.Cert.Account")?;
    at.filled("auth.cert.serviceID", service_id, "missing Auth.Cert.ServiceID")?;
    for (field, name, selector) in
        [("clientCertRef", "ClientCertRef", client_cert_ref), ("clientKeyRef", "ClientKeyRef", client_key_ref)]
    {
        let field = format!("auth.cert.{field}");
        at.name(&field, selector, &format!("missing Auth.Cert.{name}.Name"))?;
        at.secret(&field, &format!("invalid Auth.Cert.{name}: "), selector, Form::Referent)?;
    }
    Ok(())
}
