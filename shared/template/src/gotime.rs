//! Times as Go's `time` reads and prints them: layouts, durations, and the methods of `time.Time`.
//!
//! Deliberately not here: the template functions for dates (see `sprig::dates`).

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Zoned};

use crate::builtin::bytes;
use crate::function::Function;
use crate::object::Object;
use crate::text::quoted;
use crate::value::{Type, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const TIME: Type = Type::Object("time.Time");

pub(crate) fn month_name(n: i64) -> &'static str {
    usize::try_from(n - 1).ok().and_then(|i| MONTHS.get(i)).copied().unwrap_or("%!Month(0)")
}

pub(crate) fn weekday_name(n: i64) -> &'static str {
    usize::try_from(n).ok().and_then(|i| DAYS.get(i)).copied().unwrap_or("%!Weekday(0)")
}

pub(crate) fn time_of(value: &Value) -> Option<&Zoned> {
    match value {
        Value::Object(Object::Time(time)) => Some(time),
        _ => None,
    }
}

pub(crate) fn value_of(time: Zoned) -> Value {
    Value::Object(Object::Time(Arc::new(time)))
}

fn on(value: &Value, f: impl FnOnce(&Zoned) -> Value) -> Value {
    time_of(value).map_or(Value::Nil, f)
}

fn two(a: &[Value], f: impl FnOnce(&Zoned, &Zoned) -> Value) -> Value {
    match (time_of(&a[0]), time_of(&a[1])) {
        (Some(x), Some(y)) => f(x, y),
        _ => Value::Nil,
    }
}

/// The methods of `time.Time`.
pub(crate) const METHODS: &[Function] = &[
    Function::new("Year", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.year().into())))),
    Function::new("Month", &[], |_, a| Ok(on(&a[0], |t| Value::Object(Object::Month(t.month().into()))))),
    Function::new("Day", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.day().into())))),
    Function::new("Hour", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.hour().into())))),
    Function::new("Minute", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.minute().into())))),
    Function::new("Second", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.second().into())))),
    Function::new("Nanosecond", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.subsec_nanosecond().into())))),
    Function::new("YearDay", &[], |_, a| Ok(on(&a[0], |t| Value::int(t.day_of_year().into())))),
    Function::new("Weekday", &[], |_, a| {
        Ok(on(&a[0], |t| Value::Object(Object::Weekday(t.weekday().to_sunday_zero_offset().into()))))
    }),
    Function::new("Unix", &[], |_, a| Ok(on(&a[0], |t| Value::int64(t.timestamp().as_second())))),
    Function::new("UnixMilli", &[], |_, a| Ok(on(&a[0], |t| Value::int64(t.timestamp().as_millisecond())))),
    Function::new("UnixNano", &[], |_, a| {
        Ok(on(&a[0], |t| Value::int64(i64::try_from(t.timestamp().as_nanosecond()).unwrap_or(0))))
    }),
    Function::new("String", &[], |_, a| Ok(on(&a[0], |t| Value::str(Object::Time(Arc::new(t.clone())).text())))),
    Function::new("UTC", &[], |_, a| Ok(on(&a[0], |t| value_of(t.with_time_zone(TimeZone::UTC))))),
    Function::new("IsZero", &[], |_, a| Ok(on(&a[0], |t| Value::Bool(t.timestamp() == zero().timestamp())))),
    Function::new("Format", &[Type::Str], |_, a| {
        let layout = String::from_utf8_lossy(bytes(&a[1])).into_owned();
        Ok(on(&a[0], |t| Value::str(format(t, &layout))))
    }),
    Function::new("Before", &[TIME], |_, a| Ok(two(a, |x, y| Value::Bool(x.timestamp() < y.timestamp())))),
    Function::new("After", &[TIME], |_, a| Ok(two(a, |x, y| Value::Bool(x.timestamp() > y.timestamp())))),
    Function::new("Equal", &[TIME], |_, a| Ok(two(a, |x, y| Value::Bool(x.timestamp() == y.timestamp())))),
    Function::new("Sub", &[TIME], |_, a| {
        Ok(two(a, |x, y| {
            let nanos = x.timestamp().as_nanosecond() - y.timestamp().as_nanosecond();
            let clamped = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            Value::Object(Object::Duration(i64::try_from(clamped).unwrap_or(0)))
        }))
    }),
    Function::new("AddDate", &[crate::value::INT, crate::value::INT, crate::value::INT], |_, a| {
        let n = |v: &Value| match v {
            Value::Int(_, n) => *n,
            _ => 0,
        };
        let (years, months, days) = (n(&a[1]), n(&a[2]), n(&a[3]));
        match time_of(&a[0]).and_then(|t| add_date(t, years, months, days)) {
            Some(time) => Ok(value_of(time)),
            None => Err("the date is out of range".into()),
        }
    }),
];

