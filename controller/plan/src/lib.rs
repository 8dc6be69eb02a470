//! Decisions of the controller: pure functions of plain data, with the time handed in.
//!
//! Lives here: what to fetch and what it means ([`data`], [`rewrite`]), whether a refresh is due ([`refresh`]), what
//! templates make of it ([`mod@template`]), the target ([`target`], [`generic_target`]), what holds the controller back
//! ([`pause`], [`adoption`], [`brake`]), what one declaration means in many namespaces ([`fan_out`]), what selectors select
//! ([`label_selector`]), what PushSecrets push ([`push`]), whose turn it is ([`lease`], [`shards`]), and what is reported
//! ([`status`], [`failures`], [`store`], [`event`]).
//! Deliberately not here: anything that reads or writes; this crate lists no runtime and no client.

pub mod adoption;
pub mod brake;
mod cron;
pub mod data;
pub mod decode;
pub mod event;
pub mod failures;
pub mod fan_out;
pub mod generic_target;
pub mod hash;
pub mod keys;
pub mod label_selector;
pub mod lease;
pub mod names;
pub mod pause;
pub mod push;
pub mod refresh;
pub mod rewrite;
pub mod secret_object;
pub mod shards;
pub mod status;
pub mod store;
pub mod sync_window;
pub mod target;
pub mod template;
