//! The controller's entry point; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    controller::run(controller::Args::from_command_line())
}
