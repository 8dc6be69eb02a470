//! Wiring, top to bottom: flags, cluster, listeners, tasks, shutdown.
//!
//! Every task is supervised: if one ends, the process ends, since a webhook that is half alive is worse than a restart.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use certgen::inject::{Publisher, Service};
use certgen::secret::Store;
use certgen::{Clock, Lifetimes, Names};
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::address::{self, ListenAddress};
use crate::args::Args;
use crate::connections::{Capped, MAX_CONNECTIONS, MAX_PROBES};
use crate::decide::Policy;
use crate::metrics::Metrics;
use crate::mounted::{self, Directory, Mounted, PairFiles};
use crate::namespaces::Namespaces;
use crate::ready::Health;
use crate::server;
use crate::tls::{Settings, Tls};
use crate::trust::{self, Keeper, Parts};
use crate::watch;

/// How long and how many: bounds on connections to the webhook's port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// From the end of a handshake to the end of the first request's head.
    pub first_request: Duration,
    /// How long a connection may be idle, the head of its next request included.
    pub idle: Duration,
    /// The most connections at a time.
    pub connections: usize,
}

impl Default for Limits {
    /// Idle connections stay longer than the 90 s after which an API server closes them: the side that sends requests must
    /// be the one that closes, or a request can meet a connection that is just being closed.
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            connections: MAX_CONNECTIONS,
        }
    }
}

/// How long open requests may take after accepting has ended; the API server waits 5 s for an answer.
const DRAIN: Duration = Duration::from_secs(10);

/// The most threads that answer requests. Each has memory of its own, and no API server asks more than four can answer.
const WORKERS: usize = 4;

/// Until a connection to the API server stands.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection to the API server that brings nothing for so long, though something is asked for, is given up. Watches
/// end by themselves a little earlier and say so.
const SILENCE: Duration = Duration::from_secs(watch::WATCH_SECONDS as u64 + 3);

/// API servers hear of a new bundle within this time; see [`Policy::settle`].
const SETTLE: Duration = Duration::from_secs(10);

