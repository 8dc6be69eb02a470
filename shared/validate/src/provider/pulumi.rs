//! The provider `pulumi`: the environment's name, exactly one login method.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::StoreKind;
use api::provider::pulumi::{PulumiAuth, PulumiOidcAuth, PulumiProvider, PulumiSecretRef};

pub(super) fn rules(provider: &PulumiProvider, at: At<'_>) -> Result<(), Finding> {
    let PulumiProvider { environment, organization, project, access_token: older, auth, api_url: _ } = provider;
    at.filled("organization", organization, "organization is required")?;
    at.filled("environment", environment, "environment is required")?;
    at.filled("project", project, "project is required")?;
    let (token, oidc) = auth
        .as_ref()
        .map_or((None, None), |PulumiAuth { access_token, oidc_config }| (access_token.as_ref(), oidc_config.as_ref()));
    match (token, oidc, older) {
        (Some(token), None, None) => secret("auth.accessToken.secretRef", token, at),
        (None, Some(login), None) => account(login, at),
        (None, None, Some(token)) => secret("accessToken.secretRef", token, at),
        (None, None, None) => Err(at.error(
            "auth",
            Code::AuthIncomplete,
            "no authentication method configured: either auth.accessToken, auth.oidcConfig, or accessToken must be specified",
        )),
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(at.error(
            "auth",
            Code::AuthAmbiguous,
            "only one authentication method may be configured: use either auth.accessToken, auth.oidcConfig, or the deprecated accessToken field",
        )),
    }
}

fn secret(field: &str, token: &PulumiSecretRef, at: At<'_>) -> Result<(), Finding> {
    let PulumiSecretRef { secret_ref } = token;
    let Some(selector) = secret_ref else {
        // ESO's webhook stops with a panic here.
        return Err(at.error(field, Code::AuthIncomplete, "secretRef is required"));
    };
    at.secret(field, "", selector, Form::Referent)?;
    at.name(field, selector, "secretRef.name is required")?;
    at.key(field, selector, "secretRef.key is required")
}

fn account(login: &PulumiOidcAuth, at: At<'_>) -> Result<(), Finding> {
    let PulumiOidcAuth { organization, service_account_ref, expiration_seconds: _ } = login;
    at.filled("auth.oidcConfig.organization", organization, "oidcConfig.organization is required")?;
    let field = "auth.oidcConfig.serviceAccountRef";
    let text = "oidcConfig.serviceAccountRef.name is required";
    at.filled(&format!("{field}.name"), &service_account_ref.name, text)?;
    if at.kind() == StoreKind::ClusterSecretStore && service_account_ref.namespace.is_none() {
        let text = "oidcConfig.serviceAccountRef.namespace is required for ClusterSecretStore";
        return Err(at.error(field, Code::NamespaceMissing, text));
    }
    Ok(())
}
