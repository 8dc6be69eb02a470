//! Tokens of IBM's identity service (IAM), for an API key or for a trusted profile.
//!
//! Deliberately not here: when to ask for one (`bearer.rs`).

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gojson::{Document, Item};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::config;
use super::error;
use super::wire::{Wire, below};
use crate::bearer::{Grant, Login};
use crate::http::{Answer, form};
use crate::lifetime;

const LOGIN: &str = "Login";
const API_KEY: &[u8] = b"urn:ibm:params:oauth:grant-type:apikey";
const CR_TOKEN: &[u8] = b"urn:ibm:params:oauth:grant-type:cr-token";
const TOKEN_LOCATION: &str = "spec.provider.ibm.auth.containerAuth.tokenLocation";
/// Longer than any token that a kubelet writes.
const LONGEST_TOKEN: u64 = 64 << 10;

/// A way to tokens.
pub(super) struct Iam {
    wire: Arc<Wire>,
    url: Url,
    setting: &'static str,
    method: Method,
}

enum Method {
    ApiKey(SecretBytes),
    Container { profile: String, token: std::path::PathBuf },
}

impl Iam {
    /// Looks up the API key.
    pub(super) async fn open(
        iam: Url,
        login: config::Login,
        wire: Arc<Wire>,
        credentials: &dyn Credentials,
    ) -> Result<Self, Error> {
        let setting = login.endpoint_field();
        let url = below(&iam, &["identity", "token"], setting)?;
        let method = match login {
            config::Login::ApiKey(selector) => {
                let key = credentials.secret_key(&selector, "").await?;
                Method::ApiKey(key.trimmed())
            }
            config::Login::Container { profile, token } => Method::Container { profile, token },
        };
        Ok(Self { wire, url, setting, method })
    }
}

#[async_trait]
impl Login for Iam {
    /// Source: IBM Cloud IAM Identity Services API, "Create an IAM access token for a user or service ID using an API key",
    /// "… based on a compute resource token".
    async fn log_in(&self) -> Result<Grant, Error> {
        let (form, hint) = match &self.method {
            Method::ApiKey(key) => (
                form(&[("response_type", b"cloud_iam"), ("grant_type", API_KEY), ("apikey", key.expose())]),
                "check the API key that spec.provider.ibm.auth.secretRef.secretApiKeySecretRef refers to, and that it isn't locked",
            ),
            Method::Container { profile, token } => {
                let token = compute_resource_token(token).await?;
                let pairs =
                    [("grant_type", CR_TOKEN), ("cr_token", token.expose()), ("profile_name", profile.as_bytes())];
                let hint = "check spec.provider.ibm.auth.containerAuth.profile, and that this profile trusts the controller's \
                            cluster, namespace and service account";
                (form(&pairs), hint)
            }
        };
        let place = "cannot get a token of IBM IAM";
        let answer = self.wire.post_form(LOGIN, &self.url, self.setting, form).await;
        let answer = answer.map_err(|error| error.context(place))?;
        let origin = self.url.origin().ascii_serialization();
        if !answer.status.is_success() {
            return Err(error::of_login(&answer, LOGIN, &origin, self.setting, hint).context(place));
        }
        grant(&answer).ok_or_else(|| {
            let text = format!(
                "{origin} answered without a token; does something other than IAM answer there? check {}",
                self.setting
            );
            Error::new(ErrorKind::Malformed, LOGIN, text).context(place)
        })
    }
}

fn grant(answer: &Answer) -> Option<Grant> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let root = document.root();
    let Item::Text(token) = document.item(document.member(root, "access_token")?) else { return None };
    let lifetime = match document.member(root, "expires_in").map(|id| document.item(id)) {
        Some(Item::Number(seconds)) => Some(lifetime::of_seconds(seconds.parse().ok()?)),
        Some(Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_)) | None => None,
    };
    (!token.is_empty()).then(|| Grant { token: SecretBytes::from(token), lifetime })
}

/// The token of the controller's pod, out of a file that is replaced from time to time.
///
/// Whoever may create a store chooses the file and, with `iamEndpoint`, the server it is sent to. So nothing leaves the pod
/// that isn't a token made for IAM: above all not the controller's own token of the API server.
async fn compute_resource_token(path: &Path) -> Result<SecretBytes, Error> {
    let shown = path.display();
    let cannot = |why: &str| {
        let text = format!("cannot read container auth token {shown}: {why}; check {TOKEN_LOCATION}");
        Error::new(ErrorKind::Invalid, LOGIN, text)
    };
    let found = tokio::fs::metadata(path).await.map_err(|_| cannot("there is no such file that can be read"))?;
    // Anything else could block: a pipe, a device.
    if !found.is_file() || found.len() > LONGEST_TOKEN {
        return Err(cannot("this is not a file with a token"));
    }
    let bytes = tokio::fs::read(path).await.map_err(|_| cannot("the file can't be read"))?;
    let bytes = SecretBytes::new(bytes);
    let token = bytes.trimmed();
    match audiences(&token) {
        None => Err(cannot("this is not a service account's token")),
        Some(audiences) if audiences.iter().any(|audience| audience == "iam") => Ok(token),
        Some(_) => {
            Err(cannot("the token is not for IAM; project a service account token with audience: iam into the pod"))
        }
    }
}

/// `aud` of a JSON web token.
fn audiences(token: &SecretBytes) -> Option<Vec<String>> {
    let mut parts = token.expose_str()?.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let claims = SecretBytes::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    let document = Document::parse(claims.expose()).ok()?;
    let root = document.root();
    let text = |id| match document.item(id) {
        Item::Text(text) => Some(text.to_owned()),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    };
    let Item::Object(_) = document.item(root) else { return None };
    Some(match document.member(root, "aud").map(|id| (id, document.item(id))) {
        Some((_, Item::Array(ids))) => ids.iter().filter_map(|id| text(*id)).collect(),
        Some((id, Item::Text(_))) => text(id).into_iter().collect(),
        Some((_, Item::Null | Item::Bool(_) | Item::Number(_) | Item::Object(_))) | None => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn a_grant_is_read_from_the_answer() {
        let cases = [
            (r#"{"access_token":"t","expires_in":3600,"token_type":"Bearer"}"#, Some(Some(3600))),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, Some(Some(31_536_000))),
            (r#"{"access_token":"t"}"#, Some(None)),
            (r#"{"access_token":"t","expires_in":-1}"#, None),
            (r#"{"access_token":""}"#, None),
            (r#"{"access_token":1}"#, None),
            ("<html>", None),
            ("[]", None),
        ];
        for (body, want) in cases {
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::from(body) };
            assert_eq!(grant(&answer).map(|grant| grant.lifetime.map(|life| life.as_secs())), want, "{body}");
        }
    }

    #[test]
    fn audiences_are_those_of_a_token() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let cases = [
            (token(r#"{"aud":["iam","x"]}"#), Some(vec!["iam", "x"])),
            (token(r#"{"aud":"iam"}"#), Some(vec!["iam"])),
            (token("{}"), Some(vec![])),
            (token("[]"), None),
            ("root:x:0:0".to_owned(), None),
            ("a.b".to_owned(), None),
            (format!("{}.x", token("{}")), None),
        ];
        for (token, want) in cases {
            let want = want.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(audiences(&SecretBytes::from(token.as_str())), want, "{token}");
        }
    }
}
