//! Identities at Google, for every provider that needs one: where tokens come from, one file a method, and what the methods
//! share.
//!
//! Deliberately not here: when to get one (each provider's session), and what it is good for.

mod aws;
mod default_file;
mod error;
pub(crate) mod federation;
pub(crate) mod id_token;
mod impersonation;
mod key;
pub(crate) mod metadata;
pub(crate) mod signature;
mod subject;
pub(crate) mod workload_identity;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::SecretKeySelector;
use api::provider::gcpsm::GcpWorkloadIdentity;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use serde::Deserialize;

use crate::environment::{Environment, GcpEnvironment};
use crate::http::{Answer, Http, Request, bearer, url};
use crate::lifetime;
use default_file::FileCredentials;
use federation::{ExternalAccount, Federation};
use key::ServiceAccountKey;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The grant type of a token exchange. Source: RFC 8693, section 2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Token types. Source: RFC 8693, section 3.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How long a token of a service account is asked to live.
const ACCOUNT_TOKEN_LIFETIME: Duration = Duration::from_secs(900);
/// What Google grants at most without further ado, and what is asked for.
const LIFETIME: Duration = Duration::from_secs(3600);
/// An answer that doesn't say how long its token lives.
const UNSAID_LIFETIME: Duration = Duration::from_secs(300);
/// The annotation of a Kubernetes service account that names one of Google's.
const ACTS_AS: &str = "iam.gke.io/gcp-service-account";

/// How a store says that it logs in.
pub(crate) enum Login {
    /// To an emulator, without a token.
    Anonymous,
    /// Google's default chain: a file that the environment names, else the metadata server.
    Default,
    /// A service account key from a Secret.
    Key(SecretKeySelector),
    WorkloadIdentity(Box<GcpWorkloadIdentity>),
    Federation(Box<Federation>),
}

/// Where an open store's tokens come from.
pub(crate) enum Source {
    Anonymous,
    Key(Box<ServiceAccountKey>),
    WorkloadIdentity(Box<GcpWorkloadIdentity>),
    Federation(Box<ExternalAccount>),
    /// Read anew for each token: mounted files are replaced.
    File {
        path: PathBuf,
        project: Option<String>,
    },
    Metadata,
}

/// A token as Google granted it.
pub(crate) struct Granted {
    pub(crate) token: SecretBytes,
    pub(crate) lifetime: Duration,
}

/// Whom tokens are asked of, and with what.
pub(crate) struct Authority {
    http: Http,
    credentials: Arc<dyn Credentials>,
    sts: Option<Url>,
    secure_token: Url,
    iam: Option<Url>,
    metadata: Url,
    file: Option<PathBuf>,
    /// See `Environment::identity_files`.
    identity_files: Vec<PathBuf>,
    /// Where the settings are that say how to log in, for errors: `spec.provider.gcpsm.auth`.
    field: &'static str,
}

fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

fn now() -> SystemTime {
    crate::clock::now().into()
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Login {
    /// The project that the login itself names.
    pub(crate) fn cluster_project(&self) -> Option<String> {
        match self {
            Self::WorkloadIdentity(identity) => identity.cluster_project_id.clone().filter(|id| !id.is_empty()),
            Self::Anonymous | Self::Default | Self::Key(_) | Self::Federation(_) => None,
        }
    }

    /// Looks up what the login needs and checks it.
    pub(crate) async fn open(self, authority: &Authority) -> Result<Source, Error> {
        Ok(match self {
            Self::Anonymous => Source::Anonymous,
            Self::Key(selector) => Source::Key(Box::new(authority.key(&selector).await?)),
            Self::WorkloadIdentity(identity) => Source::WorkloadIdentity(identity),
            Self::Federation(federation) => Source::Federation(Box::new(federation.open(authority).await?)),
            Self::Default => match &authority.file {
                None => Source::Metadata,
                Some(path) => {
                    let project = default_file::read(path).await?.project();
                    Source::File { path: path.clone(), project }
                }
            },
        })
    }
}

impl Source {
    /// The project of the credentials, where they name one.
    pub(crate) fn project(&self) -> Option<String> {
        match self {
            Self::Key(key) => key.project.clone(),
            Self::File { path: _, project } => project.clone(),
            Self::Anonymous | Self::WorkloadIdentity(_) | Self::Federation(_) | Self::Metadata => None,
        }
    }

    /// A fresh token; none is needed for an emulator.
    pub(crate) async fn grant(&self, authority: &Authority) -> Result<Option<Granted>, Error> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Key(key) => key.grant(authority).await.map(Some),
            Self::WorkloadIdentity(identity) => workload_identity::grant(identity, authority).await.map(Some),
            Self::Federation(account) => account.grant(authority).await.map(Some),
            Self::File { path, project: _ } => match default_file::read(path).await? {
                FileCredentials::Key(key) => key.grant(authority).await.map(Some),
                FileCredentials::External(account) => account.grant(authority).await.map(Some),
                FileCredentials::User(user) => user.grant(authority).await.map(Some),
            },
            Self::Metadata => metadata::grant(authority).await.map(Some),
        }
    }
}