/// The methods of `time.Duration`.
pub(crate) const DURATION_METHODS: &[Function] = &[
    Function::new("String", &[], |_, a| Ok(Value::str(crate::gofmt::sprint(&a[0])))),
    Function::new("Hours", &[], |_, a| Ok(Value::float(nanos(&a[0]) / 3.6e12))),
    Function::new("Minutes", &[], |_, a| Ok(Value::float(nanos(&a[0]) / 6e10))),
    Function::new("Seconds", &[], |_, a| Ok(Value::float(nanos(&a[0]) / 1e9))),
];

/// The methods of `time.Month` and `time.Weekday`.
pub(crate) const NAME_METHODS: &[Function] =
    &[Function::new("String", &[], |_, a| Ok(Value::str(crate::gofmt::sprint(&a[0]))))];

#[expect(clippy::cast_precision_loss, reason = "Go's Hours and the like give a float of limited precision too")]
fn nanos(value: &Value) -> f64 {
    match value {
        Value::Object(Object::Duration(n)) => *n as f64,
        _ => 0.0,
    }
}

fn add_date(time: &Zoned, years: i64, months: i64, days: i64) -> Option<Zoned> {
    // Go overflows the 31st of a short month into the next one, so months count from the first day.
    let total = i64::from(time.year()).checked_add(years)?.checked_mul(12)?.checked_add(i64::from(time.month()) - 1)?;
    let total = total.checked_add(months)?;
    let first =
        Date::new(i16::try_from(total.div_euclid(12)).ok()?, i8::try_from(total.rem_euclid(12) + 1).ok()?, 1).ok()?;
    let offset = days.checked_add(i64::from(time.day()) - 1)?;
    let date = first.checked_add(SignedDuration::from_hours(offset.checked_mul(24)?)).ok()?;
    DateTime::from_parts(date, time.time()).to_zoned(time.time_zone().clone()).ok()
}

/// Go's zero time: the first of January of the year 1.
pub(crate) fn zero() -> Zoned {
    jiff::civil::datetime(1, 1, 1, 0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap_or_default()
}

/// `Time.GoString()`.
pub(crate) fn go_text(time: &Zoned) -> String {
    let zone = if time.time_zone() == &TimeZone::UTC {
        "time.UTC".to_owned()
    } else {
        format!("time.Location({})", quoted(time.time_zone().iana_name().unwrap_or_default().as_bytes()))
    };
    let month = month_name(time.month().into());
    let (year, day, nanos) = (time.year(), time.day(), time.subsec_nanosecond());
    format!(
        "time.Date({year}, time.{month}, {day}, {}, {}, {}, {nanos}, {zone})",
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `Duration.String()`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let minus = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |value: u64, digits: usize| {
        let unit = 10_u64.pow(u32::try_from(digits).unwrap_or(9));
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match n {
        0 => "0s".into(),
        1..=999 => format!("{minus}{n}ns"),
        1_000..=999_999 => format!("{minus}{}µs", fraction(n, 3)),
        1_000_000..=999_999_999 => format!("{minus}{}ms", fraction(n, 6)),
        _ => {
            let seconds = n / 1_000_000_000;
            let rest = fraction(seconds % 60 * 1_000_000_000 + n % 1_000_000_000, 9);
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            if hours > 0 {
                format!("{minus}{hours}h{minutes}m{rest}s")
            } else if minutes > 0 {
                format!("{minus}{minutes}m{rest}s")
            } else {
                format!("{minus}{rest}s")
            }
        }
    }
}

/// `time.ParseDuration` in nanoseconds; the error is Go's text.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text.as_bytes()));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted(text.as_bytes())));
        }
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    quoted(unit.as_bytes()),
                    quoted(text.as_bytes())
                ));
            }
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| invalid())?.into() };
        total += whole * scale;
        let digits: String = fraction.chars().take(18).collect();
        if !digits.is_empty() {
            let power = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(18));
            total += digits.parse::<i128>().map_err(|_| invalid())? * scale / power;
        }
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// The parts of a layout, longest first where one starts with another.
const PARTS: [&str; 38] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "__2",
    "_2",
    "1",
    "2",
    "3",
    "4",
    "5",
    "\u{1}",
    "\u{2}",
    "\u{3}",
    "\u{4}",
    "\u{5}",
];

