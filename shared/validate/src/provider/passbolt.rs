//! The provider `passbolt`: password, private key, URL of the host.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::passbolt::{PassboltAuth, PassboltProvider};

pub(super) fn rules(provider: &PassboltProvider, at: At<'_>) -> Result<(), Finding> {
    let PassboltProvider {
        auth: PassboltAuth { password_secret_ref, private_key_secret_ref },
        host,
        ca_bundle: _,
        ca_provider: _,
    } = provider;
    for (name, selector) in
        [("passwordSecretRef", password_secret_ref), ("privateKeySecretRef", private_key_secret_ref)]
    {
        let field = format!("auth.{name}");
        let text = format!("missing: spec.provider.passbolt.{field}");
        at.name(&field, selector, &text)?;
        at.key(&field, selector, &text)?;
    }
    at.filled("host", host, "missing: spec.provider.passbolt.host")?;
    let url = gourl::parse(host.as_bytes()).map_err(|reason| at.error("host", Code::Url, reason.to_string()))?;
    if *url.scheme == *b"https" { Ok(()) } else { Err(at.error("host", Code::Url, "host Url has to be https scheme")) }
}
