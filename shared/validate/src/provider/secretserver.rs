//! The provider `secretserver`: URL of the server, a token or a user and password.

use super::at::At;
use crate::finding::Finding;
use api::provider::secretserver::{SecretServerProvider, SecretServerRef};

pub(super) fn rules(provider: &SecretServerProvider, at: At<'_>) -> Result<(), Finding> {
    let SecretServerProvider { server_url, password, token, username, ca_bundle: _, ca_provider: _, domain: _ } =
        provider;
    at.filled("serverURL", server_url, "serverURL must be set")?;
    if let Some(token) = token {
        return credential("token", token, at);
    }
    let missing = |field: &str, text: &str| at.filled(field, "", text);
    let Some(username) = username else { return missing("username", "username must not be empty") };
    let Some(password) = password else { return missing("password", "password must be set") };
    credential("username", username, at)?;
    credential("password", password, at)
}

fn credential(field: &str, credential: &SecretServerRef, at: At<'_>) -> Result<(), Finding> {
    let SecretServerRef { secret_ref, value } = credential;
    let reference = at.value_or_reference(field, value.as_deref(), secret_ref.as_ref())?;
    at.whole_reference(field, reference)
}
