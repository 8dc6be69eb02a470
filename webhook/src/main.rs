//! The webhook's program: reads the flags and runs.

use std::process::ExitCode;

use clap::Parser;
use webhook::args::Args;

fn main() -> ExitCode {
    webhook::run::main(Args::parse())
}
