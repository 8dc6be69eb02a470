//! The metadata server of Google's machines and clusters: the pod's own token, and facts about the cluster.
//!
//! Source: Google, "About VM metadata" and "View and query VM metadata".

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use provider::{Error, ErrorKind};
use secret::SecretBytes;

use super::error;
use super::{Authority, Granted, granted};
use crate::http::{Answer, Request};

const OPERATION: &str = "Metadata";
const TOKEN: &str = "instance/service-accounts/default/token";
const IDENTITY: &str = "instance/service-accounts/default/identity";
/// It is near, or not there.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The token of the service account that the controller's pod runs as.
pub(super) async fn grant(authority: &Authority) -> Result<Granted, Error> {
    let answer = get(authority, TOKEN, &[], &own(authority)).await?;
    granted(&answer, OPERATION, &origin(authority))
}

/// A JWT for `audience` that says who the controller's pod is, and on what machine. It lives for an hour.
///
/// # Errors
/// `Unavailable` where there is no metadata server, the kinds of a refused login, and `Malformed`.
pub(crate) async fn identity(audience: &str, authority: &Authority) -> Result<SecretBytes, Error> {
    let query = [("audience", audience), ("format", "full")];
    let answer = get(authority, IDENTITY, &query, &own(authority)).await?;
    let jwt = answer.body.trimmed();
    // So that some page isn't taken for one.
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
    match !jwt.is_empty() && jwt.expose().iter().all(fits) {
        true => Ok(jwt),
        false => Err(error::no_token(OPERATION, &origin(authority))),
    }
}

/// What to check if there is no identity.
fn own(authority: &Authority) -> String {
    format!(
        "{}: as it is, it stands for the identity of the controller's own pod, which only Google's clusters and machines \
         have",
        authority.field
    )
}

/// What the metadata server knows; `field` is what else could say it.
pub(super) async fn fact(authority: &Authority, path: &str, field: &str) -> Result<String, Error> {
    let hint = format!("{field}, which must be set where there is no metadata server of Google's");
    let answer = get(authority, path, &[], &hint).await?;
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let text = answer.body.expose_str().map(str::trim);
    text.filter(|text| !text.is_empty() && text.as_bytes().iter().all(name)).map(str::to_owned).ok_or_else(|| {
        let text = format!("{} answered with something that is no name; check {hint}", origin(authority));
        Error::new(ErrorKind::Malformed, OPERATION, text)
    })
}

fn origin(authority: &Authority) -> String {
    authority.metadata.origin().ascii_serialization()
}

async fn get(authority: &Authority, path: &str, query: &[(&str, &str)], hint: &str) -> Result<Answer, Error> {
    let mut url = authority.metadata.clone();
    url.set_path(&format!("/computeMetadata/v1/{path}"));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let mut request = Request::new(Method::GET, url);
    request.headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
    request.timeout = TIMEOUT;
    let origin = origin(authority);
    let answer = authority.http.send(request).await.map_err(|e| e.into_error(OPERATION, &origin, hint))?;
    match answer.status {
        StatusCode::OK => Ok(answer),
        _ => Err(error::of_token(&answer, OPERATION, &origin, hint)),
    }
}

/// The answer of something that isn't Google's, such as AWS's metadata server or a file server.
pub(super) async fn plain(authority: &Authority, request: Request, hint: &str) -> Result<SecretBytes, Error> {
    let origin = request.url.origin().ascii_serialization();
    let answer = authority.http.send(request).await.map_err(|e| e.into_error(OPERATION, &origin, hint))?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        _ => Err(error::of_token(&answer, OPERATION, &origin, hint)),
    }
}
