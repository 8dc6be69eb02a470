//! Writes to stores: one at a time for each remote key of a store, so many at a time for each store, within a deadline.
//!
//! A write that has begun goes on to its end although its asker goes away: it is never cut off half-way but by its
//! deadline. Deliberately not here: comparing before writing (`provider::Write`), and the breaker and the pace (`desk.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use provider::{Beside, Error, ErrorKind, Place, Provider, Push, Pushed, Removed, Retry, Write};
use secret::SecretBytes;
use serde_json::Value;

use crate::desk::Desk;
use crate::flights::panicked;
use crate::handle::{Common, Handle};
use crate::identity::StoreIdentity;

const PUSH: &str = "PushSecret";
const DELETE: &str = "DeleteSecret";
pub(crate) const EXISTS: &str = "SecretExists";

/// One remote key of one store, however often it was opened: kind, namespace and name of the store, and the key.
type RemoteKey = (&'static str, String, String, String);

/// Whose turn it is to write to each remote key. Those that nobody writes to leave no trace.
#[derive(Default)]
pub(crate) struct Writes {
    locks: Mutex<HashMap<RemoteKey, Weak<tokio::sync::Mutex<()>>>>,
}

impl Writes {
    fn lock(&self, key: RemoteKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// What is asked of the store.
enum Request {
    Push(Push, Option<SecretBytes>),
    Delete(Place, Option<Value>),
    Exists(Place, Option<Value>),
}

impl Request {
    fn place(&self) -> &Place {
        match self {
            Self::Push(push, _) => &push.place,
            Self::Delete(place, _) | Self::Exists(place, _) => place,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Push(..) => PUSH,
            Self::Delete(..) => DELETE,
            Self::Exists(..) => EXISTS,
        }
    }

    /// What may have been done although no answer came.
    fn doubt(&self) -> &'static str {
        match self {
            Self::Push(..) => "; the value may or may not have been written",
            Self::Delete(..) => "; it may or may not have been deleted",
            Self::Exists(..) => "",
        }
    }
}

/// What the store answered to each.
enum Answer {
    Pushed(Pushed),
    Removed(Removed),
    Exists(bool),
}

impl Handle {
    /// Brings a remote secret to what `push` says; see [`Write::push`].
    ///
    /// # Errors
    /// The provider's. `Unsupported` if the store can't be written to. `Timeout` without a turn, or without an answer,
    /// within the deadline: the text says whether the value may have been written. While the store can't be reached or
    /// wants quiet, as [`Handle::value`].
    pub async fn push(&self, push: Push) -> Result<Pushed, Error> {
        self.push_with(push, None).await
    }

    /// What must be handed to [`Handle::push_with`]; see [`Write::beside`].
    ///
    /// # Errors
    /// The provider's, for metadata that can't work.
    pub fn beside(&self, push: &Push) -> Result<Option<Beside>, Error> {
        self.provider.writer().map_or(Ok(None), |writer| writer.beside(push))
    }

    /// As [`Handle::push`], with what the entry refers to beside its source.
    ///
    /// # Errors
    /// As [`Handle::push`].
    pub async fn push_with(&self, push: Push, beside: Option<SecretBytes>) -> Result<Pushed, Error> {
        match self.write(Request::Push(push, beside)).await? {
            Answer::Pushed(pushed) => Ok(pushed),
            Answer::Removed(_) | Answer::Exists(_) => Err(panicked()),
        }
    }

    /// Deletes what was pushed to a place; see [`Write::delete_entry`].
    ///
    /// # Errors
    /// As [`Handle::push`].
    pub async fn delete(&self, place: Place, metadata: Option<Value>) -> Result<Removed, Error> {
        match self.write(Request::Delete(place, metadata)).await? {
            Answer::Removed(removed) => Ok(removed),
            Answer::Pushed(_) | Answer::Exists(_) => Err(panicked()),
        }
    }

    /// Whether there is anything at a place; see [`Write::exists_entry`].
    ///
    /// # Errors
    /// As [`Handle::push`].
    pub async fn exists(&self, place: Place, metadata: Option<Value>) -> Result<bool, Error> {
        match self.write(Request::Exists(place, metadata)).await? {
            Answer::Exists(exists) => Ok(exists),
            Answer::Pushed(_) | Answer::Removed(_) => Err(panicked()),
        }
    }

    async fn write(&self, request: Request) -> Result<Answer, Error> {
        if self.provider.writer().is_none() {
            return Err(read_only(self.desk.identity(), self.provider.metric_name()));
        }
        let task = Task {
            number: self.number,
            provider: self.provider.clone(),
            desk: self.desk.clone(),
            common: self.common.clone(),
            request,
        };
        // A task of its own: nobody who goes away leaves a remote secret half-written.
        tokio::spawn(task.run()).await.unwrap_or_else(|_| Err(panicked()))
    }
}

struct Task {
    number: u64,
    provider: Arc<dyn Provider>,
    desk: Arc<Desk>,
    common: Arc<Common>,
    request: Request,
}

impl Task {
    async fn run(self) -> Result<Answer, Error> {
        let Self { number, provider, desk, common, request } = self;
        let Some(writer) = provider.writer() else { return Err(panicked()) };
        let deadline = desk.deadline();
        let until = tokio::time::Instant::now() + deadline;
        desk.admits_write(request.place())?;
        let StoreIdentity { kind, namespace, name, uid: _, generation: _, consumer: _ } = desk.identity();
        let lock = common.writes.lock((kind, namespace.clone(), name.clone(), request.place().key.clone()));
        let turn = async { (lock.lock().await, desk.write_turn(common.limits.writes_in_flight).await) };
        let late = || no_turn(request.name(), deadline);
        let (_alone, _turn) = tokio::time::timeout_at(until, turn).await.map_err(|_| late())?;
        if tokio::time::Instant::now() >= until {
            return Err(late());
        }
        // It may have gone down meanwhile.
        desk.admits_write(request.place())?;
        let began = crate::clock::now();
        let answer = match tokio::time::timeout_at(until, call(writer, &desk, &request)).await {
            Ok(answer) => answer,
            Err(_) => Err(desk.late_write(request.name(), request.doubt())),
        };
        desk.wrote(request.place(), answer.as_ref().err(), began);
        match request {
            // Even after a failure, since something may have been written.
            Request::Push(..) | Request::Delete(..) => {
                common.reads.forget_where(number, |read| read.key == request.place().key);
                common.finds.forget(number);
            }
            Request::Exists(..) => {}
        }
        answer
    }
}

async fn call(writer: &dyn Write, desk: &Desk, request: &Request) -> Result<Answer, Error> {
    let calls = desk.calls();
    match request {
        Request::Push(push, beside) => writer.push_with(push, beside.as_ref(), &calls).await.map(Answer::Pushed),
        Request::Delete(place, metadata) => {
            writer.delete_entry(place, metadata.as_ref(), &calls).await.map(Answer::Removed)
        }
        Request::Exists(place, metadata) => {
            writer.exists_entry(place, metadata.as_ref(), &calls).await.map(Answer::Exists)
        }
    }
}

fn read_only(identity: &StoreIdentity, provider: &str) -> Error {
    let StoreIdentity { kind, namespace: _, name, uid: _, generation: _, consumer: _ } = identity;
    let text = format!(
        "{kind} {name:?} cannot be written to: this version does not push to its provider ({provider}); push to a store \
         whose status.capabilities is ReadWrite"
    );
    Error::new(ErrorKind::Unsupported, PUSH, text).retry(Retry::Never)
}

/// No call was made, so this is no sign of the store.
fn no_turn(operation: &'static str, deadline: Duration) -> Error {
    let text = format!(
        "the write had no turn within {} s and was not made: other writes to this store or to this remote key take their \
         time; check whether the provider is slow or throttles",
        deadline.as_secs()
    );
    Error::new(ErrorKind::Timeout, operation, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_remote_key_that_nobody_writes_to_leaves_no_trace() {
        let writes = Writes::default();
        let key = |key: &str| ("SecretStore", "shop".to_owned(), "vault".to_owned(), key.to_owned());
        let first = writes.lock(key("a"));
        let held = first.lock().await;
        assert!(writes.lock(key("a")).try_lock().is_err(), "the same one");
        drop(writes.lock(key("b")));
        drop(held);
        drop(first);
        drop(writes.lock(key("c")));
        assert_eq!(writes.len(), 1);
    }
}
