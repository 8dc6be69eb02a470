//! The provider `bitwardensecretsmanager`: URL of the sidecar, CA certificates.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::bitwarden::BitwardenProvider;

pub(super) fn rules(provider: &BitwardenProvider, at: At<'_>) -> Vec<Finding> {
    let BitwardenProvider {
        bitwarden_server_sdkurl,
        ca_bundle,
        ca_provider,
        auth: _,
        organization_id: _,
        project_id: _,
        api_url: _,
        identity_url: _,
    } = provider;
    let url = bitwarden_server_sdkurl.as_deref().unwrap_or_default();
    if let Err(finding) = at.filled("bitwardenServerSDKURL", url, "bitwardenServerSDKURL not configured") {
        return vec![finding];
    }
    if ca_provider.is_some() || !ca_bundle.as_deref().unwrap_or_default().is_empty() {
        return Vec::new();
    }
    vec![at.warning(
        "",
        Code::NoCa,
        "Neither CA nor CA bundle is configured; user is expected to provide certificate information via volume mount.",
    )]
}
