//! For tests: a context over an API server in memory.

use std::sync::Arc;
use std::time::Duration;

use certgen::fake::FakeApi;
use engine::{Engine, Limits};
use plan::template;
use providers::{Environment, HttpClients};
use serde_json::Value;
use telemetry::Metrics;

use crate::context::{Context, Settings};
use crate::events::{Events, Writer};
use crate::supervision::Supervision;
use crate::tenure::Tenure;
use crate::workqueue::Workqueue;

/// A context whose API server has `objects`, by path.
pub(crate) fn context(objects: &[(&str, Value)]) -> Arc<Context> {
    let api = FakeApi::default();
    for (path, object) in objects {
        api.put(path, object.clone());
    }
    over(&api, settings()).0
}

/// What the flags say by default.
pub(crate) fn settings() -> Settings {
    Settings {
        controller_class: "default".into(),
        store_interval: Duration::from_secs(300),
        flood_gate: true,
        cluster_stores: true,
        secret_stores: true,
        cluster_external_secrets: true,
        cluster_push_secrets: true,
        push_secrets: true,
        generic_targets: true,
        adopt_existing: true,
        deletion_brake: None,
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// A context over `api`, and where its events come out. Nothing is known of the cluster yet.
pub(crate) fn over(api: &FakeApi, settings: Settings) -> (Arc<Context>, Writer) {
    under(api, settings, Tenure::alone())
}

/// As [`over`], for a process that isn't alone.
pub(crate) fn under(api: &FakeApi, settings: Settings, tenure: Tenure) -> (Arc<Context>, Writer) {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let client = api.client();
    let metrics = Arc::new(Metrics::new().unwrap());
    let environment = Environment::default();
    let http = HttpClients::new(&environment).unwrap();
    let (events, writer) = Events::new(client.clone());
    let context = Context {
        client,
        world: Default::default(),
        generic_targets: Default::default(),
        deletions: Default::default(),
        external_secrets: Arc::new(Workqueue::new(64)),
        stores: Arc::new(Workqueue::new(64)),
        fan_out: Default::default(),
        push_secrets: Arc::new(Workqueue::new(64)),
        pushes: Default::default(),
        engine: Engine::new(metrics.clone(), Limits::default()),
        templates: template::Engine::new(
            template::Functions::eso(),
            template::Delims::default(),
            template::Limits::default(),
        ),
        environment,
        http,
        events,
        supervision: Arc::new(Supervision::new(metrics.clone())),
        metrics,
        settings,
        tenure: Arc::new(tenure),
    };
    (Arc::new(context), writer)
}
