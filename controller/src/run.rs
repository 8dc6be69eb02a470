//! The wiring of the controller, top to bottom.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, Limits};
use futures::FutureExt as _;
use plan::template;
use providers::{Environment, HttpClients};
use telemetry::{Lane, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::api_client::ApiClients;
use crate::args::{Args, listen_address};
use crate::clock;
use crate::context::{Context, Settings};
use crate::events::Events;
use crate::fan_out::FanOut;
use crate::supervision::{LOOK, Supervision, Waiting};
use crate::tenure::guard::Guard;
use crate::tenure::{self, Tenure};
use crate::workers::{Declarations, ExternalSecrets, PushSecrets, Stores};
use crate::workqueue::Workqueue;
use crate::{api_client, dispatch, health, ingest, recovery};

/// Stores checked at a time; those that wait for their backend don't count.
const STORES_AT_A_TIME: usize = 16;
/// PushSecrets at a time, counted as stores are.
const PUSHES_AT_A_TIME: usize = 16;
/// Objects of one store that are under way at a time, as a multiple of those worked on altogether and at least: while some
/// wait for the backend, others can be written.
const PER_STORE: usize = 2;
const PER_STORE_LEAST: usize = 64;

/// How long handing over may take when the process ends.
const HAND_OVER: Duration = Duration::from_secs(5);
/// How long what still runs may take to stop after that: a name that isn't resolved, or a key that is being made, must not keep
/// a process alive whose turn is over.
const STOP: Duration = Duration::from_secs(1);

/// Runs the controller until it is told to end or one of its tasks does.
pub fn run(args: Args) -> ExitCode {
    telemetry::init_logs("controller", &args.loglevel);
    telemetry::raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = %error, "the runtime could not be started");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(serve(args));
    if let Err(error) = &ended {
        tracing::error!(error, "the controller ends");
    }
    runtime.shutdown_timeout(STOP);
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn serve(args: Args) -> Result<(), String> {
    for flag in &args.ignored {
        tracing::warn!(flag = format!("--{flag}"), "this flag has no effect in this version");
    }
    // Another provider may have been installed by an embedding test; either serves.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let mode = args.mode()?;
    let tenure = Arc::new(Tenure::of_mode(&mode));
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let supervision = Arc::new(Supervision::new(metrics.clone()));
    let ApiClients { client, leases } =
        api_client::connect(Guard(tenure.clone()), metrics.clone(), supervision.clone()).await?;
    let environment = Environment::from_process();
    let http = HttpClients::new(&environment).map_err(|error| error.to_string())?;
    let (events, event_writer) = Events::new(client.clone());
    let cx = Arc::new(Context {
        client,
        world: Default::default(),
        generic_targets: Default::default(),
        deletions: Default::default(),
        external_secrets: Arc::new(Workqueue::new(PER_STORE_LEAST.max(PER_STORE * usize::from(args.concurrent)))),
        stores: Arc::new(Workqueue::new(STORES_AT_A_TIME)),
        fan_out: FanOut::default(),
        push_secrets: Arc::new(Workqueue::new(PER_STORE_LEAST)),
        pushes: Default::default(),
        engine: Engine::new(metrics.clone(), Limits::default()),
        templates: template::Engine::new(template::Functions::eso(), args.delims(), template::Limits::default()),
        environment,
        http,
        events,
        metrics: metrics.clone(),
        supervision: supervision.clone(),
        settings: Settings {
            controller_class: args.controller_class.clone(),
            store_interval: args.store_requeue_interval,
            flood_gate: args.enable_flood_gate,
            cluster_stores: args.enable_cluster_store_reconciler,
            secret_stores: args.enable_secret_store_reconciler,
            cluster_external_secrets: args.cluster_external_secrets(),
            cluster_push_secrets: args.cluster_push_secrets(),
            push_secrets: args.enable_push_secret_reconciler,
            generic_targets: args.unsafe_allow_generic_targets,
            adopt_existing: args.adopt_existing_secrets,
            deletion_brake: args.brake(),
            zone: clock::zone(),
        },
        tenure,
    });
    let mut tasks: JoinSet<Result<(), String>> = JoinSet::new();

    let scope =
        ingest::Scope { namespace: args.namespace.clone(), cluster_stores: args.enable_cluster_store_reconciler };
    let watches = ingest::watches(&cx, &scope);
    let listed: Vec<_> = watches.iter().map(|watch| (watch.name, watch.listed.clone())).collect();
    if let Some(address) = listen_address("--metrics-addr", &args.metrics_addr)? {
        tasks.spawn(health::serve("--metrics-addr", address, health::metrics(metrics)));
    }
    if let Some(address) = listen_address("--live-addr", &args.live_addr)? {
        tasks.spawn(health::serve("--live-addr", address, health::probes(listed.clone(), supervision)));
    }
    for watch in watches {
        tasks.spawn(watch.run.map(move |()| Err(format!("the watch of {} ended", watch.name))));
    }
    let urgent = cx.external_secrets.clone();
    tasks.spawn(event_writer.run(move || urgent.has_urgent()).map(|()| Err("the event writer ended".to_owned())));
    tasks.spawn(measure(cx.clone()));
    tasks.spawn(recovery::run(cx.clone(), cx.engine.recovered()));
    if args.unsafe_allow_generic_targets {
        tracing::info!("targets of any kind are allowed; who may read them may read the secrets in them");
        tasks.spawn(ingest::generic::run(cx.clone(), args.namespace.clone()));
    }
    tasks.spawn(work(cx.clone(), args.concurrent, listed.clone()));
    let mut held = tokio::spawn(tenure::run(cx.clone(), mode, leases, tenure::identity()?, listed));

    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        concurrent = args.concurrent,
        class = args.controller_class,
        "controller started"
    );
    let ended = tokio::select! {
        () = told_to_end() => Ok(()),
        // Every task here is meant to run for ever: the first one to end takes the process with it, so that nothing
        // ever stands still behind a green probe.
        Some(task) = tasks.join_next() => task.unwrap_or_else(|error| Err(error.to_string())),
        tenure = &mut held => return tenure.unwrap_or_else(|error| Err(error.to_string())),
    };
    // What runs may end, and whoever comes next needn't wait.
    cx.tenure.end();
    match tokio::time::timeout(HAND_OVER, held).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(error, "no orderly hand-over"),
        Ok(Err(error)) => tracing::warn!(error = %error, "no orderly hand-over"),
        Err(_) => tracing::warn!("the hand-over took too long"),
    }
    cx.engine.close().await;
    ended
}