/// Runs the program.
pub fn main(args: Args) -> ExitCode {
    telemetry::init_logs("webhook", &args.loglevel);
    telemetry::raise_descriptor_limit();
    // Before anything else of TLS; it fails only if one was installed already.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed already");
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKERS))
        .enable_all()
        .build()
        .map_err(|e| format!("no runtime: {e}"))
        .and_then(|runtime| runtime.block_on(run(args)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the webhook stops");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let mut config = kube::Config::infer()
        .await
        .map_err(|e| format!("no cluster: {e}; set KUBECONFIG or run inside of a cluster"))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(SILENCE);
    // Else the time that a connection lay idle would count too.
    config.reset_reader_on_write = true;
    let client = Client::try_from(config).map_err(|e| format!("no client for the cluster: {e}"))?;
    let signals = |kind| signal(kind).map_err(|e| format!("no signal handler: {e}"));
    let (mut terminate, mut interrupt) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let mut running = start(&args, client, Clock::system(), Limits::default()).await?;
    tokio::select! {
        ended = running.ended() => return Err(ended),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop(args.shutdown_delay).await;
    Ok(())
}

/// A webhook that runs.
pub struct Running {
    /// Where it answers API servers.
    pub webhook: SocketAddr,
    /// Where probes are answered.
    pub healthz: Option<SocketAddr>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    health: Health,
    handle: Handle<SocketAddr>,
    tasks: JoinSet<String>,
}

/// Starts a webhook: binds its ports and spawns its tasks. It isn't ready yet.
///
/// # Errors
/// A text that names the flag or port that is wrong.
pub async fn start(args: &Args, client: Client, clock: Clock, limits: Limits) -> Result<Running, String> {
    for flag in args.without_effect() {
        tracing::warn!(flag, "this flag has no effect here");
    }
    let service =
        Service { name: args.service_name.clone(), namespace: namespace(args.service_namespace.as_ref(), &client) };
    let secret_namespace = args.secret_namespace.clone().unwrap_or_else(|| service.namespace.clone());
    let names = Names::for_service(&service.name, &service.namespace, &dns_names(args))
        .map_err(|e| format!("--dns-name: {e}"))?;
    let lifetimes = Lifetimes { ca: args.ca_lifetime, leaf: args.cert_lifetime };
    let settle = SETTLE.min(lifetimes.leaf / 10);
    let policy = Policy { names, service, lifetimes, settle };

    let settings = Settings {
        ciphers: args.tls_ciphers.clone(),
        min_version: args.tls_min_version.clone(),
        http2: args.enable_http2,
    };
    let (tls, ignored) = Tls::new(&settings).map_err(|e| format!("--tls-ciphers, --tls-min-version: {e}"))?;
    for why in ignored {
        tracing::warn!("{why}");
    }
    let metrics = Metrics::new().map_err(|e| format!("metrics: {e}"))?;
    let webhook_address = if args.bind_address.is_empty() {
        ListenAddress::All(args.port)
    } else {
        ListenAddress::Host(args.bind_address.clone(), args.port)
    };
    let mut tasks = JoinSet::new();

    let (webhook_listener, webhook) = bind(&webhook_address, "--port")?.ok_or("--port: must be given")?;
    let health = Health::new(clock.clone(), address::loopback(webhook));
    let handle = Handle::new();
    let namespaces = Namespaces::new(client.clone());
    serve_tls(
        &mut tasks,
        webhook_listener,
        &tls,
        args.enable_http2,
        limits,
        handle.clone(),
        server::with_farewell(server::router(namespaces.clone(), metrics.clone()), health.clone()),
    )?;

    let healthz = serve_plain(&mut tasks, bind(&args.healthz_addr, "--healthz-addr")?, "health", health.router())?;
    let metrics_address = serve_metrics(&mut tasks, args, &metrics, &tls, &settings)?;

    tasks.spawn(async move {
        namespaces.follow().await;
        "the watch of namespaces ended".to_owned()
    });
    let store = Store::new(client.clone(), &secret_namespace, &args.secret_name);
    let mounted = args.cert_dir.as_ref().map(|path| mounted::Parts {
        directory: Directory::new(path),
        server_name: policy.names.primary().to_owned(),
        clock: clock.clone(),
        tls: tls.clone(),
        health: health.clone(),
        metrics: metrics.clone(),
    });
    let own = Parts {
        store,
        publisher: Publisher::new(client.clone()),
        policy,
        check_interval: args.check_interval,
        clock,
        tls,
        health: health.clone(),
        metrics,
    };
    let secret_name = args.secret_name.clone();
    tasks.spawn(async move {
        keep_certificates(client, own, secret_name, mounted).await;
        "the keeper of certificates ended".to_owned()
    });
    let shown = |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(webhook = %webhook, healthz = shown(healthz), metrics = shown(metrics_address), "listening");
    Ok(Running { webhook, healthz, metrics: metrics_address, health, handle, tasks })
}

/// Serves certificates of our own unless, and for as long as, somebody else keeps one in `--cert-dir`.
async fn keep_certificates(client: Client, own: Parts, secret_name: String, mounted: Option<mounted::Parts>) {
    let issue = async || {
        let changes = trust::changes(&client, &own.store, secret_name.clone());
        Keeper::new(own.clone()).run(changes).await;
    };
    let Some(mounted) = mounted else { return issue().await };
    let directory = &mounted.directory;
    let mut ours = !directory.is_somebody_elses().await;
    loop {
        if ours {
            tracing::info!(%directory, "it holds no certificate of somebody else's, so the webhook looks after its own");
            tokio::select! {
                () = issue() => return,
                () = directory.becomes_somebody_elses() => {}
            }
        }
        ours = true;
        tokio::select! {
            () = Mounted::new(mounted.clone()).run(trust::configurations(&client)) => return,
            () = directory.becomes_ours() => {}
        }
    }
}

impl Running {
    /// Waits for a task to end, which none should, and says which.
    pub async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(why)) => why,
            Some(Err(error)) => format!("a task failed: {error}"),
            None => "no task is left".to_owned(),
        }
    }

    /// Stops: first not ready, after `delay` no new connections, then the open requests are answered.
    pub async fn stop(mut self, delay: Duration) {
        tracing::info!(delay = ?delay, "shutting down");
        self.health.drain();
        tokio::time::sleep(delay).await;
        self.handle.graceful_shutdown(Some(DRAIN));
        // The first task to end now is the webhook's listener.
        let why = self.ended().await;
        tracing::info!(why, "shut down");
    }
}

