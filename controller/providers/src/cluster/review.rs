//! What the account may do: asked of the API server itself.
//!
//! Source: Kubernetes API, "authorization.k8s.io/v1": SelfSubjectAccessReview and SelfSubjectRulesReview.

use gojson::{Document, Html, Item};
use http::Method;
use provider::Error;
use secret::SecretBytes;

use super::{Call, Cluster};
use crate::http::Answer;

/// Whether the account may do what `attributes` (`verb`, `resource`, …) say.
///
/// # Errors
/// The API server's.
pub(crate) async fn is_allowed(
    cluster: &Cluster,
    operation: &'static str,
    attributes: &[(&str, &str)],
) -> Result<bool, Error> {
    let attributes = attributes.iter().map(|(name, value)| (*name, value.as_bytes()));
    let attributes = gojson::string_map(attributes, Html::Keep);
    let spec = format!("{{\"resourceAttributes\":{}}}", String::from_utf8_lossy(&attributes));
    let answer = ask(cluster, operation, "SelfSubjectAccessReview", &spec).await?;
    let document = parsed(cluster, operation, &answer)?;
    let status = document.member(document.root(), "status");
    let allowed = status.and_then(|status| document.member(status, "allowed"));
    Ok(matches!(allowed.map(|id| document.item(id)), Some(Item::Bool(true))))
}

/// The answer to a review of the kind `kind`, whose `spec` is JSON.
///
/// # Errors
/// The API server's.
pub(crate) async fn ask(cluster: &Cluster, operation: &'static str, kind: &str, spec: &str) -> Result<Answer, Error> {
    let resource = format!("{}s", kind.to_ascii_lowercase());
    let path = ["apis", "authorization.k8s.io", "v1", &resource];
    let body = format!("{{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"{kind}\",\"spec\":{spec}}}");
    let body = SecretBytes::from(body);
    let call = Call { operation, method: Method::POST, path: &path, query: &[], body: Some(&body) };
    let answer = cluster.send(&call).await?;
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(cluster.refused(&answer, operation, "ask what the account may do"))
    }
}

/// The answer as JSON.
///
/// # Errors
/// `Malformed` if it isn't any.
pub(crate) fn parsed<'a>(
    cluster: &Cluster,
    operation: &'static str,
    answer: &'a Answer,
) -> Result<Document<'a>, Error> {
    Document::parse(answer.body.expose()).map_err(|_| cluster.not_that("JSON", operation))
}
