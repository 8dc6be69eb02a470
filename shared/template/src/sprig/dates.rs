//! Dates. The clock is the environment's; the local time zone is UTC.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{ANY, STR};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::gotime::{duration_text, format, parse, parse_duration, time_of, value_of, zero};
use crate::object::Object;
use crate::value::{Type, Value};

const TIME: Type = Type::Object("time.Time");

pub(super) const TABLE: &[Function] = &[
    Function::new("now", &[], |c, _| Ok(value_of(c.env.now().to_zoned(TimeZone::UTC)))),
    Function::new("date", &[STR, ANY], |c, a| dated(c, &a[0], &a[1], b"Local")),
    Function::new("htmlDate", &[ANY], |c, a| dated(c, &Value::str("2006-01-02"), &a[0], b"Local")),
    Function::new("htmlDateInZone", &[ANY, STR], |c, a| dated(c, &Value::str("2006-01-02"), &a[0], bytes(&a[1]))),
    Function::new("dateInZone", &[STR, ANY, STR], |c, a| dated(c, &a[0], &a[1], bytes(&a[2]))),
    Function::new("date_in_zone", &[STR, ANY, STR], |c, a| dated(c, &a[0], &a[1], bytes(&a[2]))),
    Function::new("dateModify", &[STR, TIME], |_, a| Ok(modified(a).unwrap_or_else(|_| a[1].clone()))),
    Function::new("date_modify", &[STR, TIME], |_, a| Ok(modified(a).unwrap_or_else(|_| a[1].clone()))),
    Function::new("mustDateModify", &[STR, TIME], |_, a| modified(a)),
    Function::new("must_date_modify", &[STR, TIME], |_, a| modified(a)),
    Function::new("toDate", &[STR, STR], |_, a| Ok(value_of(read(a).unwrap_or_else(|_| zero())))),
    Function::new("mustToDate", &[STR, STR], |_, a| read(a).map(value_of)),
    Function::new("unixEpoch", &[TIME], |_, a| {
        Ok(Value::str(time_of(&a[0]).map_or(0, |t| t.timestamp().as_second()).to_string()))
    }),
    Function::new("ago", &[ANY], |c, a| {
        let now = c.env.now();
        let then = moment(c, &a[0]);
        let nanos = now.as_nanosecond() - then.timestamp().as_nanosecond();
        let seconds = (nanos + if nanos < 0 { -500_000_000 } else { 500_000_000 }) / 1_000_000_000;
        let clamped = i64::try_from(seconds.clamp(-9_223_372_036, 9_223_372_036)).unwrap_or(0);
        Ok(Value::str(duration_text(clamped * 1_000_000_000)))
    }),
    Function::new("duration", &[ANY], |_, a| {
        let seconds = match &a[0] {
            Value::Str(s) => seconds(s),
            Value::Int(crate::value::Int::I64, n) => *n,
            _ => 0,
        };
        Ok(Value::str(duration_text(seconds.wrapping_mul(1_000_000_000))))
    }),
    Function::new("durationRound", &[ANY], |c, a| Ok(Value::str(rounded(c, &a[0])))),
];

/// `strconv.ParseInt(text, 10, 64)` with its error passed over: what is too large is the largest.
fn seconds(text: &[u8]) -> i64 {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match std::str::from_utf8(text).map(str::parse::<i64>) {
        Ok(Ok(n)) => n,
        Ok(Err(e)) if *e.kind() == PosOverflow => i64::MAX,
        Ok(Err(e)) if *e.kind() == NegOverflow => i64::MIN,
        Ok(Err(_)) | Err(_) => 0,
    }
}

/// The moment that a date function is given; now for what is none.
fn moment(call: &Call<'_>, value: &Value) -> Zoned {
    let seconds = match value {
        Value::Object(Object::Time(time)) => return (**time).clone(),
        Value::Int(_, n) => Some(*n),
        _ => None,
    };
    let stamp = seconds.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(call.env.now());
    stamp.to_zoned(TimeZone::UTC)
}

fn dated(call: &mut Call<'_>, layout: &Value, value: &Value, zone: &[u8]) -> Answer {
    let name = String::from_utf8_lossy(zone);
    let zone = match name.as_ref() {
        "" | "UTC" | "Local" => TimeZone::UTC,
        name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
    };
    let time = moment(call, value).with_time_zone(zone);
    let layout = String::from_utf8_lossy(bytes(layout)).into_owned();
    Ok(Value::str(format(&time, &layout)))
}

fn modified(a: &[Value]) -> Answer {
    let nanos = parse_duration(&String::from_utf8_lossy(bytes(&a[0]))).map_err(Failure)?;
    let time = time_of(&a[1]).and_then(|t| t.checked_add(SignedDuration::from_nanos(nanos)).ok());
    time.map(value_of).ok_or_else(|| "the date is out of range".into())
}

fn read(a: &[Value]) -> Result<Zoned, Failure> {
    let text = |v: &Value| String::from_utf8_lossy(bytes(v)).into_owned();
    parse(&text(&a[0]), &text(&a[1]), &TimeZone::UTC).map_err(Failure)
}

fn rounded(call: &Call<'_>, value: &Value) -> String {
    let nanos = match value {
        Value::Str(s) => parse_duration(&String::from_utf8_lossy(s)).unwrap_or(0),
        Value::Int(crate::value::Int::I64, n) => *n,
        Value::Object(Object::Duration(n)) => *n,
        Value::Object(Object::Time(time)) => {
            i64::try_from(call.env.now().as_nanosecond() - time.timestamp().as_nanosecond()).unwrap_or(0)
        }
        _ => 0,
    };
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    for (unit, name) in [(31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")] {
        if size > unit * 1_000_000_000 {
            return format!("{sign}{}{name}", size / (unit * 1_000_000_000));
        }
    }
    "0s".into()
}
