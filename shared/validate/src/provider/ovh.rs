//! The provider `ovh`: server, domain of the keys, exactly one login method.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::ovh::{OvhAuth, OvhMtlsAuth, OvhProvider, OvhTokenAuth};

pub(super) fn rules(provider: &OvhProvider, at: At<'_>) -> Result<(), Finding> {
    let OvhProvider { auth, okmsid, server, okms_timeout, cas_required: _ } = provider;
    if *okms_timeout <= 0 {
        let text = "ovh store okmsTimeout must be greater than 0";
        return Err(at.error("okmsTimeout", Code::SettingInvalid, text));
    }
    at.filled("server", server, "ovh store server is required")?;
    gourl::parse(server.as_bytes()).map_err(|reason| {
        at.error("server", Code::Url, format!("ovh store server must contain a valid url: {reason}"))
    })?;
    at.filled("okmsid", okmsid, "ovh store okmsID is required")?;
    login(auth, at)
}

/// As in ESO only references that say nothing at all are missing, and no namespace is looked at.
fn login(auth: &OvhAuth, at: At<'_>) -> Result<(), Finding> {
    let OvhAuth { mtls, token } = auth;
    match (mtls, token) {
        (None, None) => Err(at.error("auth", Code::AuthIncomplete, "missing authentication method")),
        (Some(_), Some(_)) => {
            let text = "only one authentication method allowed (mtls | token)";
            Err(at.error("auth", Code::AuthAmbiguous, text))
        }
        (None, Some(OvhTokenAuth { token_secret_ref })) if token_secret_ref.is_empty() => {
            let text = "missing token secret for token authentication";
            Err(at.error("auth.token.tokenSecretRef", Code::ReferenceIncomplete, text))
        }
        (Some(OvhMtlsAuth { cert_secret_ref, key_secret_ref, ca_bundle: _, ca_provider: _ }), None)
            if cert_secret_ref.is_empty() || key_secret_ref.is_empty() =>
        {
            let text = "missing tls certificate or key for mtls authentication";
            Err(at.error("auth.mtls", Code::ClientCertificate, text))
        }
        (None, Some(_)) | (Some(_), None) => Ok(()),
    }
}
