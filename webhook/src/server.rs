//! HTTP around a verdict: paths, content types, limits on body and memory, time-outs, metrics.
//!
//! What is judged how is `admit` and `mutate`; the wire form is `review`. A request that is no review gets a 4xx with a
//! line of text, since no API server sends one; everything else is answered 200 with the verdict inside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request as HttpRequest};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use tokio::sync::Semaphore;

use crate::admit::{self, Subject};
use crate::metrics::Metrics;
use crate::mutate::{self, Need};
use crate::namespaces::Namespaces;
use crate::review::{self, Operation, Request, Verdict};

/// The largest body: an object of 3 MB, the old one, and room for the rest, as the reference allows.
pub const MAX_BODY: usize = 7 << 20;

/// Bodies in work together take no more than this, in KiB; a body's parsed form takes a multiple of it.
const BODY_BUDGET_KIB: usize = 8 << 10;

/// How long a body may take to arrive, and a request to get its share of the budget.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Judges objects of a kind.
    Validate(Subject),
    /// Fills in the default store of ExternalSecrets.
    DefaultStore,
}

/// Every path. The v1beta1 twins do the same: both versions have one schema.
pub const PATHS: [(&str, Role); 8] = [
    ("/validate-external-secrets-io-v1-secretstore", Role::Validate(Subject::SecretStore)),
    ("/validate-external-secrets-io-v1-clustersecretstore", Role::Validate(Subject::ClusterSecretStore)),
    ("/validate-external-secrets-io-v1-externalsecret", Role::Validate(Subject::ExternalSecret)),
    ("/validate-external-secrets-io-v1beta1-secretstore", Role::Validate(Subject::SecretStore)),
    ("/validate-external-secrets-io-v1beta1-clustersecretstore", Role::Validate(Subject::ClusterSecretStore)),
    ("/validate-external-secrets-io-v1beta1-externalsecret", Role::Validate(Subject::ExternalSecret)),
    ("/mutate-external-secrets-io-v1-externalsecret", Role::DefaultStore),
    ("/mutate-external-secrets-io-v1beta1-externalsecret", Role::DefaultStore),
];

/// What every request needs.
#[derive(Clone)]
struct Cx {
    namespaces: Namespaces,
    metrics: Metrics,
    budget: Arc<Semaphore>,
}

/// The routes of the webhook's port.
pub fn router(namespaces: Namespaces, metrics: Metrics) -> Router {
    let cx = Cx { namespaces, metrics, budget: Arc::new(Semaphore::new(BODY_BUDGET_KIB)) };
    PATHS
        .into_iter()
        .fold(Router::new(), |router, (path, role)| {
            let cx = cx.clone();
            router.route(path, post(move |request: HttpRequest| serve(cx, path, role, request)))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn serve(cx: Cx, path: &'static str, role: Role, request: HttpRequest) -> Response {
    let start = Instant::now();
    let in_flight = cx.metrics.in_flight.with_label_values(&[path]);
    in_flight.inc();
    let response = match judge(&cx, role, request).await {
        Ok((verdict, answer)) => {
            cx.metrics.verdicts.with_label_values(&[path, verdict]).inc();
            Json(answer).into_response()
        }
        Err((status, why)) => {
            tracing::info!(path, status = status.as_u16(), why, "not a review");
            (status, format!("{why}\n")).into_response()
        }
    };
    in_flight.dec();
    cx.metrics.latency.with_label_values(&[path]).observe(start.elapsed().as_secs_f64());
    cx.metrics.requests.with_label_values(&[path, response.status().as_str()]).inc();
    response
}

type Refusal = (StatusCode, String);

async fn judge(cx: &Cx, role: Role, request: HttpRequest) -> Result<(&'static str, serde_json::Value), Refusal> {
    check_content_type(request.headers())?;
    let share = share_of_budget(request.headers())?;
    let busy = (StatusCode::SERVICE_UNAVAILABLE, "too many large reviews at once: try again".to_owned());
    let _share = match tokio::time::timeout(PATIENCE, cx.budget.acquire_many(share)).await {
        Ok(Ok(share)) => share,
        Ok(Err(_)) | Err(_) => return Err(busy),
    };
    let body = match tokio::time::timeout(PATIENCE, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
        Ok(Err(_)) => return Err((StatusCode::BAD_REQUEST, "the body can't be read to its end".to_owned())),
        Err(_) => {
            return Err((StatusCode::REQUEST_TIMEOUT, format!("the body took more than {} s", PATIENCE.as_secs())));
        }
    };
    let review = review::parse(&body).map_err(|bad| (StatusCode::BAD_REQUEST, bad.to_string()))?;
    drop(body);
    let verdict = match role {
        Role::Validate(subject) => admit::judge(subject, &review.request),
        Role::DefaultStore => default_store(cx, &review.request).await,
    };
    let Request { uid, kind, operation: _, namespace, name, object: _ } = &review.request;
    match &verdict {
        Verdict::Allowed { .. } => {
            tracing::debug!(uid, kind = kind.kind, namespace, name, verdict = verdict.as_str(), "judged")
        }
        Verdict::Denied { .. } | Verdict::Undecodable { .. } | Verdict::Failed { .. } => {
            tracing::info!(uid, kind = kind.kind, namespace, name, verdict = verdict.as_str(), "judged");
        }
    }
    Ok((verdict.as_str(), review.answer(&verdict)))
}

/// Looks up the default store only for an object that needs one, so that others never depend on the look-up.
async fn default_store(cx: &Cx, request: &Request) -> Verdict {
    if let Err(refused) = Subject::ExternalSecret.check_kind(request) {
        return refused;
    }
    match request.operation {
        Operation::Delete | Operation::Connect => return Verdict::allowed(),
        Operation::Create | Operation::Update => {}
    }
    if request.is_terminating() {
        return Verdict::allowed();
    }
    match mutate::need(&request.object) {
        Need::None => Verdict::allowed(),
        Need::Store { kind } => match cx.namespaces.default_store(&request.namespace).await {
            Ok(annotation) => mutate::fill(&request.object, kind.as_deref(), &request.namespace, annotation.as_deref()),
            Err(message) => Verdict::Failed { message },
        },
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json".to_owned()))
}

/// A body without a length (chunked) counts as the largest.
fn share_of_budget(headers: &HeaderMap) -> Result<u32, Refusal> {
    let length = match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok().and_then(|l| l.parse().ok()).unwrap_or(usize::MAX),
        None => MAX_BODY,
    };
    if length > MAX_BODY {
        return Err(too_large());
    }
    u32::try_from(length.div_ceil(1 << 10)).map_err(|_| too_large())
}

fn too_large() -> Refusal {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} MiB", MAX_BODY >> 20))
}
