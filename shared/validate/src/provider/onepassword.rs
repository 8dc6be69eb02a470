//! The provider `onepassword`: token, vaults and their order, URL of the Connect server.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::onepassword::{OnePasswordAuth, OnePasswordProvider, OnePasswordSecretRef};
use std::collections::BTreeSet;

pub(super) fn rules(provider: &OnePasswordProvider, at: At<'_>) -> Result<(), Finding> {
    let OnePasswordProvider { auth, connect_host, vaults } = provider;
    let OnePasswordAuth { secret_ref: OnePasswordSecretRef { connect_token_secret_ref: token } } = auth;
    let prefixed = |text: &str| format!("received invalid 1Password SecretStore resource: {text}");
    let field = "auth.secretRef.connectTokenSecretRef";
    let missing = |part: &str| prefixed(&format!("missing: spec.provider.onepassword.{field}.{part}"));
    at.name(field, token, &missing("name"))?;
    at.key(field, token, &missing("key"))?;
    at.secret(field, &prefixed(""), token, Form::Strict)?;
    if vaults.is_empty() {
        let text = prefixed("must be at least one vault: spec.provider.onepassword.vaults");
        return Err(at.error("vaults", Code::SettingMissing, text));
    }
    if vaults.values().collect::<BTreeSet<_>>().len() < vaults.len() {
        let text = prefixed("vault order numbers must be unique");
        return Err(at.error("vaults", Code::SettingConflict, text));
    }
    gourl::parse(connect_host.as_bytes()).map(drop).map_err(|reason| {
        let text = format!("unable to parse URL: spec.provider.onepassword.connectHost: {reason}");
        at.error("connectHost", Code::Url, prefixed(&text))
    })
}
