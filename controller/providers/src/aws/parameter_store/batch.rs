//! Reading up to ten parameters in one call.

use provider::{Calls, Error, Payload, ReadKey};
use secret::SecretBytes;

use super::super::batch::{Answers, Failed, fill, named, tell};
use super::super::error::of_sdk;
use super::{GET, GET_MANY, ParameterStore};

/// Parameters in one call, the most that AWS takes.
pub(super) const SIZE: usize = 10;

/// Reads the newest values of `keys`, decrypted. What AWS calls invalid, which a missing parameter is too, is read by
/// itself.
///
/// Source: AWS Systems Manager API, "GetParameters".
pub(super) async fn read_many(
    store: &ParameterStore,
    keys: &[ReadKey],
    calls: &dyn Calls,
) -> Vec<Result<Payload, Error>> {
    let (names, asked) = named(&store.prefix, keys);
    let mut answers: Answers = vec![None; keys.len()];
    let sent = store.client.get_parameters().set_names(Some(asked)).with_decryption(true).send().await;
    calls.made(GET_MANY, sent.is_ok());
    match sent {
        Ok(answer) => {
            for parameter in answer.parameters.unwrap_or_default() {
                let Some(value) = parameter.value.map(SecretBytes::from) else { continue };
                tell(&mut answers, &names, parameter.name.as_ref(), parameter.arn.as_ref(), &value);
            }
        }
        Err(error) => match store.batches.failed(GET_MANY, &error, &store.target) {
            Failed::ReadApart => {}
            // In the words of the call for one key, so that a status stays as it is however a key is read.
            Failed::All => answers.fill(Some(Err(of_sdk(&error, GET, &store.target)))),
        },
    }
    fill(answers, keys, |key| async move {
        let answer = super::read::read(store, key).await;
        calls.made(GET, answer.is_ok());
        answer
    })
    .await
}
