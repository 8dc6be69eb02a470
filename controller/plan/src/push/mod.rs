//! What a PushSecret pushes where, and what is told of it. Pure.
//!
//! Lives here: its stores (`stores`), the entries that a source Secret makes (`entries`, `rename`), what happens to each
//! (`step`), what lies at the providers because of it (`ledger`), when it is due (`due`), what must not be pushed back
//! (`echo`), and its status (`report`). Deliberately not here: the template ([`crate::template::render_pushed`]), and how a
//! provider writes.

mod due;
mod echo;
mod entries;
mod ledger;
mod rename;
mod report;
mod step;
mod stores;

use api::{PushSecretData, PushSecretRemoteRef};
use provider::Place;

pub use due::{Due, DueInput, due, next};
pub use echo::{Echo, is_as_written, read_back};
pub use entries::{Wanted, entries, indistinct, unite};
pub use ledger::{Ledger, Obsolete, Synced, Wishes};
pub use report::{Failures, Reason, Verdict, after, done_message, is_source_deleted, not_deleted, note};
pub use step::{Deed, asks_first, deed, is_certain};
pub use stores::{Target, check_references, check_selectors, concerns, name_of, status_key};

/// Where an entry goes.
pub fn place(data: &PushSecretData) -> Place {
    let PushSecretRemoteRef { remote_key, property } = &data.matching.remote_ref;
    Place { key: remote_key.clone(), property: property.clone().filter(|property| !property.is_empty()) }
}

/// Under which key an entry stands in `status.syncedPushSecrets`. Different places may share one: a remote key `a` with
/// property `b`, and a remote key `a/b`.
fn entry_key(place: &Place) -> String {
    let Place { key, property } = place;
    property.as_ref().map_or_else(|| key.clone(), |property| format!("{key}/{property}"))
}

/// A place in words.
fn named(place: &Place) -> String {
    let Place { key, property } = place;
    let key = gojson::quote(key);
    property.as_ref().map_or_else(
        || format!("remote key {key}"),
        |property| format!("remote key {key} with property {}", gojson::quote(property)),
    )
}
