//! Settings of `vault`: from the spec (and the variables of Vault's SDK) to what the rest needs. Pure, but for the last
//! step of TLS, which looks up certificates.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{CaProvider, RetrySettings, SecretKeySelector, VaultProvider, VaultTls};
use http::{HeaderMap, HeaderName, HeaderValue};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;

use super::login::Login;
use super::path::Paths;
use super::product::Product;
use crate::environment::VaultEnvironment;
use crate::http::{Identity, Roots, TOTAL_TIMEOUT, TlsSettings};
use crate::retry::Retries;

const OPEN: &str = "Open";
/// Vault's SDK tries twice more, a second apart.
const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// A checked store.
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) login: Login,
    pub(super) tls: Tls,
    pub(super) paths: Paths,
}

/// What every request needs.
pub(super) struct Connection {
    pub(super) product: Product,
    pub(super) server: Url,
    /// Custom headers and the ones that never change.
    pub(super) headers: HeaderMap,
    /// The server's namespace of requests, and of the login.
    pub(super) namespace: Option<HeaderValue>,
    pub(super) login_namespace: Option<HeaderValue>,
    pub(super) read_your_writes: bool,
    pub(super) retries: u32,
    pub(super) wait: Duration,
    pub(super) timeout: Duration,
}

impl Connection {
    /// How long one request may take if that was set at all: each try to its end, and the pauses.
    pub(super) fn patience(&self) -> Option<Duration> {
        let (retries, wait, timeout) = (self.retries, self.wait, self.timeout);
        let set = (retries, wait, timeout) != (DEFAULT_RETRIES, DEFAULT_WAIT, TOTAL_TIMEOUT);
        set.then(|| timeout.saturating_mul(retries.saturating_add(1)).saturating_add(wait.saturating_mul(retries)))
    }
}

