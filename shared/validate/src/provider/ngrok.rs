//! The provider `ngrok`: URL of the API, API key, vault.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::ngrok::{NgrokAuth, NgrokProvider, NgrokVault};

pub(super) fn rules(provider: &NgrokProvider, at: At<'_>) -> Result<(), Finding> {
    let NgrokProvider { auth: NgrokAuth { api_key }, vault: NgrokVault { name }, api_url } = provider;
    if gourl::parse(api_url.as_bytes()).is_err() {
        return Err(at.error("apiUrl", Code::Url, format!("{}: invalid API URL", gourl::quoted(api_url))));
    }
    if api_key.is_none() {
        return Err(at.error("auth.apiKey", Code::AuthIncomplete, "ngrok provider auth APIKey is required"));
    }
    at.filled("vault.name", name, "ngrok provider vault name is required")
}
