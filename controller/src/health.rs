//! The two small HTTP servers: `/metrics`, and `/healthz` with `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;

use crate::supervision::Supervision;

/// Each watch's name, and whether its first listing is in.
pub(crate) type Listings = Vec<(&'static str, Receiver<bool>)>;

/// Waits until every watch has its first listing in.
///
/// # Errors
/// When a watch ended before; the text names it.
pub(crate) async fn all_listed(watches: Listings) -> Result<(), String> {
    for (name, mut listed) in watches {
        listed.wait_for(|listed| *listed).await.map_err(|_| format!("the watch of {name} ended"))?;
    }
    Ok(())
}

/// Serves `router` at `address` until the process ends.
///
/// # Errors
/// When the address can't be used; the text names the flag.
pub(crate) async fn serve(flag: &str, address: SocketAddr, router: Router) -> Result<(), String> {
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("{flag}: cannot listen on {address}: {error}"))?;
    axum::serve(listener, router).await.map_err(|error| format!("{flag}: {error}"))
}

/// `/metrics` in Prometheus' text form.
pub(crate) fn metrics(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(metrics)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let parts = (0..metrics.parts()).map(move |part| metrics.part(part));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], Body::from_stream(futures::stream::iter(parts)))
}

/// What the probes tell: `/healthz` that nothing stands still, `/readyz` that every watch has its first listing in.
pub(crate) fn probes(watches: Listings, supervision: Arc<Supervision>) -> Router {
    let live = Router::new().route("/healthz", get(live)).with_state(supervision);
    Router::new().route("/readyz", get(ready)).with_state(Arc::new(watches)).merge(live)
}

async fn live(State(supervision): State<Arc<Supervision>>) -> impl IntoResponse {
    let stuck = supervision.stuck();
    if stuck.is_empty() {
        return (StatusCode::OK, "ok".to_owned());
    }
    let text = stuck.join("\n");
    tracing::error!(stuck = text, "this process doesn't get on; the liveness probe is told so");
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn ready(State(watches): State<Arc<Listings>>) -> impl IntoResponse {
    let waiting: Vec<&str> = watches.iter().filter(|(_, listed)| !*listed.borrow()).map(|(name, _)| *name).collect();
    if waiting.is_empty() {
        (StatusCode::OK, Json(json!({"ready": true})))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "waiting for the first listing of": waiting})))
    }
}
