//! The provider `fortanix`: the API key.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::fortanix::{FortanixProvider, FortanixSecretRef};

pub(super) fn rules(provider: &FortanixProvider, at: At<'_>) -> Result<(), Finding> {
    let FortanixProvider { api_key, api_url: _ } = provider;
    let missing = |field: &str, text: &str| Err(at.error(field, Code::AuthIncomplete, text));
    let Some(FortanixSecretRef { secret_ref }) = api_key else { return missing("apiKey", "apiKey is required") };
    let field = "apiKey.secretRef";
    let Some(selector) = secret_ref else { return missing(field, "apiKey.secretRef is required") };
    at.name(field, selector, "apiKey.secretRef.name is required")?;
    at.key(field, selector, "apiKey.secretRef.key is required")?;
    at.secret(field, "", selector, Form::Referent)
}
