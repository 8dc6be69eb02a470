//! The provider `akeyless`: URL of the gateway, references of the login method.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::SecretKeySelector;
use api::provider::akeyless::{AkeylessAuth, AkeylessKubernetesAuth, AkeylessProvider, AkeylessSecretRef};

pub(super) fn rules(provider: &AkeylessProvider, at: At<'_>) -> Result<(), Finding> {
    let AkeylessProvider { akeyless_gw_api_url: url, auth_secret_ref, ca_bundle: _, ca_provider: _, ignore_cache: _ } =
        provider;
    let has_host = gourl::parse(url.as_bytes()).is_ok_and(|url| !url.host.is_empty());
    if !url.is_empty() && !has_host {
        return Err(at.error("akeylessGWApiURL", Code::Url, "invalid akeyless GW API URL"));
    }
    let AkeylessAuth { kubernetes_auth, secret_ref, service_account_ref } = auth_secret_ref;
    if let Some(login) = kubernetes_auth {
        return kubernetes(login, at);
    }
    access(secret_ref.as_ref(), at)?;
    let field = "authSecretRef.serviceAccountRef";
    at.account(field, "invalid Auth.ServiceAccountRef: ", service_account_ref.as_ref(), Form::Referent)
}

fn kubernetes(login: &AkeylessKubernetesAuth, at: At<'_>) -> Result<(), Finding> {
    let AkeylessKubernetesAuth { access_id, k8s_conf_name, secret_ref, service_account_ref } = login;
    let field = |name: &str| format!("authSecretRef.kubernetesAuth.{name}");
    let prefix = "invalid Auth.Kubernetes.ServiceAccountRef: ";
    at.account(&field("serviceAccountRef"), prefix, service_account_ref.as_ref(), Form::Referent)?;
    at.optional_secret(&field("secretRef"), "", secret_ref.as_ref(), Form::Strict)?;
    at.filled(&field("accessID"), access_id, "missing kubernetes auth-method access-id")?;
    at.filled(&field("k8sConfName"), k8s_conf_name, "missing kubernetes config name")
}

/// In a ClusterSecretStore the access id and type need a namespace even when they aren't set, as in ESO.
fn access(login: Option<&AkeylessSecretRef>, at: At<'_>) -> Result<(), Finding> {
    let field = |name: &str| format!("authSecretRef.secretRef.{name}");
    let absent = SecretKeySelector::default();
    let login = login.map(|AkeylessSecretRef { access_id, access_type, access_type_param }| {
        (access_id.as_ref(), access_type.as_ref(), access_type_param.as_ref())
    });
    let (id, kind, parameter) = login.unwrap_or_default();
    let (id, kind) = (id.unwrap_or(&absent), kind.unwrap_or(&absent));
    at.secret(&field("accessID"), "", id, Form::Strict)?;
    at.name(&field("accessID"), id, "missing akeyless accessID name")?;
    at.key(&field("accessID"), id, "missing akeyless accessID key")?;
    at.secret(&field("accessType"), "", kind, Form::Strict)?;
    let named = parameter.filter(|parameter| parameter.name.as_deref().is_some_and(|name| !name.is_empty()));
    at.optional_secret(&field("accessTypeParam"), "", named, Form::Strict)
}
