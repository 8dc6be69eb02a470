//! Runs one server and ends it when whoever started the guard is gone.
//!
//! `guard --pid-file FILE [--remove DIR] -- PROGRAM [ARG…]`. The starter holds the other end of the guard's standard
//! input. End of input, which the kernel brings about however the starter died, kills the server at once, and so does a
//! signal to the guard; the line `term` asks the server to stop in its own time. `--remove` takes a folder away after
//! the server is gone. The guard's exit status is the server's.
//!
//! Not here: knowing any server. Everything that is guarded is throw-away, so that killing loses nothing.

use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

struct Order {
    pid_file: PathBuf,
    remove: Option<PathBuf>,
    program: Vec<String>,
}

fn parse(args: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut args = args;
    let (mut pid_file, mut remove) = (None, None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--pid-file" => pid_file = args.next().map(PathBuf::from),
            "--remove" => remove = args.next().map(PathBuf::from),
            "--" => break,
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    let program: Vec<String> = args.collect();
    if program.is_empty() {
        return Err("no program after --".into());
    }
    Ok(Order { pid_file: pid_file.ok_or("--pid-file is missing")?, remove, program })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let code: u8 = match parse(std::env::args().skip(1)) {
        Err(problem) => {
            complain(&format!("guard: {problem}"));
            2
        }
        Ok(order) => run(&order).await.unwrap_or_else(|error| {
            complain(&format!("guard: {}: {error}", order.program[0]));
            127
        }),
    };
    ExitCode::from(code)
}

async fn run(order: &Order) -> io::Result<u8> {
    let mut server = tokio::process::Command::new(&order.program[0])
        .args(&order.program[1..])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = server.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // Written under another name first: who waits for the file must not read half a number.
    let part = order.pid_file.with_extension("part");
    std::fs::write(&part, server.id().unwrap_or_default().to_string())?;
    std::fs::rename(&part, &order.pid_file)?;

    let mut orders = e2e::leash::orders();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let status = loop {
        tokio::select! {
            status = server.wait() => break status?,
            order = orders.recv() => match order.as_deref() {
                Some("term") => send(group, Signal::TERM),
                Some(_) => {}
                None => break end(&mut server, group).await?,
            },
            _ = terminate.recv() => break end(&mut server, group).await?,
            _ = interrupt.recv() => break end(&mut server, group).await?,
            _ = hangup.recv() => break end(&mut server, group).await?,
        }
    };
    // What the server started itself may outlive it.
    send(group, Signal::KILL);
    if let Some(folder) = &order.remove {
        remove(folder).await;
    }
    Ok(exit_code(status))
}

async fn end(server: &mut tokio::process::Child, group: Option<Pid>) -> io::Result<ExitStatus> {
    send(group, Signal::KILL);
    server.wait().await
}

fn send(group: Option<Pid>, which: Signal) {
    if let Some(group) = group {
        // An empty group is the wished state.
        kill_process_group(group, which).unwrap_or_default();
    }
}

/// Other guarded servers of the same folder are being killed in these moments; one of them may still add a file.
async fn remove(folder: &std::path::Path) {
    for _ in 0..50 {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[expect(clippy::print_stderr, reason = "a program's own complaint goes to standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
