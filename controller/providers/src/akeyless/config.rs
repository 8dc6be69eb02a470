//! Settings of `akeyless`: from the spec to what the rest needs. Pure.

use api::provider::akeyless::{AkeylessAuth, AkeylessKubernetesAuth, AkeylessProvider, AkeylessSecretRef};
use api::{SecretKeySelector, ServiceAccountSelector};
use provider::{Error, ErrorKind};
use reqwest::Url;

use super::SERVER;

const OPEN: &str = "Open";
const PUBLIC: &str = "https://api.akeyless.io";

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Server,
    pub(super) login: Login,
    pub(super) ignore_cache: bool,
}

/// Where the API is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Below this URL.
    Known(Url),
    /// Below this URL, or below `/v2` of its host: what answers there tells.
    Unknown { given: Url, v2: Url },
}

/// How to get a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// With an access id, and a type of access that a Secret names.
    Access {
        id: SecretKeySelector,
        kind: SecretKeySelector,
        parameter: Option<SecretKeySelector>,
        /// Whose identity at a cloud it is, if not the controller's.
        account: Option<ServiceAccountSelector>,
    },
    /// With a service account's token.
    Kubernetes { id: String, config: String, jwt: Jwt },
}

/// Where the service account's token comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Jwt {
    Requested(ServiceAccountSelector),
    Secret(SecretKeySelector),
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &AkeylessProvider) -> Result<Self, Error> {
        let AkeylessProvider { akeyless_gw_api_url, auth_secret_ref, ca_bundle: _, ca_provider: _, ignore_cache } =
            spec;
        let AkeylessAuth { kubernetes_auth, secret_ref, service_account_ref } = auth_secret_ref;
        let login = match (kubernetes_auth, secret_ref) {
            (Some(auth), _) => kubernetes(auth)?,
            (None, Some(auth)) => access(auth, service_account_ref.as_ref())?,
            (None, None) => {
                return Err(invalid(
                    "missing Auth in store config: set secretRef or kubernetesAuth below spec.provider.akeyless.authSecretRef",
                ));
            }
        };
        Ok(Self { server: server(akeyless_gw_api_url.trim())?, login, ignore_cache: *ignore_cache })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.login {
            Login::Access { id, kind, parameter, account } => [Some(id), Some(kind), parameter.as_ref()]
                .into_iter()
                .flatten()
                .map(|s| s.namespace.as_deref())
                .chain(account.as_ref().map(|account| account.namespace.as_deref()))
                .collect(),
            Login::Kubernetes { id: _, config: _, jwt: Jwt::Requested(account) } => vec![account.namespace.as_deref()],
            Login::Kubernetes { id: _, config: _, jwt: Jwt::Secret(token) } => vec![token.namespace.as_deref()],
        }
    }
}

fn kubernetes(auth: &AkeylessKubernetesAuth) -> Result<Login, Error> {
    let AkeylessKubernetesAuth { access_id, k8s_conf_name, secret_ref, service_account_ref } = auth;
    let at = "spec.provider.akeyless.authSecretRef.kubernetesAuth";
    for (field, value, text) in [
        ("accessID", access_id, "missing kubernetes auth-method access-id"),
        ("k8sConfName", k8s_conf_name, "missing kubernetes config name"),
    ] {
        if value.is_empty() {
            return Err(invalid(format!("{text}: set {at}.{field}")));
        }
    }
    let jwt = match (service_account_ref, secret_ref) {
        (Some(account), _) => Jwt::Requested(account.clone()),
        (None, Some(token)) => Jwt::Secret(token.clone()),
        (None, None) => {
            let text = format!("can't determine k8s service account jwt: set {at}.serviceAccountRef or secretRef");
            return Err(invalid(text));
        }
    };
    Ok(Login::Kubernetes { id: access_id.clone(), config: k8s_conf_name.clone(), jwt })
}

fn access(auth: &AkeylessSecretRef, account: Option<&ServiceAccountSelector>) -> Result<Login, Error> {
    let AkeylessSecretRef { access_id, access_type, access_type_param } = auth;
    let named = |selector: &Option<SecretKeySelector>| {
        selector.clone().filter(|selector| selector.name.as_deref().is_some_and(|name| !name.is_empty()))
    };
    let needed = |field: &str, selector| {
        let missing =
            || invalid(format!("spec.provider.akeyless.authSecretRef.secretRef.{field} must name a Secret and a key"));
        named(selector).ok_or_else(missing)
    };
    Ok(Login::Access {
        id: needed("accessID", access_id)?,
        kind: needed("accessType", access_type)?,
        parameter: named(access_type_param),
        account: account.cloned(),
    })
}

/// The public API as it is, a URL that ends with `/v2` too. Of any other the reference takes only scheme, host and port, and
/// puts `/v2` behind them, unless Akeyless answers at the URL itself.
fn server(given: &str) -> Result<Server, Error> {
    let hint = "write https://api.akeyless.io, or that of a gateway: https://gateway.example.org:8080/v2";
    let text = if given.is_empty() { PUBLIC } else { given };
    let mut url: Url =
        text.parse().map_err(|_| invalid(format!("invalid akeyless GW API URL: {SERVER} is no URL; {hint}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("invalid akeyless GW API URL: {SERVER} is neither http:// nor https://; {hint}")));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    let public = url.as_str().trim_end_matches('/') == PUBLIC;
    if public || path.ends_with("/v2") {
        return Ok(Server::Known(url));
    }
    let mut v2 = url.clone();
    v2.set_path("/v2");
    Ok(Server::Unknown { given: url, v2 })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(spec: Value) -> Result<Settings, Error> {
        Settings::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn the_api_is_at_the_url_or_below_v2() {
        let cases = [
            ("", "https://api.akeyless.io/", None),
            ("https://api.akeyless.io", "https://api.akeyless.io/", None),
            ("https://api.akeyless.io/", "https://api.akeyless.io/", None),
            ("https://gw:8080/v2", "https://gw:8080/v2", None),
            ("https://gw:8080/v2/", "https://gw:8080/v2", None),
            ("https://gw/a/v2", "https://gw/a/v2", None),
            ("http://gw:8080", "http://gw:8080/", Some("http://gw:8080/v2")),
            ("https://gw/console/?x=1", "https://gw/console", Some("https://gw/v2")),
        ];
        for (given, url, fallback) in cases {
            let url: Url = url.parse().unwrap();
            let want = match fallback {
                None => Server::Known(url),
                Some(v2) => Server::Unknown { given: url, v2: v2.parse().unwrap() },
            };
            assert_eq!(server(given).unwrap(), want, "{given}");
        }
        for bad in ["gateway", "ftp://gw/v2", "https://"] {
            let error = server(bad).unwrap_err();
            assert!(error.to_string().starts_with("invalid akeyless GW API URL"), "{error}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let selector = json!({"name": "s", "key": "k"});
        let cases = [
            (json!({}), "missing Auth in store config"),
            (json!({"secretRef": {}}), "secretRef.accessID must name"),
            (json!({"secretRef": {"accessID": selector}}), "secretRef.accessType must name"),
            (
                json!({"kubernetesAuth": {"accessID": "", "k8sConfName": "c"}}),
                "missing kubernetes auth-method access-id",
            ),
            (json!({"kubernetesAuth": {"accessID": "p-1", "k8sConfName": ""}}), "missing kubernetes config name"),
            (
                json!({"kubernetesAuth": {"accessID": "p-1", "k8sConfName": "c"}}),
                "can't determine k8s service account jwt",
            ),
        ];
        for (auth, text) in cases {
            let error = settings(json!({"akeylessGWApiURL": "", "authSecretRef": auth})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
