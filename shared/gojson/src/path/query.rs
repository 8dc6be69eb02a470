//! Whether an element satisfies `#(path op value)`.
//!
//! Lives here: the operators. Deliberately not here: finding the element's value at the path.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Kind;
use super::syntax::Query;
use super::value::{Value, parse_bool};
use super::wildcard;
use crate::budget::Budget;
use crate::error::Limit;
use crate::text::parse_float;

pub(super) fn satisfied(budget: &mut Budget, query: &Query<'_>, value: &Value<'_>) -> Result<bool, Limit> {
    let tested;
    let (value, wanted): (&Value<'_>, &[u8]) = match query.value.strip_prefix(b"~") {
        None => (value, &query.value),
        Some(test) => {
            let holds = match test {
                b"*" => value.exists(),
                b"null" => value.kind == Kind::Null,
                b"true" => truth(value) == Some(true),
                b"false" => value.kind == Kind::Null || truth(value) == Some(false),
                _ => return Ok(false),
            };
            let kind = if holds { Kind::True } else { Kind::False };
            tested = Value { kind, raw: Cow::Borrowed(b"-"), content: Cow::Borrowed(&[]) };
            (&tested, b"true")
        }
    };
    if !value.exists() {
        return Ok(false);
    }
    if query.op.is_empty() {
        return Ok(true);
    }
    Ok(match value.kind {
        Kind::String => match query.op {
            b"%" => wildcard::matches(budget, &value.content, wanted)?,
            b"!%" => !wildcard::matches(budget, &value.content, wanted)?,
            op => ordered(op, Some(value.content.as_ref().cmp(wanted))),
        },
        Kind::Number => ordered(query.op, value.number().partial_cmp(&parse_float(wanted))),
        Kind::True => match query.op {
            b"=" => wanted == b"true",
            b"!=" => wanted != b"true",
            b">" => wanted == b"false",
            b">=" => true,
            _ => false,
        },
        Kind::False => match query.op {
            b"=" => wanted == b"false",
            b"!=" => wanted != b"false",
            b"<" => wanted == b"true",
            b"<=" => true,
            _ => false,
        },
        Kind::Null | Kind::Json => false,
    })
}

/// Whether `op` holds for that order; `None` is the order of what is not a number, where only `!=` holds.
fn ordered(op: &[u8], order: Option<Ordering>) -> bool {
    match op {
        b"=" => order == Some(Ordering::Equal),
        b"!=" => order != Some(Ordering::Equal),
        b"<" => order == Some(Ordering::Less),
        b"<=" => order.is_some_and(Ordering::is_le),
        b">" => order == Some(Ordering::Greater),
        b">=" => order.is_some_and(Ordering::is_ge),
        _ => false,
    }
}

fn truth(value: &Value<'_>) -> Option<bool> {
    match value.kind {
        Kind::True => Some(true),
        Kind::False => Some(false),
        Kind::String => parse_bool(&value.content),
        Kind::Number => Some(value.number() != 0.0),
        Kind::Null | Kind::Json => None,
    }
}
