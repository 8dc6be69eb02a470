//! Whether an ExternalSecret is due for a refresh, and when to look at it again.
//!
//! Lives here: the decision, from plain data and the time. Deliberately not here: how the Secret was found intact
//! (see `target`), how failures back off, and jitter.

use std::time::Duration;

use api::{GoDuration, RefreshPolicy, SyncWindows};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::shards;
use crate::sync_window;

/// The interval of an object without one.
const DEFAULT_INTERVAL: GoDuration = GoDuration::from_secs(3600);

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct RefreshInput<'a> {
    /// `spec.refreshPolicy`; `None` is Periodic.
    pub policy: Option<RefreshPolicy>,
    /// `spec.refreshInterval`; `None` is an hour, zero or less is "once".
    pub interval: Option<GoDuration>,
    /// `spec.syncWindows`
    pub sync_windows: Option<&'a SyncWindows>,
    /// By whose clocks sync windows begin.
    pub zone: &'a TimeZone,
    /// [`crate::hash::sync_version`] of the object as it is now.
    pub sync_version: &'a str,
    /// `status.syncedResourceVersion`, empty if there is none.
    pub synced_resource_version: &'a str,
    /// `status.refreshTime`
    pub refresh_time: Option<Timestamp>,
    /// The target Secret is there, managed, and holds the data that its hash tells.
    pub secret_valid: bool,
    /// The ClusterExternalSecret that keeps the object, if one does: its objects fall due together, so that one read serves
    /// them all.
    pub kept_by: Option<&'a str>,
}

/// Why an object is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It was never synced.
    NeverSynced,
    /// The target Secret is missing or was edited.
    TargetInvalid,
    /// The spec, a label or an annotation changed.
    Changed,
    /// The last refresh lies in the future: a clock was wrong.
    ClockWentBack,
    /// The interval is over.
    Interval,
}

impl Why {
    /// A word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSynced => "never-synced",
            Self::TargetInvalid => "target-invalid",
            Self::Changed => "changed",
            Self::ClockWentBack => "clock-went-back",
            Self::Interval => "interval",
        }
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Fetch now.
    Now(Why),
    /// Not yet; [`next`] tells when to look again.
    Wait,
}

/// When to look at an object again that isn't due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes; time alone makes it never due.
    Never,
    /// After this long.
    After(Duration),
    /// At this time, with all others that the same ClusterExternalSecret keeps.
    At(Timestamp),
    /// With growing pauses.
    Backoff,
}

/// The times at which all objects of one ClusterExternalSecret fall due: whole seconds, a period apart, those of another one
/// at others.
#[derive(Clone, Copy, Debug)]
struct Grid {
    period: i64,
    phase: i64,
}

impl Grid {
    /// None for an object that nobody keeps, or whose interval isn't of whole seconds: refresh times are.
    fn of(input: &RefreshInput<'_>, interval: GoDuration) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        let nanoseconds = interval.as_nanos();
        let period = nanoseconds / SECOND;
        if period < 1 || nanoseconds % SECOND != 0 {
            return None;
        }
        let hash = shards::hash(&["ClusterExternalSecret", input.kept_by?]);
        Some(Self { period, phase: i64::try_from(hash % period.unsigned_abs()).unwrap_or_default() })
    }

    /// The first of its times after this one: a period later at most.
    fn after(self, time: Timestamp) -> Option<Timestamp> {
        let passed = (time.as_second() - self.phase).rem_euclid(self.period);
        Timestamp::from_second(time.as_second().checked_add(self.period - passed)?).ok()
    }
}

/// Decides whether to refresh at `now`. An invalid target is due under every policy, interval and window.
pub fn due(input: &RefreshInput<'_>, now: Timestamp) -> Due {
    match (policy_says(input, now), input.secret_valid) {
        (None | Some(Why::Interval), false) => Due::Now(Why::TargetInvalid),
        (Some(why), _) => Due::Now(why),
        (None, true) => Due::Wait,
    }
}

