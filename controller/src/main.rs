//! The controller's entry point; everything else is in the library.

use std::process::ExitCode;

/// Chosen by measurement, see docs/performance.md.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    controller::run(controller::Args::from_command_line())
}
