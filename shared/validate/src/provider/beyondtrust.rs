//! The provider `beyondtrust`: URL of the API, exactly one login method, the client certificate.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::ValueOrSecretRef;
use api::provider::beyondtrust::{BeyondtrustAuth, BeyondtrustProvider, BeyondtrustServer};

pub(super) fn rules(provider: &BeyondtrustProvider, at: At<'_>) -> Vec<Finding> {
    let BeyondtrustProvider { auth, server } = provider;
    if let Err(finding) = url(server, at).and_then(|()| login(auth, at)) {
        return vec![finding];
    }
    let BeyondtrustAuth { certificate, certificate_key, api_key: _, client_id: _, client_secret: _ } = auth;
    let mut findings = Vec::new();
    if certificate.is_some() != certificate_key.is_some() {
        findings.push(at.warning(
            "auth",
            Code::ClientCertificate,
            "certificate and certificateKey must both be set for client-certificate authentication; the incomplete pair is ignored",
        ));
    }
    let pair = credential("certificate", certificate.as_ref(), at)
        .and_then(|()| credential("certificateKey", certificate_key.as_ref(), at));
    findings.extend(pair.err());
    findings
}

fn url(server: &BeyondtrustServer, at: At<'_>) -> Result<(), Finding> {
    let BeyondtrustServer {
        api_url,
        verify_ca: _,
        api_version: _,
        client_time_out_seconds: _,
        decrypt: _,
        retrieval_type: _,
        separator: _,
    } = server;
    let has_host = gourl::parse(api_url.as_bytes()).is_ok_and(|url| !url.host.is_empty());
    if has_host { Ok(()) } else { Err(at.error("server.apiUrl", Code::Url, "invalid host URL")) }
}

fn login(auth: &BeyondtrustAuth, at: At<'_>) -> Result<(), Finding> {
    let BeyondtrustAuth { api_key, client_id, client_secret, certificate: _, certificate_key: _ } = auth;
    let text = match (api_key, client_id, client_secret) {
        (Some(_), _, _) => return credential("apiKey", api_key.as_ref(), at),
        (None, Some(_), Some(_)) => {
            credential("clientId", client_id.as_ref(), at)?;
            return credential("clientSecret", client_secret.as_ref(), at);
        }
        (None, Some(_), None) | (None, None, Some(_)) => {
            "both clientId and clientSecret must be set for OAuth authentication"
        }
        (None, None, None) => {
            "no authentication method configured: set auth.apiKey, or auth.clientId and auth.clientSecret"
        }
    };
    Err(at.error("auth", Code::AuthIncomplete, text))
}

fn credential(name: &str, credential: Option<&ValueOrSecretRef>, at: At<'_>) -> Result<(), Finding> {
    let Some(ValueOrSecretRef { value, secret_ref }) = credential else { return Ok(()) };
    let field = format!("auth.{name}");
    let given = !value.as_deref().unwrap_or_default().is_empty();
    let refuse = |text: &str| Err(at.error(&field, Code::ValueOrReference, format!("{name}: {text}")));
    match (secret_ref, given) {
        (None, false) => refuse("either secretRef or value must be set"),
        (Some(_), true) => refuse("cannot specify both secret reference and value"),
        (None, true) => Ok(()),
        (Some(selector), false) => {
            let reference = format!("{field}.secretRef");
            at.name(&reference, selector, &format!("{name}: must specify a secret name"))?;
            at.key(&reference, selector, &format!("{name}: must specify a secret key"))?;
            at.secret(&reference, &format!("{name}: "), selector, Form::Referent)
        }
    }
}
