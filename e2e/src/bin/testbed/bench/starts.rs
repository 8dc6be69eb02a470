//! Rows about starting: with everything to do, and with nothing.

use std::time::{Duration, Instant};

use e2e::operator::Usage;
use e2e::{Error, Result};

use super::api_writes::{STATUS_WRITE, Writes};
use super::sheet::{Figure, Unit};
use super::world::World;
use super::writer::Bare;
use super::{mebibytes, seconds};
use crate::say;

/// How often a settling controller is asked, and how long it must have done nothing.
const ASKED_EVERY: Duration = Duration::from_millis(250);
const QUIET_FOR: Duration = Duration::from_secs(2);

/// The controller starts after everything exists.
pub(super) async fn cold(world: &mut World, bare: Option<&Bare>) -> Result<Vec<Figure>> {
    let before = Writes::so_far(world.cluster()).await?;
    let all = world.objects;
    let started = world.start_controller().await?;
    world.wait("the first Secret", |it| it.secrets > 0).await?;
    let first_secret = started.elapsed();
    world.wait("all Secrets", |it| it.secrets == all).await?;
    let all_secrets = started.elapsed();
    world.wait("all to be Ready", |it| it.ready == all).await?;
    let all_ready = started.elapsed();
    let Usage { cpu, resident: _, peak } = world.controller()?.usage().await?;
    say::step("waiting for the events, which are written one after the other");
    let writes = quiet(world).await?.since(&before);
    let cpu_all = world.controller()?.usage().await?.cpu;
    let time = |what: &str, took: Duration| Figure::new(what, Unit::Seconds, seconds(took));
    let mut figures = vec![
        time("start to the first Secret", first_secret),
        time("start to all Secrets", all_secrets),
        time("start to all Ready", all_ready).bare(bare.map(|it| it.both)),
        time("CPU of the controller", cpu).bare(bare.map(|it| it.both_cpu)),
        time("the same, with the events afterwards", cpu_all),
        Figure::new("peak memory", Unit::Mebibytes, mebibytes(peak)),
        Figure::count("provider calls", world.provider_calls().await?),
    ];
    let theirs = |figure: Figure| {
        let counted = figure.figure.ends_with("POST secrets") || figure.figure.ends_with(STATUS_WRITE);
        figure.bare(bare.filter(|_| counted).map(|_| all as f64))
    };
    figures.extend(writes.figures().map(theirs));
    Ok(figures)
}

/// All writes so far, once there come no more.
async fn quiet(world: &World) -> Result<Writes> {
    let asked = Instant::now();
    let mut last = Writes::so_far(world.cluster()).await?;
    loop {
        tokio::time::sleep(QUIET_FOR).await;
        let now = Writes::so_far(world.cluster()).await?;
        if now.all() == last.all() || asked.elapsed() > world.limit() {
            return Ok(now);
        }
        last = now;
    }
}

/// A controller that stops and starts again has nothing to do, and does nothing.
pub(super) async fn restart(world: &mut World) -> Result<Vec<Figure>> {
    world.stop_controller().await?;
    let before = Writes::so_far(world.cluster()).await?;
    let Settled { took, reconciles } = start_and_settle(world).await?;
    let usage = world.controller()?.usage().await?;
    let writes = Writes::so_far(world.cluster()).await?.since(&before);
    let calls = world.provider_calls().await?;
    let mut figures = vec![
        Figure::new("start until settled", Unit::Seconds, seconds(took)),
        Figure::new("CPU of the controller", Unit::Seconds, seconds(usage.cpu)),
        Figure::new("peak memory", Unit::Mebibytes, mebibytes(usage.peak)),
        Figure::count("reconciles", reconciles),
        Figure::count("provider calls", calls).goal(0.0),
        Figure::count("writes of Secrets", writes.secrets()).goal(0.0),
    ];
    figures.extend(writes.figures());
    Ok(figures)
}

/// How a start with nothing to do went.
pub(super) struct Settled {
    pub(super) took: Duration,
    pub(super) reconciles: f64,
}

/// Starts the controller and waits until it has looked at every object and goes on to no other. Nothing is written that
/// a watch could tell, so it is asked itself.
pub(super) async fn start_and_settle(world: &mut World) -> Result<Settled> {
    let started = world.start_controller().await?;
    let limit = world.limit();
    let all = world.objects as f64;
    let labels = ["controller=\"externalsecret\""];
    let mut last = (0.0, started);
    loop {
        tokio::time::sleep(ASKED_EVERY).await;
        let controller = world.controller()?;
        // Its port opens a moment after it starts.
        let asked = controller.metric("controller_runtime_reconcile_time_seconds_count", &labels).await;
        let (reconciles, now) = (asked.unwrap_or(0.0), Instant::now());
        if reconciles != last.0 {
            last = (reconciles, now);
        } else if reconciles >= all && now - last.1 >= QUIET_FOR {
            return Ok(Settled { took: last.1 - started, reconciles });
        }
        if started.elapsed() > limit {
            let tail = controller.log_tail(20);
            return Err(Error::new(format!("not settled after {limit:?}, {reconciles} reconciles\n{tail}")));
        }
        if reconciles == 0.0 && started.elapsed() > Duration::from_secs(30) {
            say::step("still waiting for the first reconcile");
        }
    }
}
