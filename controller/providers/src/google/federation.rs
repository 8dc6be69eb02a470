//! Workload identity federation: a token of somebody else's (a Kubernetes service account, AWS, a file, a URL) becomes one
//! of Google's, at its security token service.
//!
//! Lives here: what a store or a credential configuration says, and the exchange. Deliberately not here: whose token it is
//! (`subject.rs`).
//!
//! Source: Google, "Workload Identity Federation"; AIP-4117 for the file; RFC 8693 for the exchange.

use std::path::Path;
use std::time::Duration;

use api::provider::gcpsm::{GcpAwsCredentials, GcpCredentialConfigRef, GcpWorkloadIdentityFederation};
use api::{CaProvider, CaProviderType, ServiceAccountSelector};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use provider::Error;
use reqwest::Url;
use secret::SecretBytes;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::subject::{CredentialSource, Subject};
use super::{
    ACCESS_TOKEN, ACTS_AS, Ask, Authority, FORM, Granted, JWT, LIFETIME, SCOPE, TOKEN_EXCHANGE, default_file,
    impersonation, invalid,
};
use crate::http::{form, url};
use crate::lifetime;

const OPERATION: &str = "Token";
const AWS_REQUEST: &str = "urn:ietf:params:aws:token-type:aws4_request";
const TOKEN_URL: &str = r"^https://sts\.[^/\s]+/v1/token$";
const INFO_URL: &str = r"^https://sts\.[^/\s]+/v1/introspect$";
const ACTING_URL: &str = r"^https://iamcredentials\.(?:[a-z0-9-]+\.)*googleapis\.com/v1/projects/[^/]+/serviceAccounts/[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com:generateAccessToken$";
/// Google's own domain.
const GOOGLE: &str = "googleapis.com";

/// What the store says.
#[derive(Debug)]
pub(crate) struct Federation {
    subject: Named,
    audience: Option<String>,
    email: Option<String>,
    /// The one URL that a configuration may take tokens from.
    endpoint: String,
}

#[derive(Debug)]
enum Named {
    Config(GcpCredentialConfigRef),
    Account(ServiceAccountSelector),
    Aws(GcpAwsCredentials),
}

impl Federation {
    pub(crate) fn of(spec: &GcpWorkloadIdentityFederation) -> Result<Self, Error> {
        let GcpWorkloadIdentityFederation {
            audience,
            aws_security_credentials,
            cred_config,
            external_token_endpoint,
            gcp_service_account_email,
            service_account_ref,
        } = spec;
        let audience = audience.clone().filter(|audience| !audience.is_empty());
        let subject = match (cred_config, service_account_ref, aws_security_credentials) {
            (Some(config), None, None) => Named::Config(config.clone()),
            (None, Some(account), None) => Named::Account(account.clone()),
            (None, None, Some(aws)) => Named::Aws(aws.clone()),
            _ => {
                let text = "exactly one of credConfig, awsSecurityCredentials or serviceAccountRef must be provided";
                return Err(invalid("Open", text));
            }
        };
        if audience.is_none() && !matches!(subject, Named::Config(_)) {
            let text = "audience must be provided, when serviceAccountRef or awsSecurityCredentials is provided";
            return Err(invalid("Open", text));
        }
        let email = gcp_service_account_email.clone().filter(|email| !email.is_empty());
        Ok(Self { subject, audience, email, endpoint: external_token_endpoint.clone().unwrap_or_default() })
    }

