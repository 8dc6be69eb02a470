//! The provider `onboardbase`: API key and passcode.

use super::at::At;
use super::reference::Form;
use crate::finding::Finding;
use api::provider::onboardbase::{OnboardbaseAuth, OnboardbaseProvider};

pub(super) fn rules(provider: &OnboardbaseProvider, at: At<'_>) -> Result<(), Finding> {
    let OnboardbaseProvider {
        auth: OnboardbaseAuth { api_key_ref, passcode_ref },
        api_host: _,
        environment: _,
        project: _,
    } = provider;
    let references = [
        ("auth.apiKeyRef", "onboardbaseAPIKey", api_key_ref),
        ("auth.passcodeRef", "onboardbasePasscode", passcode_ref),
    ];
    for (field, name, selector) in references {
        at.secret(field, "invalid store: ", selector, Form::Strict)?;
        at.name(field, selector, &format!("invalid store: {name}.name cannot be empty"))?;
    }
    Ok(())
}
