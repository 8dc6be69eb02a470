//! Whether a PushSecret is due for a push, and when to look at it again.

use std::time::Duration;

use api::GoDuration;
use jiff::Timestamp;

/// The interval of an object without one.
const DEFAULT_INTERVAL: GoDuration = GoDuration::from_secs(3600);

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct DueInput<'a> {
    /// `spec.refreshInterval`; `None` is an hour, zero or less is "once".
    pub interval: Option<GoDuration>,
    /// [`crate::hash::sync_version`] of the object as it is now.
    pub sync_version: &'a str,
    /// `status.syncedResourceVersion`, empty if there is none.
    pub synced_resource_version: &'a str,
    /// `status.refreshTime`
    pub refresh_time: Option<Timestamp>,
    /// Something that it depends on changed, or the last try failed.
    pub stirred: bool,
}

impl DueInput<'_> {
    fn interval(&self) -> Option<Duration> {
        self.interval.unwrap_or(DEFAULT_INTERVAL).to_std().filter(|interval| !interval.is_zero())
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It pushes: the object changed, was never pushed, or its interval is over.
    Now,
    /// Not due by itself; but what is pushed, or where to, may be another by now.
    Follows,
    /// Not yet.
    Wait,
}

/// Decides at `now`. With an interval of zero a push is done once for each version of the spec: nothing follows anything.
pub fn due(input: &DueInput<'_>, now: Timestamp) -> Due {
    if input.sync_version != input.synced_resource_version {
        return Due::Now;
    }
    let Some(interval) = input.interval() else { return Due::Wait };
    let over = input.refresh_time.is_none_or(|at| {
        // A time to come is a clock's mistake.
        let elapsed = now.as_nanosecond() - at.as_nanosecond();
        elapsed < 0 || u128::try_from(elapsed).is_ok_and(|elapsed| elapsed > interval.as_nanos())
    });
    match (over, input.stirred) {
        (true, _) => Due::Now,
        (false, true) => Due::Follows,
        (false, false) => Due::Wait,
    }
}

/// How long until it is due by time alone; none if never.
pub fn next(input: &DueInput<'_>, now: Timestamp) -> Option<Duration> {
    let interval = input.interval()?;
    let elapsed = input.refresh_time.map_or(0, |at| now.as_nanosecond() - at.as_nanosecond());
    let elapsed = Duration::from_nanos(u64::try_from(elapsed).unwrap_or_default());
    Some(interval.saturating_sub(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_push_is_due_by_version_by_time_and_by_what_it_depends_on() {
        let hour = Some(GoDuration::from_secs(3600));
        let once = Some(GoDuration::ZERO);
        // Interval, synced version, refresh time, stirred, at second 10,000; the decision, seconds to the next.
        let cases = [
            (hour, "", None, false, Due::Now, Some(3600)),
            (hour, "old", Some(9_999), false, Due::Now, Some(3599)),
            (hour, "v", Some(9_000), false, Due::Wait, Some(2600)),
            (hour, "v", Some(9_000), true, Due::Follows, Some(2600)),
            (hour, "v", Some(6_400), false, Due::Wait, Some(0)),
            (hour, "v", Some(6_399), true, Due::Now, Some(0)),
            (hour, "v", Some(10_001), false, Due::Now, Some(3600)),
            (hour, "v", None, false, Due::Now, Some(3600)),
            (None, "v", Some(9_000), false, Due::Wait, Some(2600)),
            (once, "v", Some(0), true, Due::Wait, None),
            (once, "v", None, false, Due::Wait, None),
            (once, "", None, false, Due::Now, None),
        ];
        for (interval, synced, refreshed, stirred, want, wait) in cases {
            let input = DueInput {
                interval,
                sync_version: "v",
                synced_resource_version: synced,
                refresh_time: refreshed.map(at),
                stirred,
            };
            assert_eq!(due(&input, at(10_000)), want, "{input:?}");
            assert_eq!(next(&input, at(10_000)).map(|it| it.as_secs()), wait, "{input:?}");
        }
    }
}
