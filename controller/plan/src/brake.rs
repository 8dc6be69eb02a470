//! A brake on mass deletion: when a provider suddenly has nothing, only a share of a store's Secrets goes with it.
//!
//! Pure: the time, the counts and what was deleted before are handed in. Deliberately not here: who counts (the
//! controller's `deletions`).

use std::str::FromStr;
use std::time::Duration;

use api::{EntryFailure, ExternalSecretStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::data::StoreName;
use crate::failures;
use crate::pause::says_true;
use crate::status::Verdict;

/// On an ExternalSecret or on its store: with the value `true`, deletions are let through.
pub const ALLOW_ANNOTATION: &str = "external-secrets.io/allow-deletion";

/// Deletions of this last while count together.
pub const WINDOW: Duration = Duration::from_secs(600);

/// The condition's message of an object whose deletion is held back. A restarted controller knows it by that where the
/// API server doesn't keep `status.failures`: so a change of this text lets the deletions of an upgrade through.
const HELD: &str = "secret not deleted: too many secrets of the store would go at once";

/// The kind of the entry in `status.failures`.
const KIND: &str = "DeletionHeld";

/// Percent of a store's Secrets that may be deleted within [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u8);

impl FromStr for Share {
    type Err = String;

    /// Reads `20%`, from 0 to 100.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok()).filter(|share| *share <= 100);
        number.map(Self).ok_or_else(|| "write a share of a store's Secrets such as 20%, or off".to_owned())
    }
}

/// How many deletions are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brake {
    /// The share of a store's Secrets.
    pub share: Share,
    /// As many are let through even where the share is less.
    pub least: usize,
}

/// What is known of a store when one more of its Secrets is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Secrets that its users had when the window began: those that they have now, and those deleted since.
    pub secrets: usize,
    /// Deleted within the window.
    pub deleted: usize,
    /// Deletions that are held back already.
    pub held: usize,
}

impl Brake {
    /// Whether one more deletion must wait. Once one waits, all do, however slowly they come: until a person allows them
    /// or the provider has the keys again.
    pub fn holds(&self, load: Load) -> bool {
        let Load { secrets, deleted, held } = load;
        let Share(percent) = self.share;
        let most = (secrets.saturating_mul(usize::from(percent)) / 100).max(self.least);
        held > 0 || deleted >= most
    }

    /// What is told of an object whose deletion waits for `store`: the outcome, and its entry in `status.failures`. Holds no number that changes.
    pub fn verdict(&self, store: &StoreName) -> (Verdict, EntryFailure) {
        let Self { share: Share(percent), least: _ } = self;
        let StoreName { kind, name } = store;
        let text = format!(
            "the provider has none of the keys, and more than {percent}% of the secrets of {} {name} would have been deleted \
             within {} minutes (--deletion-brake): check that the store still points to the right place. If the deletions are \
             meant, annotate this ExternalSecret or the store with {ALLOW_ANNOTATION}: \"true\"",
            kind.as_str(),
            WINDOW.as_secs() / 60,
        );
        let entry = EntryFailure {
            entry: "spec.target.deletionPolicy".to_owned(),
            store: Some(failures::named(store)),
            kind: KIND.to_owned(),
            reason: HELD.to_owned(),
            hint: Some(format!("if it is meant: {ALLOW_ANNOTATION}: \"true\" on this ExternalSecret or the store")),
            ..EntryFailure::default()
        };
        (Verdict::failed(HELD, text), entry)
    }
}

/// Whether a person allowed the deletion, by annotation of the object or the store.
pub fn is_allowed(meta: &ObjectMeta) -> bool {
    says_true(meta.annotations.as_ref(), ALLOW_ANNOTATION)
}

/// Whether the object's deletion waited for `store` when its status was written. `status.failures` names the store; where
/// the API server drops that field, the condition alone says that it waited, for whichever of its stores.
pub fn is_held(status: &ExternalSecretStatus, store: &StoreName) -> bool {
    let waits = status.conditions.iter().any(|condition| {
        condition.type_ == "Ready" && condition.status == "False" && condition.message.as_deref() == Some(HELD)
    });
    let mut entries = status.failures.iter().filter(|failure| failure.kind == KIND).peekable();
    let named = failures::named(store);
    waits && (entries.peek().is_none() || entries.any(|failure| failure.store.as_ref() == Some(&named)))
}

/// Whether the object has a Secret as far as its status tells: it was synced, and its Secret wasn't deleted since.
pub fn has_secret(status: &ExternalSecretStatus) -> bool {
    let deleted = status
        .conditions
        .iter()
        .any(|condition| matches!(condition.reason.as_deref(), Some("SecretDeleted" | "ResourceDeleted")));
    status.synced_resource_version.is_some() && !deleted
}

#[cfg(test)]
mod tests {
    use api::StoreKind;

    use super::*;
    use crate::status;

    #[test]
    fn a_share_is_a_percentage() {
        for (text, want) in [
            ("20%", Some(20)),
            ("0%", Some(0)),
            ("100%", Some(100)),
            ("101%", None),
            ("20", None),
            ("-1%", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Share>().ok(), want.map(Share), "{text}");
        }
    }

    #[test]
    fn the_share_is_let_through_and_no_more() {
        let cases = [
            // percent, least, secrets, deleted, held: holds?
            ((20, 1, 100, 0, 0), false),
            ((20, 1, 100, 19, 0), false),
            ((20, 1, 100, 20, 0), true),
            // One waits, so all do, even once the window is over.
            ((20, 1, 100, 0, 1), true),
            // A small store: the least number counts.
            ((20, 1, 3, 0, 0), false),
            ((20, 1, 3, 1, 0), true),
            ((20, 3, 10, 2, 0), false),
            ((20, 3, 10, 3, 0), true),
            ((0, 0, 10, 0, 0), true),
            ((100, 0, 10, 9, 0), false),
        ];
        for ((percent, least, secrets, deleted, held), want) in cases {
            let brake = Brake { share: Share(percent), least };
            assert_eq!(
                brake.holds(Load { secrets, deleted, held }),
                want,
                "{percent}% {least} {secrets} {deleted} {held}"
            );
        }
    }

    #[test]
    fn an_object_waits_for_the_store_that_its_status_names() {
        let vault = |kind| StoreName { kind, name: "vault".into() };
        let (here, cluster) = (vault(StoreKind::SecretStore), vault(StoreKind::ClusterSecretStore));
        let (verdict, entry) = Brake { share: Share(20), least: 1 }.verdict(&here);
        let status = |verdict: &Verdict, failures: Vec<EntryFailure>| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let status = status::after(&ExternalSecretStatus::default(), verdict, None, None, "1-a", now);
            ExternalSecretStatus { failures, ..status }
        };
        let other = Verdict::failed("could not update secret", "why");
        let cases = [
            (status(&verdict, vec![entry.clone()]), true, false),
            // The field isn't kept.
            (status(&verdict, Vec::new()), true, true),
            (status(&verdict.clone().of_resource(), Vec::new()), true, true),
            (status(&other, vec![entry]), false, false),
            (ExternalSecretStatus::default(), false, false),
        ];
        for (status, want, elsewhere) in cases {
            assert_eq!((is_held(&status, &here), is_held(&status, &cluster)), (want, elsewhere), "{status:?}");
        }
    }
}
