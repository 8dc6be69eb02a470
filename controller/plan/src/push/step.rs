//! What happens to one entry: whether its place is looked at first, and what follows.

use api::{PushSecretDeletionPolicy as Deletion, PushSecretUpdatePolicy as Update};
use provider::ErrorKind;

/// Whether it is asked first if anything is at the entry's place. `known`: what lies there is recorded as ours. `refused`:
/// the last try certainly wrote nothing, so that the status isn't written twice at each further one.
///
/// With `deletionPolicy: Delete` it is, before the first push: only a place where nothing was may be recorded as ours
/// before anything of ours is there.
pub fn asks_first(update: Update, deletion: Deletion, known: bool, refused: bool) -> bool {
    match (update, deletion) {
        (Update::IfNotExists, Deletion::Delete | Deletion::None) => true,
        (Update::Replace, Deletion::Delete) => !known && !refused,
        (Update::Replace, Deletion::None) => false,
    }
}

/// What is done with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is pushed.
    Push,
    /// It is recorded, then pushed: nothing is there yet.
    Announce,
    /// What is there stays.
    Leave,
    /// It fails with this text.
    Refuse(String),
}

/// What is done, `exists` being the answer if [`asks_first`] said so, a failure as its text.
pub fn deed(
    update: Update,
    deletion: Deletion,
    known: bool,
    refused: bool,
    exists: Option<Result<bool, String>>,
) -> Deed {
    match (update, exists) {
        (Update::IfNotExists, Some(Ok(true))) => Deed::Leave,
        (Update::IfNotExists, Some(Err(why))) => {
            Deed::Refuse(format!("could not verify if secret exists in store: {why}"))
        }
        (Update::IfNotExists | Update::Replace, Some(Ok(false))) => match deletion {
            Deletion::Delete if !known && !refused => Deed::Announce,
            Deletion::Delete | Deletion::None => Deed::Push,
        },
        // Who may write but not look still pushes; it is recorded afterwards.
        (Update::Replace, Some(Ok(true) | Err(_))) | (Update::IfNotExists | Update::Replace, None) => Deed::Push,
    }
}

/// Whether a push that failed so has certainly written nothing.
pub fn is_certain(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Malformed => false,
        ErrorKind::NotFound
        | ErrorKind::AccessDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::Throttled
        | ErrorKind::BadProperty
        | ErrorKind::Invalid
        | ErrorKind::Unsupported => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_looked_at_before_it_is_recorded_and_before_it_is_spared() {
        use Deed::{Announce, Leave, Push};
        let failed = || Some(Err("down".to_owned()));
        let refused = Deed::Refuse("could not verify if secret exists in store: down".to_owned());
        // Update, deletion, known, the answer, what is done.
        let cases = [
            (Update::Replace, Deletion::None, false, None, Push),
            (Update::Replace, Deletion::Delete, true, None, Push),
            (Update::Replace, Deletion::Delete, false, Some(Ok(false)), Announce),
            (Update::Replace, Deletion::Delete, false, Some(Ok(true)), Push),
            (Update::Replace, Deletion::Delete, false, failed(), Push),
            (Update::IfNotExists, Deletion::None, false, Some(Ok(true)), Leave),
            (Update::IfNotExists, Deletion::None, false, Some(Ok(false)), Push),
            (Update::IfNotExists, Deletion::Delete, false, Some(Ok(false)), Announce),
            (Update::IfNotExists, Deletion::Delete, true, Some(Ok(false)), Push),
            (Update::IfNotExists, Deletion::Delete, true, Some(Ok(true)), Leave),
            (Update::IfNotExists, Deletion::None, false, failed(), refused),
        ];
        for (update, deletion, known, answer, want) in cases {
            let shown = format!("{update:?} {deletion:?} {known} {answer:?}");
            assert_eq!(asks_first(update, deletion, known, false), answer.is_some(), "{shown}");
            assert_eq!(deed(update, deletion, known, false, answer), want, "{shown}");
        }
        assert!(!asks_first(Update::Replace, Deletion::Delete, false, true));
        assert_eq!(deed(Update::IfNotExists, Deletion::Delete, false, true, Some(Ok(false))), Push);
    }
}
