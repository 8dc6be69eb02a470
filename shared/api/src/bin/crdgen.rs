//! Writes the CustomResourceDefinitions into a directory: `crdgen [DIRECTORY]`, by default `manifests/crds`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let directory = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("manifests/crds"), PathBuf::from);
    match write_all(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a generator talks to the person that runs it")]
            {
                eprintln!("crdgen: cannot write to {}: {error}", directory.display());
            }
            ExitCode::FAILURE
        }
    }
}

fn write_all(directory: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for crd in api::crd::all() {
        std::fs::write(directory.join(format!("{}.yaml", crd.plural)), crd.file())?;
    }
    Ok(())
}
