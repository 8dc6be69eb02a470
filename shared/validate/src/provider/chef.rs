//! The provider `chef`: user, URL of the server, private key.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::chef::{ChefAuth, ChefProvider, ChefSecretRef};

pub(super) fn rules(provider: &ChefProvider, at: At<'_>) -> Result<(), Finding> {
    let ChefProvider { auth, server_url, username } = provider;
    let ChefAuth { secret_ref: ChefSecretRef { private_key_secret_ref: key } } = auth;
    let prefixed = |text: &str| format!("received invalid Chef SecretStore resource: {text}");
    at.filled("username", username, &prefixed("missing username"))?;
    at.filled("serverUrl", server_url, &prefixed("missing serverurl"))?;
    let url = if server_url.ends_with('/') {
        gourl::parse_request_uri(server_url.as_bytes())
            .map(drop)
            .map_err(|reason| format!("invalid serverurl: {reason}"))
    } else {
        Err("serverurl does not end with slash(/)".to_owned())
    };
    url.map_err(|text| at.error("serverUrl", Code::Url, prefixed(&text)))?;
    let field = "auth.secretRef.privateKeySecretRef";
    at.key(field, key, &prefixed("missing Secret Key"))?;
    at.secret(field, &prefixed(""), key, Form::Strict)
}
