//! Brings a target that is no Secret to what the spec says, and deletes it where no owner reference does.
//!
//! Lives here: reading and writing the object, at most one write, preconditioned on the version that was read.
//! Deliberately not here: decisions (`plan::generic_target`), what is in the object (`plan::template`), the watches
//! (`ingest::generic`).

use std::sync::Arc;

use api::{EntryFailure, ExternalSecret, ManifestRef};
use jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, GetParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{Request, Status};
use kube::{Error, Resource as _};
use plan::adoption;
use plan::data::Assembled;
use plan::failures;
use plan::generic_target::{self as decisions, Decision, Write, Written};
use plan::names::field_manager;
use plan::refresh::{self, Due, Why};
use plan::status::{Reason, Verdict};
use plan::template::{self, Failure, Manifest};
use secret::SecretMap;
use serde_json::{Value, json};

use super::gather::Live;
use super::report::{Outcome, report};
use super::{Attempt, fetch, finalizer, generate, pause, templates, unreachable_api, without_data};
use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::events::Subject;
use crate::ingest::generic::{Kind, Known};
use crate::lookup::api_text;
use crate::queue::Next;
use crate::turns::Turn;
use crate::world::{self, Key};

/// Writes to a target that somebody else keeps writing, before the whole object is put off.
const TRIES: usize = 3;

/// Brings the target of `seen` to what its spec says.
pub(super) async fn reconcile(cx: &Arc<Context>, mut seen: Live, manifest: &ManifestRef, attempt: &Attempt) -> Next {
    let now = attempt.now;
    let place = match find(cx, manifest, &seen.target).await {
        // I/O
        Ok(place) => place,
        Err(refusal) => {
            cx.generic_targets.release(&seen.key);
            return report(cx, &seen, Outcome::unwritten(refusal), now).await; // I/O
        }
    };
    match hold(cx, &mut seen).await {
        // I/O
        Ok(()) => {}
        Err(Error::Api(status)) if status.is_conflict() => return Next::Backoff,
        Err(error) => return unreachable_api(&seen.key, &error),
    }
    let policy = seen.object.spec.target.creation_policy;
    let mut found = match place.find(cx, &seen).await {
        // I/O
        Ok(found) => found,
        Err(unread) => return report(cx, &seen, Outcome::unwritten(unread), now).await, // I/O
    };
    seen.intact = decisions::is_as_written(policy, found.live.as_ref(), found.written.as_ref());
    if seen.intact {
        follow(cx, &seen, &place, found.live.as_ref(), found.written.clone());
    }
    match refresh::due(&seen.refresh_input(), now) {
        Due::Now(Why::TargetInvalid) => {
            if let Some(wait) = cx.generic_targets.pause(&seen.key, clock::instant()) {
                let Key { namespace, name } = &seen.key;
                tracing::warn!(namespace, name, "somebody else keeps changing the target; its repair waits");
                return pause::resumed(cx, &seen, Next::After(wait)).await; // I/O
            }
        }
        Due::Now(Why::NeverSynced | Why::Changed | Why::ClockWentBack | Why::Interval) => {}
        Due::Wait if seen.forced(now) => {}
        Due::Wait => return pause::resumed(cx, &seen, seen.next_wakeup(now)).await, // I/O
    }
    let Some(generators) = generate::read_all(cx, &seen.key.namespace, &seen.object.spec).await else {
        // I/O
        deletions::settled(cx, &seen.key, false);
        return Next::OnChange;
    };
    let answers = fetch::fetch(cx, &seen, &generators, attempt).await; // I/O, a failure is a value
    let Assembled { data, mut notes } = match templates::assemble(cx, &seen, answers, now).await {
        // pure
        Ok(assembled) => assembled,
        Err(failure) => return without_data(cx, &seen, failure, now).await,
    };
    for turn in 1..=TRIES {
        let Decided { decision, failed } = match decide(cx, &seen, &data, &found, now).await {
            // I/O for what it is read from, then pure
            Ok(decided) => decided,
            Err(refusal) => return report(cx, &seen, refusal, now).await, // I/O
        };
        let answer = place.write(cx, &seen.key.name, &decision.write).await; // I/O
        if let Some(mut outcome) = finish(cx, &seen, &place, &data, &found, decision, answer) {
            notes.append(&mut outcome.notes);
            let outcome = Outcome { notes, failures: failed, ..outcome };
            return report(cx, &seen, outcome, now).await; // I/O
        }
        if turn < TRIES {
            // Decided anew on what is really there: the provider needn't be asked again for that.
            found = match place.find(cx, &seen).await {
                // I/O
                Ok(found) => found,
                Err(unread) => return report(cx, &seen, Outcome::unwritten(unread), now).await, // I/O
            };
        }
    }
    // Somebody else keeps writing the target: what was read is stale, nothing is to be reported.
    Next::Backoff
}