fn namespace(given: Option<&String>, client: &Client) -> String {
    let from_pod = || std::env::var("POD_NAMESPACE").ok().filter(|namespace| !namespace.is_empty());
    given.cloned().or_else(from_pod).unwrap_or_else(|| client.default_namespace().to_owned())
}

fn dns_names(args: &Args) -> Vec<String> {
    args.dns_name.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

type Bound = (std::net::TcpListener, SocketAddr);

fn bind(address: &ListenAddress, flag: &str) -> Result<Option<Bound>, String> {
    let failed = |e: std::io::Error| format!("{flag}: can't listen on {address:?}: {e}");
    let Some(listener) = address.bind().map_err(failed)? else { return Ok(None) };
    let local = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, local)))
}

fn serve_tls(
    tasks: &mut JoinSet<String>,
    listener: std::net::TcpListener,
    tls: &Tls,
    http2: bool,
    limits: Limits,
    handle: Handle<SocketAddr>,
    router: Router,
) -> Result<(), String> {
    let Limits { handshake, first_request, idle, connections } = limits;
    let acceptor = RustlsAcceptor::new(tls.live()).handshake_timeout(handshake).acceptor(Capped::tls(connections));
    let server = axum_server::from_tcp(listener).map_err(|e| format!("--port: {e}"))?;
    let mut server = server
        .acceptor(acceptor)
        .handle(handle)
        .first_request_timeout(first_request)
        .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "a connection was not taken"));
    server.http_builder().http1().header_read_timeout(idle);
    server.http_builder().http2().max_concurrent_streams(250).keep_alive_interval(idle / 2);
    let server = if http2 { server } else { server.http1_only() };
    tasks.spawn(async move { ended("webhook", server.serve(router.into_make_service()).await) });
    Ok(())
}

fn serve_plain(
    tasks: &mut JoinSet<String>,
    bound: Option<Bound>,
    what: &'static str,
    router: Router,
) -> Result<Option<SocketAddr>, String> {
    let Some((listener, local)) = bound else { return Ok(None) };
    let Limits { handshake: _, first_request, idle, connections: _ } = Limits::default();
    let server = axum_server::from_tcp(listener).map_err(|e| format!("{what}: {e}"))?;
    let mut server = server.acceptor(Capped::plain(MAX_PROBES)).first_request_timeout(first_request);
    server.http_builder().http1().header_read_timeout(idle);
    tasks.spawn(async move { ended(what, server.serve(router.into_make_service()).await) });
    Ok(Some(local))
}

fn serve_metrics(
    tasks: &mut JoinSet<String>,
    args: &Args,
    metrics: &Metrics,
    tls: &Tls,
    settings: &Settings,
) -> Result<Option<SocketAddr>, String> {
    if args.metrics_auth {
        tracing::warn!(
            flag = "--metrics-auth",
            "asking the API server who may read metrics isn't supported, so they are not served"
        );
        return Ok(None);
    }
    let Some((listener, local)) = bind(&args.metrics_addr, "--metrics-addr")? else { return Ok(None) };
    if !args.metrics_secure {
        return serve_plain(tasks, Some((listener, local)), "metrics", metrics.router());
    }
    let mut own = tls.clone();
    if !args.metrics_cert_dir.is_empty() {
        own = Tls::new(settings).map_err(|e| format!("--tls-ciphers, --tls-min-version: {e}"))?.0;
        let files = PairFiles::new(&args.metrics_cert_dir, &args.metrics_cert_name, &args.metrics_key_name);
        let served = own.clone();
        tasks.spawn(async move {
            files.follow(&served).await;
            "the look at the metrics certificate ended".to_owned()
        });
    }
    let acceptor = RustlsAcceptor::new(own.live()).acceptor(Capped::tls(MAX_PROBES));
    let server = axum_server::from_tcp(listener).map_err(|e| format!("--metrics-addr: {e}"))?.acceptor(acceptor);
    let router = metrics.router();
    tasks.spawn(async move { ended("metrics", server.serve(router.into_make_service()).await) });
    Ok(Some(local))
}

fn ended(what: &str, outcome: std::io::Result<()>) -> String {
    match outcome {
        Ok(()) => format!("the {what} listener ended"),
        Err(error) => format!("the {what} listener ended: {error}"),
    }
}
