//! Who asked for a pause: an annotation on an ExternalSecret or on one of its stores.
//!
//! While it is there, nothing is fetched or written for the object. Deletions are not held up.

use std::collections::BTreeMap;

use api::ExternalSecretStatus;

use crate::data::StoreName;

/// On an ExternalSecret, a SecretStore or a ClusterSecretStore: with the value `true`, it pauses.
pub const PAUSED_ANNOTATION: &str = "external-secrets.io/paused";

/// Whether these annotations ask for a pause.
pub fn is_asked(annotations: Option<&BTreeMap<String, String>>) -> bool {
    says_true(annotations, PAUSED_ANNOTATION)
}

/// Whether an annotation has the value `true`.
pub(crate) fn says_true(annotations: Option<&BTreeMap<String, String>>, name: &str) -> bool {
    annotations.and_then(|all| all.get(name)).is_some_and(|value| value == "true")
}

/// The status of a paused object: as it was, and by whom it is paused: `store`, or the object itself.
pub fn paused(previous: &ExternalSecretStatus, store: Option<&StoreName>) -> ExternalSecretStatus {
    let place = match store {
        None => "this ExternalSecret".to_owned(),
        Some(StoreName { kind, name }) => format!("{} {name}", kind.as_str()),
    };
    let text = format!("nothing is fetched or written while {PAUSED_ANNOTATION} is \"true\" on {place}");
    ExternalSecretStatus { paused: Some(text), ..previous.clone() }
}

#[cfg(test)]
mod tests {
    use api::StoreKind;

    use super::*;

    #[test]
    fn only_the_value_true_pauses() {
        for (value, want) in [("true", true), ("false", false), ("", false), ("True", false), ("yes", false)] {
            let notes = BTreeMap::from([(PAUSED_ANNOTATION.to_owned(), value.to_owned())]);
            assert_eq!(is_asked(Some(&notes)), want, "{value}");
        }
        assert!(!is_asked(None));
    }

    #[test]
    fn the_last_state_stays_and_the_place_is_named() {
        let before = ExternalSecretStatus { synced_resource_version: Some("1-a".into()), ..Default::default() };
        let store = StoreName { kind: StoreKind::ClusterSecretStore, name: "vault".into() };
        for (by, place) in [(None, "on this ExternalSecret"), (Some(&store), "on ClusterSecretStore vault")] {
            let mut after = paused(&before, by);
            assert!(after.paused.take().unwrap().ends_with(place));
            assert_eq!(after, before);
        }
    }
}
