//! Sprig's functions, by what they work on.
//!
//! Deliberately not here: Go's own functions (see `builtin`), those of External Secrets Operator (see `eso`), and the
//! formats of keys and certificates (see `pki`).

use crate::function::Function;
use crate::gofmt::sprint;
use crate::value::{Type, Value};

mod casing;
mod certificates;
mod ciphers;
mod collections;
mod dates;
mod decimal;
mod digests;
mod encoding;
mod json;
mod keys;
mod math;
mod passwords;
mod paths;
mod random;
mod reflection;
mod regexps;
mod strings;
mod urls;
mod versions;
mod yaml;

/// All tables.
pub(crate) const TABLES: &[&[Function]] = &[
    casing::TABLE,
    certificates::TABLE,
    ciphers::TABLE,
    collections::TABLE,
    dates::TABLE,
    decimal::TABLE,
    digests::TABLE,
    encoding::TABLE,
    json::TABLE,
    keys::TABLE,
    math::TABLE,
    passwords::TABLE,
    paths::TABLE,
    random::TABLE,
    reflection::TABLE,
    regexps::TABLE,
    strings::TABLE,
    urls::TABLE,
    versions::TABLE,
    yaml::TABLE,
];

const ANY: Type = Type::Any;
const STR: Type = Type::Str;

/// Sprig's idea of a value as text: strings as they are, the rest as `%v`.
fn strval(value: &Value) -> Vec<u8> {
    match value {
        Value::Str(s) => s.to_vec(),
        other => sprint(other),
    }
}

/// An integer argument; the evaluator has seen to its type.
fn int(value: &Value) -> i64 {
    match value {
        Value::Int(_, n) => *n,
        Value::Uint(_, n) => i64::from_ne_bytes(n.to_ne_bytes()),
        _ => 0,
    }
}

/// The kind as sprig's errors name it; nil has no type and Go panics.
fn kind(value: &Value) -> String {
    value.type_of().map_or_else(|| "invalid".into(), |t| t.kind())
}

/// What Go says where the reference follows a pointer that isn't there.
pub(crate) const NIL_PANIC: &str = "runtime error: invalid memory address or nil pointer dereference";
