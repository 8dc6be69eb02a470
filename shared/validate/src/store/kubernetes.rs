//! The provider `kubernetes`: CA certificates, and references of the login methods.

use super::Store;
use super::reference::{Form, Reference};
use crate::finding::{Code, Finding};
use api::{KubernetesAuth, KubernetesProvider, KubernetesServer, SecretKeySelector, StoreKind};

pub(super) fn rules(provider: &KubernetesProvider, store: &Store<'_>) -> Vec<Finding> {
    let KubernetesProvider { server, auth, auth_ref, remote_namespace: _ } = provider;
    let KubernetesServer { ca_bundle, ca_provider, url: _ } = server;
    let mut findings = Vec::new();
    if auth_ref.is_none() && ca_bundle.is_none() && ca_provider.is_none() {
        findings.push(Finding::warning(
            "spec.provider.kubernetes.server",
            Code::NoCa,
            "No caBundle or caProvider specified; TLS connections will use system certificate roots.",
        ));
    }
    findings.extend(ca_namespace(server, store).err());
    // As in ESO the first error ends the search.
    if findings.iter().all(|finding| finding.code == Code::NoCa)
        && let Some(auth) = auth
    {
        findings.extend(login(auth, store).err());
    }
    findings
}

fn ca_namespace(server: &KubernetesServer, store: &Store<'_>) -> Result<(), Finding> {
    let path = "spec.provider.kubernetes.server.caProvider.namespace";
    let Some(ca) = &server.ca_provider else { return Ok(()) };
    match (store.kind, &ca.namespace) {
        (StoreKind::ClusterSecretStore, None) => Err(Finding::error(
            path,
            Code::NamespaceMissing,
            "CAProvider.namespace must not be empty with ClusterSecretStore",
        )),
        (StoreKind::SecretStore, Some(_)) => {
            Err(Finding::error(path, Code::NamespaceForeign, "CAProvider.namespace must be empty with SecretStore"))
        }
        (StoreKind::ClusterSecretStore, Some(_)) | (StoreKind::SecretStore, None) => Ok(()),
    }
}

fn login(auth: &KubernetesAuth, store: &Store<'_>) -> Result<(), Finding> {
    let KubernetesAuth { cert, token, service_account } = auth;
    if let Some(cert) = cert {
        // The private key isn't looked at, as in ESO: it is read from where the certificate is allowed to be.
        complete("cert.clientCert", "ClientCert", &cert.client_cert, store)?;
    }
    if let Some(token) = token {
        complete("token.bearerToken", "BearerToken", &token.bearer_token, store)?;
    }
    if let Some(account) = service_account {
        let path = "spec.provider.kubernetes.auth.serviceAccount";
        Reference::service_account(path, "", account).check(store, Form::Referent)?;
    }
    Ok(())
}

fn complete(field: &str, name: &str, selector: &SecretKeySelector, store: &Store<'_>) -> Result<(), Finding> {
    let path = format!("spec.provider.kubernetes.auth.{field}");
    for (part, value) in [("Name", &selector.name), ("Key", &selector.key)] {
        if value.as_deref().unwrap_or_default().is_empty() {
            let path = format!("{path}.{}", part.to_lowercase());
            return Err(Finding::error(path, Code::ReferenceIncomplete, format!("{name}.{part} cannot be empty")));
        }
    }
    Reference::secret(&path, "", selector).check(store, Form::Strict)
}
