//! Logging in to Akeyless: one function a method.
//!
//! Deliberately not here: when to log in (`bearer.rs`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gojson::{Document, Item};
use http::HeaderMap;
use http::header::DATE;
use provider::{Credentials, Error, ErrorKind};
use secret::SecretBytes;

use super::cloud::Cloud;
use super::config::{self, Jwt};
use super::wire::{Field, Wire};
use super::{Command, SERVER, aws_cloud_id, error};
use crate::OpenContext;
use crate::aws::Prover;
use crate::bearer::{Grant, Login};
use crate::http::Answer;

const AUTH: &str = "Auth";
/// What a service account's token is asked to live; it is used at once.
const JWT_LIFETIME: Duration = Duration::from_secs(600);
/// A token that is said to live longer is kept until it is refused.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A way to tokens.
pub(super) struct Auth {
    wire: Arc<Wire>,
    credentials: Arc<dyn Credentials>,
    method: Method,
}

enum Method {
    AccessKey { id: SecretBytes, key: SecretBytes },
    Kubernetes { id: String, config: String, jwt: Jwt },
    Cloud { id: SecretBytes, cloud: Cloud },
    AwsIam { id: SecretBytes, prover: Prover },
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::Invalid, AUTH, text)
}

impl Auth {
    /// Looks up what the login needs.
    pub(super) async fn open(login: config::Login, wire: Arc<Wire>, cx: &OpenContext<'_>) -> Result<Self, Error> {
        let credentials = Arc::clone(&cx.credentials);
        let method = match login {
            config::Login::Access { id, kind, parameter, account } => {
                access(&id, &kind, parameter.as_ref(), account, cx).await?
            }
            config::Login::Kubernetes { id, config, jwt } => {
                if let Jwt::Secret(selector) = &jwt {
                    credentials.secret_key(selector, "token").await?;
                }
                Method::Kubernetes { id, config, jwt }
            }
        };
        Ok(Self { wire, credentials, method })
    }
}

async fn access(
    id: &api::SecretKeySelector,
    kind: &api::SecretKeySelector,
    parameter: Option<&api::SecretKeySelector>,
    account: Option<api::ServiceAccountSelector>,
    cx: &OpenContext<'_>,
) -> Result<Method, Error> {
    let look_up = async |selector, what: &str| {
        let found = cx.credentials.secret_key(selector, "").await;
        found.map(|value| value.trimmed()).map_err(|error| error.context(format!("could not fetch {what} secret")))
    };
    let id = look_up(id, "AccessID").await?;
    let kind = look_up(kind, "AccessType").await?;
    let key = match parameter {
        Some(selector) => Some(look_up(selector, "AccessTypeParam").await?),
        None => None,
    };
    if id.is_empty() {
        return Err(invalid(
            "the access id is empty; check the Secret that authSecretRef.secretRef.accessID refers to",
        ));
    }
    let at = "the Secret that spec.provider.akeyless.authSecretRef.secretRef.accessType refers to";
    match kind.expose() {
        b"api_key" | b"access_key" => match key.filter(|key| !key.is_empty()) {
            Some(key) => Ok(Method::AccessKey { id, key }),
            None => Err(invalid(
                "missing AccessTypeParam for Akeyless access key auth: accessTypeParam must refer to the access key",
            )),
        },
        b"k8s" => Err(invalid(
            "kubernetes auth configuration is required: set authSecretRef.kubernetesAuth in place of secretRef",
        )),
        b"gcp" => Ok(Method::Cloud { id, cloud: Cloud::google(key.as_ref(), cx)? }),
        b"azure_ad" => Ok(Method::Cloud { id, cloud: Cloud::azure(key.as_ref(), account, cx)? }),
        b"aws_iam" => Ok(Method::AwsIam { id, prover: aws_cloud_id::prover(cx).await? }),
        _ => {
            let text =
                format!("unable to determine provider: {at} holds none of api_key, access_key, aws_iam, gcp, azure_ad");
            Err(invalid(&text))
        }
    }
}

#[async_trait]
impl Login for Auth {
    /// Source: Akeyless V2 API, "Auth".
    async fn log_in(&self) -> Result<Grant, Error> {
        self.try_log_in().await.map_err(|error| error.context("authentication failed"))
    }
}

