//! Judges one object on a validating path: is it of the path's kind, can it be read, do the rules accept it. Pure, but for
//! a look for one file (see `token_file`).
//!
//! The rules themselves are in the crate `validate`, which the controller and the linter use too.

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;
use validate::{Code, Finding};

use crate::review::{self, BadReview, Object, Operation, Request, Review, Verdict};
use crate::token_file;

/// The kinds that are validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// SecretStore.
    SecretStore,
    /// ClusterSecretStore.
    ClusterSecretStore,
    /// ExternalSecret.
    ExternalSecret,
}

impl Subject {
    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
            Self::ExternalSecret => "ExternalSecret",
        }
    }

    /// Refuses an object of another kind: a configuration that points at the wrong path must not pass objects unjudged.
    pub fn check_kind(self, request: &Request<'_>) -> Result<(), Verdict> {
        let kind = &request.kind;
        if kind.group == api::GROUP && kind.kind == self.as_str() {
            return Ok(());
        }
        Err(Verdict::Undecodable {
            field: "request.kind".to_owned(),
            message: format!(
                "this path judges {} of {}, not {} of {:?}: correct the path in the webhook configuration",
                self.as_str(),
                api::GROUP,
                kind.kind,
                kind.group
            ),
        })
    }
}

/// Reads and judges a review on the validating path of `subject`.
///
/// Deletions pass, and so do objects that are being deleted: a rule that was added after an object was stored must not
/// keep its finalizers from being removed.
///
/// # Errors
/// What makes the body no review.
pub fn judge(subject: Subject, body: &[u8]) -> Result<(Review<'_>, Verdict), BadReview> {
    match subject {
        Subject::ExternalSecret => judge_as(subject, body, validate::external_secret),
        Subject::SecretStore => judge_as(subject, body, token_file::secret_store),
        Subject::ClusterSecretStore => judge_as(subject, body, token_file::cluster_secret_store),
    }
}

/// Nearly all objects can be read, and are read straight into their type. Any that can't is read again by way of a tree,
/// which takes the last of duplicate keys, and lets the path of the offending field be told.
fn judge_as<T>(subject: Subject, body: &[u8], rules: fn(&T) -> Vec<Finding>) -> Result<(Review<'_>, Verdict), BadReview>
where
    T: DeserializeOwned + Resource,
{
    if let Ok((review, Object(object))) = review::parse::<Object<T>>(body) {
        let verdict = verdict_without_object(subject, &review.request).unwrap_or_else(|| match object {
            None => missing(),
            Some(object) if object.meta().deletion_timestamp.is_some() => Verdict::allowed(),
            Some(object) => by_rules(&object, rules),
        });
        return Ok((review, verdict));
    }
    let (review, object) = review::parse::<Value>(body)?;
    let verdict = verdict_without_object(subject, &review.request).unwrap_or_else(|| {
        if is_terminating(&object) {
            return Verdict::allowed();
        }
        read::<T>(&object).map_or_else(|undecodable| undecodable, |object| by_rules(&object, rules))
    });
    Ok((review, verdict))
}

/// Whether an object is being deleted: then only finalizers still change, which nothing must hold up.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn verdict_without_object(subject: Subject, request: &Request<'_>) -> Option<Verdict> {
    if let Err(refused) = subject.check_kind(request) {
        return Some(refused);
    }
    match request.operation {
        Operation::Delete | Operation::Connect => Some(Verdict::allowed()),
        Operation::Create | Operation::Update => None,
    }
}

fn by_rules<T>(object: &T, rules: fn(&T) -> Vec<Finding>) -> Verdict {
    let findings = rules(object);
    // Settings of a provider that can't be read are no broken rule: Go's decoder would have stopped there.
    if let Some(unreadable) = findings.iter().find(|finding| finding.code == Code::ProviderUnreadable) {
        return Verdict::Undecodable { field: unreadable.path.clone(), message: unreadable.text.clone() };
    }
    let warnings = validate::warnings(&findings);
    match validate::denial(&findings) {
        Some(message) => Verdict::Denied { message, warnings },
        None => Verdict::Allowed { warnings, patch: None },
    }
}

fn missing() -> Verdict {
    let message = "request.object is missing: send the object that is to be judged".to_owned();
    Verdict::Undecodable { field: "request.object".to_owned(), message }
}

/// Reads an object, or says which of its fields can't be read.
///
/// A text of our own decoders ("time: invalid duration …") stays as it is, since users know and search for it; the field
/// is then in the answer's `details`. Anything else is prefixed with the field.
fn read<T: DeserializeOwned>(object: &Value) -> Result<T, Verdict> {
    if !object.is_object() {
        return Err(missing());
    }
    serde_path_to_error::deserialize(object).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner().to_string();
        let message = if inner.starts_with("time: ") { inner } else { format!("{field}: {inner}") };
        Verdict::Undecodable { field, message }
    })
}
