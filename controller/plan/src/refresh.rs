//! SIGNATURES that the controller relies on (bodies still to be written by this file's owner; keep the signatures).
use api::{GoDuration, RefreshPolicy, SyncWindows};
use jiff::Timestamp;
use std::time::Duration;
/// x
#[derive(Clone, Copy, Debug)]
pub struct RefreshInput<'a> {
    /// x
    pub policy: Option<RefreshPolicy>,
    /// x
    pub interval: Option<GoDuration>,
    /// x
    pub sync_windows: Option<&'a SyncWindows>,
    /// hash::sync_version of the object as it is now
    pub sync_version: &'a str,
    /// status.syncedResourceVersion, "" if none
    pub synced_resource_version: &'a str,
    /// x
    pub refresh_time: Option<Timestamp>,
    /// x
    pub secret_valid: bool,
}
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why { /// x
    Changed }
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due { /// x
    Now(Why), /// x
    Wait }
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next { /// x
    Never, /// x
    After(Duration), /// x
    Backoff }
/// x
pub fn due(_input: &RefreshInput<'_>, _now: Timestamp) -> Due { Due::Now(Why::Changed) }
/// x
pub fn next(_input: &RefreshInput<'_>, _now: Timestamp) -> Next { Next::Never }
/// Whether a changed dependency (store, credential) may cause a fetch: Periodic with an interval above zero only.
pub fn follows_dependencies(_policy: Option<RefreshPolicy>, _interval: Option<GoDuration>) -> bool { true }