impl Auth {
    async fn try_log_in(&self) -> Result<Grant, Error> {
        let (answer, hint) = match &self.method {
            Method::AccessKey { id, key } => {
                let fields = [
                    ("access-type", Field::Text("access_key")),
                    ("access-id", Field::Secret(id)),
                    ("access-key", Field::Secret(key)),
                ];
                let hint =
                    "check the access id and access key that spec.provider.akeyless.authSecretRef.secretRef refers to";
                (self.wire.post(&Command::new(AUTH, "auth", &fields), None).await?, hint)
            }
            Method::Cloud { id, cloud } => {
                let proof = cloud.id().await?;
                let fields = [
                    ("access-type", Field::Text(cloud.access_type())),
                    ("access-id", Field::Secret(id)),
                    ("cloud-id", Field::Secret(&proof)),
                ];
                (self.wire.post(&Command::new(AUTH, "auth", &fields), None).await?, cloud.hint())
            }
            Method::Kubernetes { id, config, jwt } => {
                let jwt = match jwt {
                    Jwt::Requested(account) => {
                        self.credentials.service_account_token(account, &[], JWT_LIFETIME).await?.token
                    }
                    Jwt::Secret(selector) => self.credentials.secret_key(selector, "token").await?,
                };
                let jwt = SecretBytes::from(STANDARD.encode(jwt.trimmed().expose()));
                let fields = [
                    ("access-type", Field::Text("k8s")),
                    ("access-id", Field::Text(id)),
                    ("k8s-service-account-token", Field::Secret(&jwt)),
                    ("k8s-auth-config-name", Field::Text(config)),
                ];
                let hint = "check spec.provider.akeyless.authSecretRef.kubernetesAuth (accessID, k8sConfName), and which \
                            service accounts this authentication method admits";
                (self.wire.post(&Command::new(AUTH, "auth", &fields), None).await?, hint)
            }
            Method::AwsIam { id, prover } => {
                let cloud_id = aws_cloud_id::cloud_id(prover).await?;
                let fields = [
                    ("access-type", Field::Text("aws_iam")),
                    ("access-id", Field::Secret(id)),
                    ("cloud-id", Field::Secret(&cloud_id)),
                ];
                let hint = "check the access id that spec.provider.akeyless.authSecretRef.secretRef refers to, and which \
                            identities of AWS this authentication method admits";
                (self.wire.post(&Command::new(AUTH, "auth", &fields), None).await?, hint)
            }
        };
        let origin = self.wire.origin();
        if !answer.status.is_success() {
            let error = error::of_login(&answer, AUTH, &origin, hint);
            let refused = matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::AccessDenied);
            if let (true, Method::AwsIam { id: _, prover }) = (refused, &self.method) {
                prover.refused();
            }
            return Err(error);
        }
        grant(&answer).ok_or_else(|| {
            let text = format!(
                "{origin} answered without a token; does something other than Akeyless answer there? check {SERVER}"
            );
            Error::new(ErrorKind::Malformed, AUTH, text)
        })
    }
}

fn grant(answer: &Answer) -> Option<Grant> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let root = document.root();
    let Item::Text(token) = document.item(document.member(root, "token")?) else { return None };
    let expiry = document.member(root, "creds").and_then(|creds| document.member(creds, "expiry"));
    let lifetime = match expiry.map(|id| document.item(id)) {
        Some(Item::Number(text)) => lifetime(text, &answer.headers),
        Some(Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_)) | None => None,
    };
    (!token.is_empty()).then(|| Grant { token: SecretBytes::from(token), lifetime })
}

/// How long it is until `expiry`, in seconds since the epoch, by the server's own clock.
fn lifetime(expiry: &str, headers: &HeaderMap) -> Option<Duration> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let now = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.trim()).ok()?.as_second();
    let left = Duration::from_secs(u64::try_from(expiry.parse::<i64>().ok()?.checked_sub(now)?).ok()?);
    (!left.is_zero() && left <= LONGEST).then_some(left)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_grant_is_read_from_the_answer() {
        // 1445412480 s since the epoch.
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        let cases = [
            (r#"{"token":"t-1"}"#, date, Some(None)),
            (r#"{"token":"t-1","creds":{"expiry":1445416080}}"#, date, Some(Some(3600))),
            (r#"{"token":"t-1","creds":{"expiry":1445416080}}"#, None, Some(None)),
            (r#"{"token":"t-1","creds":{"expiry":1445412480}}"#, date, Some(None)),
            (r#"{"token":"t-1","creds":{"expiry":1445416080000}}"#, date, Some(None)),
            (r#"{"token":"t-1","creds":null}"#, date, Some(None)),
            (r#"{"token":""}"#, date, None),
            (r#"{"creds":{}}"#, date, None),
            ("<html>", date, None),
        ];
        for (body, date, want) in cases {
            let mut headers = HeaderMap::new();
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            let answer = Answer { status: StatusCode::OK, headers, body: SecretBytes::from(body) };
            assert_eq!(grant(&answer).map(|grant| grant.lifetime.map(|life| life.as_secs())), want, "{body}");
        }
    }
}
