//! The backends: one folder each, all with the shape of [`provider::Provider`]. Read `fake` first.
//!
//! Lives here: [`open`], which turns a store's settings into a provider, and what the folders share: the HTTP layer
//! (`http`), identities at Google and Azure (`google`, `entra`), the connection to an API server (`cluster`), the process's
//! environment, CA bundles, retry settings, clock and chance for templates, and what pushes have in common: their metadata
//! (`push_metadata`) and the mark of what is ours (`ownership`).
//! Deliberately not here: sharing of reads, limits and deadlines (`engine`), rules on settings that need no backend
//! (`validate`), and which namespace a credential is looked up in ([`provider::Credentials`]).

mod akeyless;
mod aws;
mod azurekv;
mod bearer;
mod ca;
mod clock;
mod cluster;
mod crd;
mod entra;
mod environment;
mod fake;
mod gcp;
mod google;
mod http;
mod ibm;
mod kubernetes;
mod lifetime;
mod name_pattern;
mod onepassword;
mod ownership;
mod property;
mod push_metadata;
mod referent;
mod retry;
mod template_env;
mod vault;
mod webhook;

use std::sync::Arc;

use api::{ProviderSpec, ProviderSpecError, RetrySettings, StoreKind, StoreProvider};
use provider::{Credentials, Error, ErrorKind, Provider};

pub use environment::{
    AwsEnvironment, AwsWebIdentity, AzureEnvironment, Environment, GcpEnvironment, ProxyEnvironment, VaultEnvironment,
};
pub use fake::FakeMemory;
pub use http::HttpClients;
pub use template_env::random_bytes;

const OPEN: &str = "Open";

/// The pattern of the providers whose settings are known, but which no code here can reach yet.
macro_rules! without_backend {
    () => {
        ProviderSpec::Barbican(_)
            | ProviderSpec::Beyondtrust(_)
            | ProviderSpec::BeyondtrustWorkload(_)
            | ProviderSpec::Bitwarden(_)
            | ProviderSpec::Chef(_)
            | ProviderSpec::CloudRu(_)
            | ProviderSpec::Conjur(_)
            | ProviderSpec::Delinea(_)
            | ProviderSpec::Doppler(_)
            | ProviderSpec::Dvls(_)
            | ProviderSpec::Fortanix(_)
            | ProviderSpec::Github(_)
            | ProviderSpec::Gitlab(_)
            | ProviderSpec::Infisical(_)
            | ProviderSpec::KeeperSecurity(_)
            | ProviderSpec::Nebius(_)
            | ProviderSpec::Ngrok(_)
            | ProviderSpec::Onboardbase(_)
            | ProviderSpec::OnePasswordSdk(_)
            | ProviderSpec::Oracle(_)
            | ProviderSpec::Ovh(_)
            | ProviderSpec::Passbolt(_)
            | ProviderSpec::PasswordDepot(_)
            | ProviderSpec::Previder(_)
            | ProviderSpec::Pulumi(_)
            | ProviderSpec::Scaleway(_)
            | ProviderSpec::SecretServer(_)
            | ProviderSpec::Senhasegura(_)
            | ProviderSpec::Volcengine(_)
            | ProviderSpec::YandexCertificateManager(_)
            | ProviderSpec::YandexLockbox(_)
    };
}

/// Which store is opened, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The store's kind.
    pub kind: StoreKind,
    /// The store's name.
    pub name: String,
    /// The namespace of the object that uses the store; `None` while a ClusterSecretStore is validated by itself.
    pub namespace: Option<String>,
}

/// What a provider is opened with, beside its settings.
pub struct OpenContext<'a> {
    /// Which store, and for whom.
    pub store: StoreIdentity,
    /// Looks up what the settings refer to. Kept for as long as the provider lives: logins are repeated.
    pub credentials: Arc<dyn Credentials>,
    /// `spec.retrySettings` of the store.
    pub retry: Option<&'a RetrySettings>,
    /// The process's environment, read once.
    pub environment: &'a Environment,
    /// The process's HTTP clients, made once.
    pub http: &'a HttpClients,
}

