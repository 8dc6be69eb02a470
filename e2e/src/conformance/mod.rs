//! Answers to the function conformance cases: one JSON case in, one JSON answer out.
//!
//! Lives here: the translation between cases and our pure functions. Deliberately not here: reading and printing (the
//! program `answers`), and comparing (the case folder's own checker, and `controller/plan/tests/conformance.rs`,
//! which includes this module by path).

mod decisions;
mod json;
mod templates;
mod values;

use serde_json::Value;

/// What a function made of a case's `in`: the result, or the error's text.
pub(crate) type Answer = Result<Value, String>;

/// The kinds of cases that are answered.
pub(crate) const KINDS: &[&str] = &[
    "byte_value",
    "convert",
    "decode",
    "duration",
    "hash",
    "json_map",
    "property",
    "refresh",
    "reverse",
    "rewrite",
    "sync_version",
    "sync_window",
    "template",
    "template_target",
    "validate_keys",
];

/// Answers a case of `kind` with this `in`.
pub(crate) fn answer(kind: &str, input: &Value) -> Answer {
    match kind {
        "byte_value" => json::byte_value(input),
        "convert" => decisions::convert(input),
        "decode" => decisions::decode(input),
        "duration" => decisions::duration(input),
        "hash" => decisions::hash(input),
        "json_map" => json::json_map(input),
        "property" => json::property(input),
        "refresh" => decisions::refresh(input),
        "reverse" => decisions::reverse(input),
        "rewrite" => templates::rewrite(input),
        "sync_version" => decisions::sync_version(input),
        "sync_window" => decisions::sync_window(input),
        "template" => templates::template(input),
        "template_target" => templates::template_target(input),
        "validate_keys" => decisions::validate_keys(input),
        _ => Err("unsupported kind".to_owned()),
    }
}
