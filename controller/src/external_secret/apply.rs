//! Writes the target Secret: at most one write, preconditioned on the version that was read. I/O.

use std::sync::Arc;

use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use plan::data::Assembled;
use plan::event::{EventReason, Note};
use plan::hash;
use plan::names::field_manager;
use plan::secret_object::SecretObject;
use plan::status::Verdict;
use plan::target::{self, Decision, Write};
use plan::template::{Failure, Rendered};
use secret::SecretMap;

use super::gather::{Existing, Live};
use super::report::Outcome;
use crate::context::Context;
use crate::lookup::api_text;
use crate::world::{SecretSeen, Verified};

/// The Secret changed between reading and writing.
#[derive(Debug)]
pub(crate) struct Raced;

/// See the module. A refused write is an outcome with a failed verdict.
pub(crate) async fn apply(
    cx: &Arc<Context>,
    seen: &Live,
    assembled: Assembled,
    rendered: Option<Result<Rendered, Failure>>,
) -> Result<Outcome, Raced> {
    let Assembled { data, notes } = assembled;
    let wish = wish(seen, &data, rendered.as_ref());
    let mut outcome = Outcome { verdict: Verdict::failed("could not update secret", ""), notes, binding: None };
    if let Err(text) = remove_orphans(cx, seen, &mut outcome.notes).await {
        outcome.verdict = Verdict::failed("could not delete orphaned secrets", text);
        return Ok(outcome);
    }
    let read;
    let existing = match &seen.existing {
        Existing::Verified(verified) if wish.is_some() && verified.wish == wish => {
            // Same wish, same version of the Secret: equal by construction.
            outcome.verdict = Verdict::done(plan::status::Reason::SecretSynced, "secret synced");
            outcome.binding = Some(seen.target.name.clone());
            return Ok(outcome);
        }
        Existing::Verified(_) => {
            read = match secrets(cx, seen).get_opt(&seen.target.name).await {
                Ok(secret) => secret,
                Err(error) => return Ok(failed(outcome, &error)),
            };
            read.as_ref()
        }
        Existing::Read(secret) => Some(secret.as_ref()),
        Existing::NoneKnown | Existing::Missing => None,
    };
    let decision = target::decide(&seen.object.metadata, &seen.object.spec, data.clone(), rendered.clone(), existing);
    match write(cx, seen, &decision.write).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() && matches!(decision.write, Write::Create(_)) => {
            // It exists without our label, or the watch hasn't told of it yet: decide anew on what is really there.
            let live = match secrets(cx, seen).get_opt(&seen.target.name).await {
                Ok(Some(live)) => live,
                Ok(None) => return Err(Raced),
                Err(error) => return Ok(failed(outcome, &error)),
            };
            let decision = target::decide(&seen.object.metadata, &seen.object.spec, data, rendered, Some(&live));
            let written = write(cx, seen, &decision.write).await;
            finish(cx, seen, outcome, decision, written, Some(&live), wish)
        }
        written => finish(cx, seen, outcome, decision, written, existing, wish),
    }
}

fn finish(
    cx: &Context,
    seen: &Live,
    mut outcome: Outcome,
    decision: Decision,
    written: Result<Option<Verified>, kube::Error>,
    existing: Option<&SecretObject>,
    wish: Option<String>,
) -> Result<Outcome, Raced> {
    match written {
        Ok(verified) => {
            outcome.notes.extend(target::note(&decision.write));
            let done = matches!(decision.verdict, Verdict::Done { reason: _, message: _ });
            match decision.write {
                Write::Create(_) | Write::Update(_) => {
                    outcome.binding = Some(seen.target.name.clone());
                    let verified = verified.map(|verified| Verified { wish, ..verified });
                    cx.world.remember(&seen.key, |memory| memory.verified = verified);
                }
                Write::Nothing if done && existing.is_some() => {
                    outcome.binding = Some(seen.target.name.clone());
                    let verified = existing.and_then(|live| Verified::of(&live.metadata, wish));
                    cx.world.remember(&seen.key, |memory| memory.verified = verified);
                }
                Write::Nothing | Write::Delete { uid: _, resource_version: _ } => {}
            }
            outcome.verdict = decision.verdict;
            Ok(outcome)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Err(Raced),
        Err(error) => Ok(failed(outcome, &error)),
    }
}

async fn write(cx: &Context, seen: &Live, write: &Write) -> Result<Option<Verified>, kube::Error> {
    let params = PostParams { field_manager: Some(field_manager(&seen.key.name)), ..PostParams::default() };
    let api = secrets(cx, seen);
    let written = match write {
        Write::Nothing => return Ok(None),
        Write::Create(secret) => api.create(&params, secret).await?,
        Write::Update(secret) => api.replace(&seen.target.name, &params, secret).await?,
        Write::Delete { uid, resource_version } => {
            let preconditions = Preconditions { uid: uid.clone(), resource_version: resource_version.clone() };
            api.delete(
                &seen.target.name,
                &DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() },
            )
            .await?;
            cx.world.put_secret(&seen.target, None);
            return Ok(None);
        }
    };
    // Known before the watch tells: the event of our own write must not look like drift.
    let verified = Verified::of(&written.metadata, None);
    if verified.is_some() {
        cx.world.put_secret(&seen.target, Some(SecretSeen::of(&written.metadata)));
    }
    Ok(verified)
}

/// Secrets that this ExternalSecret made under an earlier target name are removed, unless somebody else controls them.
async fn remove_orphans(cx: &Context, seen: &Live, notes: &mut Vec<Note>) -> Result<(), String> {
    if seen.object.spec.target.creation_policy != api::CreationPolicy::Owner {
        return Ok(());
    }
    // Only a target that was renamed leaves an orphan, and the binding says what it was called.
    let Some(binding) = seen.status.binding.as_ref().filter(|binding| binding.name != seen.target.name) else {
        return Ok(());
    };
    tracing::info!(
        namespace = seen.key.namespace,
        name = seen.key.name,
        before = binding.name,
        "the target was renamed"
    );
    let owned = cx.world.owned_secrets(&seen.key.namespace, &hash::owner(&seen.key.namespace, &seen.key.name));
    for name in target::orphans(&seen.target.name, owned.iter().map(String::as_str)) {
        match secrets(cx, seen).delete(name, &DeleteParams::default()).await {
            Ok(_) => notes.push(Note::normal(EventReason::Deleted, "secret deleted because it was orphaned")),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(format!("unable to delete secret {name}: {}", api_text(&error))),
        }
    }
    Ok(())
}

fn failed(mut outcome: Outcome, error: &kube::Error) -> Outcome {
    outcome.verdict = Verdict::failed("could not update secret", api_text(error));
    outcome
}

fn secrets(cx: &Context, seen: &Live) -> Api<SecretObject> {
    Api::namespaced(cx.client.clone(), &seen.target.namespace)
}

/// All that the wished Secret is made of: the object's own version covers its spec, labels and annotations. None if it
/// can't be made.
fn wish(seen: &Live, data: &SecretMap, rendered: Option<&Result<Rendered, Failure>>) -> Option<String> {
    let made = match rendered {
        None => hash::data(data),
        Some(Ok(rendered)) => rendered.digest(),
        Some(Err(_)) => return None,
    };
    Some(format!("{} {made}", seen.sync_version))
}
