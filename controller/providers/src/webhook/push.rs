//! Writing: pushes, deletions, and whether there is anything.
//!
//! A push isn't compared with what is there: nothing says that what the server gives is what it was sent.

use async_trait::async_trait;
use http::StatusCode;
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};

use super::request::About;
use super::{CALL, Webhook, error};
use crate::http::Answer;

/// Members of `.remoteRef` that a remote key's own member would hide.
const TAKEN: [&str; 3] = ["remoteKey", "secretKey", "property"];

#[async_trait]
impl Write for Webhook {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        let Push { source: _, secret_key, place, metadata: _ } = push;
        self.check(place)?;
        let about = About::push(place, secret_key.as_deref(), push.value()?);
        let answer = self.asked(about, calls).await.map_err(|error| error.context("failed to push webhook data"))?;
        if answer.status.is_success() {
            return Ok(Pushed::Written);
        }
        Err(error::of_answer(&answer).context("failed to push webhook data"))
    }

    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        self.check(place)?;
        let about = About::delete(place);
        let answer = self.asked(about, calls).await.map_err(|error| error.context("failed to delete secret"))?;
        match answer.status {
            status if status.is_success() => Ok(Removed::Deleted),
            StatusCode::NOT_FOUND => Ok(Removed::Absent),
            _ => Err(error::of_answer(&answer).context("failed to delete secret")),
        }
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        self.check(place)?;
        let about = About::exists(place, &self.namespace, &self.wire.templates().url);
        let answer = self.asked(about, calls).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(error::of_answer(&answer)),
        }
    }
}

impl Webhook {
    fn check(&self, place: &Place) -> Result<(), Error> {
        let key = place.key.as_str();
        let invalid = |text: String| Err(Error::new(ErrorKind::Invalid, CALL, text));
        if key.is_empty() {
            return invalid("remote key must be defined".to_owned());
        }
        if TAKEN.contains(&key) && self.wire.templates().request_reads(key) {
            return invalid(format!(
                "the remote key {key} can't be pushed here: the store's templates use .remoteRef.{key} for something else; \
                 choose another remoteKey"
            ));
        }
        Ok(())
    }

    async fn asked(&self, about: About, calls: &dyn Calls) -> Result<Answer, Error> {
        let answer = self.wire.send(about).await;
        let good = |answer: &Answer| answer.status.is_success() || answer.status == StatusCode::NOT_FOUND;
        calls.made(CALL, answer.as_ref().is_ok_and(good));
        answer
    }
}
