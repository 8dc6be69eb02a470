//! Reading many keys in one call, where AWS lets us: what a failure of such a call means, and reading the rest one by one.
//!
//! The calls themselves are each service's. The reference needs the right to none of them, so a refusal is no failure.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::{StreamExt, stream};
use provider::{Error, ErrorKind, Payload, ReadKey};
use secret::SecretBytes;

use super::error::{Target, lacks_credentials, of_sdk};

/// Calls at a time for what is left over.
const AT_A_TIME: usize = 4;

/// What is known of each key so far, in their order.
pub(super) type Answers = Vec<Option<Result<Payload, Error>>>;

/// What AWS calls each of `keys`, in their order; and each such name once, as a call for many takes them.
pub(super) fn named(prefix: &str, keys: &[ReadKey]) -> (Vec<String>, Vec<String>) {
    let ids: Vec<String> = keys.iter().map(|key| format!("{prefix}{}", key.key)).collect();
    let mut asked = ids.clone();
    asked.sort_unstable();
    asked.dedup();
    (ids, asked)
}

/// Answers all that was asked for by this name or ARN.
pub(super) fn tell(
    answers: &mut Answers,
    ids: &[String],
    name: Option<&String>,
    arn: Option<&String>,
    value: &SecretBytes,
) {
    for (id, answer) in ids.iter().zip(answers) {
        if name == Some(id) || arn == Some(id) {
            *answer = Some(Ok(Payload(value.clone())));
        }
    }
}

/// Whether calls for many keys are made at all.
#[derive(Debug, Default)]
pub(super) struct Batches {
    refused: AtomicBool,
}

/// What follows from the failure of a call for many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Each key is asked for by itself: one of them may be to blame, or the call isn't allowed.
    ReadApart,
    /// A call for one key would fare no better.
    All,
}

impl Batches {
    pub(super) fn allowed(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    /// Makes no such call any more, for as long as the store is open.
    pub(super) fn refuse(&self, call: &'static str, error: &Error) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::info!(call, error = %error, "this call can't be used; keys are read one by one");
        }
    }

    /// Sorts the failure of such a call. Only AWS's own answer to it says that it isn't allowed.
    pub(super) fn failed<E>(&self, call: &'static str, failed: &SdkError<E, HttpResponse>, target: &Target) -> Failed
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if lacks_credentials(failed) {
            return Failed::All;
        }
        let error = of_sdk(failed, call, target);
        match error.kind() {
            ErrorKind::AccessDenied | ErrorKind::Unsupported if matches!(failed, SdkError::ServiceError(_)) => {
                self.refuse(call, &error);
                Failed::ReadApart
            }
            ErrorKind::AccessDenied | ErrorKind::Unsupported => Failed::All,
            ErrorKind::NotFound | ErrorKind::Malformed | ErrorKind::BadProperty | ErrorKind::Invalid => {
                Failed::ReadApart
            }
            ErrorKind::Unauthenticated | ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Timeout => {
                Failed::All
            }
        }
    }
}

/// Reads by itself what has no answer yet.
pub(super) async fn fill<'k, F>(
    answers: Answers,
    keys: &'k [ReadKey],
    read: impl Fn(&'k ReadKey) -> F,
) -> Vec<Result<Payload, Error>>
where
    F: Future<Output = Result<Payload, Error>> + 'k,
{
    let mut left = Vec::new();
    for (place, (answer, key)) in answers.iter().zip(keys).enumerate() {
        if answer.is_none() {
            let read = read(key);
            left.push(async move { (place, read.await) });
        }
    }
    let mut read: BTreeMap<usize, Result<Payload, Error>> =
        stream::iter(left).buffer_unordered(AT_A_TIME).collect().await;
    let answers = answers.into_iter().enumerate();
    answers.filter_map(|(place, answer)| answer.or_else(|| read.remove(&place))).collect()
}

/// Whether a key is its newest value and nothing else.
pub(super) fn is_plain(key: &ReadKey) -> bool {
    let ReadKey { key: _, version, metadata } = key;
    !metadata && version.as_deref().is_none_or(str::is_empty)
}
