//! JSON as Go programs see it: gjson paths, JSONPath, `encoding/json`'s errors and output, and the rules by which External
//! Secrets Operator turns a JSON value into a secret's bytes.
//!
//! Lives here: pure functions from bytes to bytes. Payloads come from secret stores, so nothing assumes that they are
//! JSON or UTF-8, every recursion and every output is bounded, and no input makes a function panic.
//! Deliberately not here: which provider uses which rule, wiping of memory (the caller owns the bytes), and YAML.
//!
//! Reference points: the path syntax and the answers of tidwall/gjson v1.20.1 (MIT), writing as tidwall/sjson v1.2.5, Go
//! 1.26's `encoding/json`, and for [`jsonpath`] the answers of PaesslerAG/jsonpath v0.1.1 (BSD-3-Clause).

mod budget;
mod document;
mod error;
pub mod jsonpath;
mod path;
pub mod property;
mod set;
mod text;
mod write;

pub use document::{Document, Item, NodeId, Numbers, equal, object_to_map, valid, value_bytes};
pub use error::{Error, Limit, SyntaxError};
pub use path::{Found, Kind, get, try_get};
pub use set::{SetError, remove, set};
pub use text::quote;
pub use write::{Html, object, string_map, write_string};

/// Puts a backslash before every dot, so that `a.b` names the key `a.b` instead of the path `a` then `b`.
pub fn escape_dots(path: &str) -> String {
    path.replace('.', "\\.")
}
