//! Rows about a running controller: everything due at once, a steady load, a backend that goes away.

use std::time::{Duration, Instant};

use e2e::Result;
use e2e::operator::Usage;

use super::api_writes::{STATUS_WRITE, Writes};
use super::sheet::{Figure, Unit};
use super::world::World;
use super::writer::Bare;
use super::{Options, mebibytes, seconds};
use crate::say;

/// How many ExternalSecrets come while everything is due, how far apart, and how soon each is to have its Secret.
const NEWCOMERS: usize = 10;
const APART: Duration = Duration::from_millis(100);
const NEWCOMER_GOAL: f64 = 2.0;
const RECOVERY_GOAL: f64 = 15.0;
/// What the steady load stands for: a refresh every five minutes.
const USUAL_INTERVAL: f64 = 300.0;
/// A refreshTime has seconds: two refreshes must be further apart to be told apart.
const TOLD_APART: Duration = Duration::from_secs(2);

/// The store changes, so that all are refreshed at once; meanwhile new ExternalSecrets come.
pub(super) async fn storm(world: &mut World, bare: Option<&Bare>) -> Result<Vec<Figure>> {
    tokio::time::sleep(TOLD_APART).await;
    say::step("changing the store, and creating ExternalSecrets meanwhile");
    let before = Probe::take(world).await?;
    let all = world.objects;
    world.watching.mark();
    let changed = Instant::now();
    world.through_proxy().await?;
    world.wait("the first refresh", |it| it.refreshed > 0).await?;
    let first = changed.elapsed();
    let mut newcomers = Vec::new();
    for number in 0..NEWCOMERS {
        newcomers.push(world.create_another(number).await?);
        tokio::time::sleep(APART).await;
    }
    let under_way = world.watching.now().refreshed < all;
    world.wait("all to be refreshed", |it| it.refreshed >= all + NEWCOMERS).await?;
    let took = changed.elapsed();
    world.wait("the new Secrets", |it| it.secrets >= all + NEWCOMERS).await?;
    let waits = newcomers.iter().filter_map(|(asked, namespace, name)| {
        Some(world.watching.secret_seen(namespace, name)?.saturating_duration_since(*asked))
    });
    let mut waits: Vec<f64> = waits.map(seconds).collect();
    waits.sort_by(f64::total_cmp);
    let spent = before.since(world).await?;
    let only_status = |figure: Figure| {
        let status = figure.figure.ends_with(STATUS_WRITE);
        figure.bare(bare.filter(|_| status).map(|_| all as f64))
    };
    let still = if under_way { "" } else { " (some came after it)" };
    let mut figures = vec![
        Figure::new("change of the store to the first refresh", Unit::Seconds, seconds(first)),
        Figure::new("change of the store to all refreshed", Unit::Seconds, seconds(took))
            .bare(bare.map(|it| it.status)),
        Figure::new(format!("new object to its Secret, most of {NEWCOMERS}{still}"), Unit::Seconds, most(&waits))
            .goal(NEWCOMER_GOAL),
        Figure::new("new object to its Secret, median", Unit::Seconds, waits[waits.len() / 2]),
        Figure::new("CPU of the controller", Unit::Seconds, seconds(spent.cpu)),
        Figure::new("peak memory", Unit::Mebibytes, mebibytes(spent.usage.peak)),
        Figure::count("provider calls", spent.provider_calls),
    ];
    figures.extend(spent.writes.figures().map(only_status));
    Ok(figures)
}

