//! For tests: a context over an API server that answers from a list of paths.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use engine::{Engine, Limits};
use kube::Client;
use plan::template;
use providers::{Environment, HttpClients};
use serde_json::{Value, json};
use telemetry::Metrics;

use crate::context::{Context, Settings};
use crate::events::Events;

/// A context whose API server has `objects`, by path, and nothing else.
pub(crate) fn context(objects: &[(&str, Value)]) -> Arc<Context> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let objects: Arc<BTreeMap<String, Value>> =
        Arc::new(objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone())).collect());
    let server = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| {
        let objects = Arc::clone(&objects);
        async move {
            let (status, body) = match objects.get(request.uri().path()) {
                Some(object) => (200, object.clone()),
                None => (
                    404,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}),
                ),
            };
            let answer = axum::http::Response::builder().status(status).header("content-type", "application/json");
            Ok::<_, Infallible>(answer.body(Body::from(body.to_string())).unwrap())
        }
    });
    let client = Client::new(server, "default");
    let metrics = Arc::new(Metrics::new().unwrap());
    let environment = Environment::default();
    let http = HttpClients::new(&environment).unwrap();
    let (events, _) = Events::new(client.clone());
    Arc::new(Context {
        client,
        world: Default::default(),
        external_secrets: Default::default(),
        stores: Default::default(),
        engine: Engine::new(metrics.clone(), Limits::default()),
        templates: template::Engine::new(template::Functions::sprig(), template::Delims::default(), template::Limits::default()),
        environment,
        http,
        events,
        metrics,
        settings: Settings {
            controller_class: "default".into(),
            store_interval: Duration::from_secs(300),
            flood_gate: true,
            cluster_stores: true,
            secret_stores: true,
        },
    })
}
