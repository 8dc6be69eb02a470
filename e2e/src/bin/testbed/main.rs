//! The program behind `make cluster`, `make demo`, `make bench` and `make bench-webhook`. `make help` tells what each is for.

mod background;
mod bench;
mod bench_webhook;
mod demo;
mod load;
mod say;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use e2e::Result;

#[derive(Parser)]
#[command(about = "Throw-away clusters to test, show and measure the project on")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A cluster in the background.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Show what the project does, on real parts.
    Demo {
        /// Leave everything running at the end.
        #[arg(long)]
        keep: bool,
    },
    /// Measure the controller beside a bare writer.
    Bench(bench::Options),
    /// Draw the cold starts of a measurement.
    BenchChart(bench::chart::ChartOptions),
    /// Be what the controller is measured beside; `bench` starts this.
    #[command(hide = true)]
    BareWriter(bench::writer::WriterOptions),
    /// Measure how many reviews the webhook answers.
    BenchWebhook(bench_webhook::Options),
}

#[derive(Subcommand)]
enum Cluster {
    /// Start it, in place of one that runs.
    Up(background::Options),
    /// End it, and the demo's if that was left running.
    Down,
    /// Hold a cluster until told otherwise; `up` and `demo` start this.
    #[command(hide = true)]
    Serve {
        /// Where the kubeconfig goes.
        #[arg(long)]
        folder: std::path::PathBuf,
        #[command(flatten)]
        options: background::Options,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::problem(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result {
    let folder = e2e::deps::repository().join("target/cluster");
    match command {
        Command::Cluster(Cluster::Up(options)) => {
            let running = background::start(&folder, &options).await?;
            say::line("");
            say::line("The cluster runs in the background until `make cluster-down`. To use it:");
            say::line(&format!("  export KUBECONFIG={}", running.kubeconfig.display()));
            if options.backends {
                say::line(&format!("  . {}", folder.join("backends.env").display()));
            }
            running.keep()
        }
        Command::Cluster(Cluster::Down) => {
            let kept_demo = background::stop(&demo::folder())?;
            let ended = background::stop(&folder)? || kept_demo;
            say::line(if ended { "The cluster is gone." } else { "No cluster is running." });
            Ok(())
        }
        Command::Cluster(Cluster::Serve { folder, options }) => background::serve(&folder, &options).await,
        Command::Demo { keep } => demo::run(keep).await,
        Command::Bench(options) => bench::run(&options).await,
        Command::BenchChart(options) => bench::chart::run(&options),
        Command::BareWriter(options) => bench::writer::write(&options).await,
        Command::BenchWebhook(options) => bench_webhook::run(&options).await,
    }
}