/// Refreshes at a short interval, none of which changes a Secret.
pub(super) async fn steady(world: &mut World, options: &Options) -> Result<Vec<Figure>> {
    world.through_proxy().await?;
    world.refresh_every(options.interval).await?;
    say::step(&format!("watching {} s of it", options.steady_seconds));
    // The change of the interval is no part of it.
    tokio::time::sleep(Duration::from_secs(options.interval.into())).await;
    let before = Probe::take(world).await?;
    tokio::time::sleep(Duration::from_secs(options.steady_seconds.into())).await;
    let spent = before.since(world).await?;
    let refreshes = spent.refreshes as f64;
    let due = world.objects as f64 * spent.took.as_secs_f64() / f64::from(options.interval);
    let each = |count: f64| count / refreshes.max(1.0);
    let usual = each(seconds(spent.cpu)) * world.objects as f64 / USUAL_INTERVAL * 100.0;
    let growth = mebibytes(spent.usage.resident) - mebibytes(before.usage.resident);
    let figures = vec![
        Figure::count(format!("refreshes in {} s, every {} s", options.steady_seconds, options.interval), refreshes),
        Figure::count("of so many due", due.round()),
        Figure::new(
            "CPU of the controller, of one core",
            Unit::Percent,
            seconds(spent.cpu) / seconds(spent.took) * 100.0,
        ),
        Figure::new("the same at an interval of 5 min, worked out", Unit::Percent, usual),
        Figure::count("provider calls a refresh", each(spent.provider_calls)),
        Figure::count("API writes a refresh", each(f64::from(spent.writes.all()))).goal(1.02),
        Figure::count("writes of Secrets", spent.writes.secrets()).goal(0.0),
        Figure::new("resident memory", Unit::Mebibytes, mebibytes(spent.usage.resident)),
        Figure::new("growth of it", Unit::Mebibytes, growth),
    ];
    Ok(figures.into_iter().chain(spent.writes.figures()).collect())
}

/// The backend is out of reach for a while, and comes back.
pub(super) async fn outage(world: &mut World, options: &Options) -> Result<Vec<Figure>> {
    world.through_proxy().await?;
    world.refresh_every(options.interval).await?;
    say::step(&format!("cutting the backend off for {} s", options.outage_seconds));
    let before = Probe::take(world).await?;
    world.proxy.cut();
    tokio::time::sleep(Duration::from_secs(options.outage_seconds.into())).await;
    let all = world.objects;
    let failing = all - world.watching.now().ready;
    let meanwhile = before.since(world).await?;
    world.proxy.mend();
    let back = Instant::now();
    say::step("it is back");
    world.wait("half to be Ready again", |it| it.ready * 2 >= all).await?;
    let half = back.elapsed();
    world.wait("all to be Ready again", |it| it.ready == all).await?;
    let whole = back.elapsed();
    let failures = f64::from(meanwhile.writes.of(STATUS_WRITE)) - meanwhile.refreshes as f64;
    let mut figures = vec![
        Figure::count("objects that failed by its end", failing as f64),
        Figure::count("status writes of each", failures / (failing as f64).max(1.0)).goal(1.02),
        Figure::new("backend's return to half Ready", Unit::Seconds, seconds(half)),
        Figure::new("backend's return to all Ready", Unit::Seconds, seconds(whole)).goal(RECOVERY_GOAL),
        Figure::count(format!("provider calls in the {} s", options.outage_seconds), meanwhile.provider_calls),
        Figure::new("CPU of the controller meanwhile", Unit::Seconds, seconds(meanwhile.cpu)),
        Figure::new("peak memory", Unit::Mebibytes, mebibytes(world.controller()?.usage().await?.peak)),
        Figure::count("writes of Secrets", meanwhile.writes.secrets()).goal(0.0),
    ];
    figures.extend(meanwhile.writes.figures());
    Ok(figures)
}

fn most(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or(f64::NAN)
}

/// What the controller had used at a moment.
struct Probe {
    at: Instant,
    usage: Usage,
    provider_calls: f64,
    writes: Writes,
    refreshes: usize,
}

/// What it used since.
struct Spent {
    took: Duration,
    cpu: Duration,
    usage: Usage,
    provider_calls: f64,
    writes: Writes,
    refreshes: usize,
}

impl Probe {
    async fn take(world: &World) -> Result<Self> {
        let at = Instant::now();
        let (provider_calls, usage) = (world.provider_calls().await?, world.controller()?.usage().await?);
        let writes = Writes::so_far(world.cluster()).await?;
        // Right after the writes, so that the two can be compared.
        Ok(Self { at, usage, provider_calls, writes, refreshes: world.watching.now().refreshes })
    }

    async fn since(&self, world: &World) -> Result<Spent> {
        let now = Self::take(world).await?;
        Ok(Spent {
            took: now.at - self.at,
            cpu: now.usage.cpu.saturating_sub(self.usage.cpu),
            usage: now.usage,
            provider_calls: now.provider_calls - self.provider_calls,
            writes: now.writes.since(&self.writes),
            refreshes: now.refreshes - self.refreshes,
        })
    }
}
