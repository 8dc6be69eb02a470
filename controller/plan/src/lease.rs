//! Taking turns on a Lease, in client-go's way, so that External Secrets Operator and we can take turns on one.
//!
//! Pure: what was seen, when it was first seen, and both clocks are handed in. Deliberately not here: reading and writing
//! Leases (the controller's `tenure`).
//!
//! Whether somebody else's lease is over is judged by how long *this* process has seen it unchanged, never by the times
//! written in it: two machines' clocks don't agree. Whoever holds it stops at the renew deadline, which is sooner than
//! anybody else may take it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// The three times of an election, as the flags `--leader-election-*` give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a holder that doesn't renew. A Lease holds whole seconds: the rest is cut off.
    pub lease: Duration,
    /// How long a holder works on without a renewal.
    pub renew_deadline: Duration,
    /// How often it is renewed, or looked at.
    pub retry: Duration,
}

impl Timing {
    /// # Errors
    /// When a holder could still write after somebody else may take over; the text names the flags.
    pub fn check(&self) -> Result<(), String> {
        if self.retry.is_zero() {
            return Err("--leader-election-retry-period must be more than zero".to_owned());
        }
        if self.renew_deadline <= self.retry {
            return Err("--leader-election-renew-deadline must be more than --leader-election-retry-period".to_owned());
        }
        if Duration::from_secs(self.lease.as_secs()) <= self.renew_deadline {
            return Err("--leader-election-lease-duration, in whole seconds, must be more than \
                        --leader-election-renew-deadline"
                .to_owned());
        }
        Ok(())
    }
}

/// Until when a holder may write, by two clocks: one that can't be set, and one that runs on while the machine is
/// suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// By the process's own clock.
    pub until: Instant,
    /// By the wall clock.
    pub until_wall: Timestamp,
}

impl Term {
    /// The term of a renewal that was *sent* at this time: the answer's time is later, and nobody knows how much.
    pub fn of(timing: &Timing, sent: Instant, sent_wall: Timestamp) -> Self {
        Self {
            until: sent + timing.renew_deadline,
            until_wall: sent_wall.checked_add(timing.renew_deadline).unwrap_or(Timestamp::MAX),
        }
    }

    /// How much of it is left; none once either clock says that it is over.
    pub fn left(&self, now: Instant, wall: Timestamp) -> Option<Duration> {
        let left = self.until.saturating_duration_since(now);
        (!left.is_zero() && wall < self.until_wall).then_some(left)
    }
}

/// A Lease in one version, and since when this process has seen it so.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// What is written in it.
    pub spec: LeaseSpec,
    /// Its resourceVersion.
    pub version: String,
    /// When this version was first seen.
    pub since: Instant,
}

impl Sight {
    /// What is seen now. The same version as before has been seen since then.
    pub fn now(before: Option<&Self>, spec: LeaseSpec, version: String, now: Instant) -> Self {
        let since = before.filter(|before| before.version == version).map_or(now, |before| before.since);
        Self { spec, version, since }
    }

    /// Who holds it, if anybody does.
    pub fn holder(&self) -> Option<&str> {
        self.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// When it may be taken from a holder that hasn't renewed it until then.
    pub fn over(&self) -> Instant {
        let seconds = self.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        self.since + Duration::from_secs(seconds.unwrap_or_default())
    }
}

/// What to do about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody holds it, or not any more: write our name into it.
    Take,
    /// It is ours: write that we still live.
    Renew,
    /// Somebody else's, until this time if it isn't renewed.
    Wait(Instant),
    /// It was ours, and somebody else took it.
    Lost,
}

/// What `me` does about a Lease, which is none where it doesn't exist. `holds` says whether it was ours a moment ago.
pub fn step(sight: Option<&Sight>, me: &str, holds: bool, now: Instant) -> Step {
    match sight.and_then(|sight| Some((sight.holder()?, sight.over()))) {
        Some((holder, _)) if holder == me => Step::Renew,
        // Also when nobody has it: it was taken, and not by us.
        Some(_) | None if holds => Step::Lost,
        Some((_, over)) if now < over => Step::Wait(over),
        Some(_) | None => Step::Take,
    }
}

