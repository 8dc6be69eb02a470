//! Child processes that can't outlive the process that started them.
//!
//! Each runs under the program `guard`, which ends it when our end of a pipe closes, however that came about. Not here:
//! which servers there are and how they are told what to do.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::deps;
use crate::error::{Context, Error, Result};

/// What to run and where its output goes.
#[derive(Debug)]
pub struct Launch {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    folder: PathBuf,
    remove: Option<PathBuf>,
}

impl Launch {
    /// Runs `program` under the name `name`; its log and its process id land in `folder`.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder: folder.into(),
            remove: None,
        }
    }

    /// Adds command line arguments.
    #[must_use]
    pub fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn env<K: Into<String>, V: Into<String>>(mut self, env: impl IntoIterator<Item = (K, V)>) -> Self {
        self.env.extend(env.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Removes this folder once the program is gone.
    #[must_use]
    pub fn remove(mut self, folder: impl Into<PathBuf>) -> Self {
        self.remove = Some(folder.into());
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If the guard isn't built or can't be started. A program that fails at once shows through [`Guarded::exited`].
    pub fn spawn(self) -> Result<Guarded> {
        let guard = deps::own_program("guard")?;
        let log = self.folder.join(format!("{}.log", self.name));
        let pid_file = self.folder.join(format!("{}.pid", self.name));
        fs::remove_file(&pid_file).unwrap_or_default();
        let out = File::options().create(true).append(true).open(&log).context(log.display())?;
        let mut command = Command::new(&guard);
        command.arg("--pid-file").arg(&pid_file);
        if let Some(folder) = &self.remove {
            command.arg("--remove").arg(folder);
        }
        command.arg("--").arg(&self.program).args(&self.args);
        for (key, _) in std::env::vars() {
            // What a developer's shell says about clouds and clusters must not reach the programs under test.
            if ["AWS_", "VAULT_", "BAO_", "KUBE", "HTTP_PROXY", "HTTPS_PROXY"].iter().any(|it| key.starts_with(it)) {
                command.env_remove(key);
            }
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        // Its own process group: Ctrl-C reaches us, and the guard by our end of the pipe closing.
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let mut child = command.spawn().context(guard.display())?;
        let pipe = child.stdin.take();
        Ok(Guarded { name: self.name, log, pid_file, child: Some(child), pipe, status: None })
    }
}

/// A running program; dropping this kills it.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    log: PathBuf,
    pid_file: PathBuf,
    child: Option<Child>,
    pipe: Option<ChildStdin>,
    status: Option<ExitStatus>,
}

impl Guarded {
    /// Its name, as in the log's file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the program itself.
    ///
    /// # Errors
    /// If the guard hasn't written it within a second, so if the program can't be started.
    pub async fn pid(&self) -> Result<u32> {
        for _ in 0..100 {
            if let Ok(pid) = self.started() {
                return Ok(pid);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Error::new(format!("{} didn't start:\n{}", self.name, self.log_tail(20))))
    }

    /// The process id of a program that has long been started.
    ///
    /// # Errors
    /// If the guard hasn't written it.
    pub fn started(&self) -> Result<u32> {
        Ok(fs::read_to_string(&self.pid_file).context(self.pid_file.display())?.trim().parse()?)
    }

    /// Everything that it has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The file that its output goes to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The last lines that it printed.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Its exit status if it has ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        }
        self.status
    }

    /// Sends it a signal, past its guard.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result {
        let pid = i32::try_from(self.started()?).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).context(format!("{signal:?} for {}", self.name))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it is still running after `within`.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let waiting = async {
            loop {
                match self.exited() {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let status = tokio::time::timeout(within, waiting).await.ok();
        status.context(format!("{} is still running after {within:?}", self.name))
    }

    /// Asks it to stop (SIGTERM) and waits for its exit status.
    ///
    /// # Errors
    /// If it is still running after `within`; it is killed then.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        if let Some(pipe) = &mut self.pipe {
            pipe.write_all(b"term\n")?;
        }
        let mut child = self.child.take().context(format!("{} isn't running", self.name))?;
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        match tokio::time::timeout(within, waiting).await {
            Ok(status) => Ok(status??),
            Err(_) => {
                self.pipe = None;
                Err(Error::new(format!("{} didn't stop within {within:?} of SIGTERM", self.name)))
            }
        }
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        self.pipe = None;
        if let Some(mut child) = self.child.take() {
            self.status = child.wait().ok();
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}