    /// See `Settings::namespaces` of the providers. The configuration's must be written out.
    pub(crate) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.subject {
            Named::Config(_) => Vec::new(),
            Named::Account(account) => vec![account.namespace.as_deref()],
            Named::Aws(aws) => vec![aws.aws_credentials_secret_ref.namespace.as_deref()],
        }
    }

    /// Reads and checks the configuration, if it is one.
    pub(super) async fn open(self, authority: &Authority) -> Result<ExternalAccount, Error> {
        let Self { subject, audience, email, endpoint } = self;
        let setting = format!("{}.workloadIdentityFederation", authority.field);
        let acting = email.as_deref().map(|email| acting_url(email, &format!("{setting}.gcpServiceAccountEmail")));
        let acting = acting.transpose()?;
        let plain = |subject: Subject, token_type: &str| -> Result<ExternalAccount, Error> {
            Ok(ExternalAccount {
                audience: audience.clone().unwrap_or_default(),
                token_type: token_type.to_owned(),
                token_url: url("https://sts.googleapis.com/v1/token", "token_url")?,
                acting: acting.clone(),
                lifetime: LIFETIME,
                client: None,
                user_project: None,
                subject,
                setting: setting.clone(),
            })
        };
        match subject {
            Named::Account(account) => plain(Subject::Account(account), JWT),
            Named::Aws(aws) => {
                let subject = Subject::AwsSecret(aws);
                plain(subject, AWS_REQUEST)
            }
            Named::Config(reference) => {
                let failed = |error: Error| error.context(format!("{setting}.credConfig"));
                let json = config(reference, authority).await.map_err(failed)?;
                let rules = Rules::Store { endpoint: &endpoint, setting: &setting };
                let mut account = ExternalAccount::parse(&json, audience.as_deref(), &rules).map_err(failed)?;
                account.acting = acting.or(account.acting);
                Ok(account)
            }
        }
    }
}

async fn config(reference: GcpCredentialConfigRef, authority: &Authority) -> Result<Vec<u8>, Error> {
    let GcpCredentialConfigRef { key, name, namespace } = reference;
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    if authority.credentials.is_cluster_store() && namespace.is_none() {
        return Err(invalid("Open", "a ClusterSecretStore must name the ConfigMap's namespace"));
    }
    let place = CaProvider { type_: CaProviderType::ConfigMap, name, key: Some(key), namespace };
    authority.credentials.certificate_authority(&place).await
}

fn acting_url(email: &str, from: &str) -> Result<Url, Error> {
    let url = impersonation::url_of(email, from, "generateAccessToken")?;
    matches(url.as_str(), ACTING_URL, "service_account_impersonation_url")?;
    Ok(url)
}

pub(super) fn matches(text: &str, pattern: &str, field: &str) -> Result<(), Error> {
    if goregexp::compile(pattern.as_bytes()).is_ok_and(|pattern| pattern.is_match(text.as_bytes())) {
        return Ok(());
    }
    let text = format!("invalid external_account config: {field} {} must match \"{pattern}\"", gojson::quote(text));
    Err(invalid("Open", text))
}

/// Who wrote the configuration.
pub(super) enum Rules<'a> {
    /// A store's author: it must not reach for what is the operator's.
    Store { endpoint: &'a str, setting: &'a str },
    /// Whoever runs the operator.
    Operator,
}

impl Rules<'_> {
    /// Where the configuration is, for errors.
    fn setting(&self) -> &str {
        match self {
            Self::Store { endpoint: _, setting } => setting,
            Self::Operator => default_file::FILE,
        }
    }

    /// An operator may well name private endpoints.
    fn check(&self, text: &str, pattern: &str, field: &str) -> Result<(), Error> {
        match self {
            Self::Store { endpoint: _, setting: _ } => matches(text, pattern, field),
            Self::Operator => Ok(()),
        }
    }
}

