//! Cron schedules of five fields or a descriptor, as robfig/cron v3's standard parser reads them.
//!
//! Lives here: parsing and the next firing, by the clocks of a time zone. Deliberately not here: what a firing starts; and
//! `CRON_TZ=` prefixes, which the CRD doesn't admit.

use api::GoDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// Firings further away than this many years count as never, as in robfig/cron.
const YEARS_AHEAD: i16 = 5;

/// When something fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// At the minutes that all fields admit.
    Fields(Box<Fields>),
    /// So many whole seconds after the last time.
    Every(SignedDuration),
}

/// Bit sets of the admitted values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// `*` in the day of month or of week: then both must match, otherwise one suffices.
    any_day: bool,
}

/// The values of a field, and names for some of them.
struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Schedule {
    /// Parses a schedule; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ => match text.strip_prefix("@every ") {
                Some(period) => return every(period),
                None => text,
            },
        };
        let parts: Vec<&str> = fields.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else { return None };
        let (day, any_day) = field(day, &DAYS)?;
        let (weekday, any_weekday) = field(weekday, &WEEKDAYS)?;
        Some(Self::Fields(Box::new(Fields {
            minute: field(minute, &MINUTES)?.0,
            hour: field(hour, &HOURS)?.0,
            day,
            month: field(month, &MONTHS)?.0,
            weekday,
            any_day: any_day || any_weekday,
        })))
    }

    /// The first firing after `after`, by the clocks of `zone`.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok().filter(|second| *second <= after);
        // Seconds before 1970 truncate upwards.
        let second = second.or_else(|| Timestamp::from_second(after.as_second() - 1).ok())?;
        match self {
            Self::Every(period) => second.checked_add(*period).ok(),
            Self::Fields(fields) => fields.next(second.checked_add(1.second()).ok()?, zone),
        }
    }
}

impl Fields {
    /// The first firing at the full second `from` or later.
    ///
    /// Time passes as it does in the zone: a minute that its clocks skip never comes, and one that they repeat comes twice.
    fn next(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // Nothing that ever comes; looking for it minute by minute takes seconds.
        if self.minute == 0 || self.hour == 0 {
            return None;
        }
        let mut at = from.to_zoned(zone.clone());
        let last_year = at.year().checked_add(YEARS_AHEAD)?;
        while at.year() <= last_year {
            at = if !has(self.month, at.month()) {
                at.date().first_of_month().checked_add(1.month()).ok()?.to_zoned(zone.clone()).ok()?
            } else if !self.admits(at.date()) {
                at.date().tomorrow().ok()?.to_zoned(zone.clone()).ok()?
            } else if !has(self.hour, at.hour()) {
                at.checked_add(SignedDuration::from_secs(3600 - 60 * i64::from(at.minute()) - i64::from(at.second())))
                    .ok()?
            } else if !has(self.minute, at.minute()) || at.second() > 0 {
                at.checked_add(SignedDuration::from_secs(60 - i64::from(at.second()))).ok()?
            } else {
                return Some(at.timestamp());
            };
        }
        None
    }

    fn admits(&self, date: Date) -> bool {
        let day = has(self.day, date.day());
        let weekday = has(self.weekday, date.weekday().to_sunday_zero_offset());
        if self.any_day { day && weekday } else { day || weekday }
    }
}

fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1)
}

/// `@every <duration>`: whole seconds, one at least.
fn every(period: &str) -> Option<Schedule> {
    let period: GoDuration = period.parse().ok()?;
    let seconds = (period.as_nanos() / 1_000_000_000).max(1);
    Some(Schedule::Every(SignedDuration::from_secs(seconds)))
}

/// The values that a comma-separated list admits, and whether it contains a `*`.
fn field(text: &str, bounds: &Bounds) -> Option<(u64, bool)> {
    let mut set = 0;
    let mut any = false;
    for entry in text.split(',').filter(|entry| !entry.is_empty()) {
        let (values, star) = range(entry, bounds)?;
        set |= values;
        any |= star;
    }
    Some((set, any))
}

