//! Reading up to twenty secrets in one call.

use provider::{Calls, Error, Payload, ReadKey};

use super::super::batch::{Answers, Failed, fill, named, tell};
use super::super::error::of_sdk;
use super::read::{NEWEST, content};
use super::{BATCH, GET, SecretsManager};

/// Secrets in one call, the most that AWS takes.
pub(super) const SIZE: usize = 20;

/// Reads the newest values of `keys`. What AWS leaves out of its answer, or has trouble with, is read by itself.
///
/// Source: AWS Secrets Manager API, "BatchGetSecretValue". An answer may be cut short, with a token for the rest.
pub(super) async fn read_many(
    store: &SecretsManager,
    keys: &[ReadKey],
    calls: &dyn Calls,
) -> Vec<Result<Payload, Error>> {
    let (ids, asked) = named(&store.prefix, keys);
    let mut answers: Answers = vec![None; keys.len()];
    let mut next = None;
    // A page brings one secret at least; a token that never ends must not keep us.
    for _ in 0..=asked.len() {
        let request = store.client.batch_get_secret_value().set_secret_id_list(Some(asked.clone()));
        let sent = request.set_next_token(next).send().await;
        calls.made(BATCH, sent.is_ok());
        let page = match sent {
            Ok(page) => page,
            Err(error) => {
                match store.batches.failed(BATCH, &error, &store.target) {
                    Failed::ReadApart => {}
                    // In the words of the call for one key, so that a status stays as it is however a key is read.
                    Failed::All => {
                        let error = of_sdk(&error, GET, &store.target);
                        answers.iter_mut().filter(|answer| answer.is_none()).for_each(|answer| {
                            *answer = Some(Err(error.clone()));
                        });
                    }
                }
                break;
            }
        };
        for entry in page.secret_values.unwrap_or_default() {
            let stages = entry.version_stages.unwrap_or_default();
            let newest = stages.is_empty() || stages.iter().any(|stage| stage == NEWEST);
            let Some(value) = content(entry.secret_string, entry.secret_binary).filter(|_| newest) else { continue };
            tell(&mut answers, &ids, entry.name.as_ref(), entry.arn.as_ref(), &value);
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    fill(answers, keys, |key| async move {
        let answer = super::read::read(store, key).await;
        calls.made(GET, answer.is_ok());
        answer
    })
    .await
}
