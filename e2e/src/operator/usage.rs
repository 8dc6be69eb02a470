//! What a process has used so far, as the kernel tells.

use std::fs;
use std::time::Duration;

use crate::error::{Context, Result};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most memory that it had resident, in bytes.
    pub peak: u64,
}

impl Usage {
    /// Of the process with this id.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context(format!("process {pid} is gone"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context(format!("process {pid} is gone"))?;
        // The name in parentheses may hold anything; the numbers start after its end. utime and stime are fields 14, 15.
        let numbers: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 =
            numbers.get(11..13).context("short stat")?.iter().filter_map(|it| it.parse::<u64>().ok()).sum();
        let bytes = |field: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).context(format!("no {field}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
        };
        // The kernel counts in hundredths of a second for user space, whatever its own tick is.
        Ok(Self { cpu: Duration::from_millis(ticks * 10), resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}