/// Starts the workers once every watch has its first listing in, so that nothing is decided on half a picture.
async fn work(cx: Arc<Context>, concurrent: u16, listed: health::Listings) -> Result<(), String> {
    health::all_listed(listed).await?;
    cx.supervision.external_secrets.start(usize::from(concurrent));
    cx.supervision.stores.start(STORES_AT_A_TIME);
    cx.supervision.declarations.start(FanOut::AT_A_TIME);
    cx.supervision.push_secrets.start(PUSHES_AT_A_TIME);
    let stores = dispatch::run(cx.stores.clone(), Arc::new(Stores(cx.clone())), STORES_AT_A_TIME);
    let declarations = dispatch::run(cx.fan_out.queue.clone(), Arc::new(Declarations(cx.clone())), FanOut::AT_A_TIME);
    let pushes = dispatch::run(cx.push_secrets.clone(), Arc::new(PushSecrets(cx.clone())), PUSHES_AT_A_TIME);
    let objects = dispatch::run(cx.external_secrets.clone(), Arc::new(ExternalSecrets(cx)), concurrent.into());
    futures::future::try_join4(stores, declarations, pushes, objects).await.map(|((), (), (), ())| ())
}

/// Keeps the queues' gauges up to date, and an eye on them.
pub(crate) async fn measure(cx: Arc<Context>) -> Result<(), String> {
    let mut tick = tokio::time::interval(LOOK);
    // After a pause of the whole process, no looks in a row at one state.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (depths, overdue) = cx.external_secrets.gauge();
        cx.metrics.oldest_overdue(overdue.as_secs());
        let external_secrets = measure_queue(&cx.metrics, "externalsecret", depths) || overdue > LOOK;
        let (depths, overdue) = cx.stores.gauge();
        let stores = measure_queue(&cx.metrics, "secretstore", depths) || overdue > LOOK;
        let (depths, overdue) = cx.fan_out.queue.gauge();
        let declarations = measure_queue(&cx.metrics, "clusterexternalsecret", depths) || overdue > LOOK;
        let (depths, overdue) = cx.push_secrets.gauge();
        let push_secrets = measure_queue(&cx.metrics, "pushsecret", depths) || overdue > LOOK;
        cx.supervision.look(Waiting { external_secrets, stores, declarations, push_secrets });
        // Nobody can use an answer that is older than what still waits, or is just being made.
        let waiting = cx.external_secrets.oldest_trigger();
        let coming = cx.fan_out.oldest_round(clock::instant());
        cx.engine.forget_before(coming.map_or(waiting, |coming| waiting.min(coming)));
    }
}

/// Whether any key waits.
fn measure_queue(metrics: &Metrics, queue: &str, depths: [usize; Lane::ALL.len()]) -> bool {
    for (lane, depth) in Lane::ALL.into_iter().zip(depths) {
        metrics.queue_depth(queue, lane, depth);
    }
    let all = depths.iter().sum();
    metrics.runtime().depth(queue, all);
    all > 0
}

async fn told_to_end() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::warn!(error = %error, "SIGTERM cannot be awaited");
            tokio::signal::ctrl_c().await.ok();
        }
    }
}
