//! Numbers: conversions, integer arithmetic, sequences.
//!
//! Deliberately not here: decimal arithmetic (see `decimal`).

use super::{ANY, int, strval};
use crate::builtin::bytes;
use crate::float::{parse_float, parse_int};
use crate::function::{Answer, Call, Function};
use crate::value::{INT, List, Type, Value};

const FLOAT: Type = crate::value::FLOAT64;

pub(super) const TABLE: &[Function] = &[
    Function::new("atoi", &[Type::Str], |_, a| Ok(Value::int(atoi(bytes(&a[0]))))),
    Function::new("int64", &[ANY], |_, a| Ok(Value::int64(to_int64(&a[0])))),
    Function::new("int", &[ANY], |_, a| Ok(Value::int(to_int64(&a[0])))),
    Function::new("float64", &[ANY], |_, a| Ok(Value::float(to_float(&a[0])))),
    Function::new("toDecimal", &[ANY], |_, a| Ok(Value::int64(decimal(&strval(&a[0]))))),
    Function::new("add1", &[ANY], |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_add(1)))),
    Function::variadic("add", &[ANY], |_, a| {
        Ok(Value::int64(a.iter().fold(0, |sum, v| sum.wrapping_add(to_int64(v)))))
    }),
    Function::new("sub", &[ANY, ANY], |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1]))))),
    Function::new("div", &[ANY, ANY], |_, a| divide(a, i64::wrapping_div)),
    Function::new("mod", &[ANY, ANY], |_, a| divide(a, i64::wrapping_rem)),
    Function::variadic("mul", &[ANY, ANY], |_, a| {
        Ok(Value::int64(a.iter().fold(1, |product, v| product.wrapping_mul(to_int64(v)))))
    }),
    Function::new("randInt", &[INT, INT], |call, a| {
        let (low, high) = (int(&a[0]), int(&a[1]));
        let span = u64::try_from(high.saturating_sub(low)).ok().filter(|n| *n > 0);
        let span = span.ok_or("invalid argument to Intn")?;
        Ok(Value::int(low.wrapping_add_unsigned(call.env.below(span))))
    }),
    Function::variadic("biggest", &[ANY, ANY], |_, a| Ok(best(a, |x, y| x > y))),
    Function::variadic("max", &[ANY, ANY], |_, a| Ok(best(a, |x, y| x > y))),
    Function::variadic("min", &[ANY, ANY], |_, a| Ok(best(a, |x, y| x < y))),
    Function::variadic("maxf", &[ANY, ANY], |_, a| {
        Ok(Value::float(a.iter().map(to_float).fold(f64::NEG_INFINITY, f64::max)))
    }),
    Function::variadic("minf", &[ANY, ANY], |_, a| {
        Ok(Value::float(a.iter().map(to_float).fold(f64::INFINITY, f64::min)))
    }),
    Function::new("ceil", &[ANY], |_, a| Ok(Value::float(to_float(&a[0]).ceil()))),
    Function::new("floor", &[ANY], |_, a| Ok(Value::float(to_float(&a[0]).floor()))),
    Function::variadic("round", &[ANY, INT, FLOAT], |_, a| Ok(round(a))),
    Function::variadic("seq", &[INT], seq),
    Function::new("until", &[INT], |call, a| {
        let n = int(&a[0]);
        until_step(call, 0, n, if n < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", &[INT, INT, INT], |call, a| until_step(call, int(&a[0]), int(&a[1]), int(&a[2]))),
];

fn atoi(text: &[u8]) -> i64 {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// An integer out of anything; 0 for what is none.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(b) => i64::from(*b),
        Value::Int(..) | Value::Uint(..) => int(value),
        Value::Float(_, f) => cut(*f),
        Value::Str(s) => std::str::from_utf8(s).ok().and_then(|text| parse_int(without_decimals(text))).unwrap_or(0),
        Value::Object(object) => object.number().unwrap_or(0),
        Value::Nil | Value::Complex(..) | Value::List(_) | Value::Map(_) | Value::Func(_) => 0,
    }
}

/// The integer part; what doesn't fit is the smallest integer, as on the reference's processors.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn cut(f: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f) { f as i64 } else { i64::MIN }
}

/// The library reads `12.5` as `12`, and a sign or a point alone as 0.
fn without_decimals(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else { return text };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(fraction) || !digits(whole.strip_prefix(['+', '-']).unwrap_or(whole)) {
        return text;
    }
    if matches!(whole, "" | "+" | "-") { "0" } else { whole }
}

/// A float out of anything; 0 for what is none.
#[expect(clippy::cast_precision_loss, reason = "Go rounds too")]
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(_, f) => *f,
        Value::Uint(_, n) => *n as f64,
        Value::Str(s) => std::str::from_utf8(s).ok().and_then(parse_float).unwrap_or(0.0),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(..)
        | Value::Complex(..)
        | Value::List(_)
        | Value::Map(_)
        | Value::Func(_)
        | Value::Object(_) => to_int64(value) as f64,
    }
}

fn decimal(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_ref()), |d| (true, d));
    let n = i64::from_str_radix(digits.strip_prefix('+').unwrap_or(digits), 8).unwrap_or(0);
    if negative { -n } else { n }
}

fn divide(a: &[Value], f: fn(i64, i64) -> i64) -> Answer {
    match to_int64(&a[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        by => Ok(Value::int64(f(to_int64(&a[0]), by))),
    }
}

fn best(a: &[Value], better: fn(i64, i64) -> bool) -> Value {
    let numbers = a.iter().map(to_int64);
    Value::int64(numbers.reduce(|x, y| if better(y, x) { y } else { x }).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "Go counts the places in floats too")]
fn round(a: &[Value]) -> Value {
    let on = match a.get(2) {
        Some(Value::Float(_, f)) => *f,
        _ => 0.5,
    };
    let power = 10_f64.powf(int(&a[1]) as f64);
    let digit = power * to_float(&a[0]);
    // Below zero the fraction is negative, so the library rounds all of it down.
    Value::float(if digit.fract() >= on { digit.ceil() } else { digit.floor() } / power)
}

fn until_step(call: &mut Call<'_>, from: i64, to: i64, step: i64) -> Answer {
    let mut items = Vec::new();
    let span = i128::from(to) - i128::from(from);
    if step != 0 && (span > 0) == (step > 0) && span != 0 {
        let count = span.unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
        call.charge(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(32))?;
        let mut at = from;
        for _ in 0..count {
            items.push(Value::int(at));
            at = at.wrapping_add(step);
        }
    }
    Ok(Value::List(List::new(&INT, items)))
}

fn seq(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let n: Vec<i64> = a.iter().map(int).collect();
    let toward = |x: i64, y: i64| if y < x { -1 } else { 1 };
    let (from, to, step) = match n.as_slice() {
        [end] => (1, *end, toward(1, *end)),
        [start, end] => (*start, *end, toward(*start, *end)),
        [start, step, end] if toward(*start, *end) == step.signum() || start == end => (*start, *end, *step),
        _ => return Ok(Value::str("")),
    };
    let list = until_step(call, from, to.saturating_add(if step < 0 { -1 } else { 1 }), step)?;
    let text = String::from_utf8_lossy(&crate::gofmt::sprint(&list)).into_owned();
    Ok(Value::str(text.trim_matches(['[', ']'])))
}
