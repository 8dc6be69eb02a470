//! Finding entries of `fake` by name. Pure.

use std::collections::BTreeMap;

use provider::{Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::FIND;
use super::config::Settings;
use crate::name_pattern::NamePattern;

/// The entries and pushed values whose key matches, each in the version whose name is the greatest text. Path and tags aren't looked at,
/// as in the reference.
pub(super) fn find(settings: &Settings, pushed: &SecretMap, find: &Find) -> Result<SecretMap, Error> {
    if find.name.is_none() {
        let text = "unsupported find operator: a fake store finds by name only; set find.name.regexp";
        return Err(Error::new(ErrorKind::Invalid, FIND, text));
    }
    let pattern = NamePattern::of(find)?;
    let mut newest: BTreeMap<&str, (&str, &SecretBytes)> = BTreeMap::new();
    let pushed = pushed.iter().filter(|(key, _)| !settings.entries().any(|(listed, ..)| listed == *key));
    let pushed = pushed.map(|(key, value)| (key.as_str(), "", value));
    for (key, version, value) in settings.entries().chain(pushed).filter(|(key, ..)| pattern.matches(key)) {
        let kept = newest.entry(key).or_insert((version, value));
        if kept.0 < version {
            *kept = (version, value);
        }
    }
    let mut found = Gathered::default();
    for (key, (_, value)) in newest {
        found.insert(FIND, key.to_owned(), value.clone())?;
    }
    Ok(found.into_values())
}

#[cfg(test)]
mod tests {
    use api::{FakeData, FakeProvider};

    use super::*;

    #[test]
    fn entries_are_found_by_name_in_their_greatest_version() {
        let entry = |(key, version, value): (&str, Option<&str>, &str)| FakeData {
            key: key.to_owned(),
            value: value.to_owned(),
            version: version.map(str::to_owned),
        };
        let data = [("/a/x", None, "0"), ("/a/x", Some("v9"), "9"), ("/a/x", Some("v10"), "10"), ("/b", None, "b")];
        let settings = Settings::of(&FakeProvider { data: data.map(entry).into(), validation_result: None });
        let pushed = [("/b", "hidden"), ("/c", "c")].map(|(key, value)| (key.to_owned(), value.into())).into();
        let cases = [
            (Some("^/a"), Ok(vec![("/a/x", "9")])),
            (Some(""), Ok(vec![("/a/x", "9"), ("/b", "b"), ("/c", "c")])),
            (Some("none"), Ok(vec![])),
            (None, Err("unsupported find operator")),
            (Some("("), Err("could not compile find.name.regexp [(]: ")),
        ];
        for (name, want) in cases {
            let wished = Find { name: name.map(str::to_owned), ..Find::default() };
            match (find(&settings, &pushed, &wished), want) {
                (Ok(got), Ok(want)) => {
                    let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.expose_str().unwrap())).collect();
                    assert_eq!(got, want, "{name:?}");
                }
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{name:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
