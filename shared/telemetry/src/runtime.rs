//! The series that dashboards of Go operators expect: `controller_runtime_*`, `workqueue_*` and `rest_client_*`, with the
//! names, labels and buckets of controller-runtime and client-go.
//!
//! Deliberately not here: what is ours or the reference's alone (`metrics`).

use std::time::Duration;

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

use crate::catalogue::Catalogue;

/// The buckets of controller-runtime's reconcile times, in seconds.
pub(crate) const RECONCILE_BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
];

/// The buckets of client-go's workqueues, in seconds: 10 ns to 1000 s.
const QUEUE_BUCKETS: [f64; 12] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0];

/// How a reconcile ended; the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is to be done until something changes.
    Success,
    /// It is looked at again after a time.
    RequeueAfter,
    /// It failed and is tried again with backoff.
    Error,
    /// It panicked, and is tried again with backoff.
    Panic,
}

impl Outcome {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RequeueAfter => "requeue_after",
            Self::Error | Self::Panic => "error",
        }
    }

    fn failed(self) -> bool {
        match self {
            Self::Success | Self::RequeueAfter => false,
            Self::Error | Self::Panic => true,
        }
    }
}

/// See the module. `controller` is a kind in lower case, `queue` the name of a queue, which may serve several kinds.
pub struct Runtime {
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    panics: IntCounterVec,
    seconds: HistogramVec,
    active: IntGaugeVec,
    most: IntGaugeVec,
    depth: IntGaugeVec,
    waits: HistogramVec,
    work: HistogramVec,
    retries: IntCounterVec,
    unfinished: GaugeVec,
    longest: GaugeVec,
    requests: IntCounterVec,
}

const CONTROLLER: &[&str] = &["controller"];
const QUEUE: &[&str] = &["controller", "name"];

