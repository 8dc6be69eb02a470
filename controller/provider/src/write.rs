//! The trait of a backend that can be written to, and what is written: a PushSecret's entry.
//!
//! Deliberately not here: which entries a PushSecret has (`plan`), one write to a remote key at a time and deadlines
//! (`engine`).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use secret::{SecretBytes, SecretMap};
use serde_json::Value;

use crate::{Calls, Error, ErrorKind};

const PUSH: &str = "PushSecret";

/// Where a value goes: `match.remoteRef`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// `remoteKey`, as the user wrote it: a prefix that the store sets is the provider's to add.
    pub key: String,
    /// `property`; never the empty text.
    pub property: Option<String>,
}

/// What values are taken from: the source Secret, already converted and rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Keys to values.
    pub data: SecretMap,
    /// The Secret's type; empty if it has none.
    pub type_: String,
    /// The Secret's labels.
    pub labels: BTreeMap<String, String>,
    /// The Secret's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// One entry of a PushSecret.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// What the value is taken from.
    pub source: Arc<Source>,
    /// Which key of it; `None`: the whole Secret.
    pub secret_key: Option<String>,
    /// Where it goes.
    pub place: Place,
    /// `metadata` of the entry: settings that only the provider understands.
    pub metadata: Option<Value>,
}

impl Push {
    /// The value: that of the key, or else all keys as a JSON object of texts, in their order and without HTML escapes.
    ///
    /// # Errors
    /// `Invalid` if the key isn't there.
    pub fn value(&self) -> Result<SecretBytes, Error> {
        let Some(key) = &self.secret_key else {
            let pairs = self.source.data.iter().map(|(key, value)| (key.as_str(), value.expose()));
            return Ok(SecretBytes::new(gojson::string_map(pairs, gojson::Html::Keep)));
        };
        self.source.data.get(key).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Invalid, PUSH, format!("failed to find secret key in secret with key: {key}"))
        })
    }
}

/// A key of a ConfigMap or Secret that an entry's metadata refers to. It lies in the namespace of the object that pushes:
/// there is no way to name another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// What holds it.
    pub kind: BesideKind,
    /// The name of the ConfigMap or Secret.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// What the error begins with if it can't be read.
    pub purpose: &'static str,
}

/// What may lie beside a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl BesideKind {
    /// As manifests write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// What a push did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The remote secret was as wished: nothing was written.
    Unchanged,
    /// It was created or changed.
    Written,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// There was nothing to delete.
    Absent,
    /// It isn't this operator's (no `managed-by` mark): it stays.
    Foreign,
    /// It was deleted, or the property was taken out of it.
    Deleted,
}

/// A store that can be written to. The caller makes one call at a time for each remote key of a store, so that a read
/// and the write that follows from it needn't be guarded here; writes of other processes still may come between, and are
/// to be noticed where the backend allows for it.
///
/// Each call tells `calls` of every request as the metric names it.
#[async_trait]
pub trait Write: Send + Sync {
    /// Brings the remote secret to what `push` says. Reads and compares first: what is as wished isn't written, so that no
    /// new version appears.
    ///
    /// # Errors
    /// `Invalid` for an entry or metadata that can't work, or if the remote secret is there but isn't this operator's
    /// (where the backend can bear a mark); otherwise what the backend said. After an error nothing is half-written, as
    /// far as the backend has a way to avoid it.
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error>;

    /// What the entry's metadata refers to beside its source. The caller reads it and hands it to [`Write::push_with`].
    ///
    /// # Errors
    /// `Invalid` for metadata that can't work.
    fn beside(&self, _push: &Push) -> Result<Option<Beside>, Error> {
        Ok(None)
    }

    /// As [`Write::push`], with the value behind [`Write::beside`].
    ///
    /// # Errors
    /// As [`Write::push`].
    async fn push_with(&self, push: &Push, _beside: Option<&SecretBytes>, calls: &dyn Calls) -> Result<Pushed, Error> {
        self.push(push, calls).await
    }

    /// Deletes what was pushed there: the property, and with the last one the remote secret.
    ///
    /// # Errors
    /// What the backend said. That there is nothing is no error.
    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error>;

    /// Whether there is anything at this place, of whomever.
    ///
    /// # Errors
    /// What the backend said. That there is nothing is no error.
    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error>;

    /// As [`Write::delete`], of an entry with this `metadata`, which may say where its place is.
    ///
    /// # Errors
    /// As [`Write::delete`], and `Invalid` for metadata that can't work.
    async fn delete_entry(
        &self,
        place: &Place,
        _metadata: Option<&Value>,
        calls: &dyn Calls,
    ) -> Result<Removed, Error> {
        self.delete(place, calls).await
    }

    /// As [`Write::exists`], of an entry with this `metadata`, which may say where its place is.
    ///
    /// # Errors
    /// As [`Write::exists`], and `Invalid` for metadata that can't work.
    async fn exists_entry(&self, place: &Place, _metadata: Option<&Value>, calls: &dyn Calls) -> Result<bool, Error> {
        self.exists(place, calls).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_that_of_a_key_or_the_whole_secret_as_json() {
        let data = [("b", "2"), ("a", "<\"1\">")];
        let data = data.into_iter().map(|(key, value)| (key.to_owned(), SecretBytes::from(value))).collect();
        let source = Arc::new(Source { data, ..Source::default() });
        let cases = [
            (Some("b"), Ok("2")),
            (None, Ok(r#"{"a":"<\"1\">","b":"2"}"#)),
            (Some("c"), Err("failed to find secret key in secret with key: c")),
        ];
        for (key, want) in cases {
            let place = Place { key: "remote".to_owned(), property: None };
            let push = Push { source: source.clone(), secret_key: key.map(str::to_owned), place, metadata: None };
            let got = push.value();
            let got = got.as_ref().map(|value| value.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(got, want.map_err(str::to_owned), "{key:?}");
        }
    }
}
