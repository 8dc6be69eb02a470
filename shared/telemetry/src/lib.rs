//! Logs and metrics: how they are set up and the closed vocabulary of their names; and the process that they are of.
//!
//! Lives here: the JSON log format ([`init_logs`]) and the controller's [`Metrics`].
//! Deliberately not here: anything that decides what is logged or counted.

mod catalogue;
mod logs;
mod metrics;
mod objects;
mod process;
mod runtime;

pub use logs::init_logs;
pub use metrics::{CallStatus, Kind, Lane, Metrics, ReadyStatus};
pub use process::raise_descriptor_limit;
pub use runtime::{Outcome, Runtime};
