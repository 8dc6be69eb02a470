//! The provider `infisical`: scope, CA certificates, universal login.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::infisical::{InfisicalAuth, InfisicalProvider, InfisicalScope, InfisicalUniversalAuth};
use api::{CaProvider, StoreKind};

pub(super) fn rules(provider: &InfisicalProvider, at: At<'_>) -> Result<(), Finding> {
    let InfisicalProvider { auth, secrets_scope, ca_provider, ca_bundle: _, host_api: _ } = provider;
    let InfisicalScope {
        environment_slug,
        project_slug,
        expand_secret_references: _,
        organization_slug: _,
        recursive: _,
        secrets_path: _,
    } = secrets_scope;
    let text = "secretsScope.projectSlug and secretsScope.environmentSlug cannot be empty";
    at.filled("secretsScope.environmentSlug", environment_slug, text)?;
    at.filled("secretsScope.projectSlug", project_slug, text)?;
    ca_namespace(ca_provider.as_ref(), at)?;
    universal(auth, at)
}

fn ca_namespace(ca: Option<&CaProvider>, at: At<'_>) -> Result<(), Finding> {
    let Some(ca) = ca else { return Ok(()) };
    let field = "caProvider.namespace";
    match (at.kind(), &ca.namespace) {
        (StoreKind::ClusterSecretStore, None) => {
            let text = "caProvider.namespace is required for ClusterSecretStore";
            Err(at.error(field, Code::NamespaceMissing, text))
        }
        (StoreKind::SecretStore, Some(_)) => {
            let text = "caProvider.namespace must be empty with SecretStore";
            Err(at.error(field, Code::NamespaceForeign, text))
        }
        (StoreKind::ClusterSecretStore, Some(_)) | (StoreKind::SecretStore, None) => Ok(()),
    }
}

/// The only login method that ESO looks at here.
fn universal(auth: &InfisicalAuth, at: At<'_>) -> Result<(), Finding> {
    let InfisicalAuth {
        universal_auth_credentials,
        aws_auth_credentials: _,
        azure_auth_credentials: _,
        gcp_iam_auth_credentials: _,
        gcp_id_token_auth_credentials: _,
        jwt_auth_credentials: _,
        kubernetes_auth_credentials: _,
        ldap_auth_credentials: _,
        oci_auth_credentials: _,
        token_auth_credentials: _,
    } = auth;
    let Some(InfisicalUniversalAuth { client_id, client_secret }) = universal_auth_credentials else { return Ok(()) };
    let (id, secret) = ("auth.universalAuthCredentials.clientId", "auth.universalAuthCredentials.clientSecret");
    at.secret(id, "", client_id, Form::Referent)?;
    at.secret(secret, "", client_secret, Form::Referent)?;
    let text = "universalAuthCredentials.clientId and universalAuthCredentials.clientSecret cannot be empty";
    at.key(id, client_id, text)?;
    at.key(secret, client_secret, text)
}
