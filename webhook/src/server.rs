//! HTTP around a verdict: paths, content types, limits on body and memory, time-outs, metrics.
//!
//! What is judged how is `admit` and `mutate`; the wire form is `review`. A request that is no review gets a 4xx with a
//! line of text, since no API server sends one; everything else is answered 200 with the verdict inside.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::{FutureExt, StreamExt};
use prometheus::{Histogram, IntCounter, IntGauge};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admit::{self, Subject};
use crate::metrics::Metrics;
use crate::mutate::{self, Need};
use crate::namespaces::Namespaces;
use crate::ready::Health;
use crate::review::{self, BadReview, Operation, Request, Review, Verdict};

/// The largest body: an object of 3 MB, the old one, and room for the rest, as the reference allows.
pub const MAX_BODY: usize = 7 << 20;

/// Bodies in work together take no more than this, in KiB; a body's parsed form takes a multiple of it.
const BODY_BUDGET_KIB: usize = 8 << 10;

/// So much of every body is read without a share of the budget: who only says that it sends much, or sends it slowly, must
/// not keep the reviews waiting that are nearly all there are.
const FREE: usize = 32 << 10;

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

/// What every request on a path needs.
struct Cx {
    path: &'static str,
    role: Role,
    namespaces: Namespaces,
    metrics: Metrics,
    in_flight: IntGauge,
    latency: Histogram,
    answered: IntCounter,
    budget: Arc<Semaphore>,
}

/// The routes of the webhook's port.
pub fn router(namespaces: Namespaces, metrics: Metrics) -> Router {
    let budget = Arc::new(Semaphore::new(BODY_BUDGET_KIB));
    PATHS.into_iter().fold(Router::new(), |router, (path, role)| {
        let cx = Arc::new(Cx {
            path,
            role,
            namespaces: namespaces.clone(),
            in_flight: metrics.in_flight.with_label_values(&[path]),
            latency: metrics.latency.with_label_values(&[path]),
            answered: metrics.requests.with_label_values(&[path, StatusCode::OK.as_str()]),
            metrics: metrics.clone(),
            budget: budget.clone(),
        });
        router.route(path, post(move |request: HttpRequest| serve(cx, request)))
    })
}

/// Lets go of connections while `health` says that the process stops: each answer closes its own, so that none is in use
/// any more when the rest are closed. HTTP/2 has a farewell of its own, which the listener says.
pub fn with_farewell(router: Router, health: Health) -> Router {
    router.layer(axum::middleware::from_fn(move |request: HttpRequest, next: Next| {
        let farewell = health.is_draining() && request.version() <= Version::HTTP_11;
        async move {
            let mut response = next.run(request).await;
            if farewell {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }))
}

async fn serve(cx: Arc<Cx>, request: HttpRequest) -> Response {
    let start = Instant::now();
    let path = cx.path;
    cx.in_flight.inc();
    let response = match contained(judge(&cx, request)).await {
        Ok((verdict, answer)) => {
            cx.metrics.verdicts.with_label_values(&[path, verdict]).inc();
            cx.answered.inc();
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], answer).into_response()
        }
        Err((status, why)) => {
            tracing::info!(path, status = status.as_u16(), why, "not a review");
            cx.metrics.requests.with_label_values(&[path, status.as_str()]).inc();
            (status, format!("{why}\n")).into_response()
        }
    };
    cx.in_flight.dec();
    cx.latency.observe(start.elapsed().as_secs_f64());
    response
}

type Refusal = (StatusCode, String);

/// A defect in judging one object must not take the connection, and with it other requests, along.
async fn contained<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let defect = || (StatusCode::INTERNAL_SERVER_ERROR, "a defect of the webhook: the log has the panic".to_owned());
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(defect()))
}

async fn judge(cx: &Cx, request: HttpRequest) -> Result<(&'static str, Vec<u8>), Refusal> {
    check_content_type(request.headers())?;
    let (body, _share) = read(&cx.budget, request).await?;
    let judged = match cx.role {
        Role::Validate(subject) => admit::judge(subject, &body),
        Role::DefaultStore => default_store(cx, &body).await,
    };
    let (review, verdict) = judged.map_err(|bad| (StatusCode::BAD_REQUEST, bad.to_string()))?;
    let Request { uid, kind, operation: _, namespace, name } = &review.request;
    let (uid, kind, namespace, name) = (&**uid, &*kind.kind, &**namespace, &**name);
    match &verdict {
        Verdict::Allowed { .. } => {
            tracing::debug!(uid, kind, namespace, name, verdict = verdict.as_str(), "judged");
        }
        Verdict::Denied { .. } | Verdict::Undecodable { .. } | Verdict::Failed { .. } => {
            tracing::info!(uid, kind, namespace, name, verdict = verdict.as_str(), "judged");
        }
    }
    let unwritten = |error| (StatusCode::INTERNAL_SERVER_ERROR, format!("the answer can't be written: {error}"));
    Ok((verdict.as_str(), review.answer(&verdict).map_err(unwritten)?))
}