/// `*`, `5`, `1-5`, each with `/step` or without.
fn range(text: &str, bounds: &Bounds) -> Option<(u64, bool)> {
    let mut halves = text.split('/');
    let (ends, step) = (halves.next()?, halves.next());
    if halves.next().is_some() {
        return None;
    }
    let mut ends = ends.split('-');
    let (low, high) = (ends.next()?, ends.next());
    let mut star = matches!(low, "*" | "?");
    let (start, mut end) = if star {
        (bounds.min, bounds.max)
    } else if ends.next().is_some() {
        return None;
    } else {
        let start = number_or_name(low, bounds)?;
        (start, high.map_or(Some(start), |high| number_or_name(high, bounds))?)
    };
    let step = match step {
        None => 1,
        Some(step) => {
            let step = number(step)?;
            // `5/10` means from 5 to the end.
            if high.is_none() {
                end = bounds.max;
            }
            star &= step <= 1;
            step
        }
    };
    if start < bounds.min || end > bounds.max || start > end || step == 0 {
        return None;
    }
    let step = usize::try_from(step).ok()?;
    Some(((start..=end).step_by(step).fold(0, |set, value| set | 1 << value), star))
}

fn number_or_name(text: &str, bounds: &Bounds) -> Option<u32> {
    let name = text.to_lowercase();
    match bounds.names.iter().position(|known| *known == name) {
        Some(place) => u32::try_from(place).ok().map(|place| place + bounds.min),
        None => number(text),
    }
}