/// The next part of a layout: what stands before it, the part, what follows. Fractions of a second are parts too.
fn next_part(layout: &str) -> Option<(&str, &str, &str)> {
    for (i, _) in layout.char_indices() {
        let rest = &layout[i..];
        if rest.starts_with("_2006") {
            return Some((&layout[..=i], &layout[i + 1..i + 5], &layout[i + 5..]));
        }
        if let Some(part) = PARTS.iter().find(|p| rest.starts_with(**p)) {
            if (*part == "Jan" || *part == "Mon") && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            return Some((&layout[..i], &rest[..part.len()], &rest[part.len()..]));
        }
        if rest.starts_with(['.', ',']) {
            let digits = &rest[1..];
            let kind = digits.chars().next().filter(|c| matches!(c, '0' | '9'));
            if let Some(kind) = kind {
                let end = 1 + digits.find(|c| c != kind).unwrap_or(digits.len());
                if !rest[end..].starts_with(|c: char| c.is_ascii_digit()) {
                    return Some((&layout[..i], &rest[..end], &rest[end..]));
                }
            }
        }
    }
    None
}

/// `Time.Format`.
pub(crate) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    let offset = time.offset().seconds();
    let sign = if offset < 0 { '-' } else { '+' };
    let (oh, om, os) = (offset.abs() / 3600, offset.abs() / 60 % 60, offset.abs() % 60);
    let hour12 = match time.hour() % 12 {
        0 => 12,
        h => h,
    };
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        rest = after;
        let text = match part {
            "2006" => format!("{:04}", time.year()),
            "06" => format!("{:02}", time.year() % 100),
            "January" => month_name(time.month().into()).into(),
            "Jan" => month_name(time.month().into())[..3].into(),
            "Monday" => weekday_name(time.weekday().to_sunday_zero_offset().into()).into(),
            "Mon" => weekday_name(time.weekday().to_sunday_zero_offset().into())[..3].into(),
            "01" => format!("{:02}", time.month()),
            "1" => time.month().to_string(),
            "02" => format!("{:02}", time.day()),
            "_2" => format!("{:2}", time.day()),
            "2" => time.day().to_string(),
            "002" => format!("{:03}", time.day_of_year()),
            "__2" => format!("{:3}", time.day_of_year()),
            "15" => format!("{:02}", time.hour()),
            "03" => format!("{hour12:02}"),
            "3" => hour12.to_string(),
            "04" => format!("{:02}", time.minute()),
            "4" => time.minute().to_string(),
            "05" => format!("{:02}", time.second()),
            "5" => time.second().to_string(),
            "PM" => if time.hour() >= 12 { "PM" } else { "AM" }.into(),
            "pm" => if time.hour() >= 12 { "pm" } else { "am" }.into(),
            "MST" => {
                let info = time.time_zone().to_offset_info(time.timestamp());
                let name = info.abbreviation();
                if offset == 0 && matches!(name, "UTC" | "Etc/UTC") {
                    "UTC".into()
                } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) || time.time_zone().iana_name().is_some()
                {
                    name.into()
                } else {
                    format!("{sign}{oh:02}{om:02}")
                }
            }
            "Z07:00" | "Z0700" | "Z07" | "Z070000" | "Z07:00:00" if offset == 0 => "Z".into(),
            "Z07:00" | "-07:00" => format!("{sign}{oh:02}:{om:02}"),
            "Z0700" | "-0700" => format!("{sign}{oh:02}{om:02}"),
            "Z07" | "-07" => format!("{sign}{oh:02}"),
            "Z070000" | "-070000" => format!("{sign}{oh:02}{om:02}{os:02}"),
            "Z07:00:00" | "-07:00:00" => format!("{sign}{oh:02}:{om:02}:{os:02}"),
            fraction => {
                let count = fraction.len() - 1;
                let nanos = format!("{:09}", time.subsec_nanosecond());
                let digits: String = nanos.chars().take(count).collect();
                let kept = if fraction.ends_with('9') { digits.trim_end_matches('0') } else { &digits };
                if kept.is_empty() { String::new() } else { format!("{}{kept}", &fraction[..1]) }
            }
        };
        out.push_str(&text);
    }
    out.push_str(rest);
    out
}

