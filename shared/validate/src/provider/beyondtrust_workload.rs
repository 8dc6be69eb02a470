//! The provider `beyondtrustworkloadcredentials`: token, URL of the API, site.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use crate::uuid;
use api::provider::beyondtrust_workload::{
    BeyondtrustWorkloadApiKey, BeyondtrustWorkloadAuth, BeyondtrustWorkloadProvider, BeyondtrustWorkloadServer,
};

pub(super) fn rules(provider: &BeyondtrustWorkloadProvider, at: At<'_>) -> Result<(), Finding> {
    let BeyondtrustWorkloadProvider { auth, server, ca_bundle: _, ca_provider: _, folder_path: _ } = provider;
    let BeyondtrustWorkloadAuth { apikey: BeyondtrustWorkloadApiKey { token } } = auth;
    let BeyondtrustWorkloadServer { api_url, site_id } = server;
    let missing = |what: &str| {
        format!(
            "missing or invalid BeyondtrustWorkloadCredentials {what} in BeyondtrustWorkloadCredentials SecretStore"
        )
    };
    at.secret("auth.apikey.token", "", token, Form::Strict)?;
    at.name("auth.apikey.token", token, &missing("API Token name"))?;
    at.filled("server.apiUrl", api_url, &missing("Server API URL"))?;
    url(api_url).map_err(|reason| at.error("server.apiUrl", Code::Url, format!("invalid apiUrl: {reason}")))?;
    at.filled("server.siteId", site_id, &missing("Server site ID"))?;
    if uuid::is_random(site_id) {
        return Ok(());
    }
    let text = format!("invalid siteId: siteId must be a valid UUID format, got {}", gourl::quoted(site_id));
    Err(at.error("server.siteId", Code::SettingInvalid, text))
}

fn url(text: &str) -> Result<(), String> {
    let url = gourl::parse(text.as_bytes()).map_err(|reason| format!("failed to parse apiUrl: {reason}"))?;
    match &*url.scheme {
        b"" => Err("apiUrl must include a scheme (https)".to_owned()),
        b"https" if url.host.is_empty() => Err("apiUrl must include a host".to_owned()),
        b"https" => Ok(()),
        other => Err(format!("apiUrl must use https scheme, got {}", gourl::quoted(other))),
    }
}