/// A checked federation.
pub(crate) struct ExternalAccount {
    audience: String,
    token_type: String,
    token_url: Url,
    acting: Option<Url>,
    lifetime: Duration,
    client: Option<HeaderValue>,
    user_project: Option<String>,
    subject: Subject,
    /// Where it was configured, for errors.
    setting: String,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct File {
    #[serde(rename = "type")]
    type_: String,
    audience: String,
    subject_token_type: String,
    token_url: String,
    token_info_url: String,
    service_account_impersonation_url: String,
    service_account_impersonation: Impersonation,
    client_id: String,
    #[serde(deserialize_with = "secret_text")]
    client_secret: SecretBytes,
    workforce_pool_user_project: String,
    universe_domain: String,
    credential_source: Option<CredentialSource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Impersonation {
    token_lifetime_seconds: Option<u64>,
}

/// A text that is wiped when it is dropped.
pub(super) fn secret_text<'de, D: Deserializer<'de>>(text: D) -> Result<SecretBytes, D::Error> {
    String::deserialize(text).map(SecretBytes::from)
}

/// What a client shows. Source: RFC 6749, section 2.3.1.
fn basic(id: &str, secret: &SecretBytes) -> Result<HeaderValue, Error> {
    let pair = SecretBytes::new([id.as_bytes(), b":", secret.expose()].concat());
    let pair = SecretBytes::from(STANDARD.encode(pair.expose()));
    let text = SecretBytes::new([b"Basic ", pair.expose()].concat());
    let mut header = HeaderValue::from_bytes(text.expose()).map_err(|_| refused("client_id"))?;
    header.set_sensitive(true);
    Ok(header)
}

fn or<'t>(given: &'t str, default: &'t str) -> &'t str {
    if given.is_empty() { default } else { given }
}

pub(super) fn refused(text: impl std::fmt::Display) -> Error {
    invalid("Open", format!("invalid external_account config: {text}"))
}

impl ExternalAccount {
    /// Checks a credential configuration.
    pub(super) fn parse(json: &[u8], audience: Option<&str>, rules: &Rules<'_>) -> Result<Self, Error> {
        let file: File =
            serde_json::from_slice(json).map_err(|_| refused("it is not the JSON of a credential configuration"))?;
        if file.type_ != "external_account" {
            let given = gojson::quote(&file.type_);
            return Err(refused(format!("'type' field is {given} (expected \"external_account\")")));
        }
        let audience = audience.unwrap_or(&file.audience);
        if audience.is_empty() {
            return Err(refused("audience is empty"));
        }
        let acting = match file.service_account_impersonation_url.as_str() {
            "" => None,
            text => {
                rules.check(text, ACTING_URL, "service_account_impersonation_url")?;
                Some(url(text, "service_account_impersonation_url")?)
            }
        };
        let universe = or(&file.universe_domain, GOOGLE);
        let (token, info) =
            (format!("https://sts.{universe}/v1/token"), format!("https://sts.{universe}/v1/introspect"));
        let token = or(&file.token_url, &token);
        rules.check(token, TOKEN_URL, "token_url")?;
        rules.check(or(&file.token_info_url, &info), INFO_URL, "token_info_url")?;
        let token_url = url(token, "token_url")?;
        let source = file.credential_source.ok_or_else(|| refused("credential_source is missing"))?;
        let subject = Subject::of(source, rules)?;
        let at_google = token_url.host_str().is_some_and(|host| host.ends_with(&format!(".{GOOGLE}")));
        if matches!(rules, Rules::Store { endpoint: _, setting: _ }) && !at_google {
            // What the operator's pod can read is for nobody else.
            return Err(refused(format!("token_url: with credential_source it must be at {GOOGLE}")));
        }
        let is_aws = matches!(subject, Subject::AwsMachine(_));
        let client = (!file.client_id.is_empty()).then(|| basic(&file.client_id, &file.client_secret));
        Ok(Self {
            audience: audience.to_owned(),
            token_type: or(&file.subject_token_type, if is_aws { AWS_REQUEST } else { JWT }).to_owned(),
            token_url,
            acting,
            lifetime: file.service_account_impersonation.token_lifetime_seconds.map_or(LIFETIME, lifetime::of_seconds),
            client: client.transpose()?,
            user_project: Some(file.workforce_pool_user_project).filter(|project| !project.is_empty()),
            subject,
            setting: rules.setting().to_owned(),
        })
    }

    /// The file that the token comes from, if it is one.
    pub(super) fn token_file(&self) -> Option<&Path> {
        match &self.subject {
            Subject::File { path, field: _, guarded: _ } => Some(path),
            Subject::Account(_)
            | Subject::AwsSecret(_)
            | Subject::AwsMachine(_)
            | Subject::Url { url: _, headers: _, field: _ } => None,
        }
    }

    /// Where ID tokens of the service account are asked for that the configuration acts as.
    pub(super) fn id_token_url(&self) -> Option<Url> {
        let mut url = self.acting.clone()?;
        let path = format!("{}:generateIdToken", url.path().strip_suffix(":generateAccessToken")?);
        url.set_path(&path);
        Some(url)
    }

    pub(super) async fn grant(&self, authority: &Authority) -> Result<Granted, Error> {
        let subject = self.subject.token(&self.audience, &self.setting, authority).await?;
        let options = self.user_project.as_ref().filter(|_| self.client.is_none());
        let options = options.map(|project| json!({"userProject": project}).to_string());
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("audience", self.audience.as_bytes()),
            ("grant_type", TOKEN_EXCHANGE.as_bytes()),
            ("requested_token_type", ACCESS_TOKEN.as_bytes()),
            ("scope", SCOPE.as_bytes()),
            ("subject_token", subject.expose()),
            ("subject_token_type", self.token_type.as_bytes()),
        ];
        fields.extend(options.as_ref().map(|options| ("options", options.as_bytes())));
        let mut headers = HeaderMap::new();
        headers.extend(self.client.clone().map(|client| (AUTHORIZATION, client)));
        let mut url = authority.sts.clone().unwrap_or_else(|| self.token_url.clone());
        url.set_path(self.token_url.path());
        let hint = format!("{}: the audience, and whether the pool and its provider admit this identity", self.setting);
        let ask = Ask { operation: OPERATION, url, content_type: FORM, headers, body: form(&fields), hint: &hint };
        let federated = authority.exchange(ask).await?;
        match self.acting(authority).await? {
            None => Ok(federated),
            Some(url) => impersonation::by_url(&url, &federated.token, self.lifetime, authority)
                .await
                .map_err(|e| e.context("unable to generate gcp access token")),
        }
    }

    /// The call to act as a service account of Google, if there is one: a Kubernetes service account may be annotated with it.
    async fn acting(&self, authority: &Authority) -> Result<Option<Url>, Error> {
        match (&self.acting, &self.subject) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, Subject::Account(account)) => {
                let annotations = authority.credentials.service_account_annotations(account).await?;
                let from =
                    format!("the annotation {ACTS_AS} of the service account in {}.serviceAccountRef", self.setting);
                let email = annotations.get(ACTS_AS).filter(|email| !email.is_empty());
                email.map(|email| acting_url(email, &from)).transpose()
            }
            (
                None,
                Subject::AwsSecret(_)
                | Subject::AwsMachine(_)
                | Subject::File { path: _, field: _, guarded: _ }
                | Subject::Url { url: _, headers: _, field: _ },
            ) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ENDPOINT: &str = "https://tokens.example.org/t";

    fn parse(patch: Value, rules: &Rules<'_>) -> Result<ExternalAccount, Error> {
        let mut file = json!({"type": "external_account", "audience": "//iam.googleapis.com/x",
            "credential_source": {"url": ENDPOINT}});
        file.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        ExternalAccount::parse(file.to_string().as_bytes(), None, rules)
    }

    #[test]
    fn a_stores_configuration_is_checked_field_by_field() {
        let acting = |host: &str, email: &str| {
            let url = format!("https://{host}/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
            json!({"service_account_impersonation_url": url})
        };
        let source = |source: Value| json!({"credential_source": source});
        let imds = "http://169.254.169.254/latest/meta-data";
        let aws = |patch: Value| {
            let mut source = json!({"environment_id": "aws1",
                "url": format!("{imds}/iam/security-credentials"),
                "region_url": format!("{imds}/placement/availability-zone")});
            source.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            json!({"credential_source": source})
        };
        let cases = [
            (json!({}), None),
            (json!({"type": "service_account"}), Some("'type' field is \"service_account\"")),
            (json!({"audience": ""}), Some("audience is empty")),
            (acting("iamcredentials.googleapis.com", "a@p.iam.gserviceaccount.com"), None),
            (acting("iamcredentials.eu.googleapis.com", "a@p.iam.gserviceaccount.com"), None),
            (
                acting("iamcredentials.evil.org", "a@p.iam.gserviceaccount.com"),
                Some("service_account_impersonation_url"),
            ),
            (acting("iamcredentials.googleapis.com", "a@b/x"), Some("service_account_impersonation_url")),
            (json!({"token_url": "https://sts.eu.rep.googleapis.com/v1/token"}), None),
            (json!({"token_url": "http://sts.googleapis.com/v1/token"}), Some("token_url \"http://sts.")),
            (
                json!({"token_url": "https://sts.evil.org/v1/token"}),
                Some("token_url: with credential_source it must be"),
            ),
            (json!({"universe_domain": "evil.org"}), Some("token_url: with credential_source it must be")),
            (json!({"token_info_url": "https://sts.x.org/v2"}), Some("token_info_url")),
            (json!({"credential_source": null}), Some("credential_source is missing")),
            (source(json!({"executable": {"command": "/bin/x"}})), Some("credential_source.executable.command")),
            (source(json!({"certificate": {}})), Some("credential_source.certificate is not supported")),
            (source(json!({})), Some("one of credential_source.file")),
            (source(json!({"url": "https://other.example.org"})), Some("credential_source.url \"https://other")),
            (source(json!({"file": "/token"})), Some("credential_source.url \"\" does not match")),
            (source(json!({"url": ENDPOINT, "format": {"type": "json"}})), Some("credential_source.format")),
            (source(json!({"url": ENDPOINT, "headers": {"a b": "c"}})), Some("credential_source.headers")),
            (aws(json!({})), None),
            (aws(json!({"environment_id": "gcp1"})), Some("credential_source.environment_id")),
            (aws(json!({"url": "http://evil.org/"})), Some("credential_source.aws.url")),
            (aws(json!({"region_url": "http://evil.org/"})), Some("credential_source.aws.region_url")),
            (
                aws(json!({"imdsv2_session_token_url": "http://evil.org/"})),
                Some("credential_source.aws.imdsv2_session_token_url"),
            ),
            (
                aws(json!({"regional_cred_verification_url": "https://evil.org/?x"})),
                Some("credential_source.regional_cred_verification_url"),
            ),
        ];
        for (patch, want) in cases {
            let shown = patch.to_string();
            match (parse(patch, &Rules::Store { endpoint: ENDPOINT, setting: "f" }), want) {
                (Ok(_), None) => {}
                (Err(error), Some(text)) => {
                    let text = format!("invalid external_account config: {text}");
                    assert!(error.to_string().starts_with(&text), "{error}, not {text}");
                }
                (got, want) => panic!("{shown}: {:?}, not {want:?}", got.err()),
            }
        }
    }

    #[test]
    fn the_operators_configuration_may_name_more() {
        for patch in [
            json!({"credential_source": {"file": "/any"}}),
            json!({"token_url": "https://sts.example.org/v1/token"}),
            json!({"token_url": "https://sts-private.p.googleapis.com/v1/token"}),
            json!({"token_url": "https://proxy.example.org:8443/sts/token", "token_info_url": "https://proxy.example.org/i"}),
            json!({"service_account_impersonation_url": "https://iam.example.org/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken"}),
            json!({"credential_source": {"url": "https://other.example.org"}}),
        ] {
            parse(patch.clone(), &Rules::Operator).unwrap_or_else(|error| panic!("{patch}: {error}"));
        }
        for patch in [
            json!({"credential_source": {"executable": {}}}),
            json!({"token_url": "no URL"}),
            json!({"service_account_impersonation_url": "no URL"}),
        ] {
            assert!(parse(patch.clone(), &Rules::Operator).is_err(), "{patch}");
        }
    }
}
