//! Writes the target Secret: at most one write, preconditioned on the version that was read. I/O.

use std::sync::Arc;

use api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use plan::adoption;
use plan::data::Assembled;
use plan::event::{EventReason, Note};
use plan::failures;
use plan::hash;
use plan::names::{MANAGED_LABEL, field_manager};
use plan::secret_object::SecretObject;
use plan::status::Verdict;
use plan::target::{self, Decision, Write};
use plan::template::{Failure, Rendered};
use secret::SecretMap;

use super::gather::{Existing, Live};
use super::report::Outcome;
use crate::context::Context;
use crate::deletions;
use crate::lookup::api_text;
use crate::world::{Key, SecretSeen, Verified};

/// Reads of a Secret that somebody else keeps writing, before the whole object is put off.
const TRIES: usize = 3;

/// The Secret kept changing between reading and writing.
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
    let mut outcome =
        Outcome { verdict: Verdict::failed("could not update secret", ""), notes, binding: None, failures: Vec::new() };
    outcome.failures.extend(rendered.as_ref().and_then(|made| made.as_ref().err()).map(failures::of_template));
    let mut read;
    let mut existing = match &seen.existing {
        Existing::Verified(verified) if wish.is_some() && verified.wish == wish => {
            // Same wish, same version of the Secret: equal by construction.
            outcome.verdict = Verdict::done(plan::status::Reason::SecretSynced, "secret synced");
            return Ok(fulfilled(cx, seen, outcome).await);
        }
        Existing::Verified(_) => {
            read = match secrets(cx, seen).get_opt(&seen.target.name).await {
                Ok(secret) => secret,
                Err(error) => return Ok(failed(outcome, seen, &Write::Nothing, &error)),
            };
            read.as_ref()
        }
        Existing::Read(secret) => Some(secret.as_ref()),
        Existing::NoneKnown | Existing::Missing => None,
    };
    for _ in 0..TRIES {
        if let Some(live) = existing.filter(|_| !cx.settings.adopt_existing)
            && let Some(verdict) = adoption::refused(&seen.object.metadata, &seen.object.spec, live, data.is_empty())
        {
            return Ok(Outcome::unwritten(verdict));
        }
        let decision =
            target::decide(&seen.object.metadata, &seen.object.spec, data.clone(), rendered.clone(), existing);
        let unsure = existing.is_none() && matches!(seen.existing, Existing::NoneKnown);
        if unsure && matches!(decision.write, Write::Nothing) {
            // No creation will tell whether there is one, and something may follow from it.
            read = match secrets(cx, seen).get_opt(&seen.target.name).await {
                Ok(Some(live)) => Some(live),
                Ok(None) => return Ok(finish(cx, seen, outcome, decision, None, None, wish).await),
                Err(error) => return Ok(failed(outcome, seen, &Write::Nothing, &error)),
            };
            existing = read.as_ref();
            continue;
        }
        if let Write::Delete { uid: _, resource_version: _ } = &decision.write
            && let Some(held) = deletions::hold(cx, &seen.object)
        {
            return Ok(held);
        }
        // The reference names an existing target from when it sets out to update it, whatever comes of that.
        let updates = existing.is_some() && is_updated(&seen.object.spec, data.is_empty());
        outcome.binding = updates.then(|| seen.target.name.clone());
        match write(cx, seen, &decision.write).await {
            Ok(written) => return Ok(finish(cx, seen, outcome, decision, written, existing, wish).await),
            Err(kube::Error::Api(status)) if is_stale(&status, &decision.write) => {
                // Decided anew on what is really there: the provider needn't be asked again for that.
                read = match secrets(cx, seen).get_opt(&seen.target.name).await {
                    Ok(Some(live)) => Some(live),
                    Ok(None) => return Err(Raced),
                    Err(error) => return Ok(failed(outcome, seen, &Write::Nothing, &error)),
                };
                existing = read.as_ref();
            }
            Err(error) => return Ok(failed(outcome, seen, &decision.write, &error)),
        }
    }
    Err(Raced)
}

/// Whether an existing target is brought in step at all, and not left alone or deleted.
fn is_updated(spec: &ExternalSecretSpec, data_is_empty: bool) -> bool {
    let kept = match spec.target.deletion_policy {
        DeletionPolicy::Delete | DeletionPolicy::Retain => data_is_empty,
        DeletionPolicy::Merge => false,
    };
    !kept && spec.target.creation_policy != CreationPolicy::None
}

/// Whether a refusal means that the Secret isn't what was read. A creation is refused so if the Secret has not our
/// label, or if the watch hasn't told of it yet.
fn is_stale(status: &kube::core::Status, write: &Write) -> bool {
    match write {
        Write::Nothing => false,
        Write::Create(_) => status.is_already_exists(),
        Write::Update(_) | Write::Delete { uid: _, resource_version: _ } => {
            status.is_conflict() || status.is_not_found()
        }
    }
}

