//! Settings of `aws`: from the spec and the environment to what clients are built from. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{
    AwsAuth, AwsDeletion, AwsJwtAuth, AwsProvider, AwsSecretRef, AwsService, AwsSessionTag, AwsSessionTagsPolicy,
    RetrySettings, SecretKeySelector, ServiceAccountSelector,
};
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use provider::{Error, ErrorKind};

use super::kept::Refusals;
use crate::StoreIdentity;
use crate::environment::{AwsEnvironment, AwsWebIdentity};
use crate::http::{CONNECT_TIMEOUT, TOTAL_TIMEOUT};
use crate::retry::Retries;

const OPEN: &str = "Open";
const SESSION: &str = "external-secrets-provider-aws";
const FIELDS: Fields = Fields { auth: "spec.provider.aws.auth", region: "spec.provider.aws.region and the way to AWS" };
/// Tries of one call, the first included.
const ATTEMPTS: u32 = 3;

/// A checked store.
pub(super) struct Settings {
    pub(super) service: Service,
    pub(super) identity: Identity,
    pub(super) prefix: String,
    pub(super) secrets_manager_endpoint: Option<String>,
    pub(super) ssm_endpoint: Option<String>,
    pub(super) acm_endpoint: Option<String>,
    pub(super) deletion: AwsDeletion,
    /// Told to whoever keeps the store's credentials.
    pub(super) refusals: Refusals,
    retry: RetryConfig,
    /// `None` when the store has retry settings of its own, which may take longer.
    operation_timeout: Option<Duration>,
}

/// A service that there is code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    SecretsManager,
    ParameterStore,
    CertificateManager,
}

/// As whom AWS is spoken to. Logins elsewhere that AWS vouches for have one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) source: Source,
    /// Assumed one after the other.
    pub(crate) roles: Vec<Role>,
    pub(crate) region: String,
    /// URL in place of STS's own.
    pub(crate) sts_endpoint: Option<String>,
    /// Session name of assumed roles, as audit logs show it.
    pub(crate) session: &'static str,
    pub(crate) fields: Fields,
}

/// What errors tell to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Where the credentials are set.
    pub(crate) auth: &'static str,
    /// What says where AWS is.
    pub(crate) region: &'static str,
}

/// Where the first credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From Secrets.
    Static { id: SecretKeySelector, key: SecretKeySelector, session: Option<SecretKeySelector> },
    /// The role of a service account, for a token that is requested.
    ServiceAccount(ServiceAccountSelector),
    /// A web identity, exchanged at an STS that the environment names; the default chain knows only AWS's own.
    WebIdentity(AwsWebIdentity),
    /// Environment, profile files, web identity, container, instance.
    DefaultChain,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(
        spec: &AwsProvider,
        store: &StoreIdentity,
        retry: Option<&RetrySettings>,
        environment: &AwsEnvironment,
    ) -> Result<Self, Error> {
        let AwsProvider {
            service,
            region,
            auth,
            role,
            additional_roles,
            external_id,
            session_tags,
            transitive_tag_keys,
            session_tags_policy,
            custom_session_tags,
            prefix,
            secrets_manager,
        } = spec;
        let service = match service {
            AwsService::SecretsManager => Service::SecretsManager,
            AwsService::ParameterStore => Service::ParameterStore,
            AwsService::CertificateManager => Service::CertificateManager,
        };
        let region = checked_region(region, "spec.provider.aws.region")?;
        let mut roles: Vec<Role> = additional_roles
            .iter()
            .map(|arn| Role { arn: arn.clone(), external_id: None, tags: Vec::new(), transitive_tag_keys: Vec::new() })
            .collect();
        if let Some(arn) = role.as_ref().filter(|arn| !arn.is_empty()) {
            roles.push(Role {
                arn: arn.clone(),
                external_id: external_id.clone().filter(|id| !id.is_empty()),
                tags: tags(*session_tags_policy, session_tags, custom_session_tags, store),
                transitive_tag_keys: transitive_tag_keys.clone(),
            });
        }
        let (retry, operation_timeout) = retries(retry)?;
        Ok(Self {
            service,
            identity: Identity {
                source: source(auth, environment)?,
                roles,
                region,
                sts_endpoint: sts_endpoint(environment)?,
                session: SESSION,
                fields: FIELDS,
            },
            prefix: prefix.clone().unwrap_or_default(),
            secrets_manager_endpoint: endpoint(&environment.secrets_manager_endpoint, "AWS_SECRETSMANAGER_ENDPOINT")?,
            ssm_endpoint: endpoint(&environment.ssm_endpoint, "AWS_SSM_ENDPOINT")?,
            acm_endpoint: endpoint(&environment.acm_endpoint, "AWS_ACM_ENDPOINT")?,
            // Checked when something is deleted: until then it stands in nobody's way.
            deletion: secrets_manager.clone().unwrap_or_default(),
            refusals: Refusals::default(),
            retry,
            operation_timeout,
        })
    }

    /// How long one call may take with the store's own retry settings: each try to its end, and the pauses.
    pub(super) fn patience(&self) -> Option<Duration> {
        if self.operation_timeout.is_some() {
            return None;
        }
        let tries = self.retry.max_attempts();
        let pauses = self.retry.max_backoff().saturating_mul(tries.saturating_sub(1));
        Some(TOTAL_TIMEOUT.saturating_mul(tries).saturating_add(pauses))
    }

    /// What all clients of the store share; it has no credentials yet.
    pub(super) fn sdk_config(&self, http: SharedHttpClient) -> SdkConfig {
        sdk_config(&self.identity.region, self.retry.clone(), self.operation_timeout, http)
    }
}

