//! Sync windows: when a periodic refresh is allowed.
//!
//! Lives here: windows by the clocks of a time zone. Deliberately not here: schedules (see `cron`), what bypasses windows
//! (see `refresh`), and which zone the process lives in.

use api::{SyncWindow, SyncWindowKind, SyncWindows};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cron::Schedule;

const SECOND: i128 = 1_000_000_000;

/// Whether a periodic refresh is allowed at `now`, with schedules by the clocks of `zone`. A window whose schedule doesn't
/// parse is never active.
pub fn allowed(windows: &SyncWindows, now: Timestamp, zone: &TimeZone) -> bool {
    let active = windows.windows.iter().any(|window| active(window, now, zone));
    match windows.kind {
        SyncWindowKind::Allow => active,
        SyncWindowKind::Deny => !active,
    }
}

/// The next moment after `now` at which [`allowed`] may answer otherwise: an allowing window begins or a denying one
/// ends. `None` if no schedule ever fires again.
pub fn next_change(windows: &SyncWindows, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let moments = windows.windows.iter().filter_map(|window| match windows.kind {
        SyncWindowKind::Allow => Schedule::parse(&window.schedule)?.next(now, zone),
        SyncWindowKind::Deny => {
            let start = current(window, now, zone)?;
            // The last moment of a window still belongs to it.
            timestamp(start.as_nanosecond() + i128::from(window.duration.as_nanos()) + SECOND)
        }
    });
    match windows.kind {
        SyncWindowKind::Allow => moments.min(),
        // All active windows must end.
        SyncWindowKind::Deny => moments.max(),
    }
}

fn active(window: &SyncWindow, now: Timestamp, zone: &TimeZone) -> bool {
    current(window, now, zone).is_some()
}

/// When the window began that `now` lies in, both of its ends included.
fn current(window: &SyncWindow, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let schedule = Schedule::parse(&window.schedule)?;
    let length = i128::from(window.duration.as_nanos());
    let start = schedule.next(timestamp(now.as_nanosecond() - length - SECOND)?, zone)?;
    (start <= now && now.as_nanosecond() <= start.as_nanosecond() + length).then_some(start)
}

fn timestamp(nanoseconds: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Windows = &'static [(&'static str, &'static str)];

    fn windows(kind: SyncWindowKind, list: &[(&str, &str)]) -> SyncWindows {
        let window = |(schedule, duration): &(&str, &str)| SyncWindow {
            schedule: (*schedule).to_owned(),
            duration: duration.parse().unwrap(),
        };
        SyncWindows { kind, windows: list.iter().map(window).collect() }
    }

    #[test]
    fn the_next_change_is_a_start_when_allowing_and_an_end_when_denying() {
        use SyncWindowKind::{Allow, Deny};
        const NIGHT: (&str, &str) = ("0 22 * * *", "8h");
        const NOON: (&str, &str) = ("0 12 * * *", "1h");
        let cases: [(SyncWindowKind, Windows, &str, Option<&str>); 6] = [
            (Allow, &[NIGHT, NOON], "2026-01-05T10:00:00Z", Some("2026-01-05T12:00:00Z")),
            (Allow, &[NIGHT], "2026-01-05T10:00:00Z", Some("2026-01-05T22:00:00Z")),
            (Deny, &[NIGHT, NOON], "2026-01-05T23:00:00Z", Some("2026-01-06T06:00:01Z")),
            (Deny, &[NIGHT], "2026-01-05T10:00:00Z", None),
            (Allow, &[("nonsense", "1h")], "2026-01-05T10:00:00Z", None),
            (Allow, &[("0 0 30 2 *", "1h")], "2026-01-05T10:00:00Z", None),
        ];
        for (kind, list, now, want) in cases {
            let windows = windows(kind, list);
            let now: Timestamp = now.parse().unwrap();
            let got = next_change(&windows, now, &TimeZone::UTC);
            assert_eq!(got, want.map(|text| text.parse().unwrap()), "{list:?} {now}");
            if let Some(change) = got {
                assert!(
                    !allowed(&windows, now, &TimeZone::UTC) && allowed(&windows, change, &TimeZone::UTC),
                    "{list:?} {now}"
                );
            }
        }
    }

    #[test]
    fn extreme_durations_are_inactive_rather_than_an_overflow() {
        for duration in ["2562047h47m16.854775807s", "-2562047h47m16.854775808s"] {
            let windows = windows(SyncWindowKind::Deny, &[("@daily", duration), ("@every 2562047h", duration)]);
            let _ = next_change(&windows, Timestamp::MIN, &TimeZone::UTC);
            let _ = next_change(&windows, Timestamp::MAX, &TimeZone::UTC);
            assert!(allowed(&windows, Timestamp::MIN, &TimeZone::UTC));
        }
    }
}
