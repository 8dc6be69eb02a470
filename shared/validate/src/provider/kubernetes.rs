//! The provider `kubernetes`: CA certificates, and references of the login methods. The provider `crd` connects alike.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::{KubernetesAuth, KubernetesProvider, KubernetesServer, SecretKeySelector, StoreKind};

pub(super) fn rules(provider: &KubernetesProvider, at: At<'_>) -> Vec<Finding> {
    let KubernetesProvider { server, auth, auth_ref, remote_namespace: _ } = provider;
    connection(server, auth.as_ref(), auth_ref.as_ref(), at)
}

/// What all connections to a cluster share: a warning without CA certificates, then the first error.
pub(super) fn connection(
    server: &KubernetesServer,
    auth: Option<&KubernetesAuth>,
    auth_ref: Option<&SecretKeySelector>,
    at: At<'_>,
) -> Vec<Finding> {
    let KubernetesServer { ca_bundle, ca_provider, url: _ } = server;
    let mut findings = Vec::new();
    if auth_ref.is_none() && ca_bundle.is_none() && ca_provider.is_none() {
        findings.push(at.warning(
            "server",
            Code::NoCa,
            "No caBundle or caProvider specified; TLS connections will use system certificate roots.",
        ));
    }
    let wrong = ca_namespace(server, at).and_then(|()| auth.map_or(Ok(()), |auth| login(auth, at)));
    findings.extend(wrong.err());
    findings
}

fn ca_namespace(server: &KubernetesServer, at: At<'_>) -> Result<(), Finding> {
    let field = "server.caProvider.namespace";
    let Some(ca) = &server.ca_provider else { return Ok(()) };
    match (at.kind(), &ca.namespace) {
        (StoreKind::ClusterSecretStore, None) => {
            let text = "CAProvider.namespace must not be empty with ClusterSecretStore";
            Err(at.error(field, Code::NamespaceMissing, text))
        }
        (StoreKind::SecretStore, Some(_)) => {
            Err(at.error(field, Code::NamespaceForeign, "CAProvider.namespace must be empty with SecretStore"))
        }
        (StoreKind::ClusterSecretStore, Some(_)) | (StoreKind::SecretStore, None) => Ok(()),
    }
}

fn login(auth: &KubernetesAuth, at: At<'_>) -> Result<(), Finding> {
    let KubernetesAuth { cert, token, service_account } = auth;
    if let Some(cert) = cert {
        // The private key isn't looked at, as in ESO: it is read from where the certificate is allowed to be.
        complete("auth.cert.clientCert", "ClientCert", &cert.client_cert, at)?;
    }
    if let Some(token) = token {
        complete("auth.token.bearerToken", "BearerToken", &token.bearer_token, at)?;
    }
    at.account("auth.serviceAccount", "", service_account.as_ref(), Form::Referent)
}

fn complete(field: &str, name: &str, selector: &SecretKeySelector, at: At<'_>) -> Result<(), Finding> {
    at.name(field, selector, &format!("{name}.Name cannot be empty"))?;
    at.key(field, selector, &format!("{name}.Key cannot be empty"))?;
    at.secret(field, "", selector, Form::Strict)
}