/// Opens the store: checks its settings, looks up its credentials, and logs in where there is a login.
///
/// A ClusterSecretStore whose credentials can only be found in a consumer's namespace opens without one too; the result
/// answers `validate` with `Unknown` and every read with `Invalid`.
///
/// # Errors
/// `Invalid` for settings or credentials that can't work, `Unsupported` for a provider or field that this build doesn't
/// have, and the kinds of a failed login (`Unauthenticated`, `Unavailable`, `Timeout`, …).
pub async fn open(spec: &ProviderSpec, cx: OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    match spec {
        ProviderSpec::Akeyless(spec) => akeyless::open(spec, &cx).await,
        ProviderSpec::Aws(spec) => aws::open(spec, &cx).await,
        ProviderSpec::AzureKv(spec) => azurekv::open(spec, &cx).await,
        ProviderSpec::Vault(spec) => vault::open(spec, &cx).await,
        ProviderSpec::Fake(spec) => Ok(Box::new(fake::Fake::new(spec, &cx))),
        ProviderSpec::Ibm(spec) => ibm::open(spec, &cx).await,
        ProviderSpec::Kubernetes(spec) => kubernetes::open(spec, &cx).await,
        ProviderSpec::Crd(spec) => crd::open(spec, &cx).await,
        ProviderSpec::Webhook(spec) => webhook::open(spec, &cx).await,
        ProviderSpec::GcpSm(spec) => gcp::open(spec, &cx).await,
        ProviderSpec::OnePassword(spec) => onepassword::open(spec, &cx).await,
        ProviderSpec::OpenBao(spec) => vault::openbao::open(spec, &cx).await,
        without_backend!() => Err(unsupported(spec.key(), &cx.store.name)),
    }
}

/// Whether [`open`] can do anything with these settings.
pub const fn has_backend(spec: &ProviderSpec) -> bool {
    !matches!(spec, without_backend!())
}

fn unsupported(provider: &str, store: &str) -> Error {
    let text = format!("failed to find registered store backend for type: {provider}, name: {store}");
    Error::new(ErrorKind::Unsupported, OPEN, text)
}

/// The provider's settings out of a store's `spec.provider`.
///
/// # Errors
/// See [`parse_error`]; `store` is the store's name.
pub fn parse(provider: Option<&StoreProvider>, store: &str) -> Result<ProviderSpec, Error> {
    let parsed = provider.map_or(Err(ProviderSpecError::NotExactlyOne(0)), StoreProvider::parse);
    parsed.map_err(|error| parse_error(&error, store))
}

/// Whether a ClusterSecretStore with these settings is another store for each consumer's namespace: credentials that
/// are looked up there, or session tags that name it. Such handles must not be shared between namespaces.
pub fn uses_consumer(spec: &ProviderSpec, environment: &Environment) -> bool {
    match spec {
        ProviderSpec::Akeyless(spec) => akeyless::uses_consumer(spec),
        ProviderSpec::Aws(spec) => aws::uses_consumer(spec, environment),
        ProviderSpec::AzureKv(spec) => azurekv::uses_consumer(spec, environment),
        ProviderSpec::Vault(spec) => vault::uses_consumer(spec, environment),
        ProviderSpec::Fake(_) => false,
        ProviderSpec::Ibm(spec) => ibm::uses_consumer(spec),
        ProviderSpec::Kubernetes(spec) => kubernetes::uses_consumer(spec),
        ProviderSpec::Crd(spec) => crd::uses_consumer(spec),
        ProviderSpec::Webhook(spec) => webhook::uses_consumer(spec),
        ProviderSpec::GcpSm(spec) => gcp::uses_consumer(spec),
        ProviderSpec::OnePassword(spec) => onepassword::uses_consumer(spec),
        ProviderSpec::OpenBao(spec) => vault::openbao::uses_consumer(spec, environment),
        without_backend!() => false,
    }
}

