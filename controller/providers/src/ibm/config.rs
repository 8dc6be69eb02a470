//! Settings of `ibm`: from the spec to what the rest needs. Pure.

use std::path::PathBuf;
use std::time::Duration;

use api::provider::ibm::{IbmAuth, IbmContainerAuth, IbmProvider, IbmSecretRef};
use api::{RetrySettings, SecretKeySelector};
use provider::{Error, ErrorKind};
use reqwest::Url;

use super::SERVER;
use crate::retry::Retries;

const OPEN: &str = "Open";
const IAM: &str = "https://iam.cloud.ibm.com";
const TOKEN_FILE: &str = "/var/run/secrets/tokens/vault-token";
/// What the reference takes for a field of `retrySettings` that isn't set.
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) service: Url,
    pub(super) iam: Url,
    pub(super) login: Login,
    pub(super) patience: Patience,
}

/// How to get a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// With an API key from a Secret.
    ApiKey(SecretKeySelector),
    /// With the token in a file of the controller's pod, for a trusted profile.
    Container { profile: String, token: PathBuf },
}

impl Login {
    /// The field that holds the address of IAM.
    pub(super) fn endpoint_field(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "spec.provider.ibm.auth.secretRef.iamEndpoint",
            Self::Container { profile: _, token: _ } => "spec.provider.ibm.auth.containerAuth.iamEndpoint",
        }
    }
}

/// How often, and at most how far apart, a request is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) retries: u32,
    pub(super) longest_wait: Duration,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &IbmProvider, retry: Option<&RetrySettings>) -> Result<Self, Error> {
        let IbmProvider { auth: IbmAuth { container_auth, secret_ref }, service_url } = spec;
        let hint = "write the instance's endpoint, https://<id>.<region>.secrets-manager.appdomain.cloud";
        let service = service_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let service = service.ok_or_else(|| invalid(format!("serviceURL is required: set {SERVER}; {hint}")))?;
        let (login, iam) = match (container_auth, secret_ref) {
            (Some(IbmContainerAuth { profile, iam_endpoint, token_location }), _) if !profile.is_empty() => {
                let token = token_location.as_deref().filter(|path| !path.is_empty()).unwrap_or(TOKEN_FILE);
                (Login::Container { profile: profile.clone(), token: PathBuf::from(token) }, iam_endpoint)
            }
            (_, Some(IbmSecretRef { iam_endpoint, secret_api_key_secret_ref: Some(key) })) => {
                (Login::ApiKey(key.clone()), iam_endpoint)
            }
            (_, Some(IbmSecretRef { iam_endpoint: _, secret_api_key_secret_ref: None })) => {
                return Err(invalid("spec.provider.ibm.auth.secretRef.secretApiKeySecretRef is required"));
            }
            (Some(_), None) => {
                return Err(invalid(
                    "container auth profile cannot be empty: set spec.provider.ibm.auth.containerAuth.profile",
                ));
            }
            (None, None) => {
                return Err(invalid(
                    "missing auth method: set secretRef or containerAuth below spec.provider.ibm.auth",
                ));
            }
        };
        let iam = iam.as_deref().map(str::trim).filter(|url| !url.is_empty()).unwrap_or(IAM);
        let iam = url(iam, login.endpoint_field(), "write a URL such as https://iam.cloud.ibm.com")?;
        Ok(Self { service: url(service, SERVER, hint)?, iam, login, patience: patience(retry)? })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Option<Option<&str>> {
        match &self.login {
            Login::ApiKey(key) => Some(key.namespace.as_deref()),
            Login::Container { profile: _, token: _ } => None,
        }
    }
}

fn url(text: &str, field: &str, hint: &str) -> Result<Url, Error> {
    let mut url: Url = text.parse().map_err(|_| invalid(format!("{field}: not a URL; {hint}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("{field}: neither http:// nor https://; {hint}")));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Without retrySettings there are no retries, as in the reference.
fn patience(settings: Option<&RetrySettings>) -> Result<Patience, Error> {
    let Some(settings) = settings else { return Ok(Patience::default()) };
    let Retries { max, interval } = Retries::of(settings)?;
    Ok(Patience { retries: max.unwrap_or(DEFAULT_RETRIES), longest_wait: interval.unwrap_or(DEFAULT_WAIT) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(spec: &Value, retry: Option<&RetrySettings>) -> Result<Settings, Error> {
        Settings::of(&serde_json::from_value(spec.clone()).unwrap(), retry)
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let auth = json!({"secretRef": {"secretApiKeySecretRef": {"name": "s", "key": "k"}}});
        let cases = [
            (json!({"auth": auth}), "serviceURL is required: set spec.provider.ibm.serviceUrl"),
            (json!({"serviceUrl": " ", "auth": auth}), "serviceURL is required"),
            (json!({"serviceUrl": "sm", "auth": auth}), "spec.provider.ibm.serviceUrl: not a URL"),
            (json!({"serviceUrl": "ftp://sm", "auth": auth}), "spec.provider.ibm.serviceUrl: neither"),
            (json!({"serviceUrl": "https://sm", "auth": {}}), "missing auth method"),
            (json!({"serviceUrl": "https://sm", "auth": {"secretRef": {}}}), "secretApiKeySecretRef is required"),
            (json!({"serviceUrl": "https://sm", "auth": {"containerAuth": {"profile": ""}}}), "container auth profile"),
            (
                json!({"serviceUrl": "https://sm", "auth": {"containerAuth": {"profile": "p", "iamEndpoint": "x"}}}),
                "spec.provider.ibm.auth.containerAuth.iamEndpoint: not a URL",
            ),
        ];
        for (spec, text) in cases {
            let error = settings(&spec, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(text), "{spec}: {error}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let container = json!({"serviceUrl": "https://sm/", "auth": {"containerAuth": {"profile": "p"}}});
        let got = settings(&container, None).unwrap();
        assert_eq!(got.iam.as_str(), "https://iam.cloud.ibm.com/");
        assert_eq!(got.login, Login::Container { profile: "p".to_owned(), token: PathBuf::from(TOKEN_FILE) });
        assert_eq!(got.patience, Patience::default());
        assert_eq!(got.namespaces(), None);

        let retry = |max_retries, interval: Option<&str>| RetrySettings {
            max_retries,
            retry_interval: interval.map(str::to_owned),
        };
        let cases = [(retry(None, None), 3, 5), (retry(Some(0), None), 0, 5), (retry(Some(7), Some("1m")), 7, 60)];
        for (retry, retries, seconds) in cases {
            let want = Patience { retries, longest_wait: Duration::from_secs(seconds) };
            assert_eq!(settings(&container, Some(&retry)).unwrap().patience, want);
        }
    }
}
