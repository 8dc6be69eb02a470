//! A test bed that outlives the command that started it.
//!
//! `start` runs this program again as `cluster serve`, which holds all processes. Until it is told to be kept it ends
//! when its starter does, so that Ctrl-C while starting, or a demo that dies, leaves nothing behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::backend::OpenBao;
use e2e::testbed::{Parts, Testbed};
use e2e::{Context, Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::say;

/// What runs in the background.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// OpenBao and moto too; their addresses go to backends.env.
    #[arg(long)]
    pub(crate) backends: bool,
    /// Replicas of the webhook.
    #[arg(long, default_value_t = 1)]
    pub(crate) replicas: usize,
}

const READY: &str = "READY";
const KEEP: &str = "keep";

/// A started test bed. Dropping this without [`Running::keep`] ends it.
pub(crate) struct Running {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) openbao: String,
    pub(crate) moto: String,
    leash: Option<ChildStdin>,
    process: Child,
}

impl Running {
    /// Leaves it running.
    pub(crate) fn keep(mut self) -> Result {
        if let Some(leash) = &mut self.leash {
            writeln!(leash, "{KEEP}")?;
        }
        self.leash = None;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Closing the pipe ends it.
        if self.leash.take().is_some() {
            self.process.wait().map(|_| ()).unwrap_or_default();
        }
    }
}

/// Starts a test bed that keeps its files in `folder`, in place of the one that runs there.
pub(crate) async fn start(folder: &Path, options: &Options) -> Result<Running> {
    if stop(folder)? {
        say::step("ended the one that was running");
    }
    // Built here and not by the background process, so that the progress is seen.
    e2e::deps::control_plane()?;
    if options.backends {
        e2e::deps::backends()?;
    }
    fs::create_dir_all(folder).context(folder.display())?;
    let log = File::create(folder.join("testbed.log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["cluster", "serve", "--folder"]).arg(folder).arg(format!("--replicas={}", options.replicas));
    if options.backends {
        command.arg("--backends");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0);
    let mut process = command.spawn()?;
    let leash = process.stdin.take();
    let output = process.stdout.take().context("no pipe")?;
    for line in BufReader::new(output).lines() {
        match line?.as_str() {
            READY => {
                let env = fs::read_to_string(folder.join("backends.env")).unwrap_or_default();
                return Ok(Running {
                    kubeconfig: folder.join("kubeconfig"),
                    openbao: setting(&env, "VAULT_ADDR"),
                    moto: setting(&env, "AWS_ENDPOINT_URL"),
                    leash,
                    process,
                });
            }
            step => say::step(step),
        }
    }
    process.wait()?;
    Err(Error::new(fs::read_to_string(folder.join("testbed.log"))?.trim().trim_start_matches("error: ").to_owned()))
}

fn setting(env: &str, name: &str) -> String {
    let prefix = format!("export {name}=");
    env.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
}

/// Ends the test bed of `folder`; false if none runs.
pub(crate) fn stop(folder: &Path) -> Result<bool> {
    let Ok(text) = fs::read_to_string(folder.join("pid")) else { return Ok(false) };
    let number: i32 = text.trim().parse().context("the pid file")?;
    // The number may belong to another process by now.
    let command = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    let ours = String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy());
    let (true, Some(pid)) = (ours, Pid::from_raw(number)) else {
        fs::remove_file(folder.join("pid"))?;
        return Ok(false);
    };
    kill_process(pid, Signal::TERM)?;
    let asked = Instant::now();
    while is_running(number) {
        if asked.elapsed() > Duration::from_secs(30) {
            // Its guards end everything that it held.
            kill_process(pid, Signal::KILL)?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

fn is_running(pid: i32) -> bool {
    // A zombie is gone: its starter, an earlier command, just hasn't looked yet.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Holds a test bed until a signal comes, or the starter is gone without having said `keep`.
pub(crate) async fn serve(folder: &Path, options: &Options) -> Result {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("pid"), std::process::id().to_string())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let held = tokio::select! {
        result = hold(folder, options) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    for file in ["pid", "kubeconfig", "backends.env", "logs"] {
        remove(&folder.join(file))?;
    }
    held
}

async fn hold(folder: &Path, options: &Options) -> Result {
    let mut orders = e2e::leash::orders();
    let controller = Some(["--concurrent=8", "--loglevel=info"].map(str::to_owned).into());
    let parts = Parts { backends: options.backends, controller, webhooks: options.replicas };
    let starting = Testbed::start(&parts, say::line);
    let started = tokio::select! {
        started = starting => started?,
        // Any line or end: the starter is gone before it could be told.
        _ = orders.recv() => return Ok(()),
    };
    fs::copy(started.cluster.kubeconfig(), folder.join("kubeconfig"))?;
    remove(&folder.join("logs"))?;
    std::os::unix::fs::symlink(started.cluster.folder(), folder.join("logs"))?;
    if let Some(backends) = &started.backends {
        let settings = [
            ("VAULT_ADDR", backends.openbao.address()),
            ("VAULT_TOKEN", OpenBao::ROOT_TOKEN),
            ("AWS_ENDPOINT_URL", backends.moto.address()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", e2e::backend::Moto::REGION),
        ];
        let lines: String = settings.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        fs::write(folder.join("backends.env"), lines)?;
    }
    say::line(READY);
    loop {
        match orders.recv().await.as_deref() {
            // From here on only a signal ends it.
            Some(KEEP) => std::future::pending::<()>().await,
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

fn remove(file: &Path) -> Result {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context(file.display()),
        _ => Ok(()),
    }
}
