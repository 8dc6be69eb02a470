//! The webhook's metrics and the closed vocabulary of their labels. Names are controller-runtime's where it has one.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// What is counted. Clones share the counts.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// `controller_runtime_webhook_requests_total` by path and HTTP status.
    pub requests: IntCounterVec,
    /// `controller_runtime_webhook_latency_seconds` by path.
    pub latency: HistogramVec,
    /// `controller_runtime_webhook_requests_in_flight` by path.
    pub in_flight: IntGaugeVec,
    /// `external_secrets_webhook_verdicts_total` by path and verdict.
    pub verdicts: IntCounterVec,
    /// `external_secrets_webhook_certificate_expiration_timestamp_seconds` for the CA and the leaf.
    pub expiry: GaugeVec,
    /// `external_secrets_webhook_certificate_renewals_total` by certificate and reason.
    pub renewals: IntCounterVec,
}

/// Which certificate a metric is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// The CA of the Secret.
    Ca,
    /// The leaf of this pod.
    Leaf,
}

impl Certificate {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Leaf => "leaf",
        }
    }
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// prometheus's, for a name that is used twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "controller_runtime_webhook_requests_total",
                    "Total number of admission requests by HTTP status code.",
                ),
                &["webhook", "code"],
            )?,
            latency: HistogramVec::new(
                HistogramOpts::new(
                    "controller_runtime_webhook_latency_seconds",
                    "Histogram of the latency of processing admission requests",
                )
                .buckets(vec![
                    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
                    10.0,
                ]),
                &["webhook"],
            )?,
            in_flight: IntGaugeVec::new(
                Opts::new(
                    "controller_runtime_webhook_requests_in_flight",
                    "Current number of admission requests being served.",
                ),
                &["webhook"],
            )?,
            verdicts: IntCounterVec::new(
                Opts::new(
                    "external_secrets_webhook_verdicts_total",
                    "Verdicts: allowed, patched, denied, undecodable, failed.",
                ),
                &["webhook", "verdict"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "external_secrets_webhook_certificate_expiration_timestamp_seconds",
                    "When the certificate ends, in seconds since the epoch.",
                ),
                &["certificate"],
            )?,
            renewals: IntCounterVec::new(
                Opts::new(
                    "external_secrets_webhook_certificate_renewals_total",
                    "Certificates that this pod issued, by reason.",
                ),
                &["certificate", "reason"],
            )?,
            registry,
        };
        let Self { registry, requests, latency, in_flight, verdicts, expiry, renewals } = &metrics;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(latency.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(verdicts.clone()))?;
        registry.register(Box::new(expiry.clone()))?;
        registry.register(Box::new(renewals.clone()))?;
        Ok(metrics)
    }

    /// Notes when a certificate ends.
    #[expect(clippy::cast_precision_loss, reason = "a date in seconds is far below 2^53")]
    pub fn expires(&self, certificate: Certificate, at: Timestamp) {
        self.expiry.with_label_values(&[certificate.as_str()]).set(at.as_second() as f64);
    }

    /// The text form.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "could not write the metrics");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// The route of the metrics address.
    pub fn router(&self) -> Router {
        let metrics = self.clone();
        Router::new().route(
            "/metrics",
            get(move || async move {
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text()).into_response()
            }),
        )
    }
}
