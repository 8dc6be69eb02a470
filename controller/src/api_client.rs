//! The one client of the API server: its deadlines, what it does when it is told to slow down, what is counted.
//!
//! There is no limit of our own on requests: the API server says when it has too many. Deliberately not here: watches
//! (`ingest::watch`), and what a failure means for an object.

use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use kube::{Client, Config};
use telemetry::Metrics;
use tower::retry::{Policy, RetryLayer};
use tower::{BoxError, ServiceBuilder, service_fn};

use crate::ingest::WATCH_SECONDS;
use crate::spread::share;
use crate::supervision::Supervision;
use crate::tenure::Tenure;
use crate::tenure::guard::Guard;

/// Until a connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for so long, though something is asked for, is given up, whatever is on it: a
/// request, a listing half-way, or a watch. Watches end by themselves a little earlier and say so.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 3);
/// How often a request is tried again that the API server had no time for. After that it fails, and the queue's own
/// backoff goes on.
const RETRIES: u32 = 3;
/// The longest that a request waits for its next try, whatever the API server says: it keeps a worker from others.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Two ways to one API server.
pub(crate) struct ApiClients {
    /// For everything but leases.
    pub(crate) client: Client,
    /// For leases alone: whatever holds up other requests mustn't hold up a renewal.
    pub(crate) leases: Client,
}

/// The clients of the cluster that the kubeconfig or the pod's service account names; `guard` stands before all but leases.
///
/// # Errors
/// If there is neither, or it can't be used; the text says what to do.
pub(crate) async fn connect(
    guard: Guard,
    metrics: Arc<Metrics>,
    supervision: Arc<Supervision>,
) -> Result<ApiClients, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("cannot find the cluster: {error}; set KUBECONFIG");
    let mut config = Config::infer().await.map_err(|error| unusable(&error))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(SILENCE);
    // Else the time that a connection lay idle would count too.
    config.reset_reader_on_write = true;
    // It would wait for as long as it is told, fifteen times over, with a worker.
    config.default_retry = false;
    let (host, namespace) = (host(&config.cluster_url), config.default_namespace.clone());
    let connect = |guard: Guard| -> Result<Client, String> {
        let plain = Client::try_from(config.clone()).map_err(|error| unusable(&error))?;
        let valid_until = *plain.valid_until();
        let send = move |request| {
            let plain = plain.clone();
            async move { plain.send(request).await }
        };
        let client = over(send, &namespace, host.clone(), guard, metrics.clone(), supervision.clone());
        Ok(client.with_valid_until(valid_until))
    };
    Ok(ApiClients { client: connect(guard)?, leases: connect(Guard(Arc::new(Tenure::alone())))? })
}

/// The layers over whatever sends a request, outermost first: retries, the guard of writes, which looks at each try, then counting, which sees each try.
fn over<S, F>(
    send: S,
    namespace: &str,
    host: String,
    guard: Guard,
    metrics: Arc<Metrics>,
    supervision: Arc<Supervision>,
) -> Client
where
    S: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, kube::Error>> + Send + 'static,
{
    let host: Arc<str> = host.into();
    let counted = service_fn(move |request: Request<Body>| {
        let (host, metrics, supervision) = (host.clone(), metrics.clone(), supervision.clone());
        let method = request.method().clone();
        let labelled = request.uri().query().is_some_and(|query| query.contains("labelSelector="));
        let path = request.uri().path().to_owned();
        let answer = send(request);
        async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or("<error>", |answer| status_text(answer.status()));
            metrics.runtime().request(code, method.as_str(), &host);
            if answer.is_ok() {
                supervision.answered((method == Method::GET).then_some((&path, labelled)));
            }
            answer
        }
    });
    let service = ServiceBuilder::new().layer(RetryLayer::new(Patience::default())).layer(guard).service(counted);
    Client::new(service, namespace)
}

/// `host:port`, as client-go labels it.
fn host(url: &http::Uri) -> String {
    let authority = url.authority().map(|it| it.as_str()).unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

/// The codes that the API server gives, as texts that live for ever.
fn status_text(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        201 => "201",
        202 => "202",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        410 => "410",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => "other",
    }
}

/// Waits as the API server says, a few times.
#[derive(Clone, Default)]
struct Patience {
    tries: u32,
}

impl<E> Policy<Request<Body>, Response<Body>, E> for Patience {
    type Future = tokio::time::Sleep;

    fn retry(&mut self, request: &mut Request<Body>, result: &mut Result<Response<Body>, E>) -> Option<Self::Future> {
        let answer = result.as_ref().ok()?;
        let told = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let told = told.map(Duration::from_secs);
        let wait = wait(request.method(), answer.status(), told, self.tries)?;
        self.tries += 1;
        Some(tokio::time::sleep(spread(wait, request)))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        // Only kube knows how its bodies are copied.
        let mut kube = RetryPolicy::default();
        Policy::<Request<Body>, Response<Body>, BoxError>::clone_request(&mut kube, request)
    }
}

/// How long to wait before the next try; none if there is to be no further one.
fn wait(method: &Method, status: StatusCode, told: Option<Duration>, tries: u32) -> Option<Duration> {
    let retried = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        // The API server may have done what it didn't answer for; a read does no harm.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => told.is_some() || method == Method::GET,
        _ => false,
    };
    let own = Duration::from_secs(1) * 2_u32.pow(tries.min(RETRIES));
    (retried && tries < RETRIES).then(|| told.unwrap_or(own).min(LONGEST_WAIT))
}

