//! Judges one object on a validating path: is it of the path's kind, can it be read, do the rules accept it. Pure.
//!
//! The rules themselves are in the crate `validate`, which the controller and the linter use too.

use api::{ClusterSecretStore, ExternalSecret, SecretStore};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::review::{Operation, Request, Verdict};

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
    pub fn check_kind(self, request: &Request) -> Result<(), Verdict> {
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

/// Judges a request on the validating path of `subject`.
///
/// Deletions pass, and so do objects that are being deleted: a rule that was added after an object was stored must not
/// keep its finalizers from being removed.
pub fn judge(subject: Subject, request: &Request) -> Verdict {
    if let Err(refused) = subject.check_kind(request) {
        return refused;
    }
    match request.operation {
        Operation::Delete | Operation::Connect => return Verdict::allowed(),
        Operation::Create | Operation::Update => {}
    }
    if request.is_terminating() {
        return Verdict::allowed();
    }
    let judged = match subject {
        Subject::ExternalSecret => read::<ExternalSecret>(&request.object).map(|es| validate::external_secret(&es)),
        Subject::SecretStore => read::<SecretStore>(&request.object).map(|store| validate::secret_store(&store)),
        Subject::ClusterSecretStore => {
            read::<ClusterSecretStore>(&request.object).map(|store| validate::cluster_secret_store(&store))
        }
    };
    match judged {
        Ok(findings) => {
            let warnings = validate::warnings(&findings);
            match validate::denial(&findings) {
                Some(message) => Verdict::Denied { message, warnings },
                None => Verdict::Allowed { warnings, patch: None },
            }
        }
        Err(undecodable) => undecodable,
    }
}

/// Reads an object, or says which of its fields can't be read.
///
/// A text of our own decoders ("time: invalid duration …") stays as it is, since users know and search for it; the field
/// is then in the answer's `details`. Anything else is prefixed with the field.
fn read<T: DeserializeOwned>(object: &Value) -> Result<T, Verdict> {
    if !object.is_object() {
        let message = "request.object is missing: send the object that is to be judged".to_owned();
        return Err(Verdict::Undecodable { field: "request.object".to_owned(), message });
    }
    serde_path_to_error::deserialize(object).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner().to_string();
        let message = if inner.starts_with("time: ") { inner } else { format!("{field}: {inner}") };
        Verdict::Undecodable { field, message }
    })
}
