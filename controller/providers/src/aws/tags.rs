//! Tags of what is pushed: what they are to be, and what has to change. Pure.

use std::collections::BTreeMap;

use provider::{Error, ErrorKind};

use crate::ownership::{MANAGED_BY, US};

/// AWS's own tags begin so; nobody else may change them.
const RESERVED: &str = "aws:";

/// Checks the tags of a push's metadata.
///
/// # Errors
/// `Invalid` if they name the mark of ownership.
pub(super) fn checked(tags: &BTreeMap<String, String>, operation: &'static str) -> Result<(), Error> {
    if tags.contains_key(MANAGED_BY) {
        let text = "error parsing tags in metadata: Cannot specify a 'managed-by' tag";
        return Err(Error::new(ErrorKind::Invalid, operation, text));
    }
    Ok(())
}

/// The tags with the mark of ownership.
pub(super) fn marked(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut tags = tags.clone();
    tags.insert(MANAGED_BY.to_owned(), US.to_owned());
    tags
}

/// What makes one set of tags out of another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) remove: Vec<String>,
    pub(super) set: BTreeMap<String, String>,
}

impl Changes {
    pub(super) fn between(held: &BTreeMap<String, String>, wished: &BTreeMap<String, String>) -> Self {
        let stale = |key: &&String| !wished.contains_key(*key) && !key.starts_with(RESERVED);
        let new = |(key, value): &(&String, &String)| held.get(*key) != Some(*value);
        Self {
            remove: held.keys().filter(stale).cloned().collect(),
            set: wished.iter().filter(new).map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        let ours = ("managed-by", "external-secrets");
        let held = map(&[ours, ("a", "1"), ("b", "2"), ("aws:stack", "s")]);
        let cases = [
            (vec![("a", "1"), ("b", "2")], vec![], vec![]),
            (vec![("a", "1")], vec!["b"], vec![]),
            (vec![("a", "2"), ("b", "2"), ("c", "3")], vec![], vec![("a", "2"), ("c", "3")]),
        ];
        for (wished, remove, set) in cases {
            let remove = remove.into_iter().map(str::to_owned).collect();
            let want = Changes { remove, set: map(&set) };
            assert_eq!(Changes::between(&held, &marked(&map(&wished))), want, "{wished:?}");
        }
        let error = checked(&map(&[ours]), "Push").unwrap_err();
        assert_eq!(error.to_string(), "error parsing tags in metadata: Cannot specify a 'managed-by' tag");
    }
}
