//! The provider `senhasegura`: URL and client id.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::senhasegura::{SenhaseguraAuth, SenhaseguraProvider};

pub(super) fn rules(provider: &SenhaseguraProvider, at: At<'_>) -> Result<(), Finding> {
    let SenhaseguraProvider { auth, url, module: _, ignore_ssl_certificate: _ } = provider;
    // ESO looks at no reference here.
    let SenhaseguraAuth { client_id, client_secret_secret_ref: _ } = auth;
    let text = match gourl::parse(url.as_bytes()) {
        Ok(url) if *url.scheme != *b"https" => Some("invalid senhasegura URL, must be HTTPS for security reasons"),
        Ok(url) if !url.host.is_empty() => None,
        Ok(_) | Err(_) => Some("invalid senhasegura URL"),
    };
    if let Some(text) = text {
        return Err(at.error("url", Code::Url, text));
    }
    at.filled("auth.clientId", client_id, "missing senhasegura authentication Client ID")
}