fn policy_says(input: &RefreshInput<'_>, now: Timestamp) -> Option<Why> {
    let never_synced = input.synced_resource_version.is_empty() || input.refresh_time.is_none();
    let changed = input.sync_version != input.synced_resource_version;
    match input.policy {
        Some(RefreshPolicy::CreatedOnce) => never_synced.then_some(Why::NeverSynced),
        Some(RefreshPolicy::OnChange) if never_synced => Some(Why::NeverSynced),
        Some(RefreshPolicy::OnChange) => changed.then_some(Why::Changed),
        None | Some(RefreshPolicy::Periodic) => {
            let interval = input.interval.unwrap_or(DEFAULT_INTERVAL);
            if !interval.is_positive() && !input.synced_resource_version.is_empty() {
                return None;
            }
            if changed {
                return Some(if never_synced { Why::NeverSynced } else { Why::Changed });
            }
            let Some(refreshed) = input.refresh_time else { return Some(Why::NeverSynced) };
            let elapsed = elapsed(refreshed, now);
            if elapsed < 0 {
                return Some(Why::ClockWentBack);
            }
            let over = match Grid::of(input, interval).and_then(|grid| grid.after(refreshed)) {
                Some(time) => now >= time,
                None => elapsed > i128::from(interval.as_nanos()),
            };
            let open = input.sync_windows.is_none_or(|windows| sync_window::allowed(windows, now, input.zone));
            (over && open).then_some(Why::Interval)
        }
    }
}

/// When to look again at an object that isn't due at `now`, or that was synced at its `refresh_time`.
///
/// The reference polls with backoff once the interval is over, also where time can't make the object due. Here an object
/// that a sync window holds back is looked at when the window opens, and CreatedOnce and OnChange once an interval.
pub fn next(input: &RefreshInput<'_>, now: Timestamp) -> Next {
    let interval = input.interval.unwrap_or(DEFAULT_INTERVAL);
    let Some(period) = interval.to_std().filter(|period| !period.is_zero()) else { return Next::Never };
    let Some(refreshed) = input.refresh_time else { return Next::After(period) };
    let elapsed = elapsed(refreshed, now);
    let remaining = i128::from(interval.as_nanos()) - elapsed;
    let grid = match input.policy {
        None | Some(RefreshPolicy::Periodic) => Grid::of(input, interval),
        Some(RefreshPolicy::CreatedOnce | RefreshPolicy::OnChange) => None,
    };
    match grid.and_then(|grid| grid.after(refreshed)) {
        Some(time) if elapsed >= 0 && now < time => return Next::At(time),
        None if elapsed >= 0 && remaining > 0 => return Next::After(nanoseconds(remaining)),
        Some(_) | None => {}
    }
    match input.policy {
        Some(RefreshPolicy::CreatedOnce | RefreshPolicy::OnChange) => Next::After(period),
        None | Some(RefreshPolicy::Periodic) => match input.sync_windows {
            Some(windows) if elapsed >= 0 && !sync_window::allowed(windows, now, input.zone) => {
                match sync_window::next_change(windows, now, input.zone) {
                    Some(change) if grid.is_some() => Next::At(change),
                    Some(change) => Next::After(nanoseconds(self::elapsed(now, change))),
                    None => Next::After(period),
                }
            }
            Some(_) | None => Next::Backoff,
        },
    }
}

/// When a changed dependency may cause a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// At once.
    Now,
    /// After this long, when the sync windows let a refresh through again.
    After(Duration),
    /// It changes nothing.
    Never,
}

/// When a changed dependency (store, credential, template source) may cause a fetch: under Periodic with an interval above
/// zero only, and only while the sync windows let a refresh through.
pub fn follows_dependencies(
    policy: Option<RefreshPolicy>,
    interval: Option<GoDuration>,
    sync_windows: Option<&SyncWindows>,
    zone: &TimeZone,
    now: Timestamp,
) -> Follows {
    match policy {
        None | Some(RefreshPolicy::Periodic) => {
            if !interval.unwrap_or(DEFAULT_INTERVAL).is_positive() {
                return Follows::Never;
            }
            match sync_windows.filter(|windows| !sync_window::allowed(windows, now, zone)) {
                None => Follows::Now,
                Some(windows) => sync_window::next_change(windows, now, zone)
                    .map_or(Follows::Never, |change| Follows::After(nanoseconds(elapsed(now, change)))),
            }
        }
        Some(RefreshPolicy::CreatedOnce | RefreshPolicy::OnChange) => Follows::Never,
    }
}

/// Nanoseconds from one moment to another, negative if they are the other way round.
fn elapsed(from: Timestamp, to: Timestamp) -> i128 {
    to.as_nanosecond() - from.as_nanosecond()
}

