//! Settings of `fake`: from the spec to a table. Pure.

use std::collections::HashMap;

use api::{FakeData, FakeProvider};
use provider::ReadKey;
use secret::SecretBytes;

/// What `validationResult` makes of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ready,
    Unknown,
    Failed,
}

/// Values by key and version; no version is the empty one.
pub(super) struct Settings {
    values: HashMap<(String, String), SecretBytes>,
    pub(super) verdict: Verdict,
}

impl Settings {
    pub(super) fn of(spec: &FakeProvider) -> Self {
        let FakeProvider { data, validation_result } = spec;
        let entry = |FakeData { key, value, version }: &FakeData| {
            ((key.clone(), version.clone().unwrap_or_default()), SecretBytes::from(value.as_str()))
        };
        let verdict = match validation_result {
            None | Some(0) => Verdict::Ready,
            Some(1) => Verdict::Unknown,
            Some(_) => Verdict::Failed,
        };
        Self { values: data.iter().map(entry).collect(), verdict }
    }

    pub(super) fn get(&self, read: &ReadKey) -> Option<&SecretBytes> {
        let ReadKey { key, version, metadata: _ } = read;
        self.values.get(&(key.clone(), version.clone().unwrap_or_default()))
    }

    /// Key, version and value of each entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str, &SecretBytes)> {
        self.values.iter().map(|((key, version), value)| (key.as_str(), version.as_str(), value))
    }
}
