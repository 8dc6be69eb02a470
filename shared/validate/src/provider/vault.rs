//! The provider `vault`: references of every login method, the client certificate, check-and-set.

use super::reference::{Form, Reference};
use crate::finding::{Code, Finding};
use crate::store::Store;
use api::{
    SecretKeySelector, ServiceAccountSelector, VaultAppRole, VaultAuth, VaultIamAuth, VaultJwtAuth, VaultProvider,
    VaultTls, VaultVersion,
};

const AUTH: &str = "spec.provider.vault.auth";

/// The first thing that is wrong, as in ESO: login methods in a fixed order, then the certificate, then check-and-set.
pub(super) fn rules(provider: &VaultProvider, store: &Store<'_>) -> Result<(), Finding> {
    let VaultProvider {
        auth,
        tls,
        check_and_set,
        version,
        server: _,
        path: _,
        namespace: _,
        headers: _,
        ca_bundle: _,
        ca_provider: _,
        read_your_writes: _,
        forward_inconsistent: _,
    } = provider;
    let refs = Refs { store };
    auth.as_ref().map_or(Ok(()), |auth| methods(auth, refs))?;
    client_certificate(tls, refs)?;
    let guarded = check_and_set.as_ref().is_some_and(|check| check.required);
    if guarded && *version == VaultVersion::V1 {
        let text = "checkAndSet is not supported with Vault KV version v1";
        return Err(Finding::error("spec.provider.vault.checkAndSet", Code::KvVersion, text));
    }
    Ok(())
}

/// Checks references of one store, all of them in the referent form.
#[derive(Clone, Copy)]
struct Refs<'a> {
    store: &'a Store<'a>,
}

impl Refs<'_> {
    fn secret(self, field: &str, name: &str, selector: Option<&SecretKeySelector>) -> Result<(), Finding> {
        let (path, prefix) = (format!("spec.provider.vault.{field}"), format!("invalid {name}: "));
        let reference = selector.map(|selector| Reference::secret(&path, &prefix, selector));
        reference.map_or(Ok(()), |reference| reference.check(self.store, Form::Referent))
    }

    fn account(self, field: &str, name: &str, selector: Option<&ServiceAccountSelector>) -> Result<(), Finding> {
        let (path, prefix) = (format!("spec.provider.vault.{field}"), format!("invalid {name}: "));
        let reference = selector.map(|selector| Reference::service_account(&path, &prefix, selector));
        reference.map_or(Ok(()), |reference| reference.check(self.store, Form::Referent))
    }
}

fn methods(auth: &VaultAuth, refs: Refs<'_>) -> Result<(), Finding> {
    let VaultAuth {
        app_role,
        cert,
        jwt,
        kubernetes,
        ldap,
        user_pass,
        token_secret_ref,
        iam,
        // ESO looks at none of its references here.
        gcp: _,
        namespace: _,
    } = auth;
    if let Some(app_role) = app_role {
        role_and_secret_id(app_role, refs)?;
    }
    if let Some(cert) = cert {
        refs.secret("auth.cert.clientCert", "Auth.Cert.ClientCert", Some(&cert.client_cert))?;
        refs.secret("auth.cert.secretRef", "Auth.Cert.SecretRef", Some(&cert.secret_ref))?;
    }
    if let Some(jwt) = jwt {
        token_source(jwt, refs)?;
    }
    if let Some(kubernetes) = kubernetes {
        let (account, secret) = (kubernetes.service_account_ref.as_ref(), kubernetes.secret_ref.as_ref());
        refs.account("auth.kubernetes.serviceAccountRef", "Auth.Kubernetes.ServiceAccountRef", account)?;
        refs.secret("auth.kubernetes.secretRef", "Auth.Kubernetes.SecretRef", secret)?;
    }
    if let Some(ldap) = ldap {
        refs.secret("auth.ldap.secretRef", "Auth.Ldap.SecretRef", Some(&ldap.secret_ref))?;
    }
    if let Some(user_pass) = user_pass {
        refs.secret("auth.userPass.secretRef", "Auth.UserPass.SecretRef", Some(&user_pass.secret_ref))?;
    }
    refs.secret("auth.tokenSecretRef", "Auth.TokenSecretRef", token_secret_ref.as_ref())?;
    iam.as_ref().map_or(Ok(()), |iam| aws_identity(iam, refs))
}

fn role_and_secret_id(app_role: &VaultAppRole, refs: Refs<'_>) -> Result<(), Finding> {
    let VaultAppRole { role_id, role_ref, secret_ref, path: _ } = app_role;
    refs.secret("auth.appRole.secretRef", "Auth.AppRole.SecretRef", Some(secret_ref))?;
    if role_id.as_deref().is_some_and(|id| !id.is_empty()) {
        // Then the reference isn't used and may say anything.
        return Ok(());
    }
    if role_ref.is_none() {
        return Err(Finding::error(
            format!("{AUTH}.appRole"),
            Code::AuthIncomplete,
            "invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied",
        ));
    }
    refs.secret("auth.appRole.roleRef", "Auth.AppRole.RoleRef", role_ref.as_ref())
}

fn token_source(jwt: &VaultJwtAuth, refs: Refs<'_>) -> Result<(), Finding> {
    let VaultJwtAuth { secret_ref, kubernetes_service_account_token, path: _, role: _ } = jwt;
    match (secret_ref, kubernetes_service_account_token) {
        (Some(secret), _) => refs.secret("auth.jwt.secretRef", "Auth.Jwt.SecretRef", Some(secret)),
        (None, Some(token)) => refs.account(
            "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef",
            "Auth.Jwt.KubernetesServiceAccountToken.ServiceAccountRef",
            Some(&token.service_account_ref),
        ),
        (None, None) => Err(Finding::error(
            format!("{AUTH}.jwt"),
            Code::AuthIncomplete,
            "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied as token source for jwt authentication",
        )),
    }
}

/// ESO's texts name another field here; they are kept, the finding's path is right.
fn aws_identity(iam: &VaultIamAuth, refs: Refs<'_>) -> Result<(), Finding> {
    let name = "Auth.TokenSecretRef";
    let account = iam.jwt.as_ref().and_then(|jwt| jwt.service_account_ref.as_ref());
    refs.account("auth.iam.jwt.serviceAccountRef", name, account)?;
    let Some(keys) = &iam.secret_ref else { return Ok(()) };
    let base = "auth.iam.secretRef";
    refs.secret(&format!("{base}.accessKeyIDSecretRef"), name, keys.access_key_id_secret_ref.as_ref())?;
    refs.secret(&format!("{base}.secretAccessKeySecretRef"), name, keys.secret_access_key_secret_ref.as_ref())?;
    refs.secret(&format!("{base}.sessionTokenSecretRef"), name, keys.session_token_secret_ref.as_ref())
}

fn client_certificate(tls: &VaultTls, refs: Refs<'_>) -> Result<(), Finding> {
    let VaultTls { cert_secret_ref, key_secret_ref } = tls;
    match (cert_secret_ref, key_secret_ref) {
        (None, None) => Ok(()),
        (Some(cert), Some(key)) => {
            refs.secret("tls.certSecretRef", "ClientTLS.ClientCert", Some(cert))?;
            refs.secret("tls.keySecretRef", "ClientTLS.SecretRef", Some(key))
        }
        (Some(_), None) | (None, Some(_)) => Err(Finding::error(
            "spec.provider.vault.tls",
            Code::ClientCertificate,
            "when provided, both ClientTLS.ClientCert and ClientTLS.SecretRef should be provided",
        )),
    }
}
