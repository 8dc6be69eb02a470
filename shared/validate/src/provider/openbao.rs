//! The provider `openBao`: references of the login methods.

use super::at::At;
use super::reference::Form;
use crate::finding::Finding;
use api::provider::openbao::{OpenBaoAppRole, OpenBaoAuth, OpenBaoProvider};
use api::provider::vault::VaultUserPassAuth;

pub(super) fn rules(provider: &OpenBaoProvider, at: At<'_>) -> Result<(), Finding> {
    let OpenBaoProvider { auth, server: _, ca_bundle: _, ca_provider: _, namespace: _, path: _, version: _ } = provider;
    let Some(OpenBaoAuth { app_role, token_secret_ref, user_pass, namespace: _ }) = auth else { return Ok(()) };
    if let Some(OpenBaoAppRole { secret_ref, role_ref, path: _, role_id: _ }) = app_role {
        let prefix = "invalid Auth.AppRole.RoleRef: ";
        at.optional_secret("auth.appRole.roleRef", prefix, role_ref.as_ref(), Form::Referent)?;
        at.secret("auth.appRole.secretRef", "invalid Auth.AppRole.SecretRef: ", secret_ref, Form::Referent)?;
    }
    let prefix = "invalid Auth.TokenSecretRef: ";
    at.optional_secret("auth.tokenSecretRef", prefix, token_secret_ref.as_ref(), Form::Referent)?;
    let password = user_pass.as_ref().map(|VaultUserPassAuth { secret_ref, path: _, username: _ }| secret_ref);
    at.optional_secret("auth.userPass.secretRef", "invalid Auth.UserPass.SecretRef: ", password, Form::Referent)
}