impl Identity {
    /// What its clients of STS share where no store of `aws` is behind them.
    pub(super) fn sdk_config(&self, http: SharedHttpClient) -> SdkConfig {
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        sdk_config(&self.region, retry, Some(TOTAL_TIMEOUT), http)
    }

    /// The namespaces that the needed selectors name.
    pub(crate) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.source {
            Source::Static { id, key, session } => {
                [Some(id), Some(key), session.as_ref()].into_iter().flatten().map(|s| s.namespace.as_deref()).collect()
            }
            Source::ServiceAccount(account) => vec![account.namespace.as_deref()],
            Source::WebIdentity(_) | Source::DefaultChain => Vec::new(),
        }
    }
}

fn sdk_config(
    region: &str,
    retry: RetryConfig,
    operation_timeout: Option<Duration>,
    http: SharedHttpClient,
) -> SdkConfig {
    let mut timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(TOTAL_TIMEOUT);
    timeouts.set_operation_timeout(operation_timeout);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(retry)
        .timeout_config(timeouts.build())
        .stalled_stream_protection(aws_config::stalled_stream_protection::StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        .http_client(http)
        .build()
}

/// A region that can be part of a host's name.
pub(crate) fn checked_region(region: &str, field: &str) -> Result<String, Error> {
    let region = region.trim();
    if region.is_empty() {
        return Err(invalid(format!("region not found: {field} must be set, such as eu-west-1")));
    }
    if !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(invalid(format!("region not found: {region}; {field} must be one such as eu-west-1")));
    }
    Ok(region.to_owned())
}

/// The URL in place of STS's own.
pub(crate) fn sts_endpoint(environment: &AwsEnvironment) -> Result<Option<String>, Error> {
    endpoint(&environment.sts_endpoint, "AWS_STS_ENDPOINT")
}

/// Static credentials from Secrets, below `field`.
pub(crate) fn static_source(spec: &AwsSecretRef, field: &str) -> Result<Source, Error> {
    let AwsSecretRef { access_key_id_secret_ref, secret_access_key_secret_ref, session_token_secret_ref } = spec;
    let needed = |selector: &Option<SecretKeySelector>, name: &str| {
        selector.clone().ok_or_else(|| invalid(format!("{field}.secretRef.{name} must be set")))
    };
    Ok(Source::Static {
        id: needed(access_key_id_secret_ref, "accessKeyIDSecretRef")?,
        key: needed(secret_access_key_secret_ref, "secretAccessKeySecretRef")?,
        session: session_token_secret_ref.clone(),
    })
}

