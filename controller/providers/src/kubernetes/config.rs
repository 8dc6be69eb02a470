//! Settings of `kubernetes`: from the spec to the address, trust and credentials of an API server.

use std::sync::Arc;

use api::{
    CaProvider, KubernetesAuth, KubernetesCertAuth, KubernetesProvider, KubernetesServer, KubernetesTokenAuth,
    SecretKeySelector, ServiceAccountSelector,
};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;

use super::auth::Token;
use super::kubeconfig;
use crate::http::{Identity, TlsSettings};

const OPEN: &str = "Open";
const DEFAULT_SERVER: &str = "kubernetes.default";
const DEFAULT_NAMESPACE: &str = "default";

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    access: Access,
    pub(super) namespace: String,
}

#[derive(Debug)]
enum Access {
    Kubeconfig(SecretKeySelector),
    Inline(Box<Inline>),
}

#[derive(Debug)]
struct Inline {
    server: Url,
    bundle: Option<String>,
    ca_provider: Option<CaProvider>,
    auth: Auth,
}

#[derive(Debug)]
enum Auth {
    ServiceAccount(ServiceAccountSelector),
    Token(SecretKeySelector),
    Certificate { certificate: SecretKeySelector, key: SecretKeySelector },
}

/// How to get at a cluster, everything looked up.
pub(super) struct Cluster {
    pub(super) server: Url,
    pub(super) server_setting: &'static str,
    pub(super) tls: TlsSettings,
    pub(super) token: Token,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &KubernetesProvider) -> Result<Self, Error> {
        let KubernetesProvider { server, auth, auth_ref, remote_namespace } = spec;
        let namespace = remote_namespace.clone().filter(|n| !n.is_empty()).unwrap_or(DEFAULT_NAMESPACE.to_owned());
        if !is_name(&namespace) {
            return Err(invalid("spec.provider.kubernetes.remoteNamespace: this is not the name of a namespace"));
        }
        let access = match (auth, auth_ref) {
            (Some(_), Some(_)) => return Err(invalid("authRef and inline auth cannot both be set")),
            (None, None) => {
                return Err(invalid("no auth provider given; set spec.provider.kubernetes.auth or authRef"));
            }
            (None, Some(kubeconfig)) => Access::Kubeconfig(kubeconfig.clone()),
            (Some(auth), None) => {
                let KubernetesServer { url, ca_bundle, ca_provider } = server;
                let server = server_url(url.as_deref(), "spec.provider.kubernetes.server.url")?;
                let (bundle, ca_provider) = (ca_bundle.clone(), ca_provider.clone());
                Access::Inline(Box::new(Inline { server, bundle, ca_provider, auth: method(auth)? }))
            }
        };
        Ok(Self { access, namespace })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.access {
            Access::Kubeconfig(selector) => vec![selector.namespace.as_deref()],
            Access::Inline(inline) => match &inline.auth {
                Auth::ServiceAccount(account) => vec![account.namespace.as_deref()],
                Auth::Token(token) => vec![token.namespace.as_deref()],
                Auth::Certificate { certificate, key } => {
                    vec![certificate.namespace.as_deref(), key.namespace.as_deref()]
                }
            },
        }
    }

    /// Looks up what the settings refer to.
    pub(super) async fn resolve(&self, credentials: &Arc<dyn Credentials>) -> Result<Cluster, Error> {
        let Inline { server, bundle, ca_provider, auth } = match &self.access {
            Access::Kubeconfig(selector) => {
                let text = credentials.secret_key(selector, "").await?;
                return kubeconfig::cluster(&text);
            }
            Access::Inline(inline) => inline.as_ref(),
        };
        let roots = crate::ca::roots(bundle.as_deref(), ca_provider.as_ref(), credentials.as_ref()).await?;
        let mut tls = TlsSettings { roots, identity: None };
        let token = match auth {
            Auth::ServiceAccount(account) => Token::requested(account.clone(), Arc::clone(credentials)).await?,
            Auth::Token(selector) => Token::fixed(&credentials.secret_key(selector, "").await?),
            Auth::Certificate { certificate, key } => {
                tls.identity = Some(Identity {
                    chain: credentials.secret_key(certificate, "").await?.expose().to_vec(),
                    key: credentials.secret_key(key, "").await?,
                    setting: "spec.provider.kubernetes.auth.cert",
                });
                Token::none()
            }
        };
        let server_setting = "spec.provider.kubernetes.server.url";
        Ok(Cluster { server: server.clone(), server_setting, tls, token })
    }
}

/// An address without a scheme is taken as https: a token must not travel in the clear unless someone wrote `http://`.
pub(super) fn server_url(given: Option<&str>, field: &str) -> Result<Url, Error> {
    let given = given.unwrap_or(DEFAULT_SERVER).trim();
    if given.is_empty() {
        return Err(invalid(format!("no server URL provided; set {field}")));
    }
    let text = if given.contains("://") { given.to_owned() } else { format!("https://{given}") };
    let url: Option<Url> = text.parse().ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| invalid(format!("{field}: not a URL; write one such as https://10.0.0.1:6443")))
}

fn method(auth: &KubernetesAuth) -> Result<Auth, Error> {
    let KubernetesAuth { cert, token, service_account } = auth;
    match (cert, token, service_account) {
        (None, None, Some(account)) => Ok(Auth::ServiceAccount(account.clone())),
        (None, Some(KubernetesTokenAuth { bearer_token }), None) => Ok(Auth::Token(bearer_token.clone())),
        (Some(KubernetesCertAuth { client_cert, client_key }), None, None) => {
            Ok(Auth::Certificate { certificate: client_cert.clone(), key: client_key.clone() })
        }
        (None, None, None) => Err(invalid("no auth provider given; set one below spec.provider.kubernetes.auth")),
        _ => Err(invalid("multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert")),
    }
}

/// Whether `text` can be the name of a Secret or namespace and one segment of a path.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed) && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(spec: Value) -> Result<Settings, Error> {
        Settings::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn bad_settings_get_the_references_words_or_name_the_field() {
        let secret = json!({"name": "s", "key": "k"});
        let token = json!({"token": {"bearerToken": secret}});
        let cases = [
            (json!({}), "no auth provider given"),
            (json!({"auth": {}}), "no auth provider given"),
            (json!({"auth": token, "authRef": secret}), "authRef and inline auth cannot both be set"),
            (
                json!({"auth": {"token": {"bearerToken": secret}, "serviceAccount": {"name": "a"}}}),
                "multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert",
            ),
            (json!({"auth": token, "server": {"url": ""}}), "no server URL provided"),
            (json!({"auth": token, "server": {"url": "ftp://x"}}), "spec.provider.kubernetes.server.url"),
            (json!({"auth": token, "remoteNamespace": "../x"}), "spec.provider.kubernetes.remoteNamespace"),
        ];
        for (spec, text) in cases {
            let error = settings(spec.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(text), "{spec}: {error}");
        }
    }

    #[test]
    fn an_address_without_scheme_is_https() {
        let cases = [
            (None, "https://kubernetes.default/"),
            (Some("10.0.0.1:6443"), "https://10.0.0.1:6443/"),
            (Some("http://127.0.0.1:8080/base/"), "http://127.0.0.1:8080/base/"),
        ];
        for (given, want) in cases {
            assert_eq!(server_url(given, "f").unwrap().as_str(), want);
        }
    }
}