/// Up to a quarter more, by what is asked for: those that were turned away together don't come back together.
fn spread(wait: Duration, request: &Request<Body>) -> Duration {
    wait + wait * share(&(request.method().as_str(), request.uri().path()), 256) / 1024
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Instant;

    use k8s_openapi::api::core::v1::Secret;
    use kube::Api;
    use kube::api::PostParams;
    use serde_json::json;

    use super::*;
    use crate::clock;

    const TOO_MANY: (u16, Option<&str>) = (429, Some("2"));

    /// Answers with these codes and `Retry-After`s, then with success; notes when it was asked.
    fn scripted(script: &[(u16, Option<&str>)]) -> (Client, Arc<Metrics>, Arc<Mutex<Vec<Instant>>>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        let supervision = Arc::new(Supervision::new(metrics.clone()));
        let script: VecDeque<_> = script.iter().map(|(code, after)| (*code, after.map(str::to_owned))).collect();
        let (script, asked) = (Arc::new(Mutex::new(script)), Arc::new(Mutex::new(Vec::new())));
        let noted = asked.clone();
        let send = move |_| {
            noted.lock().unwrap().push(clock::instant());
            let (code, after) = script.lock().unwrap().pop_front().unwrap_or((200, None));
            let body = if code == 200 {
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}})
            } else {
                json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "no"})
            };
            let mut answer = Response::builder().status(code);
            if let Some(after) = after {
                answer = answer.header(RETRY_AFTER, after);
            }
            async move { Ok(answer.body(Body::from(body.to_string().into_bytes())).unwrap()) }
        };
        let guard = Guard(Arc::new(Tenure::alone()));
        (over(send, "default", "10.0.0.1:443".into(), guard, metrics.clone(), supervision), metrics, asked)
    }

    /// The pauses between the tries, in whole seconds.
    fn pauses(asked: &Mutex<Vec<Instant>>) -> Vec<u64> {
        asked.lock().unwrap().windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_as_it_is_told_a_few_times() {
        type Row = (&'static str, &'static [(u16, Option<&'static str>)], Result<&'static [u64], u16>);
        let get: [Row; 8] = [
            ("at once", &[], Ok(&[])),
            ("told once", &[TOO_MANY], Ok(&[2])),
            ("told nothing", &[(429, None), (429, None)], Ok(&[1, 2])),
            ("told thrice", &[TOO_MANY, TOO_MANY, TOO_MANY], Ok(&[2, 2, 2])),
            ("told too often", &[TOO_MANY, TOO_MANY, TOO_MANY, TOO_MANY], Err(429)),
            ("told to wait for long", &[(429, Some("3600"))], Ok(&[10])),
            ("busy", &[(503, None), (504, Some("3"))], Ok(&[1, 3])),
            ("another failure", &[(500, Some("1"))], Err(500)),
        ];
        for (what, script, want) in get {
            let (client, _, asked) = scripted(script);
            let api: Api<Secret> = Api::default_namespaced(client);
            match (api.get("db").await, want) {
                // A quarter more is the most that is added: it doesn't reach the next second but for long waits.
                (Ok(_), Ok(want)) => {
                    let got = pauses(&asked);
                    assert_eq!(got.len(), want.len(), "{what}: {got:?}");
                    let close = got.iter().zip(want).all(|(got, want)| (*want..=want + want / 4).contains(got));
                    assert!(close, "{what}: {got:?}, not {want:?}");
                }
                (Err(kube::Error::Api(status)), Err(code)) => assert_eq!(status.code, code, "{what}"),
                (got, want) => panic!("{what}: {got:?}, not {want:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_may_have_been_done_is_not_repeated_unasked() {
        for (script, tries) in [((429, None), 2), ((503, Some("1")), 2), ((503, None), 1), ((504, None), 1)] {
            let (client, _, asked) = scripted(&[script]);
            let api: Api<Secret> = Api::default_namespaced(client);
            let done = api.create(&PostParams::default(), &Secret::default()).await;
            assert_eq!((done.is_ok(), asked.lock().unwrap().len()), (tries == 2, tries), "{script:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_try_is_counted() {
        let (client, metrics, _) = scripted(&[TOO_MANY]);
        let api: Api<Secret> = Api::default_namespaced(client);
        api.get("db").await.unwrap();
        let text = metrics.encode().unwrap();
        for code in ["200", "429"] {
            let line = format!(r#"rest_client_requests_total{{code="{code}",host="10.0.0.1:443",method="GET"}} 1"#);
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn different_requests_wait_a_little_differently() {
        let wait = Duration::from_secs(4);
        let of = |path: &str| spread(wait, &Request::get(path).body(Body::empty()).unwrap());
        assert_eq!(of("/api/v1/a"), of("/api/v1/a"));
        let all: std::collections::HashSet<_> = (0..50).map(|number| of(&format!("/api/v1/{number}"))).collect();
        assert!(all.len() > 25 && all.iter().all(|it| (wait..=wait * 5 / 4).contains(it)), "{all:?}");
    }
}