/// The role of a service account, below `field`.
pub(crate) fn account_source(spec: &AwsJwtAuth, field: &str) -> Result<Source, Error> {
    let AwsJwtAuth { service_account_ref } = spec;
    let account = service_account_ref.clone().filter(|account| !account.name.is_empty());
    let missing = || invalid(format!("{field}.jwt.serviceAccountRef must name a service account"));
    account.map(Source::ServiceAccount).ok_or_else(missing)
}

fn source(auth: &AwsAuth, environment: &AwsEnvironment) -> Result<Source, Error> {
    let AwsAuth { secret_ref, jwt } = auth;
    match (jwt, secret_ref) {
        (Some(jwt), _) => account_source(jwt, FIELDS.auth),
        (None, Some(keys)) => static_source(keys, FIELDS.auth),
        (None, None) => Ok(own_source(environment)),
    }
}

/// The controller's own credentials.
pub(crate) fn own_source(environment: &AwsEnvironment) -> Source {
    // Static credentials of the environment go before a web identity in the default chain, and so here.
    let web_identity = environment.web_identity.clone().filter(|_| !environment.has_static_credentials);
    match (web_identity, &environment.sts_endpoint) {
        (Some(web_identity), Some(_)) => Source::WebIdentity(web_identity),
        (None | Some(_), _) => Source::DefaultChain,
    }
}

fn endpoint(url: &Option<String>, variable: &str) -> Result<Option<String>, Error> {
    let Some(url) = url else { return Ok(None) };
    let parsed: Option<reqwest::Url> = url.parse().ok();
    match parsed.filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host()) {
        Some(_) => Ok(Some(url.clone())),
        None => Err(invalid(format!(
            "the environment variable {variable} (or AWS_ENDPOINT_URL) is no URL; write one such as http://host:4566"
        ))),
    }
}