/// The Lease in the hand of `me`, after it was `before`.
pub fn held(before: Option<&LeaseSpec>, me: &str, timing: &Timing, now: Timestamp) -> LeaseSpec {
    let before_us = before.filter(|before| before.holder_identity.as_deref() == Some(me));
    let transitions = before.and_then(|before| before.lease_transitions);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(i32::try_from(timing.lease.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: before_us.and_then(|before| before.acquire_time.clone()).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: match (before, before_us) {
            (None, _) => Some(0),
            (Some(_), Some(_)) => Some(transitions.unwrap_or_default()),
            (Some(_), None) => Some(transitions.unwrap_or_default().saturating_add(1)),
        },
        ..before.cloned().unwrap_or_default()
    }
}

/// The Lease given back: of nobody, and over at once.
pub fn released(before: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..before.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        lease: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };

    fn spec(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(15),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn each_sight_leads_to_one_step() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        // Holder (none: no Lease), whether we held it, seconds since this version was first seen.
        let cases = [
            (None, false, 0, Step::Take),
            (Some(""), false, 0, Step::Take),
            (Some("them"), false, 0, Step::Wait(at(15))),
            (Some("them"), false, 14, Step::Wait(at(15))),
            (Some("them"), false, 15, Step::Take),
            (Some("me"), true, 0, Step::Renew),
            // Our own write whose answer never came.
            (Some("me"), false, 0, Step::Renew),
            (Some("me"), true, 20, Step::Renew),
            (Some("them"), true, 0, Step::Lost),
            (Some("them"), true, 20, Step::Lost),
            (Some(""), true, 0, Step::Lost),
            (None, true, 0, Step::Lost),
        ];
        for (holder, holds, seconds, want) in cases {
            let sight = holder.map(|holder| Sight::now(None, spec(holder), "7".into(), start));
            assert_eq!(step(sight.as_ref(), "me", holds, at(seconds)), want, "{holder:?} {holds} {seconds}");
        }
    }

    #[test]
    fn only_a_new_version_starts_the_wait_anew() {
        let start = Instant::now();
        let later = start + Duration::from_secs(9);
        let first = Sight::now(None, spec("them"), "7".into(), start);
        assert_eq!(Sight::now(Some(&first), spec("them"), "7".into(), later).since, start);
        assert_eq!(Sight::now(Some(&first), spec("them"), "8".into(), later).since, later);
    }

    #[test]
    fn the_record_reads_as_client_go_writes_it() {
        let now = Timestamp::from_second(1000).unwrap();
        let summary = |spec: &LeaseSpec| {
            let time = |time: &Option<MicroTime>| time.as_ref().map(|time| time.0.as_second());
            (
                spec.holder_identity.clone().unwrap(),
                spec.lease_duration_seconds.unwrap(),
                time(&spec.acquire_time).unwrap(),
                time(&spec.renew_time).unwrap(),
                spec.lease_transitions.unwrap(),
            )
        };
        let held_after = |before: Option<&str>| summary(&held(before.map(spec).as_ref(), "me", &TIMING, now));
        assert_eq!(held_after(None), ("me".into(), 15, 1000, 1000, 0), "created");
        assert_eq!(held_after(Some("them")), ("me".into(), 15, 1000, 1000, 5), "taken");
        assert_eq!(held_after(Some("")), ("me".into(), 15, 1000, 1000, 5), "taken from nobody");
        assert_eq!(held_after(Some("me")), ("me".into(), 15, 0, 1000, 4), "renewed");
        assert_eq!(summary(&released(&spec("me"), now)), (String::new(), 1, 1000, 1000, 4), "given back");
    }

    #[test]
    fn a_term_is_over_by_either_clock_and_before_anybody_may_take_the_lease() {
        let (sent, wall) = (Instant::now(), Timestamp::from_second(1000).unwrap());
        let term = Term::of(&TIMING, sent, wall);
        let left = |seconds: u64, wall_seconds: i64| {
            term.left(sent + Duration::from_secs(seconds), Timestamp::from_second(1000 + wall_seconds).unwrap())
        };
        assert_eq!(left(4, 4), Some(Duration::from_secs(6)));
        assert_eq!(left(10, 4), None, "the process's clock");
        assert_eq!(left(4, 3600), None, "the machine was suspended");
        assert_eq!(left(4, -3600), Some(Duration::from_secs(6)), "the wall clock was set back");
        let seen = Sight::now(None, held(None, "me", &TIMING, wall), "7".into(), sent);
        assert!(term.until < seen.over());
    }

    #[test]
    fn times_that_would_let_two_write_are_refused() {
        let cases = [
            ((15_000, 10_000, 2000), None),
            ((3000, 2000, 500), None),
            ((15_000, 10_000, 0), Some("retry-period")),
            ((15_000, 2000, 2000), Some("renew-deadline")),
            ((10_000, 10_000, 2000), Some("lease-duration")),
            // Others read one second.
            ((1900, 1500, 500), Some("lease-duration")),
        ];
        for ((lease, renew, retry), want) in cases {
            let [lease, renew_deadline, retry] = [lease, renew, retry].map(Duration::from_millis);
            let error = Timing { lease, renew_deadline, retry }.check().err();
            assert_eq!(error.is_some(), want.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().contains(want.unwrap_or_default()));
        }
    }
}
