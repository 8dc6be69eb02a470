//! The provider `barbican`: URL of Keystone, references of user and password.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::ValueOrSecretRef;
use api::provider::barbican::{BarbicanAuth, BarbicanPassword, BarbicanProvider};

const PREFIX: &str = "barbican provider error: ";

pub(super) fn rules(provider: &BarbicanProvider, at: At<'_>) -> Result<(), Finding> {
    let BarbicanProvider { auth, auth_url, domain_name: _, region: _, tenant_name: _ } = provider;
    let BarbicanAuth { password: BarbicanPassword { secret_ref: password }, username } = auth;
    let text = "barbican provider missing required field: authURL is required";
    at.filled("authURL", auth_url.as_deref().unwrap_or_default(), text)?;
    let ValueOrSecretRef { value, secret_ref: user } = username;
    if value.as_deref().unwrap_or_default().is_empty() && user.is_none() {
        return Err(at.error(
            "auth.username",
            Code::ValueOrReference,
            "barbican provider missing required field: auth.username requires either value or secretRef",
        ));
    }
    at.optional_secret("auth.username.secretRef", PREFIX, user.as_ref(), Form::Strict)?;
    at.secret("auth.password.secretRef", PREFIX, password, Form::Strict)
}
