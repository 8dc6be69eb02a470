//! Acting as a service account of Google.
//!
//! Source: IAM Service Account Credentials API, "generateAccessToken".

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use provider::Error;
use reqwest::Url;
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;

use super::error;
use super::{Ask, Authority, Granted, JSON, SCOPE, bearer_header, invalid, url};

const OPERATION: &str = "GenerateAccessToken";
const HOST: &str = "https://iamcredentials.googleapis.com";
const HINT: &str = "that the Google service account exists and lets this identity act as it \
                    (roles/iam.workloadIdentityUser or roles/iam.serviceAccountTokenCreator)";

/// A token of the service account with this address.
pub(super) async fn grant(
    email: &str,
    token: &SecretBytes,
    lifetime: Duration,
    authority: &Authority,
) -> Result<Granted, Error> {
    by_url(&url_of(email, "generateAccessToken")?, token, lifetime, authority).await
}

/// The address of a call about one service account.
pub(super) fn url_of(email: &str, call: &str) -> Result<Url, Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b':');
    if !email.contains('@') || !email.bytes().all(good) {
        let text = "the Google service account to act as is no address such as name@project.iam.gserviceaccount.com; \
                    check the annotation iam.gke.io/gcp-service-account and gcpServiceAccountEmail";
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
    let mut target = authority.iam.clone().unwrap_or_else(|| url.clone());
    target.set_path(url.path());
    let origin = target.origin().ascii_serialization();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer_header(token, OPERATION)?);
    let body = json!({"scope": [SCOPE], "lifetime": format!("{}s", lifetime.as_secs())}).to_string().into();
    let ask = Ask { operation: OPERATION, url: target, content_type: JSON, headers, body, hint: HINT };
    let answer = authority.post(ask).await?;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        #[serde(borrow)]
        access_token: Cow<'a, str>,
    }
    let body: Option<Body<'_>> = serde_json::from_slice(answer.body.expose()).ok();
    match body.filter(|body| !body.access_token.is_empty()) {
        // Google grants what was asked for, or refuses.
        Some(Body { access_token }) => Ok(Granted { token: SecretBytes::from(access_token.into_owned()), lifetime }),
        None => Err(error::no_token(OPERATION, &origin)),
    }
}