/// `time.ParseInLocation`; the error is Go's text.
pub(crate) fn parse(layout: &str, text: &str, zone: &TimeZone) -> Result<Zoned, String> {
    let shown = |s: &str| quoted(s.as_bytes());
    let cannot = |rest: &str, part: &str| {
        format!("parsing time {} as {}: cannot parse {} as {}", shown(text), shown(layout), shown(rest), shown(part))
    };
    let range = |what: &str| format!("parsing time {}: {what} out of range", shown(text));
    let (mut year, mut month, mut day, mut day_of_year) = (0_i16, None, None, None);
    let (mut hour, mut minute, mut second, mut nanos) = (0_i8, 0_i8, 0_i8, 0_i32);
    let (mut afternoon, mut twelve) = (None, false);
    let mut offset: Option<i32> = None;
    let mut abbreviation = None;
    let mut rest_layout = layout;
    let mut rest = text;
    loop {
        let Some((before, part, after)) = next_part(rest_layout) else {
            let tail = rest_layout;
            rest = skip(rest, tail).map_err(|at| cannot(at, tail))?;
            if !rest.is_empty() {
                return Err(format!("parsing time {}: extra text: {}", shown(text), shown(rest)));
            }
            break;
        };
        rest_layout = after;
        rest = skip(rest, before).map_err(|at| cannot(at, before))?;
        let hold = rest;
        let mut digits = |least: usize, most: usize| -> Result<i64, String> {
            let (number, tail) = number(rest, least, most).ok_or_else(|| cannot(hold, part))?;
            rest = tail;
            Ok(number)
        };
        match part {
            "2006" => year = i16::try_from(digits(4, 4)?).unwrap_or(0),
            "06" => {
                let n = i16::try_from(digits(2, 2)?).unwrap_or(0);
                year = if n >= 69 { n + 1900 } else { n + 2000 };
            }
            "01" | "1" => {
                let n = digits(part.len(), 2)?;
                month = Some(i8::try_from(n).ok().filter(|m| (1..=12).contains(m)).ok_or_else(|| range("month"))?);
            }
            "January" | "Jan" | "Monday" | "Mon" => {
                let names: &[&str] = if part.starts_with('J') { &MONTHS } else { &DAYS };
                let short = part.len() == 3;
                let found = names.iter().position(|n| {
                    let name = if short { &n[..3] } else { n };
                    rest.get(..name.len()).is_some_and(|r| r.eq_ignore_ascii_case(name))
                });
                let found = found.ok_or_else(|| cannot(hold, part))?;
                rest = &rest[if short { 3 } else { names[found].len() }..];
                if part.starts_with('J') {
                    month = i8::try_from(found + 1).ok();
                }
            }
            "02" | "_2" | "2" => {
                if part == "_2" {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                let count = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
                if count < if part == "02" { 2 } else { 1 } {
                    return Err(cannot(hold, part));
                }
                day = rest[..count].parse::<i8>().ok();
                rest = &rest[count..];
            }
            "002" => day_of_year = Some(digits(3, 3)?),
            "__2" => {
                rest = rest.strip_prefix(' ').unwrap_or(rest);
                rest = rest.strip_prefix(' ').unwrap_or(rest);
                let (number, tail) = number(rest, 1, 3).ok_or_else(|| cannot(hold, part))?;
                day_of_year = Some(number);
                rest = tail;
            }
            "15" => {
                hour = i8::try_from(digits(1, 2)?).ok().filter(|h| *h < 24).ok_or_else(|| range("hour"))?;
            }
            "03" | "3" => {
                hour = i8::try_from(digits(part.len(), 2)?).ok().filter(|h| *h <= 12).ok_or_else(|| range("hour"))?;
                twelve = true;
            }
            "04" | "4" => {
                minute =
                    i8::try_from(digits(part.len(), 2)?).ok().filter(|m| *m < 60).ok_or_else(|| range("minute"))?;
            }
            "05" | "5" => {
                second =
                    i8::try_from(digits(part.len(), 2)?).ok().filter(|s| *s < 60).ok_or_else(|| range("second"))?;
                // A fraction may follow the seconds even if the layout has none.
                let wants_fraction =
                    next_part(rest_layout).is_some_and(|(b, p, _)| b.is_empty() && p.starts_with(['.', ',']));
                if rest.starts_with(['.', ','])
                    && rest[1..].starts_with(|c: char| c.is_ascii_digit())
                    && !wants_fraction
                {
                    let count = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                    nanos = fraction(&rest[1..=count]);
                    rest = &rest[count + 1..];
                }
            }
            "PM" | "pm" => {
                afternoon = match rest.get(..2) {
                    Some("PM") if part == "PM" => Some(true),
                    Some("AM") if part == "PM" => Some(false),
                    Some("pm") if part == "pm" => Some(true),
                    Some("am") if part == "pm" => Some(false),
                    _ => return Err(cannot(hold, part)),
                };
                rest = &rest[2..];
            }
            "MST" => {
                let count = rest.bytes().take(5).take_while(u8::is_ascii_uppercase).count();
                if count < 3 {
                    return Err(cannot(hold, part));
                }
                // Go knows no zone by such a name, so it makes one up at Greenwich.
                abbreviation = rest.get(..count).filter(|name| *name != "UTC");
                rest = &rest[count..];
                offset = offset.or(Some(0));
            }
            _ if part.starts_with(['Z', '-']) => {
                if part.starts_with('Z') && rest.starts_with('Z') {
                    rest = &rest[1..];
                    offset = Some(0);
                } else {
                    let shape = part.replacen('Z', "-", 1);
                    let piece = rest
                        .get(..shape.len())
                        .filter(|p| p.starts_with(['+', '-']))
                        .ok_or_else(|| cannot(hold, part))?;
                    let numbers: String = piece.chars().filter(char::is_ascii_digit).collect();
                    if numbers.len() != shape.chars().filter(char::is_ascii_digit).count() {
                        return Err(cannot(hold, part));
                    }
                    let number = |i: usize| numbers.get(i..i + 2).and_then(|n| n.parse::<i32>().ok()).unwrap_or(0);
                    let seconds = number(0) * 3600 + number(2) * 60 + number(4);
                    offset = Some(if piece.starts_with('-') { -seconds } else { seconds });
                    rest = &rest[piece.len()..];
                }
            }
            _ => {
                let count = rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
                let wanted = part.len() - 1;
                if part.ends_with('0') && (count < wanted || !rest.starts_with(['.', ','])) {
                    return Err(cannot(hold, part));
                }
                if rest.starts_with(['.', ',']) && count > 0 {
                    let take = if part.ends_with('0') { wanted } else { count };
                    nanos = fraction(&rest[1..=take]);
                    rest = &rest[take + 1..];
                }
            }
        }
    }
    match afternoon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ if twelve && hour == 12 && afternoon.is_none() => {}
        _ => {}
    }
    let date = match day_of_year {
        Some(n) => Date::new(year, 1, 1)
            .ok()
            .and_then(|d| d.checked_add(SignedDuration::from_hours((n - 1) * 24)).ok())
            .filter(|d| d.year() == year)
            .ok_or_else(|| range("day-of-year"))?,
        None => Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).map_err(|_| range("day"))?,
    };
    let time = Time::new(hour, minute, second, nanos).map_err(|_| range("hour"))?;
    let zone = match offset {
        Some(0) => {
            let named = abbreviation.and_then(|name| TimeZone::posix(&format!("{name}0")).ok());
            named.unwrap_or(TimeZone::UTC)
        }
        Some(seconds) => TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| range("time zone offset hour"))?),
        None => zone.clone(),
    };
    DateTime::from_parts(date, time).to_zoned(zone).map_err(|_| range("year"))
}

/// A number of `least` to `most` digits, and what is behind it.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, tail) = text.split_at(count);
    number.parse().ok().filter(|_| count >= least).map(|n| (n, tail))
}

/// What is behind the fixed part of a layout, in which a space stands for any number of them, or where it differs.
fn skip<'t>(mut text: &'t str, mut fixed: &str) -> Result<&'t str, &'t str> {
    while let Some(c) = fixed.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            (text, fixed) = (text.trim_start_matches(' '), fixed.trim_start_matches(' '));
            continue;
        }
        text = text.strip_prefix(c).ok_or(text)?;
        fixed = &fixed[c.len_utf8()..];
    }
    Ok(text)
}

fn fraction(digits: &str) -> i32 {
    let padded: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    padded.parse().unwrap_or(0)
}