/// A decision, and the entries of the manifest that it failed for.
struct Decided {
    decision: Decision,
    failed: Vec<EntryFailure>,
}

/// Decides about the target as it was found; the refusal of a protection is an error.
async fn decide(
    cx: &Arc<Context>,
    seen: &Live,
    data: &SecretMap,
    found: &Found,
    now: Timestamp,
) -> Result<Decided, Outcome> {
    let Found { live, written } = found;
    let (owner, spec) = (&seen.object.metadata, &seen.object.spec);
    if let Some(live) = live.as_ref().filter(|_| !cx.settings.adopt_existing)
        && let Some(refusal) = adoption::refused_target(owner, spec, live, data.is_empty())
    {
        return Err(Outcome::unwritten(refusal).of_resource());
    }
    let emptied = if data.is_empty() { decisions::emptied(spec, live.as_ref()) } else { None };
    match emptied {
        Some(decision) => {
            if let Write::Delete { uid: _, resource_version: _ } = &decision.write
                && let Some(held) = deletions::hold(cx, &seen.object)
            {
                return Err(held.of_resource());
            }
            Ok(Decided { decision, failed: Vec::new() })
        }
        None => {
            let wished = render(cx, seen, data, live.as_ref(), now).await;
            let failed = wished.as_ref().err().map(failures::of_template).into_iter().collect();
            let policy = spec.target.creation_policy;
            let decision = decisions::decide(owner, policy, wished, live.as_ref(), written.as_ref());
            Ok(Decided { decision, failed })
        }
    }
}