/// A number as Go's `Atoi` reads it: a plus sign is fine, and so are leading zeros.
fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    if text.starts_with('-') && value > 0 {
        return None;
    }
    // Larger ones only matter as steps, where they act as the largest.
    Some(u32::try_from(value.min(u64::from(u32::MAX))).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_firing_is_strictly_later() {
        let cases: [(&str, &str, Option<&str>); 16] = [
            ("0 22 * * *", "2026-01-05T22:00:00Z", Some("2026-01-06T22:00:00Z")),
            ("0 22 * * *", "2026-01-05T21:59:59.999Z", Some("2026-01-05T22:00:00Z")),
            ("*/15 * * * *", "2026-01-05T22:46:00Z", Some("2026-01-05T23:00:00Z")),
            ("50/5 * * * *", "2026-01-05T22:56:00Z", Some("2026-01-05T23:50:00Z")),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", Some("2028-02-29T00:00:00Z")),
            ("0 0 29 2 *", "2097-01-01T00:00:00Z", None),
            ("0 0 31 4 *", "2026-01-01T00:00:00Z", None),
            ("0 12 13 * 5", "2026-01-05T00:00:00Z", Some("2026-01-09T12:00:00Z")),
            ("0 12 13 * *", "2026-01-05T00:00:00Z", Some("2026-01-13T12:00:00Z")),
            ("0 12 */2 * mon", "2026-01-06T00:00:00Z", Some("2026-01-07T12:00:00Z")),
            ("0 0 1 JAN,jul ?", "2026-01-05T00:00:00Z", Some("2026-07-01T00:00:00Z")),
            ("@weekly", "2026-01-05T00:00:00Z", Some("2026-01-11T00:00:00Z")),
            ("@every 90m", "2026-01-05T00:00:00.5Z", Some("2026-01-05T01:30:00Z")),
            ("@every 1ms", "2026-01-05T00:00:00Z", Some("2026-01-05T00:00:01Z")),
            ("@hourly", "1969-12-31T23:30:00.5Z", Some("1970-01-01T00:00:00Z")),
            (", * * * *", "2026-01-05T00:00:00Z", None),
        ];
        for (schedule, after, want) in cases {
            let got = Schedule::parse(schedule).unwrap().next(after.parse().unwrap(), &TimeZone::UTC);
            assert_eq!(got, want.map(|text| text.parse().unwrap()), "{schedule} after {after}");
        }
    }

    /// Each answer is robfig/cron's, in the zone of that name.
    #[test]
    fn minutes_that_clocks_skip_never_come_and_repeated_ones_come_twice() {
        const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
        const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
        const KOLKATA: &str = "IST-5:30";
        const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
        let cases = [
            (BERLIN, "0 22 * * *", "2026-03-28T22:00:00Z", "2026-03-29T20:00:00Z"),
            (BERLIN, "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
            (BERLIN, "0 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            (BERLIN, "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            (BERLIN, "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            (BERLIN, "30 2 * * *", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"),
            (BERLIN, "0 3 * * *", "2026-10-25T00:59:59Z", "2026-10-25T02:00:00Z"),
            (BERLIN, "*/30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
            (BERLIN, "@hourly", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
            (BERLIN, "0 0 1 * *", "2026-06-30T22:00:00Z", "2026-07-31T22:00:00Z"),
            (BERLIN, "15 2 29 3 *", "2026-01-01T00:00:00Z", "2027-03-29T00:15:00Z"),
            (BERLIN, "0 9 * * mon-fri", "2026-10-23T07:00:00Z", "2026-10-26T08:00:00Z"),
            (BERLIN, "@every 90m", "2026-03-29T00:30:00Z", "2026-03-29T02:00:00Z"),
            (NEW_YORK, "0 22 * * *", "2026-03-08T00:00:00Z", "2026-03-08T03:00:00Z"),
            (NEW_YORK, "30 2 * * *", "2026-03-08T00:00:00Z", "2026-03-09T06:30:00Z"),
            (NEW_YORK, "30 1 * * *", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"),
            (NEW_YORK, "30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
            (NEW_YORK, "30 1 * * *", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"),
            (NEW_YORK, "0 2 * * sun", "2026-11-01T05:10:00Z", "2026-11-01T07:00:00Z"),
            (KOLKATA, "0 0 * * *", "2026-01-05T18:30:00Z", "2026-01-06T18:30:00Z"),
            (KOLKATA, "0 0 * * *", "2026-01-05T18:29:59Z", "2026-01-05T18:30:00Z"),
            (LORD_HOWE, "45 1 * * *", "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z"),
            (LORD_HOWE, "45 1 * * *", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
            (LORD_HOWE, "15 2 * * *", "2026-10-03T14:00:00Z", "2026-10-04T15:15:00Z"),
        ];
        for (zone, schedule, after, want) in cases {
            let zone = TimeZone::posix(zone).unwrap();
            let got = Schedule::parse(schedule).unwrap().next(after.parse().unwrap(), &zone);
            assert_eq!(got, Some(want.parse().unwrap()), "{schedule} after {after} in {zone:?}");
        }
    }

    /// Where the clocks skip midnight, robfig/cron fires on a wrong day or on none.
    #[test]
    fn a_day_without_a_midnight_is_a_day() {
        let santiago = TimeZone::posix("<-04>4<-03>,M9.1.6/24,M4.1.6/24").unwrap();
        let cases = [
            ("0 10 * * sat", "2026-09-05T16:00:00Z", "2026-09-12T13:00:00Z"),
            ("0 10 6 9 *", "2026-01-01T00:00:00Z", "2026-09-06T13:00:00Z"),
            ("0 0 * * *", "2026-09-05T16:00:00Z", "2026-09-07T03:00:00Z"),
        ];
        for (schedule, after, want) in cases {
            let got = Schedule::parse(schedule).unwrap().next(after.parse().unwrap(), &santiago);
            assert_eq!(got, Some(want.parse().unwrap()), "{schedule} after {after}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "bad cron",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "1-2-3 * * * *",
            "*/0 * * * *",
            "*/1/2 * * * *",
            "a * * * *",
            "-1 * * * *",
            "@never",
            "@every x",
            "@every",
            "@Daily",
            "1- * * * *",
            "/5 * * * *",
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