/// Reads a body, and what it holds of the budget if it isn't small.
async fn read(budget: &Semaphore, request: HttpRequest) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Refusal> {
    let share = share_of_budget(request.headers())?;
    let mut chunks = request.into_body().into_data_stream();
    let (mut body, mut held) = (Vec::new(), None);
    let mut deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let chunk = match tokio::time::timeout_at(deadline, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => return Ok((body, held)),
            Ok(Some(Err(_))) => return Err((StatusCode::BAD_REQUEST, "the body can't be read to its end".to_owned())),
            Err(_) => {
                let text = format!("the body took more than {} s", PATIENCE.as_secs());
                return Err((StatusCode::REQUEST_TIMEOUT, text));
            }
        };
        let length = body.len() + chunk.len();
        if length > MAX_BODY {
            return Err(too_large());
        }
        if held.is_none() && length > FREE {
            let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, budget.acquire_many(share)).await else {
                let text = "too many large reviews at once: try again".to_owned();
                return Err((StatusCode::SERVICE_UNAVAILABLE, text));
            };
            held = Some(permit);
            deadline = tokio::time::Instant::now() + PATIENCE;
        }
        body.extend_from_slice(&chunk);
    }
}

/// Looks up the default store only for an object that needs one, so that others never depend on the look-up.
async fn default_store<'a>(cx: &Cx, body: &'a [u8]) -> Result<(Review<'a>, Verdict), BadReview> {
    let (review, object) = review::parse::<Value>(body)?;
    let request = &review.request;
    if let Err(refused) = Subject::ExternalSecret.check_kind(request) {
        return Ok((review, refused));
    }
    match request.operation {
        Operation::Delete | Operation::Connect => return Ok((review, Verdict::allowed())),
        Operation::Create | Operation::Update => {}
    }
    if admit::is_terminating(&object) {
        return Ok((review, Verdict::allowed()));
    }
    let verdict = match mutate::need(&object) {
        Need::None => Verdict::allowed(),
        Need::Store { kind } => match cx.namespaces.default_store(&request.namespace).await {
            Ok(annotation) => mutate::fill(&object, kind.as_deref(), &request.namespace, annotation.as_deref()),
            Err(message) => Verdict::Failed { message },
        },
    };
    Ok((review, verdict))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let defective = async { if true { panic!("a defect") } else { Ok(()) } };
        let (status, why) = contained(defective).await.unwrap_err();
        assert_eq!((status.as_u16(), why.as_str()), (500, "a defect of the webhook: the log has the panic"));
        assert_eq!(contained(async { Ok(1) }).await.unwrap(), 1);
    }

    /// A request that says how long its body is, with a body that sends so much of it and then no more.
    fn stalled(length: usize, sent: usize) -> HttpRequest {
        let sent = futures::stream::iter([Ok::<_, std::io::Error>(vec![b' '; sent])]);
        let body = axum::body::Body::from_stream(sent.chain(futures::stream::pending()));
        HttpRequest::builder().header(CONTENT_LENGTH, length).body(body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_that_do_not_come_keep_small_ones_waiting_no_longer() {
        let budget = Semaphore::new(BODY_BUDGET_KIB);
        let small = || HttpRequest::builder().header(CONTENT_LENGTH, 2).body("{}".into()).unwrap();
        // They only say that they are large, or have their share, or wait for one.
        for sent in [0, FREE + 1] {
            let mut held: Vec<_> = (0..3).map(|_| Box::pin(read(&budget, stalled(MAX_BODY, sent)))).collect();
            for reading in &mut held {
                assert!(reading.now_or_never().is_none());
            }
            let (body, share) = read(&budget, small()).now_or_never().unwrap().unwrap();
            assert_eq!((body.as_slice(), share.is_none()), (b"{}".as_slice(), true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_holds_its_share_until_it_was_judged() {
        let budget = Semaphore::new(BODY_BUDGET_KIB);
        let whole = vec![b' '; MAX_BODY];
        let request = HttpRequest::builder().header(CONTENT_LENGTH, MAX_BODY).body(whole.into()).unwrap();
        let held = read(&budget, request).await.unwrap();
        assert_eq!(budget.available_permits(), BODY_BUDGET_KIB - (MAX_BODY >> 10));
        let (status, _) = read(&budget, stalled(MAX_BODY, FREE + 1)).await.unwrap_err();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        assert_eq!(budget.available_permits(), BODY_BUDGET_KIB);
    }
}