/// The error of a store whose `spec.provider` can't be opened at all, in the reference's words.
pub fn parse_error(error: &ProviderSpecError, store: &str) -> Error {
    match error {
        ProviderSpecError::NotExactlyOne(found) => {
            let text = format!(
                "store error for {store}: secret stores must only have exactly one backend specified, found {found}"
            );
            Error::new(ErrorKind::Invalid, OPEN, text)
        }
        ProviderSpecError::Unsupported(provider) => unsupported(provider, store),
        ProviderSpecError::Invalid { provider, message } => {
            Error::new(ErrorKind::Invalid, OPEN, format!("spec.provider.{provider}: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_spec_that_cannot_be_opened_is_reported_in_the_references_words() {
        let invalid = ProviderSpecError::Invalid { provider: "vault".to_owned(), message: "no server".to_owned() };
        let cases = [
            (
                ProviderSpecError::NotExactlyOne(2),
                ErrorKind::Invalid,
                "store error for s: secret stores must only have exactly one backend specified, found 2",
            ),
            (
                ProviderSpecError::Unsupported("conjur".to_owned()),
                ErrorKind::Unsupported,
                "failed to find registered store backend for type: conjur, name: s",
            ),
            (invalid, ErrorKind::Invalid, "spec.provider.vault: no server"),
        ];
        for (given, kind, text) in cases {
            let error = parse_error(&given, "s");
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        }
        let error = parse(None, "s").unwrap_err();
        assert!(error.to_string().ends_with("found 0"), "{error}");
    }

    #[test]
    fn a_store_that_looks_into_its_consumers_namespace_says_so() {
        let here = json!({"name": "s", "key": "k"});
        let there = json!({"name": "s", "key": "k", "namespace": "n"});
        let vault = |secret: &Value| json!({"vault": {"server": "http://v", "auth": {"tokenSecretRef": secret}}});
        let openbao = |secret: &Value| json!({"openBao": {"server": "http://b", "auth": {"tokenSecretRef": secret}}});
        let kubernetes = |secret: &Value| json!({"kubernetes": {"authRef": secret}});
        let crd = |secret: &Value| json!({"crd": {"authRef": secret, "resource": {"group": "g", "version": "v1", "kind": "K"}}});
        let onepassword = |secret: &Value| {
            json!({"onepassword": {"connectHost": "http://c", "vaults": {"a": 1},
                "auth": {"secretRef": {"connectTokenSecretRef": secret}}}})
        };
        let akeyless = |secret: &Value| {
            let auth = json!({"accessID": there, "accessType": there, "accessTypeParam": secret});
            json!({"akeyless": {"akeylessGWApiURL": "", "authSecretRef": {"secretRef": auth}}})
        };
        let ibm = |secret: &Value| json!({"ibm": {"serviceUrl": "https://i", "auth": {"secretRef": {"secretApiKeySecretRef": secret}}}});
        let keys = |secret: &Value| json!({"accessKeyIDSecretRef": there, "secretAccessKeySecretRef": secret});
        let aws = |auth: Value, policy: &str| {
            json!({"aws": {"service": "SecretsManager", "region": "eu-west-1", "role": "r", "auth": auth,
                "sessionTagsPolicy": policy}})
        };
        let iam = |mut auth: Value| {
            auth["vaultRole"] = json!("r");
            json!({"vault": {"server": "http://v", "auth": {"iam": auth}}})
        };
        let azure = |secret: &Value| json!({"azurekv": {"vaultUrl": "https://v", "tenantId": "t", "authSecretRef": {"clientId": there, "clientSecret": secret}}});
        let account = |account: Value| json!({"azurekv": {"vaultUrl": "https://v", "authType": "WorkloadIdentity", "serviceAccountRef": account}});
        let cases = [
            (azure(&here), true),
            (azure(&there), false),
            (account(json!({"name": "a"})), true),
            (account(json!({"name": "a", "namespace": "n"})), false),
            (json!({"azurekv": {"vaultUrl": "https://v", "authType": "ManagedIdentity"}}), false),
            (vault(&here), true),
            (vault(&there), false),
            (json!({"vault": {"server": "http://v"}}), false),
            (iam(json!({"jwt": {"serviceAccountRef": {"name": "a"}}})), true),
            (iam(json!({"secretRef": keys(&there)})), false),
            (iam(json!({})), false),
            (json!({"vault": {"server": "not a URL", "auth": {"tokenSecretRef": here}}}), false),
            (openbao(&here), true),
            (openbao(&there), false),
            (kubernetes(&here), true),
            (kubernetes(&there), false),
            (crd(&here), true),
            (crd(&there), false),
            (aws(json!({"secretRef": keys(&here)}), "None"), true),
            (aws(json!({"secretRef": keys(&there)}), "None"), false),
            (aws(json!({"secretRef": keys(&there)}), "Simple"), true),
            (aws(json!({"jwt": {"serviceAccountRef": {"name": "a"}}}), "None"), true),
            (aws(json!({"jwt": {"serviceAccountRef": {"name": "a", "namespace": "n"}}}), "None"), false),
            (aws(json!({}), "None"), false),
            (json!({"fake": {"data": []}}), false),
            (json!({"webhook": {"url": "http://h/{{ .remoteRef.key }}"}}), false),
            (json!({"webhook": {"url": "http://h/{{ .remoteRef.namespace }}/{{ .remoteRef.key }}"}}), true),
            (json!({"webhook": {"url": "http://h/{{ with .remoteRef }}{{ .key }}{{ end }}"}}), true),
            (json!({"webhook": {"url": "http://h", "result": {"jsonPath": "$.{{ .remoteRef.namespace }}"}}}), true),
            (onepassword(&here), true),
            (onepassword(&there), false),
            (akeyless(&here), true),
            (akeyless(&there), false),
            (ibm(&here), true),
            (ibm(&there), false),
        ];
        for (spec, want) in cases {
            let provider: StoreProvider = serde_json::from_value(spec.clone()).unwrap();
            let parsed = parse(Some(&provider), "s").unwrap();
            assert_eq!(uses_consumer(&parsed, &Environment::default()), want, "{spec}");
        }
    }
}