async fn finish(
    cx: &Context,
    seen: &Live,
    mut outcome: Outcome,
    decision: Decision,
    written: Option<Verified>,
    existing: Option<&SecretObject>,
    wish: Option<String>,
) -> Outcome {
    let Decision { write, verdict, fulfilled: is_fulfilled } = decision;
    let done = matches!(verdict, Verdict::Done { reason: _, message: _ });
    outcome.verdict = verdict;
    if done {
        outcome.notes.extend(target::note(&write));
    }
    if matches!(write, Write::Nothing)
        && let Some(live) = existing
    {
        mark_live(cx, seen, live).await;
    }
    if !is_fulfilled {
        return outcome;
    }
    let verified = match write {
        Write::Create(_) | Write::Update(_) => written.map(|written| Verified { wish, ..written }),
        Write::Nothing | Write::Delete { uid: _, resource_version: _ } => {
            existing.and_then(|live| Verified::of(&live.metadata, wish))
        }
    };
    cx.world.remember(&seen.key, |memory| memory.verified = verified);
    fulfilled(cx, seen, outcome).await
}

/// The target is as wished: it is what the status names, and what an earlier target name left behind can go. Not sooner,
/// so that there is always a Secret that holds the data.
async fn fulfilled(cx: &Context, seen: &Live, mut outcome: Outcome) -> Outcome {
    match remove_orphans(cx, seen, &mut outcome.notes).await {
        Ok(()) => outcome.binding = Some(seen.target.name.clone()),
        Err(text) => outcome.verdict = Verdict::failed("could not delete orphaned secrets", text),
    }
    outcome
}

/// Gives an existing target our label where nothing is written to it: the reference does so to every Secret of a
/// target's name, whoever owns it. That is how its changes, and its end, are heard of.
pub(crate) async fn mark(cx: &Context, seen: &Live) {
    match &seen.existing {
        Existing::Read(live) => mark_live(cx, seen, live).await,
        // Asked for at the first failure only: it might stay one for long.
        Existing::NoneKnown if seen.memory.told.is_none() => {
            if let Ok(Some(live)) = secrets(cx, seen).get_opt(&seen.target.name).await {
                mark_live(cx, seen, &live).await;
            }
        }
        Existing::NoneKnown | Existing::Missing | Existing::Verified(_) => {}
    }
}

async fn mark_live(cx: &Context, seen: &Live, live: &SecretObject) {
    // Whoever took the label away from this very Secret is not to be fought with.
    if SecretSeen::of(&live.metadata).managed || cx.world.memory(&seen.key).marked == live.metadata.uid {
        return;
    }
    if !cx.settings.adopt_existing && adoption::is_forbidden(&seen.object.metadata, &seen.object.spec, live) {
        return;
    }
    let mut marked = live.clone();
    marked.metadata.labels.get_or_insert_default().insert(MANAGED_LABEL.into(), "true".into());
    if let Err(error) = write(cx, seen, &Write::Update(Box::new(marked))).await {
        tracing::debug!(namespace = seen.key.namespace, name = seen.key.name, error = %error, "target not labelled");
        return;
    }
    cx.world.remember(&seen.key, |memory| memory.marked.clone_from(&live.metadata.uid));
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

/// Secrets that this ExternalSecret made under an earlier target name are removed, as their owner label tells.
async fn remove_orphans(cx: &Context, seen: &Live, notes: &mut Vec<Note>) -> Result<(), String> {
    if seen.object.spec.target.creation_policy != CreationPolicy::Owner {
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
        let orphan = Key { namespace: seen.key.namespace.clone(), name: name.to_owned() };
        let Some(known) = cx.world.secret(&orphan) else { continue };
        // Whoever has taken it over in the meantime keeps it.
        let preconditions = Preconditions { uid: Some(known.uid), resource_version: Some(known.resource_version) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match secrets(cx, seen).delete(name, &params).await {
            Ok(_) => notes.push(Note::normal(EventReason::Deleted, "secret deleted because it was orphaned")),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(format!("unable to delete secret {name}: {}", api_text(&error))),
        }
    }
    Ok(())
}

fn failed(mut outcome: Outcome, seen: &Live, write: &Write, error: &kube::Error) -> Outcome {
    let text = api_text(error);
    outcome.verdict = match write {
        Write::Delete { uid: _, resource_version: _ } => Verdict::failed("could not delete secret", text),
        Write::Update(_) => {
            Verdict::failed("could not update secret", format!("unable to update secret {}: {text}", seen.target.name))
        }
        // The object goes with its namespace: there is nothing to try again for.
        Write::Create(_) if namespace_ends(error) => Verdict::stuck("could not update secret", text),
        Write::Create(_) | Write::Nothing => Verdict::failed("could not update secret", text),
    };
    outcome
}

fn namespace_ends(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403 && status.message.contains("because it is being terminated"))
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
