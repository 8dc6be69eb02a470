//! Judges manifests without a cluster: YAML in, findings with lines out. The rules are those of crate `validate`, called as
//! the webhook calls them, and the schemas those of crate `api`.
//!
//! Here: reading YAML with lines, telling whose objects are in it, comparing them with their schemas, walking folders. Not
//! here: any rule on the contents of an object.

mod cel;
mod files;
mod finding;
mod judge;
mod metadata;
mod nearest;
mod shape;
mod yaml;

pub use files::{Report, paths};
pub use finding::{Finding, Severity};
pub use judge::Linter;
pub use yaml::{Content, Entry, Node, Unreadable, documents};