fn nanoseconds(count: i128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(if count < 0 { 0 } else { u64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{SyncWindow, SyncWindowKind};

    const BASE: RefreshInput<'static> = RefreshInput {
        policy: None,
        interval: None,
        sync_windows: None,
        zone: &TimeZone::UTC,
        sync_version: "1-x",
        synced_resource_version: "1-x",
        refresh_time: None,
        secret_valid: true,
        kept_by: None,
    };

    fn at(text: &str) -> Timestamp {
        format!("2026-01-05T{text}Z").parse().unwrap()
    }

    fn night() -> SyncWindows {
        let window = SyncWindow { schedule: "0 22 * * *".to_owned(), duration: GoDuration::from_secs(3600) };
        SyncWindows { kind: SyncWindowKind::Allow, windows: vec![window] }
    }

    #[test]
    fn the_reason_is_told() {
        let synced = RefreshInput { refresh_time: Some(at("10:00:00")), ..BASE };
        let night = night();
        let cases = [
            (BASE, Due::Now(Why::NeverSynced)),
            (RefreshInput { synced_resource_version: "", ..synced }, Due::Now(Why::NeverSynced)),
            (RefreshInput { sync_version: "2-x", ..synced }, Due::Now(Why::Changed)),
            (RefreshInput { secret_valid: false, ..synced }, Due::Now(Why::TargetInvalid)),
            (RefreshInput { refresh_time: Some(at("13:00:00")), ..synced }, Due::Now(Why::ClockWentBack)),
            (synced, Due::Now(Why::Interval)),
            (RefreshInput { sync_windows: Some(&night), ..synced }, Due::Wait),
            (RefreshInput { sync_windows: Some(&night), secret_valid: false, ..synced }, Due::Now(Why::TargetInvalid)),
            (RefreshInput { policy: Some(RefreshPolicy::OnChange), ..synced }, Due::Wait),
            (RefreshInput { policy: Some(RefreshPolicy::CreatedOnce), sync_version: "2-x", ..synced }, Due::Wait),
            (RefreshInput { interval: Some(GoDuration::ZERO), sync_version: "2-x", ..synced }, Due::Wait),
        ];
        for (input, want) in cases {
            assert_eq!(due(&input, at("12:00:00")), want, "{input:?}");
        }
    }

    #[test]
    fn the_next_look_is_when_time_can_make_it_due() {
        let synced = RefreshInput { refresh_time: Some(at("10:00:00")), ..BASE };
        let night = night();
        let hours = |hours: u64| Next::After(Duration::from_secs(hours * 3600));
        let cases = [
            (BASE, "12:00:00", hours(1)),
            (synced, "10:00:00", hours(1)),
            (synced, "10:30:00", Next::After(Duration::from_secs(1800))),
            (synced, "11:00:00", Next::Backoff),
            (synced, "12:00:00", Next::Backoff),
            (synced, "09:00:00", Next::Backoff),
            (RefreshInput { interval: Some(GoDuration::ZERO), ..synced }, "12:00:00", Next::Never),
            (RefreshInput { interval: Some(GoDuration(-1)), ..synced }, "12:00:00", Next::Never),
            (RefreshInput { sync_windows: Some(&night), ..synced }, "12:00:00", hours(10)),
            (RefreshInput { sync_windows: Some(&night), ..synced }, "22:30:00", Next::Backoff),
            (RefreshInput { policy: Some(RefreshPolicy::OnChange), ..synced }, "12:00:00", hours(1)),
            (RefreshInput { policy: Some(RefreshPolicy::CreatedOnce), ..synced }, "12:00:00", hours(1)),
        ];
        for (input, now, want) in cases {
            assert_eq!(next(&input, at(now)), want, "{input:?} at {now}");
        }
    }

    #[test]
    fn objects_of_one_cluster_external_secret_fall_due_together_and_once_an_interval() {
        let next_of = |name: &'static str, refreshed: &str, interval: i64| {
            let interval = Some(GoDuration(interval));
            let input = RefreshInput { kept_by: Some(name), refresh_time: Some(at(refreshed)), interval, ..BASE };
            (input, next(&input, at(refreshed)))
        };
        const HOUR: i64 = 3_600_000_000_000;
        let mut times = std::collections::BTreeSet::new();
        for name in ["registry", "ca", "datadog"] {
            let (mut all, mut refreshed) = (std::collections::BTreeSet::new(), at("10:00:00"));
            let Next::At(due) = next_of(name, "10:00:00", HOUR).1 else { panic!("{name}") };
            while refreshed < due {
                let input = RefreshInput { kept_by: Some(name), refresh_time: Some(refreshed), ..BASE };
                let Next::At(time) = next(&input, refreshed) else { panic!("{refreshed}") };
                assert!(time > refreshed && time <= refreshed + Duration::from_secs(3600), "never late");
                let nearly = time - Duration::from_nanos(1);
                assert_eq!((super::due(&input, nearly), next(&input, nearly)), (Due::Wait, Next::At(time)));
                assert_eq!(super::due(&input, time), Due::Now(Why::Interval));
                all.insert(time);
                refreshed += Duration::from_secs(97);
            }
            assert_eq!(all.len(), 1, "whenever they were refreshed in the hour before");
            // Refreshed a moment after its time, it waits for the next one.
            let input = RefreshInput { kept_by: Some(name), refresh_time: Some(due), ..BASE };
            assert_eq!(next(&input, due + Duration::from_millis(900)), Next::At(due + Duration::from_secs(3600)));
            times.extend(all);
        }
        assert_eq!(times.len(), 3, "those of different ones don't");
        // Times of refreshes are told in whole seconds.
        assert_eq!(next_of("ca", "10:00:00", 1_500_000_000).1, Next::After(Duration::from_millis(1500)));
        let (input, _) = next_of("ca", "10:00:00", HOUR);
        let onchange = RefreshInput { policy: Some(RefreshPolicy::OnChange), ..input };
        assert_eq!(next(&onchange, at("10:00:00")), Next::After(Duration::from_secs(3600)));
        let night = night();
        let windowed = RefreshInput { sync_windows: Some(&night), ..input };
        assert_eq!(next(&windowed, at("12:00:00")), Next::At(at("22:00:00")));
        assert_eq!(
            due(&RefreshInput { refresh_time: Some(at("13:00:00")), ..input }, at("12:00:00")),
            Due::Now(Why::ClockWentBack)
        );
    }

    #[test]
    fn the_longest_interval_does_not_overflow() {
        let input = RefreshInput { interval: Some(GoDuration(i64::MAX)), refresh_time: Some(Timestamp::MIN), ..BASE };
        assert_eq!(due(&input, Timestamp::MAX), Due::Now(Why::Interval));
        assert_eq!(next(&input, Timestamp::MIN), Next::After(Duration::from_nanos(i64::MAX.unsigned_abs())));
    }

    #[test]
    fn dependencies_matter_to_periodic_refreshes_only_and_when_a_window_lets_them() {
        use RefreshPolicy::{CreatedOnce, OnChange, Periodic};
        let (hour, zero) = (Some(GoDuration::from_secs(3600)), Some(GoDuration::ZERO));
        let night = night();
        let denied = SyncWindows { kind: SyncWindowKind::Deny, ..night.clone() };
        let unreadable = SyncWindow { schedule: "nonsense".to_owned(), duration: GoDuration::from_secs(3600) };
        let never = SyncWindows { kind: SyncWindowKind::Allow, windows: vec![unreadable] };
        let after = |seconds| Follows::After(Duration::from_secs(seconds));
        let cases = [
            (None, None, None, "12:00:00", Follows::Now),
            (Some(Periodic), hour, None, "12:00:00", Follows::Now),
            (Some(Periodic), zero, None, "12:00:00", Follows::Never),
            (None, zero, Some(&night), "12:00:00", Follows::Never),
            (Some(OnChange), None, None, "12:00:00", Follows::Never),
            (Some(CreatedOnce), hour, Some(&night), "22:30:00", Follows::Never),
            (None, hour, Some(&night), "22:30:00", Follows::Now),
            (None, hour, Some(&night), "12:00:00", after(36_000)),
            (None, hour, Some(&denied), "12:00:00", Follows::Now),
            (None, hour, Some(&denied), "22:30:00", after(1801)),
            (None, hour, Some(&never), "12:00:00", Follows::Never),
        ];
        for (policy, interval, windows, now, want) in cases {
            let got = follows_dependencies(policy, interval, windows, &TimeZone::UTC, at(now));
            assert_eq!(got, want, "{policy:?} {interval:?} {windows:?} at {now}");
        }
    }
}
