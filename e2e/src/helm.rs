//! The chart in the hands of a real helm.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::deps;
use crate::error::{Context, Error, Result};

/// The folder of the chart under test.
pub fn chart() -> PathBuf {
    deps::manifests().join("chart")
}

/// Runs helm, which takes a moment without a cluster, and returns what it printed.
///
/// # Errors
/// With what it printed of errors if it failed, or if it can't be built.
pub fn run<T: AsRef<OsStr>>(args: impl IntoIterator<Item = T>) -> Result<String> {
    let helm = deps::helm()?;
    // A developer's own cluster must not be meant.
    let done = Command::new(&helm).args(args).env_remove("KUBECONFIG").stdin(Stdio::null()).output();
    let done = done.context(helm.display())?;
    if !done.status.success() {
        return Err(Error::new(String::from_utf8_lossy(&done.stderr)));
    }
    Ok(String::from_utf8(done.stdout)?)
}
