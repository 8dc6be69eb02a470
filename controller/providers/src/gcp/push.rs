//! Pushing secrets: one is read and compared before anything is written.
//!
//! Lives here: the calls and their order. Deliberately not here: what is wished for (`desired.rs`).
//!
//! Source: Secret Manager's REST reference, "projects.secrets.create", "addVersion", "patch" and "delete".

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};
use secret::SecretBytes;
use serde::Deserialize;

use super::GcpSm;
use super::checksum::crc32c;
use super::desired::{Desired, check_owner, wished};
use super::error::{Subject, malformed};
use super::names::{LATEST, last_of};
use super::read::{Secret, access, enabled_version, get, in_context, secret};
use super::wire::Call;
use crate::ownership::is_ours;
use crate::property::{Rest, without};

const CREATE: &str = "CreateSecret";
const UPDATE: &str = "UpdateSecret";
const ADD: &str = "AddSecretVersion";
const DELETE: &str = "DeleteSecret";
/// The longest payload. Source: Secret Manager, "Quotas and limits".
const LONGEST: usize = 64 << 10;

fn found<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(in_context(error)),
    }
}

impl GcpSm {
    async fn create(&self, key: &str, desired: &Desired, calls: &dyn Calls) -> Result<Secret, Error> {
        self.names.secret(key)?;
        let (path, query) = (self.names.secrets(), [("secretId", key)]);
        let body = Some(desired.creation(self.names.is_regional()).to_string().into());
        let subject = Subject::Parent;
        let call = Call { operation: CREATE, method: Method::POST, path: &path, query: &query, body, subject };
        let body = self.wire.send(call, calls).await?;
        secret(&body, key, CREATE, &self.wire.origin())
    }

    async fn update(&self, key: &str, body: String, calls: &dyn Calls) -> Result<(), Error> {
        let (path, query) = (self.names.secret(key)?, [("updateMask", "labels,annotations")]);
        let (body, subject) = (Some(SecretBytes::from(body)), Subject::Secret(key));
        let call = Call { operation: UPDATE, method: Method::PATCH, path: &path, query: &query, body, subject };
        let body = self.wire.send(call, calls).await.map_err(|said| gone(said.into(), key))?;
        secret(&body, key, UPDATE, &self.wire.origin()).map(|_| ())
    }

    async fn add(&self, key: &str, value: &SecretBytes, calls: &dyn Calls) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Added {
            name: String,
        }
        if value.len() > LONGEST {
            let text = format!("the value has {} bytes; Secret Manager takes up to {LONGEST}", value.len());
            return Err(Error::new(ErrorKind::Invalid, ADD, text));
        }
        let path = self.names.method(key, ":addVersion")?;
        let mut body = br#"{"payload":{"data":""#.to_vec();
        let start = body.len();
        body.resize(start + value.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(value.expose(), body.get_mut(start..).unwrap_or_default());
        body.truncate(start + written.unwrap_or_default());
        body.extend(format!(r#"","dataCrc32c":"{}"}}}}"#, crc32c(value.expose())).bytes());
        let (body, subject) = (Some(SecretBytes::new(body)), Subject::Secret(key));
        let call = Call { operation: ADD, method: Method::POST, path: &path, query: &[], body, subject };
        let body = self.wire.send(call, calls).await.map_err(|said| gone(said.into(), key))?;
        let added: Option<Added> = serde_json::from_slice(body.expose()).ok();
        let added = added.filter(|added| last_of(&added.name, "versions").is_some());
        added.map(|_| ()).ok_or_else(|| malformed(ADD, &self.wire.origin()))
    }

    async fn delete_whole(&self, key: &str, held: &Secret, calls: &dyn Calls) -> Result<Removed, Error> {
        let path = self.names.secret(key)?;
        let query: Vec<_> =
            Some(("etag", held.etag.as_str())).filter(|(_, etag)| !etag.is_empty()).into_iter().collect();
        let subject = Subject::Secret(key);
        let call = Call { operation: DELETE, method: Method::DELETE, path: &path, query: &query, body: None, subject };
        let body = match self.wire.send(call, calls).await.map_err(Error::from) {
            Ok(body) => body,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removed::Absent),
            Err(error) => return Err(error),
        };
        // An empty object, and nothing else.
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body.expose()) {
            Ok(_) => Ok(Removed::Deleted),
            Err(_) => Err(malformed(DELETE, &self.wire.origin())),
        }
    }
}

/// A write to what has just been there can't say that it is missing.
fn gone(error: Error, key: &str) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let text = format!("secret {key} was deleted by somebody else meanwhile");
    Error::new(ErrorKind::Unavailable, error.operation(), text)
}

#[async_trait]
impl Write for GcpSm {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let desired = Desired::of(push)?;
        let key = &push.place.key;
        let mut pushed = Pushed::Unchanged;
        match found(get(self, key, calls).await)? {
            Some(held) => {
                check_owner(&held, key)?;
                // What can't be joined must not be half-written.
                let latest = found(access(self, key, LATEST, calls).await.map_err(Error::from))?;
                let value = wished(latest.as_ref(), push)?;
                if let Some(body) = desired.update(&held) {
                    self.update(key, body.to_string(), calls).await?;
                    pushed = Pushed::Written;
                }
                if latest.as_ref() != Some(&value) {
                    self.add(key, &value, calls).await?;
                    pushed = Pushed::Written;
                }
            }
            None => {
                let value = wished(None, push)?;
                self.create(key, &desired, calls).await?;
                self.add(key, &value, calls).await?;
                pushed = Pushed::Written;
            }
        }
        Ok(pushed)
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let Some(held) = found(get(self, key, calls).await)? else { return Ok(Removed::Absent) };
        if !is_ours(&held.labels) {
            return Ok(Removed::Foreign);
        }
        if let Some(property) = property {
            let latest = found(access(self, key, LATEST, calls).await.map_err(Error::from))?;
            match latest.map_or(Rest::Nothing, |latest| without(&latest, property)) {
                Rest::Same => return Ok(Removed::Absent),
                Rest::Nothing => {}
                Rest::Value(rest) => {
                    self.add(key, &rest, calls).await?;
                    return Ok(Removed::Deleted);
                }
            }
        }
        self.delete_whole(key, &held, calls).await
    }

    /// Whether the secret has a version that can be read. The property isn't looked at, as in the reference.
    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property: _ } = place;
        match found(enabled_version(self, key, calls).await)? {
            None => Ok(false),
            Some(Some(_)) => Ok(true),
            // Tells a secret without versions from one whose versions are all switched off, which is an error.
            Some(None) => {
                let latest = access(self, key, LATEST, calls).await.map_err(Error::from);
                Ok(found(latest)?.is_some())
            }
        }
    }
}