impl Runtime {
    pub(crate) fn new(catalogue: &Catalogue) -> Result<Self, prometheus::Error> {
        let counter = |name, help, labels: &[&str]| catalogue.kept(IntCounterVec::new(Opts::new(name, help), labels));
        let whole = |name, help, labels: &[&str]| catalogue.kept(IntGaugeVec::new(Opts::new(name, help), labels));
        let gauge = |name, help, labels: &[&str]| catalogue.kept(GaugeVec::new(Opts::new(name, help), labels));
        let histogram = |name, help, labels: &[&str], buckets: &[f64]| {
            catalogue.kept(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
        };
        Ok(Self {
            reconciles: counter(
                "controller_runtime_reconcile_total",
                "Reconciles, by how they ended",
                &["controller", "result"],
            )?,
            errors: counter("controller_runtime_reconcile_errors_total", "Reconciles that failed", CONTROLLER)?,
            panics: counter("controller_runtime_reconcile_panics_total", "Reconciles that panicked", CONTROLLER)?,
            seconds: histogram(
                "controller_runtime_reconcile_time_seconds",
                "How long reconciles took",
                CONTROLLER,
                &RECONCILE_BUCKETS,
            )?,
            active: whole("controller_runtime_active_workers", "Workers that are at work", CONTROLLER)?,
            most: whole("controller_runtime_max_concurrent_reconciles", "Workers there are", CONTROLLER)?,
            depth: whole("workqueue_depth", "Keys that wait for a worker", QUEUE)?,
            waits: histogram(
                "workqueue_queue_duration_seconds",
                "How long keys waited for a worker",
                QUEUE,
                &QUEUE_BUCKETS,
            )?,
            work: histogram(
                "workqueue_work_duration_seconds",
                "How long the work on a key took",
                QUEUE,
                &QUEUE_BUCKETS,
            )?,
            retries: counter("workqueue_retries_total", "Keys put back with backoff", QUEUE)?,
            unfinished: gauge(
                "workqueue_unfinished_work_seconds",
                "The ages of all work that is under way, together",
                QUEUE,
            )?,
            longest: gauge(
                "workqueue_longest_running_processor_seconds",
                "The age of the oldest work that is under way",
                QUEUE,
            )?,
            requests: counter(
                "rest_client_requests_total",
                "Requests to the API server, by status code and method",
                &["code", "method", "host"],
            )?,
        })
    }

    /// A queue's workers were started: `workers` of them, shared by these controllers.
    pub fn workers(&self, controllers: &[&str], workers: usize) {
        for controller in controllers {
            self.most.with_label_values(&[controller]).set(whole(workers));
            self.active.with_label_values(&[controller]).set(0);
        }
    }

    /// A worker began to reconcile.
    pub fn began(&self, controller: &str) {
        self.active.with_label_values(&[controller]).inc();
    }

    /// A worker stopped reconciling, however that came about.
    pub fn ended(&self, controller: &str) {
        self.active.with_label_values(&[controller]).dec();
    }

    /// A reconcile came to its end.
    pub fn reconciled(&self, controller: &str, queue: &str, outcome: Outcome, took: Duration) {
        self.reconciles.with_label_values(&[controller, outcome.as_str()]).inc();
        self.seconds.with_label_values(&[controller]).observe(took.as_secs_f64());
        self.work.with_label_values(&[queue, queue]).observe(took.as_secs_f64());
        if outcome.failed() {
            self.errors.with_label_values(&[controller]).inc();
            self.retries.with_label_values(&[queue, queue]).inc();
        }
        if outcome == Outcome::Panic {
            self.panics.with_label_values(&[controller]).inc();
        }
    }

    /// Keys that wait for a worker.
    pub fn depth(&self, queue: &str, depth: usize) {
        self.depth.with_label_values(&[queue, queue]).set(whole(depth));
    }

    /// A key has waited this long for its worker.
    pub fn waited(&self, queue: &str, wait: Duration) {
        self.waits.with_label_values(&[queue, queue]).observe(wait.as_secs_f64());
    }

    /// The ages of the work that is under way.
    pub fn under_way(&self, queue: &str, ages: &[Duration]) {
        let all: Duration = ages.iter().sum();
        let longest = ages.iter().max().copied().unwrap_or_default();
        self.unfinished.with_label_values(&[queue, queue]).set(all.as_secs_f64());
        self.longest.with_label_values(&[queue, queue]).set(longest.as_secs_f64());
    }

    /// A request to the API server was answered with this status code, or with none: `<error>`, as client-go says it.
    pub fn request(&self, code: &str, method: &str, host: &str) {
        self.requests.with_label_values(&[code, method, host]).inc();
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    #[test]
    fn what_the_references_dashboards_and_alerts_ask_for_is_there() {
        let metrics = Metrics::new().unwrap();
        let runtime = metrics.runtime();
        runtime.workers(&["externalsecret"], 5);
        runtime.began("externalsecret");
        runtime.reconciled("externalsecret", "externalsecret", Outcome::Success, Duration::from_millis(20));
        runtime.reconciled("externalsecret", "externalsecret", Outcome::Panic, Duration::from_secs(2));
        runtime.depth("externalsecret", 3);
        runtime.waited("externalsecret", Duration::from_millis(20));
        runtime.under_way("externalsecret", &[Duration::from_secs(1), Duration::from_secs(2)]);
        runtime.request("200", "GET", "10.0.0.1:443");
        let text = metrics.encode().unwrap();
        for line in [
            r#"controller_runtime_reconcile_total{controller="externalsecret",result="success"} 1"#,
            r#"controller_runtime_reconcile_total{controller="externalsecret",result="error"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="externalsecret"} 1"#,
            r#"controller_runtime_reconcile_panics_total{controller="externalsecret"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_bucket{controller="externalsecret",le="0.025"} 1"#,
            r#"controller_runtime_active_workers{controller="externalsecret"} 1"#,
            r#"controller_runtime_max_concurrent_reconciles{controller="externalsecret"} 5"#,
            r#"workqueue_depth{controller="externalsecret",name="externalsecret"} 3"#,
            r#"workqueue_retries_total{controller="externalsecret",name="externalsecret"} 1"#,
            r#"workqueue_queue_duration_seconds_count{controller="externalsecret",name="externalsecret"} 1"#,
            r#"workqueue_work_duration_seconds_count{controller="externalsecret",name="externalsecret"} 2"#,
            r#"workqueue_unfinished_work_seconds{controller="externalsecret",name="externalsecret"} 3"#,
            r#"workqueue_longest_running_processor_seconds{controller="externalsecret",name="externalsecret"} 2"#,
            r#"rest_client_requests_total{code="200",host="10.0.0.1:443",method="GET"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
