//! Cron schedules of five fields or a descriptor, as robfig/cron v3's standard parser reads them, in UTC.
//!
//! Lives here: parsing and the next firing. Deliberately not here: what a firing starts; and `CRON_TZ=` prefixes,
//! which the CRD doesn't admit.

use api::GoDuration;
use jiff::civil::{Date, Time};
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

    /// The first firing after `after`.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok().filter(|second| *second <= after);
        // Seconds before 1970 truncate upwards.
        let second = second.or_else(|| Timestamp::from_second(after.as_second() - 1).ok())?;
        match self {
            Self::Every(period) => second.checked_add(*period).ok(),
            Self::Fields(fields) => fields.next(second.checked_add(1.second()).ok()?),
        }
    }
}

impl Fields {
    /// The first firing at `from` or later.
    fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let from = from.to_zoned(TimeZone::UTC).datetime();
        let last_year = from.year().checked_add(YEARS_AHEAD)?;
        let mut date = from.date();
        let mut earliest = from.time();
        while date.year() <= last_year {
            if let Some(time) = self.admits(date).then(|| self.time(earliest)).flatten() {
                return date.to_datetime(time).to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
            }
            date = date.tomorrow().ok()?;
            earliest = Time::midnight();
        }
        None
    }

    fn admits(&self, date: Date) -> bool {
        let day = has(self.day, date.day());
        let weekday = has(self.weekday, date.weekday().to_sunday_zero_offset());
        has(self.month, date.month()) && if self.any_day { day && weekday } else { day || weekday }
    }

    /// The first admitted minute of a day at `earliest` or later.
    fn time(&self, earliest: Time) -> Option<Time> {
        let begun = i8::from(earliest.second() > 0 || earliest.subsec_nanosecond() > 0);
        for hour in earliest.hour()..24 {
            let first = if hour == earliest.hour() { earliest.minute() + begun } else { 0 };
            if let Some(minute) = (first..60).find(|minute| has(self.hour, hour) && has(self.minute, *minute)) {
                return Time::new(hour, minute, 0, 0).ok();
            }
        }
        None
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
            let got = Schedule::parse(schedule).unwrap().next(after.parse().unwrap());
            assert_eq!(got, want.map(|text| text.parse().unwrap()), "{schedule} after {after}");
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