/// One request for a token.
struct Ask<'a> {
    operation: &'static str,
    url: Url,
    content_type: &'static str,
    headers: HeaderMap,
    body: SecretBytes,
    /// What to check if it is refused.
    hint: &'a str,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

impl Authority {
    /// `field` is where the settings are that say how to log in, for errors.
    pub(crate) fn new(
        http: Http,
        credentials: Arc<dyn Credentials>,
        environment: &Environment,
        field: &'static str,
    ) -> Result<Self, Error> {
        let GcpEnvironment {
            secret_manager_endpoint: _,
            sts_endpoint,
            secure_token_endpoint,
            iam_credentials_endpoint,
            metadata_host,
            application_credentials,
        } = &environment.gcp;
        let given = |text: &Option<String>, name: &str| {
            text.as_ref().map(|text| url(text, &format!("the environment variable {name}"))).transpose()
        };
        let secure_token = given(secure_token_endpoint, "GCP_SECURETOKEN_ENDPOINT")?;
        let host = metadata_host.as_deref().unwrap_or("metadata.google.internal");
        Ok(Self {
            http,
            credentials,
            sts: given(sts_endpoint, "GCP_STS_ENDPOINT")?,
            secure_token: match secure_token {
                Some(url) => url,
                None => url("https://securetoken.googleapis.com", "securetoken")?,
            },
            iam: given(iam_credentials_endpoint, "GCP_IAMCREDENTIALS_ENDPOINT")?,
            metadata: url(&format!("http://{host}"), "the environment variable GCE_METADATA_HOST")?,
            file: application_credentials.clone(),
            identity_files: environment.identity_files.clone(),
            field,
        })
    }

    /// The service account key in a Secret.
    async fn key(&self, selector: &SecretKeySelector) -> Result<ServiceAccountKey, Error> {
        let json = self.credentials.secret_key(selector, "").await?;
        ServiceAccountKey::parse(json.expose())
            .map_err(|error| error.context("failed to process the provided JSON credentials"))
    }

    /// The project that the cluster is in, by the metadata server.
    pub(crate) async fn project(&self) -> Result<String, Error> {
        metadata::fact(self, "project/project-id", "projectID").await
    }

    async fn post(&self, ask: Ask<'_>) -> Result<Answer, Error> {
        let Ask { operation, url, content_type, headers, body, hint } = ask;
        let origin = url.origin().ascii_serialization();
        let mut request = Request::new(Method::POST, url);
        request.headers = headers;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.body = Some(body);
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|failure| failure.into_error(operation, &origin, hint))?;
        if answer.status.is_success() { Ok(answer) } else { Err(error::of_token(&answer, operation, &origin, hint)) }
    }

    /// A token out of an answer of OAuth.
    async fn exchange(&self, ask: Ask<'_>) -> Result<Granted, Error> {
        let (operation, origin) = (ask.operation, ask.url.origin().ascii_serialization());
        granted(&self.post(ask).await?, operation, &origin)
    }
}

/// The token in `{"access_token": …, "expires_in": …}`. Source: RFC 6749, section 5.1.
fn granted(answer: &Answer, operation: &'static str, origin: &str) -> Result<Granted, Error> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        access_token: Cow<'a, str>,
        expires_in: Option<serde_json::Number>,
    }
    let body: Option<Body<'_>> = serde_json::from_slice(answer.body.expose()).ok();
    let Some(Body { access_token, expires_in }) = body.filter(|body| !body.access_token.is_empty()) else {
        return Err(error::no_token(operation, origin));
    };
    let lifetime = expires_in.and_then(|seconds| seconds.as_u64()).map_or(UNSAID_LIFETIME, lifetime::of_seconds);
    Ok(Granted { token: SecretBytes::from(access_token.into_owned()), lifetime })
}

/// A header that bears a token.
pub(crate) fn bearer_header(token: &SecretBytes, operation: &'static str) -> Result<HeaderValue, Error> {
    bearer(token).ok_or_else(|| {
        Error::new(ErrorKind::Malformed, operation, "the access token holds a character that a token can't have")
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_token_is_read_from_the_answer() {
        let cases = [
            (r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, Some(31_536_000)),
            (r#"{"access_token":"t"}"#, Some(300)),
            (r#"{"access_token":"t","expires_in":-1}"#, Some(300)),
            (r#"{"access_token":""}"#, None),
            (r#"{"id_token":"canary"}"#, None),
            ("<html>canary", None),
            ("", None),
        ];
        for (body, want) in cases {
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::from(body) };
            let got = granted(&answer, "op", "https://h");
            assert_eq!(got.as_ref().ok().map(|granted| granted.lifetime.as_secs()), want, "{body}");
            assert!(got.err().is_none_or(|error| !error.to_string().contains("canary")), "{body}");
        }
    }
}