/// Where trust and the client certificate come from.
pub(super) struct Tls {
    bundle: Option<String>,
    provider: Option<CaProvider>,
    client: Option<(SecretKeySelector, SecretKeySelector)>,
    environment_ca: Option<std::path::PathBuf>,
    skip_verify: bool,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(
        spec: &VaultProvider,
        product: Product,
        retry: Option<&RetrySettings>,
        environment: &VaultEnvironment,
    ) -> Result<Self, Error> {
        let VaultProvider {
            server,
            path,
            version,
            namespace,
            headers,
            auth,
            ca_bundle,
            ca_provider,
            read_your_writes,
            forward_inconsistent,
            tls,
            check_and_set: _, // Every write names its version, required or not.
        } = spec;
        let VaultEnvironment { ca_cert, skip_verify, namespace: default_namespace, max_retries, client_timeout, token } =
            environment;

        let namespace = namespace.as_deref().or(default_namespace.as_deref()).filter(|n| !n.is_empty());
        // Set and empty, it is the root namespace.
        let login_namespace =
            auth.as_ref().and_then(|a| a.namespace.as_deref()).or(namespace).filter(|n| !n.is_empty());
        let (retries, wait) = retries(retry, *max_retries)?;
        let connection = Connection {
            product,
            server: server_url(server, product)?,
            headers: all_headers(headers, *read_your_writes && *forward_inconsistent, product)?,
            namespace: namespace.map(|n| header_value(n, &product.field("namespace"))).transpose()?,
            login_namespace: login_namespace.map(|n| header_value(n, &product.field("auth.namespace"))).transpose()?,
            read_your_writes: *read_your_writes,
            retries,
            wait,
            timeout: client_timeout.unwrap_or(TOTAL_TIMEOUT),
        };
        let login = match auth {
            None => Login::Environment(token.clone()),
            Some(auth) => Login::of(auth, product)?,
        };
        let client = match login.certificate() {
            Some((certificate, key)) => Some((certificate.clone(), key.clone())),
            None => client_certificate(tls)?,
        };
        let tls = Tls {
            bundle: ca_bundle.clone().filter(|b| !b.is_empty()),
            provider: ca_provider.clone(),
            client,
            environment_ca: ca_cert.clone(),
            skip_verify: *skip_verify,
        };
        Ok(Self { connection, login, tls, paths: Paths::new(path.as_deref(), *version, product)? })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Vec<Option<&str>> {
        let (mut secrets, accounts) = self.login.selectors();
        if let Some((certificate, key)) = &self.tls.client {
            secrets.extend([certificate, key]);
        }
        let secrets = secrets.into_iter().map(|s| s.namespace.as_deref());
        secrets.chain(accounts.into_iter().map(|a| a.namespace.as_deref())).collect()
    }
}

fn server_url(server: &str, product: Product) -> Result<Url, Error> {
    let field = product.field("server");
    let hint = format!("write a URL such as {}", product.example());
    let url: Url = server.trim().parse().map_err(|_| invalid(format!("{field}: not a URL; {hint}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("{field}: neither http:// nor https://; {hint}")));
    }
    Ok(url)
}

fn all_headers(custom: &BTreeMap<String, String>, forward: bool, product: Product) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in custom {
        let field = product.field(&format!("headers[{name}]"));
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(format!("{field}: this is not the name of an HTTP header")))?;
        headers.insert(key, header_value(value, &field)?);
    }
    headers.insert("x-vault-request", HeaderValue::from_static("true"));
    if forward {
        headers.insert("x-vault-inconsistent", HeaderValue::from_static("forward-active-node"));
    }
    Ok(headers)
}

fn header_value(text: &str, field: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| invalid(format!("{field}: holds a character that an HTTP header can't have")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// With retrySettings but without maxRetries there are none, as in the reference.
fn retries(settings: Option<&RetrySettings>, environment: Option<u32>) -> Result<(u32, Duration), Error> {
    let Some(settings) = settings else { return Ok((environment.unwrap_or(DEFAULT_RETRIES), DEFAULT_WAIT)) };
    let Retries { max, interval } = Retries::of(settings)?;
    Ok((max.unwrap_or_default(), interval.unwrap_or(DEFAULT_WAIT)))
}

fn client_certificate(tls: &VaultTls) -> Result<Option<(SecretKeySelector, SecretKeySelector)>, Error> {
    let VaultTls { cert_secret_ref, key_secret_ref } = tls;
    match (cert_secret_ref, key_secret_ref) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (Some(_), None) | (None, Some(_)) => {
            Err(invalid("when provided, both ClientTLS.ClientCert and ClientTLS.SecretRef should be provided"))
        }
    }
}

impl Tls {
    /// Looks up certificates.
    pub(super) async fn resolve(&self, credentials: &dyn Credentials) -> Result<TlsSettings, Error> {
        let mut roots = crate::ca::roots(self.bundle.as_deref(), self.provider.as_ref(), credentials).await?;
        if let (Roots::System, Some(file)) = (&roots, &self.environment_ca) {
            let unreadable = "the file that the environment variable VAULT_CACERT names can't be read";
            roots = Roots::Only(tokio::fs::read(file).await.map_err(|_| invalid(unreadable))?);
        }
        if self.skip_verify {
            roots = Roots::Anyone;
        }
        let identity = match &self.client {
            None => None,
            Some((certificate, key)) => Some(Identity {
                chain: credentials.secret_key(certificate, "tls.crt").await?.expose().to_vec(),
                key: credentials.secret_key(key, "tls.key").await?,
                setting: "spec.provider.vault.tls or auth.cert",
            }),
        };
        Ok(TlsSettings { roots, identity })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(patch: Value) -> VaultProvider {
        let mut spec = json!({"server": "http://vault:8200", "path": "kv", "version": "v2"});
        spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    fn settings(patch: Value) -> Result<Settings, Error> {
        Settings::of(&spec(patch), Product::Vault, None, &VaultEnvironment::default())
    }

    #[test]
    fn bad_settings_name_the_field() {
        let secret = json!({"name": "s", "key": "k"});
        let cases = [
            (json!({"server": "vault:8200"}), ErrorKind::Invalid, "spec.provider.vault.server"),
            (json!({"server": ""}), ErrorKind::Invalid, "spec.provider.vault.server"),
            (json!({"server": "ftp://vault"}), ErrorKind::Invalid, "spec.provider.vault.server"),
            (json!({"path": "a/../b"}), ErrorKind::Invalid, "spec.provider.vault.path"),
            (json!({"headers": {"a b": "c"}}), ErrorKind::Invalid, "spec.provider.vault.headers[a b]"),
            (json!({"headers": {"a": "b\nc"}}), ErrorKind::Invalid, "spec.provider.vault.headers[a]"),
            (json!({"namespace": "a\nb"}), ErrorKind::Invalid, "spec.provider.vault.namespace"),
            (json!({"tls": {"certSecretRef": secret}}), ErrorKind::Invalid, "both ClientTLS.ClientCert"),
        ];
        for (patch, kind, text) in cases {
            let error = settings(patch.clone()).err().unwrap();
            assert_eq!(error.kind(), kind, "{patch}: {error}");
            assert!(error.to_string().contains(text), "{patch}: {error}");
        }
    }

    #[test]
    fn the_example_of_an_address_is_one_of_the_product() {
        for (product, host) in
            [(Product::Vault, "https://vault.example.org"), (Product::OpenBao, "https://openbao.example.org")]
        {
            let patch = json!({"server": ""});
            let error = Settings::of(&spec(patch), product, None, &VaultEnvironment::default()).err().unwrap();
            assert!(error.to_string().contains(host), "{error}");
        }
    }

    #[test]
    fn retry_settings_go_before_the_environment() {
        let given = |max_retries, interval: &str| RetrySettings {
            max_retries,
            retry_interval: Some(interval.to_owned()).filter(|i| !i.is_empty()),
        };
        let second = Duration::from_secs(1);
        let cases = [
            (None, None, (2, second)),
            (None, Some(7), (7, second)),
            (Some(given(None, "")), Some(7), (0, second)),
            (Some(given(Some(4), "250ms")), None, (4, Duration::from_millis(250))),
        ];
        for (settings, environment, want) in cases {
            assert_eq!(retries(settings.as_ref(), environment).unwrap(), want, "{settings:?}");
        }
    }

    #[test]
    fn the_stores_namespace_goes_before_the_environments() {
        let environment = VaultEnvironment { namespace: Some("env".to_owned()), ..VaultEnvironment::default() };
        let namespace =
            |patch| Settings::of(&spec(patch), Product::Vault, None, &environment).unwrap().connection.namespace;
        assert_eq!(namespace(json!({})).unwrap(), "env");
        assert_eq!(namespace(json!({"namespace": "own"})).unwrap(), "own");
    }
}
