//! The last word on writes: a layer under the Kubernetes client that refuses them when this process may not write, and
//! gives up on those that aren't answered while it may.
//!
//! Whatever was decided before a process was stopped, suspended or starved meets the clocks here. What still slips
//! through, between this look and the wire, is preconditioned on the version that was read. Leases are written by a client
//! without this layer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Method, Request};
use futures::future::BoxFuture;
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::{Permit, Tenure};

/// The layer.
#[derive(Clone)]
pub(crate) struct Guard(pub(crate) Arc<Tenure>);

/// The service below the layer, and its guard.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    tenure: Arc<Tenure>,
    inner: S,
}

/// A write that was refused, or given up.
#[derive(Debug)]
pub(crate) struct TermOver;

impl fmt::Display for TermOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not written: this process doesn't hold the lease, or not for sure")
    }
}

impl std::error::Error for TermOver {}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { tenure: self.0.clone(), inner }
    }
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let permit = if writes(request.method(), request.uri().path()) { self.tenure.permit() } else { Permit::Ever };
        match permit {
            Permit::No => Box::pin(async { Err(TermOver.into()) }),
            Permit::Ever => {
                let answer = self.inner.call(request);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
            Permit::For(left) => {
                let answer = tokio::time::timeout(left, self.inner.call(request));
                Box::pin(async move {
                    match answer.await {
                        Ok(answer) => answer.map_err(Into::into),
                        Err(_) => Err(TermOver.into()),
                    }
                })
            }
        }
    }
}

/// Whether a request changes something. Tokens and reviews are asked for with POST, but only read.
fn writes(method: &Method, path: &str) -> bool {
    let is_review = |group: &str| path.starts_with(&format!("/apis/{group}.k8s.io/"));
    let asks = path.ends_with("/token") || is_review("authentication") || is_review("authorization");
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) || (asks && method == Method::POST);
    !reads
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use certgen::fake::FakeApi;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::PostParams;
    use kube::client::ClientBuilder;
    use kube::{Api, Client};
    use plan::lease::Term;

    use super::*;
    use crate::clock;
    use crate::tenure::fixtures::TIMING;

    /// A client under guard whose server answers after `delay`.
    fn guarded(api: &FakeApi, tenure: &Arc<Tenure>, delay: Duration) -> Api<ConfigMap> {
        let server: Client = api.client();
        let slow = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                tokio::time::sleep(delay).await;
                server.send(request).await
            }
        });
        let client = ClientBuilder::new(slow, "default").with_layer(&Guard(tenure.clone())).build();
        Api::namespaced(client, "shop")
    }

    fn map() -> ConfigMap {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "a"}})).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_before_or_after_the_term() {
        let (api, tenure) = (FakeApi::default(), Arc::new(Tenure::vacant(1)));
        let maps = guarded(&api, &tenure, Duration::ZERO);
        let refused =
            |outcome: kube::Result<ConfigMap>| outcome.unwrap_err().to_string().contains("doesn't hold the lease");
        assert!(refused(maps.create(&PostParams::default(), &map()).await));
        assert!(maps.get_opt("a").await.unwrap().is_none(), "reading is free");
        tenure.prolong(Term::of(&TIMING, clock::instant(), clock::now()));
        maps.create(&PostParams::default(), &map()).await.unwrap();
        tokio::time::advance(TIMING.renew_deadline).await;
        assert!(refused(maps.delete("a", &Default::default()).await.map(|_| map())));
        assert_eq!(api.requests().iter().filter(|request| !request.starts_with("GET")).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_write_is_given_up_when_the_term_ends() {
        let (api, tenure) = (FakeApi::default(), Arc::new(Tenure::vacant(1)));
        let maps = guarded(&api, &tenure, Duration::from_secs(3600));
        tenure.prolong(Term::of(&TIMING, clock::instant(), clock::now()));
        let began = clock::instant();
        assert!(maps.create(&PostParams::default(), &map()).await.is_err());
        assert!(clock::instant() - began < TIMING.lease);
        assert_eq!(api.requests(), Vec::<String>::new());
    }

    #[test]
    fn writes_are_told_from_questions() {
        let secret = "/api/v1/namespaces/shop/secrets/db";
        let cases = [
            (Method::GET, secret, false),
            (Method::POST, "/api/v1/namespaces/shop/secrets", true),
            (Method::PUT, secret, true),
            (Method::PATCH, secret, true),
            (Method::DELETE, secret, true),
            (Method::POST, "/api/v1/namespaces/shop/serviceaccounts/app/token", false),
            (Method::PUT, "/api/v1/namespaces/shop/secrets/token", true),
            (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", false),
            (Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", false),
            (Method::POST, "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles", true),
        ];
        for (method, path, want) in cases {
            assert_eq!(writes(&method, path), want, "{method} {path}");
        }
    }
}