/// Deletes the target of an ExternalSecret that is being deleted itself, if its deletion policy says so (which the caller
/// has seen to) and if it carries the managed label.
pub(super) async fn delete(cx: &Arc<Context>, object: &ExternalSecret, manifest: &ManifestRef) -> Result<(), Error> {
    if decisions::refusal(manifest, cx.settings.generic_targets).is_some() {
        return Ok(());
    }
    let target = world::target_key(object);
    let kind = match cx.generic_targets.kind(&cx.client, manifest).await? {
        Some(kind) if kind.namespaced => kind,
        // What can't exist needs no deletion.
        Some(_) | None => return Ok(()),
    };
    let place = Place { kind, target };
    let live = place.read(cx, true).await?;
    let removal = decisions::removal(live.as_ref());
    match place.write(cx, "", &removal).await {
        Ok(_) => {}
        Err(Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    }
    if let Some(note) = decisions::note(&removal, &manifest.kind, &place.target.name) {
        cx.events.tell(Subject::new("ExternalSecret", &object.metadata, "external-secrets"), note, clock::now());
    }
    Ok(())
}

/// Where the target is.
struct Place {
    kind: Kind,
    target: Key,
}

/// Finds out where the target is; otherwise why it can't be anywhere.
async fn find(cx: &Context, manifest: &ManifestRef, target: &Key) -> Result<Place, Verdict> {
    if let Some(refusal) = decisions::refusal(manifest, cx.settings.generic_targets) {
        return Err(refusal);
    }
    match cx.generic_targets.kind(&cx.client, manifest).await {
        Ok(Some(kind)) if kind.namespaced => Ok(Place { kind, target: target.clone() }),
        Ok(Some(_)) => Err(decisions::cluster_scoped(manifest)),
        Ok(None) => Err(decisions::unknown_kind(manifest)),
        Err(error) => Err(decisions::unread(&said(&error))),
    }
}

impl Place {
    fn url(&self) -> Request {
        Request::new(DynamicObject::url_path(&self.kind.resource, Some(&self.target.namespace)))
    }

    /// The live object, if it is `wanted` and exists.
    async fn read(&self, cx: &Context, wanted: bool) -> Result<Option<Value>, Error> {
        if !wanted {
            return Ok(None);
        }
        let request = self.url().get(&self.target.name, &GetParams::default()).map_err(Error::BuildRequest)?;
        match cx.client.request::<Value>(request).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Api(status)) if status.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The target of `seen` as it is now, or why it can't be read.
    async fn find(&self, cx: &Context, seen: &Live) -> Result<Found, Verdict> {
        let wanted = decisions::is_read(seen.object.spec.target.creation_policy);
        let live = self.read(cx, wanted).await;
        let live = live.map_err(|error| self.told(&error, decisions::unread(&said(&error))))?;
        let known = cx.generic_targets.known(&seen.key).filter(|known| Some(known.uid.as_str()) == uid(live.as_ref()));
        Ok(Found { live, written: known.and_then(|known| known.written) })
    }

    /// Writes on behalf of the ExternalSecret `owner`. Answers the object that the API server has afterwards.
    async fn write(&self, cx: &Context, owner: &str, write: &Write) -> Result<Option<Value>, Error> {
        let params = PostParams { field_manager: Some(field_manager(owner)), ..PostParams::default() };
        let body = |object: &Manifest| serde_json::to_vec(object.expose()).map_err(Error::SerdeError);
        let name = &self.target.name;
        let request = match write {
            Write::Nothing => return Ok(None),
            Write::Create(object) => self.url().create(&params, body(object)?),
            Write::Update(object) => self.url().replace(name, &params, body(object)?),
            Write::Delete { uid, resource_version } => {
                let seen = Preconditions { uid: uid.clone(), resource_version: resource_version.clone() };
                let request =
                    self.url().delete(name, &DeleteParams { preconditions: Some(seen), ..DeleteParams::default() });
                cx.client.request::<Value>(request.map_err(Error::BuildRequest)?).await?;
                return Ok(None);
            }
        };
        cx.client.request::<Value>(request.map_err(Error::BuildRequest)?).await.map(Some)
    }

    /// `verdict` with what to do about the API server's refusal, where that is known.
    fn told(&self, error: &Error, verdict: Verdict) -> Verdict {
        let resource = &self.kind.resource;
        match (error, &verdict) {
            (Error::Api(status), Verdict::Failed { reason: _, message: _, text, detail: _, again: _ })
                if status.is_forbidden() =>
            {
                let dot = if resource.group.is_empty() { "" } else { "." };
                let rights = decisions::rights(&format!("{}{dot}{}", resource.plural, resource.group));
                let detail = format!("{text}; {rights}");
                verdict.with_detail(detail)
            }
            _ => verdict,
        }
    }
}

/// The target before a write.
struct Found {
    live: Option<Value>,
    /// What this process wrote to it, if it did.
    written: Option<Written>,
}

/// What is to be told after a write; none if somebody else was faster.
fn finish(
    cx: &Context,
    seen: &Live,
    place: &Place,
    data: &SecretMap,
    found: &Found,
    decision: Decision,
    answer: Result<Option<Value>, Error>,
) -> Option<Outcome> {
    let Found { live, written } = found;
    let Decision { write, verdict } = decision;
    let note = decisions::note(&write, &place.kind.id.kind, &place.target.name);
    let answer = match (answer, &write) {
        (Ok(answer), _) => answer,
        (Err(Error::Api(status)), Write::Delete { uid: _, resource_version: _ }) if status.is_not_found() => None,
        (Err(Error::Api(status)), Write::Update(_)) if status.is_not_found() => {
            cx.generic_targets.forget_kind(&place.kind);
            return None;
        }
        (Err(Error::Api(status)), _) if status.is_conflict() || status.is_already_exists() => return None,
        (Err(error), _) => {
            if matches!(&error, Error::Api(status) if status.is_not_found()) {
                cx.generic_targets.forget_kind(&place.kind);
            }
            let failed = decisions::unwritten(&write, &said(&error), data);
            return Some(Outcome::unwritten(place.told(&error, failed)));
        }
    };
    let mut notes = Vec::new();
    match (&write, answer) {
        (Write::Create(wish) | Write::Update(wish), Some(answer)) => {
            // Written as it was: nobody needs to hear of that.
            let changed = version(Some(&answer)) != version(live.as_ref());
            notes.extend(note.filter(|_| changed));
            cx.generic_targets.wrote(&seen.key, clock::instant());
            let written = Written::of(wish.expose(), &answer);
            follow(cx, seen, place, Some(&answer), Some(written));
        }
        (Write::Delete { uid: _, resource_version: _ }, _) => {
            notes.extend(note);
            cx.generic_targets.deleted(&seen.key);
        }
        (Write::Nothing, _) if verdict == Verdict::done(Reason::ResourceSynced, "secret synced") => {
            follow(cx, seen, place, live.as_ref(), written.clone());
        }
        (Write::Nothing | Write::Create(_) | Write::Update(_), _) => {}
    }
    Some(Outcome { verdict, notes, binding: None, failures: Vec::new() })
}

/// The target is as it should be: notes its version, and has its kind watched.
fn follow(cx: &Context, seen: &Live, place: &Place, live: Option<&Value>, written: Option<Written>) {
    if let (Some(uid), Some(version)) = (uid(live), version(live)) {
        let known = Known { uid: uid.to_owned(), resource_version: version.to_owned(), written };
        cx.generic_targets.follow(&seen.key, &place.kind, known);
    }
}

fn uid(object: Option<&Value>) -> Option<&str> {
    object?.pointer("/metadata/uid")?.as_str()
}

fn version(object: Option<&Value>) -> Option<&str> {
    object?.pointer("/metadata/resourceVersion")?.as_str()
}

async fn render(
    cx: &Arc<Context>,
    seen: &Live,
    data: &SecretMap,
    live: Option<&Value>,
    now: Timestamp,
) -> Result<Manifest, Failure> {
    let sources = templates::gather(cx, &seen.key, &seen.object.spec).await;
    let (cx, object, data, live) = (cx.clone(), seen.object.clone(), data.clone(), live.cloned());
    let work = move || {
        let env = templates::env(now);
        template::wished(&object.metadata, &object.spec, &data, live.as_ref(), &sources, &cx.templates, &env)
    };
    templates::aside(work).await
}

/// Puts the finalizer on the object if its target needs one and it has none yet: before the target is written.
async fn hold(cx: &Context, seen: &mut Live) -> Result<(), Error> {
    if !decisions::needs_finalizer(&seen.object.spec) || finalizer::is_on(&seen.object) {
        return Ok(());
    }
    let metadata = &seen.object.metadata;
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.push(finalizer::FINALIZER.to_owned());
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": metadata.resource_version}});
    let api: Api<ExternalSecret> = Api::namespaced(cx.client.clone(), &seen.key.namespace);
    let held = api.patch_metadata(&seen.key.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let mut object = (*seen.object).clone();
    object.metadata.finalizers = held.metadata.finalizers;
    object.metadata.resource_version = held.metadata.resource_version;
    cx.world.put_written(object.clone());
    // It is ours, whatever was taken away before: it goes again once it isn't needed any more.
    cx.world.remember(&seen.key, |memory| memory.turn = Turn::None);
    seen.object = Arc::new(object);
    Ok(())
}

/// The API server's words, without the values that its schemas quote.
fn said(error: &Error) -> String {
    match error {
        Error::Api(status) if status.is_invalid() => {
            let Status { message, details, .. } = status.as_ref();
            let causes = details.iter().flat_map(|details| &details.causes);
            decisions::without_values(message, causes.map(|cause| (cause.field.as_str(), cause.message.as_str())))
        }
        _ => api_text(error),
    }
}

#[cfg(test)]
mod tests;
