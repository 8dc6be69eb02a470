//! The provider `gitlab`: the access token, and a project or groups.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::SecretKeySelector;
use api::provider::gitlab::{GitlabAuth, GitlabProvider, GitlabSecretRef};

pub(super) fn rules(provider: &GitlabProvider, at: At<'_>) -> Result<(), Finding> {
    let GitlabProvider {
        auth: GitlabAuth { secret_ref: GitlabSecretRef { access_token } },
        group_ids,
        inherit_from_groups,
        project_id,
        ca_bundle: _,
        ca_provider: _,
        environment: _,
        url: _,
    } = provider;
    let absent = SecretKeySelector::default();
    let token = access_token.as_ref().unwrap_or(&absent);
    let field = "auth.SecretRef.accessToken";
    at.secret(field, "", token, Form::Strict)?;
    if project_id.as_deref().unwrap_or_default().is_empty() && group_ids.is_empty() {
        let text = "projectID and groupIDs must not both be empty";
        return Err(at.error("projectID", Code::SettingMissing, text));
    }
    if *inherit_from_groups && !group_ids.is_empty() {
        let text = "defining groupIDs and inheritFromGroups = true is not allowed";
        return Err(at.error("inheritFromGroups", Code::SettingConflict, text));
    }
    at.key(field, token, "accessToken.key cannot be empty")?;
    at.name(field, token, "accessToken.name cannot be empty")
}
