//! `make bench`: what the controller costs, row by row, beside a program that does nothing but the writes.
//!
//! Each world is a fresh cluster that starts cold; the rows of [`Row`] go on in it, one after the other. Everything (API
//! server, database, backend, controller, and this) shares the machine, so that only ratios within one run are worth much.
//!
//! | module | what lives there |
//! |---|---|
//! | [`world`] | a cluster with its objects, backend and controller |
//! | [`watching`], [`api_writes`] | what was done, as a watch and the API server's own counters tell |
//! | [`starts`], [`busy`], [`foreign`], [`scale_out`] | the rows |
//! | [`writer`] | the bare writer |
//! | [`sheet`], [`chart`] | the table, the JSON lines, the picture |

mod api_writes;
mod busy;
pub(crate) mod chart;
mod foreign;
mod scale_out;
mod sheet;
mod starts;
mod watching;
mod world;
pub(crate) mod writer;

use std::path::PathBuf;
use std::time::Duration;

use e2e::{Error, Result};

use crate::say;
use sheet::Sheet;
use world::{Kind, World};

/// How much, and of what.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How many ExternalSecrets.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(10..))]
    objects: u32,
    /// Measure cold starts with so many, too.
    #[arg(long, value_delimiter = ',')]
    cold_objects: Vec<u32>,
    /// Only rows whose name contains one of these texts.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// How much later the slow backend answers, in milliseconds.
    #[arg(long, default_value_t = 50)]
    latency: u64,
    /// The refresh interval of the rows steady and outage, in seconds.
    #[arg(long, default_value_t = 10)]
    interval: u32,
    /// How long the row steady lasts, in seconds.
    #[arg(long, default_value_t = 120)]
    steady_seconds: u32,
    /// How long the outage lasts, in seconds.
    #[arg(long, default_value_t = 60)]
    outage_seconds: u32,
    /// The size of a foreign Secret, in KiB.
    #[arg(long, default_value_t = 100)]
    foreign_kib: usize,
    /// Arguments of the controller.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    controller_args: String,
    /// Give a row up when something takes longer than so many seconds.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// Write the figures into this file too, one JSON object a line.
    #[arg(long)]
    json: Option<PathBuf>,
    /// After a world's rows, leave it running until Ctrl-C and tell how to look into it.
    #[arg(long)]
    keep: bool,
}

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    ColdDistinct,
    Restart,
    Storm,
    Steady,
    Outage,
    ColdShared,
    Foreign,
    ColdSlow,
    ScaleOut,
}

impl Row {
    const ALL: [Self; 9] = [
        Self::ColdDistinct,
        Self::Restart,
        Self::Storm,
        Self::Steady,
        Self::Outage,
        Self::ColdShared,
        Self::Foreign,
        Self::ColdSlow,
        Self::ScaleOut,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ColdDistinct => "cold-distinct",
            Self::Restart => "restart",
            Self::Storm => "storm",
            Self::Steady => "steady",
            Self::Outage => "outage",
            Self::ColdShared => "cold-shared",
            Self::Foreign => "foreign",
            Self::ColdSlow => "cold-slow",
            Self::ScaleOut => "scale-out",
        }
    }

    /// The world that it is measured in; none if in one of its own.
    fn kind(self) -> Option<Kind> {
        match self {
            Self::ColdDistinct | Self::Restart | Self::Storm | Self::Steady | Self::Outage => Some(Kind::Distinct),
            Self::ColdShared | Self::Foreign => Some(Kind::Shared),
            Self::ColdSlow => Some(Kind::Slow),
            Self::ScaleOut => None,
        }
    }

    fn is_cold(self) -> bool {
        match self {
            Self::ColdDistinct | Self::ColdShared | Self::ColdSlow => true,
            Self::Restart | Self::Storm | Self::Steady | Self::Outage | Self::Foreign | Self::ScaleOut => false,
        }
    }
}

/// Measures the chosen rows. What was measured before a failure is shown, too.
pub(crate) async fn run(options: &Options) -> Result {
    let is_chosen = |row: &Row| options.rows.is_empty() || options.rows.iter().any(|it| row.name().contains(it));
    let chosen: Vec<Row> = Row::ALL.into_iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let names = Row::ALL.map(Row::name).join(", ");
        return Err(Error::new(format!("no row's name contains {}; there are {names}", options.rows.join(" or "))));
    }
    let mut sheet = Sheet::new(options.json.as_deref())?;
    let outcome = all(options, &chosen, &mut sheet).await;
    say::line("");
    say::line(sheet.table().trim_end());
    outcome
}

async fn all(options: &Options, chosen: &[Row], sheet: &mut Sheet) -> Result {
    measure(options, options.objects as usize, chosen, sheet).await?;
    let cold: Vec<Row> = chosen.iter().copied().filter(|row| row.is_cold()).collect();
    for objects in &options.cold_objects {
        measure(options, *objects as usize, &cold, sheet).await?;
    }
    if chosen.contains(&Row::ScaleOut) {
        say::heading("replicas that share the stores, whose backends are far away");
        let (objects, figures) = scale_out::measure(options).await?;
        sheet.add(Row::ScaleOut.name(), objects, figures)?;
    }
    Ok(())
}

async fn measure(options: &Options, objects: usize, rows: &[Row], sheet: &mut Sheet) -> Result {
    let bare = if rows.iter().any(|row| row.is_cold() || *row == Row::Storm) {
        say::heading(&format!("the bare writer, {objects} ExternalSecrets"));
        Some(writer::measure(options, objects).await?)
    } else {
        None
    };
    for kind in Kind::ALL {
        let rows: Vec<Row> = rows.iter().copied().filter(|row| row.kind() == Some(kind)).collect();
        if rows.is_empty() {
            continue;
        }
        say::heading(&format!("{objects} ExternalSecrets, {}", kind.what(options.latency)));
        let mut world = World::build(options, objects, kind).await?;
        // What follows needs a world in sync, so this is run even where its figures weren't asked for.
        let cold = starts::cold(&mut world, bare.as_ref()).await?;
        for row in rows {
            let figures = match row {
                Row::ColdDistinct | Row::ColdShared | Row::ColdSlow => cold.clone(),
                Row::Restart => starts::restart(&mut world).await?,
                Row::Storm => busy::storm(&mut world, bare.as_ref()).await?,
                Row::Steady => busy::steady(&mut world, options).await?,
                Row::Outage => busy::outage(&mut world, options).await?,
                Row::Foreign => foreign::measure(&mut world, options.foreign_kib).await?,
                Row::ScaleOut => continue,
            };
            sheet.add(row.name(), objects, figures)?;
        }
        if options.keep {
            world.tell_how_to_attach().await?;
            tokio::signal::ctrl_c().await?;
        }
    }
    Ok(())
}

fn seconds(it: Duration) -> f64 {
    it.as_secs_f64()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