/// With a policy, tags that name the store replace those of the spec.
fn tags(
    policy: AwsSessionTagsPolicy,
    given: &[AwsSessionTag],
    custom: &BTreeMap<String, String>,
    store: &StoreIdentity,
) -> Vec<(String, String)> {
    let given = || given.iter().map(|AwsSessionTag { key, value }| (key.clone(), value.clone())).collect();
    let StoreIdentity { kind, name, namespace } = store;
    let mut tags: Vec<(String, String)> = match policy {
        AwsSessionTagsPolicy::None => return given(),
        AwsSessionTagsPolicy::Simple => Vec::new(),
        AwsSessionTagsPolicy::Custom => custom.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    tags.push(("esoNamespace".to_owned(), namespace.clone().unwrap_or_default()));
    tags.push(("esoStoreName".to_owned(), name.clone()));
    tags.push(("esoStoreKind".to_owned(), kind.as_str().to_owned()));
    tags.retain(|(key, value)| !key.is_empty() && !value.is_empty());
    tags
}

/// `maxRetries` is the number of tries, as in the reference; `retryInterval` the time between them, always the same. None,
/// or one of zero, leaves the SDK's growing pauses.
fn retries(settings: Option<&RetrySettings>) -> Result<(RetryConfig, Option<Duration>), Error> {
    let Some(settings) = settings else {
        return Ok((RetryConfig::standard().with_max_attempts(ATTEMPTS), Some(TOTAL_TIMEOUT)));
    };
    let Retries { max, interval } = Retries::of(settings)?;
    let mut config = RetryConfig::standard().with_max_attempts(max.unwrap_or(ATTEMPTS).max(1));
    if let Some(interval) = interval.filter(|interval| !interval.is_zero()) {
        // The static base is what the SDK calls no jitter.
        config =
            config.with_initial_backoff(interval).with_max_backoff(interval).with_use_static_exponential_base(true);
    }
    Ok((config, None))
}

#[cfg(test)]
mod tests {
    use api::StoreKind;
    use serde_json::{Value, json};

    use super::*;

    fn settings(patch: Value, environment: &AwsEnvironment) -> Result<Settings, Error> {
        let mut spec = json!({"service": "SecretsManager", "region": "eu-west-1"});
        spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let store = StoreIdentity {
            kind: StoreKind::ClusterSecretStore,
            name: "aws".to_owned(),
            namespace: Some("shop".to_owned()),
        };
        Settings::of(&serde_json::from_value(spec).unwrap(), &store, None, environment)
    }

    #[test]
    fn bad_settings_name_the_field() {
        let cases = [
            (json!({"region": ""}), ErrorKind::Invalid, "spec.provider.aws.region"),
            (json!({"region": "eu west/1"}), ErrorKind::Invalid, "spec.provider.aws.region"),
            (json!({"auth": {"jwt": {}}}), ErrorKind::Invalid, "spec.provider.aws.auth.jwt.serviceAccountRef"),
            (json!({"auth": {"secretRef": {}}}), ErrorKind::Invalid, "secretRef.accessKeyIDSecretRef"),
            (
                json!({"auth": {"secretRef": {"accessKeyIDSecretRef": {"name": "s"}}}}),
                ErrorKind::Invalid,
                "secretRef.secretAccessKeySecretRef",
            ),
        ];
        for (patch, kind, text) in cases {
            let error = settings(patch.clone(), &AwsEnvironment::default()).err().unwrap();
            assert_eq!(error.kind(), kind, "{patch}: {error}");
            assert!(error.to_string().contains(text), "{patch}: {error}");
        }
        let environment = AwsEnvironment { sts_endpoint: Some("sts:4566".to_owned()), ..AwsEnvironment::default() };
        let error = settings(json!({}), &environment).err().unwrap();
        assert!(error.to_string().contains("AWS_STS_ENDPOINT"), "{error}");
    }

    #[test]
    fn a_web_identity_is_exchanged_here_only_for_an_sts_of_the_environment() {
        let identity = AwsWebIdentity { token_file: "/token".into(), role_arn: "role".to_owned(), session_name: None };
        let environment = |sts: Option<&str>, has_static_credentials| AwsEnvironment {
            sts_endpoint: sts.map(str::to_owned),
            has_static_credentials,
            web_identity: Some(identity.clone()),
            ..AwsEnvironment::default()
        };
        let cases = [
            (environment(None, false), Source::DefaultChain),
            (environment(Some("http://sts"), false), Source::WebIdentity(identity.clone())),
            (environment(Some("http://sts"), true), Source::DefaultChain),
        ];
        for (environment, want) in cases {
            assert_eq!(settings(json!({}), &environment).unwrap().identity.source, want, "{environment:?}");
        }
    }

    #[test]
    fn roles_are_assumed_in_order_and_only_the_last_has_options() {
        let spec = json!({"role": "last", "additionalRoles": ["a", "b"], "externalID": "id", "transitiveTagKeys": ["k"],
            "sessionTags": [{"key": "k", "value": "v"}]});
        let roles = settings(spec, &AwsEnvironment::default()).unwrap().identity.roles;
        let shown: Vec<_> = roles.iter().map(|r| (r.arn.as_str(), r.external_id.as_deref(), r.tags.len())).collect();
        assert_eq!(shown, [("a", None, 0), ("b", None, 0), ("last", Some("id"), 1)]);
    }

    #[test]
    fn a_policy_replaces_the_given_tags() {
        let cases = [
            ("None", json!([["k", "v"]])),
            (
                "Simple",
                json!([["esoNamespace", "shop"], ["esoStoreName", "aws"], ["esoStoreKind", "ClusterSecretStore"]]),
            ),
            (
                "Custom",
                json!([
                    ["c", "d"],
                    ["esoNamespace", "shop"],
                    ["esoStoreName", "aws"],
                    ["esoStoreKind", "ClusterSecretStore"]
                ]),
            ),
        ];
        for (policy, want) in cases {
            let spec = json!({"role": "r", "sessionTagsPolicy": policy, "sessionTags": [{"key": "k", "value": "v"}],
                "customSessionTags": {"c": "d", "empty": ""}});
            let roles = settings(spec, &AwsEnvironment::default()).unwrap().identity.roles;
            assert_eq!(json!(roles[0].tags), want, "{policy}");
        }
    }
}
