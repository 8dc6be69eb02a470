//! Where the programs are: those that the tests stand on (`e2e/deps.sh` builds and installs them) and our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};

/// The programs of a control plane.
#[derive(Clone, Debug)]
pub struct ControlPlanePrograms {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub apiserver: PathBuf,
    /// kube-controller-manager.
    pub controller_manager: PathBuf,
}

const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

/// The repository's root folder.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder of the manifests under test.
pub fn manifests() -> PathBuf {
    repository().join("manifests")
}

/// Finds a control plane: `KUBEBUILDER_ASSETS` if it has all three programs, else our own build, made if need be.
///
/// # Errors
/// If the build fails.
pub fn control_plane() -> Result<ControlPlanePrograms> {
    let given = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    // The usual assets have no controller manager, hence no garbage collection: they can't show what we test.
    let folder = match given.filter(|folder| PROGRAMS.iter().all(|name| folder.join(name).exists())) {
        Some(folder) => folder,
        None => script("controlplane")?,
    };
    let [etcd, apiserver, controller_manager] = PROGRAMS.map(|name| folder.join(name));
    Ok(ControlPlanePrograms { etcd, apiserver, controller_manager })
}

/// The folder of OpenBao's and moto's programs, installed if need be.
///
/// # Errors
/// If the installation fails.
pub fn backends() -> Result<PathBuf> {
    Ok(script("backends")?.join("bin"))
}

/// kubectl: the one on the `PATH`, else our own build's.
///
/// # Errors
/// If there is none and the build fails.
pub fn kubectl() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|it| it.is_file()) {
        Some(found) => Ok(found),
        None => Ok(script("controlplane")?.join("kubectl")),
    }
}

/// helm, of the version that the repository pins, built if need be.
///
/// # Errors
/// If the build fails.
pub fn helm() -> Result<PathBuf> {
    Ok(script("helm")?.join("helm"))
}

/// One of our own programs, of the build that the running one belongs to.
///
/// # Errors
/// If it isn't built.
pub fn own_program(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let folder = me.parent().context("this program lies in no folder")?;
    // Test executables lie one level deeper than programs.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = folder.join(name);
    if program.is_file() {
        return Ok(program);
    }
    let release = if folder.ends_with("release") { " --release" } else { "" };
    Err(Error::new(format!("{} isn't built: run `cargo build --workspace --bins{release}` first", program.display())))
}

fn script(what: &str) -> Result<PathBuf> {
    let script = repository().join("e2e/deps.sh");
    let done = Command::new("bash").arg(&script).arg(what).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let done = done.context(script.display())?;
    if !done.status.success() {
        return Err(Error::new(format!("e2e/deps.sh {what} failed: {}", done.status)));
    }
    Ok(PathBuf::from(String::from_utf8(done.stdout)?.trim()))
}
