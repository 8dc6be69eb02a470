//! The provider `dvls`: URL of the server, vault, application credentials.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::dvls::{DvlsAuth, DvlsProvider, DvlsSecretRef};

pub(super) fn rules(provider: &DvlsProvider, at: At<'_>) -> Result<(), Finding> {
    let DvlsProvider { auth, server_url, insecure, vault } = provider;
    at.filled("serverUrl", server_url, "serverUrl is required")?;
    let vault = vault.as_deref().unwrap_or_default();
    if vault.trim() != vault {
        let text = "vault must not contain leading or trailing whitespace";
        return Err(at.error("vault", Code::SettingInvalid, text));
    }
    url(server_url, *insecure).map_err(|text| at.error("serverUrl", Code::Url, text))?;
    let DvlsAuth { secret_ref: DvlsSecretRef { app_id, app_secret } } = auth;
    for (name, selector) in [("appId", app_id), ("appSecret", app_secret)] {
        let field = format!("auth.secretRef.{name}");
        at.name(&field, selector, &format!("{name} secret name is required"))?;
        at.key(&field, selector, &format!("{name} secret key is required"))?;
        at.secret(&field, &format!("invalid {name}: "), selector, Form::Strict)?;
    }
    Ok(())
}

fn url(text: &str, insecure: bool) -> Result<(), String> {
    let url = gourl::parse(text.as_bytes()).map_err(|reason| format!("serverUrl must be a valid URL: {reason}"))?;
    if url.scheme.is_empty() || url.host.is_empty() {
        return Err("serverUrl must be a valid URL with scheme and host".to_owned());
    }
    match &*url.scheme {
        b"https" => Ok(()),
        b"http" if insecure => Ok(()),
        b"http" => Err("http URLs require 'insecure: true' to be set explicitly".to_owned()),
        other => Err(format!("serverUrl scheme must be http or https, got {}", gourl::quoted(other))),
    }
}
