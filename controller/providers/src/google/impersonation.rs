//! Acting as a service account of Google, and what else one asks IAM about such an account.
//!
//! Source: IAM Service Account Credentials API, "generateAccessToken".

use std::time::Duration;

use gojson::{Document, Item};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use provider::Error;
use reqwest::Url;
use secret::SecretBytes;
use serde_json::{Value, json};

use super::error;
use super::{Ask, Authority, Granted, JSON, SCOPE, bearer_header, invalid};
use crate::http::url;

const OPERATION: &str = "GenerateAccessToken";
const HOST: &str = "https://iamcredentials.googleapis.com";
const HINT: &str = "that the Google service account exists and lets this identity act as it \
                    (roles/iam.workloadIdentityUser or roles/iam.serviceAccountTokenCreator)";

/// A token of the service account with this address. `from` is what named it, for errors.
pub(super) async fn grant(
    email: &str,
    from: &str,
    token: &SecretBytes,
    lifetime: Duration,
    authority: &Authority,
) -> Result<Granted, Error> {
    by_url(&url_of(email, from, "generateAccessToken")?, token, lifetime, authority).await
}

/// The address of a call about one service account. `from` is what named it, for errors.
pub(super) fn url_of(email: &str, from: &str, call: &str) -> Result<Url, Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b':');
    if !email.contains('@') || !email.bytes().all(good) {
        let text = format!("{from}: this is no service account's address such as name@project.iam.gserviceaccount.com");
        return Err(invalid(OPERATION, text));
    }
    url(&format!("{HOST}/v1/projects/-/serviceAccounts/{email}:{call}"), "iamcredentials")
}

/// A token by the whole address of the call, which the caller has checked.
pub(super) async fn by_url(
    url: &Url,
    token: &SecretBytes,
    lifetime: Duration,
    authority: &Authority,
) -> Result<Granted, Error> {
    let body = json!({"scope": [SCOPE], "lifetime": format!("{}s", lifetime.as_secs())});
    let call = Call { operation: OPERATION, url, token, body, answer: "accessToken", hint: HINT };
    // Google grants what was asked for, or refuses.
    Ok(Granted { token: call.send(authority).await?, lifetime })
}

/// A call about a service account.
pub(super) struct Call<'c> {
    pub(super) operation: &'static str,
    /// See [`url_of`].
    pub(super) url: &'c Url,
    /// Of whoever calls.
    pub(super) token: &'c SecretBytes,
    pub(super) body: Value,
    /// The field of the answer that is wanted.
    pub(super) answer: &'static str,
    /// What to check if it is refused.
    pub(super) hint: &'static str,
}

impl Call<'_> {
    /// What was wanted.
    pub(super) async fn send(self, authority: &Authority) -> Result<SecretBytes, Error> {
        let Self { operation, url, token, body, answer: field, hint } = self;
        let mut target = authority.iam.clone().unwrap_or_else(|| url.clone());
        target.set_path(url.path());
        let origin = target.origin().ascii_serialization();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer_header(token, operation)?);
        let body = body.to_string().into();
        let answer = authority.post(Ask { operation, url: target, content_type: JSON, headers, body, hint }).await?;
        let document = Document::parse(answer.body.expose()).ok();
        let wanted = document.as_ref().and_then(|d| d.member(d.root(), field).map(|id| d.item(id)));
        match wanted {
            Some(Item::Text(text)) if !text.is_empty() => Ok(SecretBytes::from(text)),
            _ => Err(error::no_token(operation, &origin)),
        }
    }
}
