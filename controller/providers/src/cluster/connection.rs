//! `server`, `auth` and `authRef`: from the spec to the address, trust and credentials of an API server.

use std::sync::Arc;

use api::{
    CaProvider, KubernetesAuth, KubernetesCertAuth, KubernetesServer, KubernetesTokenAuth, SecretKeySelector,
    ServiceAccountSelector,
};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;

use super::token::Token;
use super::{Cluster, Settings, kubeconfig};
use crate::OpenContext;
use crate::http::{Identity, TlsSettings};

const OPEN: &str = "Open";
const DEFAULT_SERVER: &str = "kubernetes.default";

/// What errors call a provider's settings, such as `spec.provider.kubernetes.auth`.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) auth: &'static str,
    pub(crate) auth_ref: &'static str,
    pub(crate) certificate: &'static str,
    pub(crate) server_url: &'static str,
}

/// The checked settings.
#[derive(Debug)]
pub(crate) struct Connection {
    way: Way,
    fields: &'static Fields,
}

#[derive(Debug)]
enum Way {
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

/// How to get at an API server, everything looked up.
pub(super) struct Access {
    pub(super) server: Url,
    pub(super) settings: Settings,
    pub(super) tls: TlsSettings,
    pub(super) token: Token,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Connection {
    /// Checks the settings that a store's errors call `fields`.
    ///
    /// # Errors
    /// `Invalid`, in the reference's words or naming the field.
    pub(crate) fn of(
        server: &KubernetesServer,
        auth: Option<&KubernetesAuth>,
        auth_ref: Option<&SecretKeySelector>,
        fields: &'static Fields,
    ) -> Result<Self, Error> {
        let way = match (auth, auth_ref) {
            (Some(_), Some(_)) => return Err(invalid("authRef and inline auth cannot both be set")),
            (None, None) => {
                return Err(invalid(format!("no auth provider given; set {} or authRef", fields.auth)));
            }
            (None, Some(kubeconfig)) => Way::Kubeconfig(kubeconfig.clone()),
            (Some(auth), None) => {
                let KubernetesServer { url, ca_bundle, ca_provider } = server;
                let server = server_url(url.as_deref(), fields.server_url)?;
                let (bundle, ca_provider) = (ca_bundle.clone(), ca_provider.clone());
                Way::Inline(Box::new(Inline { server, bundle, ca_provider, auth: method(auth, fields)? }))
            }
        };
        Ok(Self { way, fields })
    }

    /// The namespaces that the needed selectors name.
    pub(crate) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.way {
            Way::Kubeconfig(selector) => vec![selector.namespace.as_deref()],
            Way::Inline(inline) => match &inline.auth {
                Auth::ServiceAccount(account) => vec![account.namespace.as_deref()],
                Auth::Token(token) => vec![token.namespace.as_deref()],
                Auth::Certificate { certificate, key } => {
                    vec![certificate.namespace.as_deref(), key.namespace.as_deref()]
                }
            },
        }
    }

    /// Looks up what the settings refer to. Asks the API server nothing yet.
    ///
    /// # Errors
    /// Whatever the lookups give; `Invalid` and `Unsupported` for credentials that can't be used.
    pub(crate) async fn open(&self, cx: &OpenContext<'_>) -> Result<Cluster, Error> {
        let Access { server, settings, tls, token } = self.resolve(&cx.credentials).await?;
        Ok(Cluster { http: cx.http.get(&tls)?, server, settings, token })
    }

    async fn resolve(&self, credentials: &Arc<dyn Credentials>) -> Result<Access, Error> {
        let Inline { server, bundle, ca_provider, auth } = match &self.way {
            Way::Kubeconfig(selector) => {
                let text = credentials.secret_key(selector, "").await?;
                return kubeconfig::access(&text, self.fields.auth_ref);
            }
            Way::Inline(inline) => inline.as_ref(),
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
                    setting: self.fields.certificate,
                });
                Token::none()
            }
        };
        let settings = Settings { server: self.fields.server_url, auth: self.fields.auth };
        Ok(Access { server: server.clone(), settings, tls, token })
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

fn method(auth: &KubernetesAuth, fields: &Fields) -> Result<Auth, Error> {
    let KubernetesAuth { cert, token, service_account } = auth;
    match (cert, token, service_account) {
        (None, None, Some(account)) => Ok(Auth::ServiceAccount(account.clone())),
        (None, Some(KubernetesTokenAuth { bearer_token }), None) => Ok(Auth::Token(bearer_token.clone())),
        (Some(KubernetesCertAuth { client_cert, client_key }), None, None) => {
            Ok(Auth::Certificate { certificate: client_cert.clone(), key: client_key.clone() })
        }
        (None, None, None) => Err(invalid(format!("no auth provider given; set one below {}", fields.auth))),
        _ => Err(invalid("multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FIELDS: Fields = Fields {
        auth: "spec.provider.x.auth",
        auth_ref: "spec.provider.x.authRef",
        certificate: "spec.provider.x.auth.cert",
        server_url: "spec.provider.x.server.url",
    };

    fn connection(spec: Value) -> Result<Connection, Error> {
        let part = |name: &str| spec.get(name).cloned().unwrap_or_default();
        let server: Option<KubernetesServer> = serde_json::from_value(part("server")).unwrap();
        let auth: Option<KubernetesAuth> = serde_json::from_value(part("auth")).unwrap();
        let auth_ref: Option<SecretKeySelector> = serde_json::from_value(part("authRef")).unwrap();
        Connection::of(&server.unwrap_or_default(), auth.as_ref(), auth_ref.as_ref(), &FIELDS)
    }

    #[test]
    fn bad_settings_get_the_references_words_or_name_the_field() {
        let secret = json!({"name": "s", "key": "k"});
        let token = json!({"token": {"bearerToken": secret}});
        let cases = [
            (json!({}), "no auth provider given; set spec.provider.x.auth or authRef"),
            (json!({"auth": {}}), "no auth provider given; set one below spec.provider.x.auth"),
            (json!({"auth": token, "authRef": secret}), "authRef and inline auth cannot both be set"),
            (
                json!({"auth": {"token": {"bearerToken": secret}, "serviceAccount": {"name": "a"}}}),
                "multiple auth methods provided: set exactly one of Token, ServiceAccount, or Cert",
            ),
            (json!({"auth": token, "server": {"url": ""}}), "no server URL provided; set spec.provider.x.server.url"),
            (json!({"auth": token, "server": {"url": "ftp://x"}}), "spec.provider.x.server.url: not a URL"),
        ];
        for (spec, text) in cases {
            let error = connection(spec.clone()).unwrap_err();
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
