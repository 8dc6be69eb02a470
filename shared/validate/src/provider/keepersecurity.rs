//! The provider `keepersecurity`: device configuration and folder.

use super::at::At;
use super::reference::Form;
use crate::finding::Finding;
use api::provider::keepersecurity::KeeperSecurityProvider;

pub(super) fn rules(provider: &KeeperSecurityProvider, at: At<'_>) -> Result<(), Finding> {
    let KeeperSecurityProvider { auth_ref, folder_id, get_by_title_fallback: _ } = provider;
    at.secret("authRef", "error validating secret selector: ", auth_ref, Form::Strict)?;
    at.filled("folderID", folder_id, "missing: spec.provider.keepersecurity.folderID")
}
