//! The provider `onepasswordSDK`: token, and a vault or an environment.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::onepassword_sdk::{OnePasswordSdkAuth, OnePasswordSdkProvider};

pub(super) fn rules(provider: &OnePasswordSdkProvider, at: At<'_>) -> Result<(), Finding> {
    let OnePasswordSdkProvider {
        auth: OnePasswordSdkAuth { service_account_secret_ref: token },
        environment,
        vault,
        cache: _,
        integration_info: _,
    } = provider;
    let prefixed = |text: &str| format!("received invalid 1PasswordSdk SecretStore resource: {text}");
    // ESO's text names another field; it is kept, the finding's path is right.
    let missing = |part: &str| {
        prefixed(&format!("missing: spec.provider.onepasswordsdk.auth.secretRef.serviceAccountTokenSecretRef.{part}"))
    };
    let field = "auth.serviceAccountSecretRef";
    at.name(field, token, &missing("name"))?;
    at.key(field, token, &missing("key"))?;
    let given = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
    match (given(vault), given(environment)) {
        (true, true) => Err(at.error(
            "environment",
            Code::SettingConflict,
            prefixed("spec.provider.onepasswordsdk.vault and spec.provider.onepasswordsdk.environment are mutually exclusive"),
        )),
        (false, false) => Err(at.error(
            "vault",
            Code::SettingMissing,
            prefixed(
                "missing: exactly one of spec.provider.onepasswordsdk.vault or spec.provider.onepasswordsdk.environment must be set",
            ),
        )),
        (true, false) | (false, true) => at.secret(field, &prefixed(""), token, Form::Strict),
    }
}
