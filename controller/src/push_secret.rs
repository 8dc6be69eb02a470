//! Pushes one PushSecret: what it wants of its source goes to its stores. Decisions live in `plan::push`; this file only
//! orders the steps.

mod apply;
mod beside;
mod cleanup;
mod deletion;
mod expand;
#[cfg(test)]
mod flow;
mod known;
#[cfg(test)]
mod remote;
mod report;
#[cfg(test)]
mod scenario;
mod source;
mod stores;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::{PushSecret, PushSecretDeletionPolicy};
use jiff::Timestamp;
use kube::Api;
use plan::event::{EventReason, Note};
use plan::push::{self, Due, DueInput, Echo, Failures, Ledger, Target, Verdict, Wanted, Wishes, status_key};
use plan::{hash, pause};
use provider::{Error, Retry};

use crate::clock;
use crate::context::Context;
use crate::dependencies::Dependant;
use crate::dispatch::Slot;
use crate::external_secret::{aside, gather_for, generate_once};
use crate::lookup::api_text;
use crate::queue::Next;
use crate::world::Key;
use apply::{Applied, Work};
use expand::{Origin, expand};
use known::Memory;
use report::{Tell, subject};
use stores::Stores;

pub(crate) use known::Pushes;
pub(crate) use watch::{
    consumers_changed, gained, gone, group_of, listed, lost, namespace_changed, source_seen, sources_listed,
    store_changed, store_checked, store_recovered, store_seen, told, try_again, users,
};

/// How long a source may be away before what was pushed of it is deleted: whoever writes a Secret anew by deleting it
/// first must not have it deleted at the providers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pushes one PushSecret, if that is this process's to do.
pub(crate) async fn reconcile(cx: &Arc<Context>, key: &Key, slot: &Slot) -> Next {
    // Whoever gets its bucket looks at it then.
    let bucket = cx.tenure.bucket_of_push(key);
    cx.tenure.within(bucket, attempt(cx, key, clock::now(), slot)).await.unwrap_or(Next::OnChange)
}

/// A live PushSecret at one try.
struct Try<'t> {
    cx: &'t Arc<Context>,
    key: &'t Key,
    object: Arc<PushSecret>,
    memory: Memory,
    version: String,
    now: Timestamp,
    slot: &'t Slot,
}

async fn attempt(cx: &Arc<Context>, key: &Key, now: Timestamp, slot: &Slot) -> Next {
    let Some(object) = cx.pushes.get(key) else {
        watch::forget(cx, key);
        return Next::OnChange;
    };
    if object.metadata.deletion_timestamp.is_some() {
        return deletion::release(cx, object, now, slot).await; // I/O
    }
    let stores = match stores::resolve(cx, &object).await {
        // I/O
        Ok(stores) => stores,
        Err(error) => return unreachable_api(key, &error),
    };
    if pause::is_asked(object.metadata.annotations.as_ref()) || stores.paused.is_some() {
        return Next::OnChange;
    }
    if stores.targets.is_empty() && stores.failures.is_empty() {
        // None of its stores is this controller's.
        return Next::OnChange;
    }
    let attempt = Try { cx, key, memory: cx.pushes.memory(key), version: sync_version(&object), object, now, slot };
    attempt.go(stores).await
}

impl Try<'_> {
    async fn go(mut self, stores: Stores) -> Next {
        let seen = source::look(self.cx, &self.object).await; // I/O
        let present = match &seen {
            source::Seen::Secrets(secrets) => Some(source::digests(secrets)),
            source::Seen::Missing(_) | source::Seen::Generator(_) | source::Seen::Unusable(_) => None,
        };
        self.is_back(present.as_ref());
        let due = push::due(&self.due_input(&seen, present.as_ref()), self.now); // pure
        if due == Due::Wait {
            self.keep_in_mind(present);
            return self.later();
        }
        match deletion::settle(self.cx, self.object.clone()).await {
            // I/O, when its policy changed
            Ok(object) => self.object = object,
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => return Next::Backoff,
            Err(error) => return self.fail(format!("could not update finalizers: {}", api_text(&error)), None).await,
        }
        if let Err(why) = push::check_references(&self.object.spec) {
            return self.fail(why, None).await;
        }
        let sources = match self.sources(seen).await {
            Ok(sources) => sources,
            Err(next) => return next,
        };
        if stores.failures.is_empty()
            && let Err(why) = push::check_selectors(&self.object.spec, &stores.targets)
        {
            return self.fail(why, None).await;
        }
        let vanished = self.vanished(present.as_ref());
        let (work, wishes, echoes) = match self.entries(sources, &stores).await {
            Ok(plan) => plan,
            Err(why) => return self.fail(why, None).await,
        };
        self.push(stores, work, wishes, echoes, present, vanished).await
    }

    fn due_input<'i>(&'i self, seen: &source::Seen, present: Option<&BTreeMap<String, String>>) -> DueInput<'i> {
        let (spec, status) = (&self.object.spec, self.object.status.as_ref());
        let refresh_time = status.and_then(|status| status.refresh_time.as_ref()).map(|time| time.0);
        let failed = status.is_none_or(|status| !plan::status::ready_is("True", &status.conditions));
        let changed = match (seen, present, &self.memory.pushed) {
            (_, Some(present), Some(pushed)) => present != pushed,
            // Another process pushed it; the Secrets tell whether they were written since.
            (source::Seen::Secrets(secrets), _, None) => {
                refresh_time.is_some_and(|time| secrets.iter().any(|secret| source::is_newer(secret, time)))
            }
            (source::Seen::Missing(_), _, _) => true,
            (source::Seen::Secrets(_) | source::Seen::Generator(_) | source::Seen::Unusable(_), _, _) => false,
        };
        let generates = matches!(seen, source::Seen::Generator(_));
        DueInput {
            interval: spec.refresh_interval,
            sync_version: &self.version,
            synced_resource_version: status.and_then(|it| it.synced_resource_version.as_deref()).unwrap_or_default(),
            refresh_time,
            // A generator would make something else: it is asked when a push is due by itself alone.
            stirred: !generates && (changed || failed || self.memory.changes > 0),
        }
    }

    /// When it is looked at again though nothing happens.
    fn later(&self) -> Next {
        let status = self.object.status.as_ref();
        let refresh_time = status.and_then(|status| status.refresh_time.as_ref()).map(|time| time.0);
        self.next(refresh_time)
    }

    fn next(&self, refresh_time: Option<Timestamp>) -> Next {
        let input = DueInput {
            interval: self.object.spec.refresh_interval,
            sync_version: &self.version,
            synced_resource_version: &self.version,
            refresh_time,
            stirred: false,
        };
        push::next(&input, self.now).map_or(Next::OnChange, Next::After)
    }

    /// The next refresh doesn't wait for a change that only one of many entries needs.
    fn at_the_latest(&self, next: Next) -> Next {
        if next == Next::OnChange { self.next(Some(self.now)) } else { next }
    }

    /// What was pushed before this process came is what it finds, since nothing says otherwise.
    fn keep_in_mind(&self, present: Option<BTreeMap<String, String>>) {
        if self.memory.pushed.is_none()
            && let Some(present) = present
        {
            self.cx.pushes.remember(self.key, |memory| memory.pushed = Some(present));
        }
    }

    /// What is pushed, by the name of its Secret.
    async fn sources(&mut self, seen: source::Seen) -> Result<Vec<Origin>, Next> {
        let is_gone = match &seen {
            source::Seen::Secrets(secrets) => secrets.is_empty(),
            source::Seen::Missing(_) => true,
            source::Seen::Generator(_) | source::Seen::Unusable(_) => false,
        };
        if is_gone && self.cleans_up() {
            return Err(self.without_source().await);
        }
        if is_gone && self.is_cleaned_up() {
            return Err(Next::OnChange);
        }
        let detail = match seen {
            source::Seen::Secrets(secrets) => return Ok(secrets.into_iter().map(Origin::of_secret).collect()),
            source::Seen::Missing(why) | source::Seen::Unusable(why) => why,
            source::Seen::Generator(reference) => {
                self.is_current().await?;
                let made = match self.memory.generated.clone().filter(|(version, _)| *version == self.version) {
                    Some((_, made)) => Ok(made),
                    None => match generate_once(self.cx, &self.key.namespace, &reference, self.now).await {
                        Some(made) => made.map(Arc::new),
                        // Another controller's generator.
                        None => return Err(Next::OnChange),
                    },
                };
                match made {
                    Ok(made) => {
                        let kept = (self.version.clone(), made.clone());
                        self.cx.pushes.remember(self.key, |memory| memory.generated = Some(kept));
                        return Ok(vec![Origin::generated(&made)]);
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        Err(self.fail("could not get source secret".to_owned(), Some(detail)).await)
    }

    /// Whether something lies at the providers that has to go with its source.
    fn cleans_up(&self) -> bool {
        let pushed = self.object.status.as_ref().is_some_and(|status| !status.synced_push_secrets.is_empty());
        pushed && self.object.spec.deletion_policy == PushSecretDeletionPolicy::Delete
    }

    fn is_cleaned_up(&self) -> bool {
        self.object.status.as_ref().is_some_and(push::is_source_deleted)
    }

    async fn without_source(&self) -> Next {
        if let Err(wait) = self.out_of_patience() {
            return Next::After(wait);
        }
        self.cx.pushes.remember(self.key, |memory| *memory = Memory::default());
        deletion::without_source(self.cx, self.object.clone(), &self.version, self.now, self.slot).await
    }

    /// Whether a source has been away for long enough; else how long to wait.
    fn out_of_patience(&self) -> Result<(), Duration> {
        let now = clock::instant();
        let since = self.memory.missing_since.unwrap_or(now);
        self.cx.pushes.remember(self.key, |memory| memory.missing_since = Some(since));
        let left = PATIENCE.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Whatever was missing is there again.
    fn is_back(&mut self, present: Option<&BTreeMap<String, String>>) {
        let pushed = self.memory.pushed.iter().flatten();
        let complete = present.is_some_and(|present| pushed.into_iter().all(|(name, _)| present.contains_key(name)));
        if complete && self.memory.missing_since.take().is_some() {
            self.cx.pushes.remember(self.key, |memory| memory.missing_since = None);
        }
    }

    /// How long to wait with deletions because one of several sources, which was pushed, isn't there any more.
    fn vanished(&self, present: Option<&BTreeMap<String, String>>) -> Option<Duration> {
        let pushed = self.memory.pushed.iter().flatten();
        let gone = present.is_some_and(|present| pushed.into_iter().any(|(name, _)| !present.contains_key(name)));
        if gone { self.out_of_patience().err() } else { None }
    }

    /// Another process may have pushed what its generator made, and the watch may not have told yet.
    async fn is_current(&mut self) -> Result<(), Next> {
        let api: Api<PushSecret> = Api::namespaced(self.cx.client.clone(), &self.key.namespace);
        match api.get_opt(&self.key.name).await {
            Ok(Some(live)) if live.metadata.resource_version == self.object.metadata.resource_version => Ok(()),
            Ok(Some(mut live)) => {
                live.metadata.managed_fields = None;
                watch::written(self.cx, live);
                Err(Next::After(Duration::ZERO))
            }
            // The watch will tell.
            Ok(None) => Err(Next::OnChange),
            Err(error) => Err(unreachable_api(self.key, &error)),
        }
    }

    /// The entries for each store, where they are wanted, and those that aren't pushed back.
    async fn entries(&self, sources: Vec<Origin>, stores: &Stores) -> Result<(Work, Wishes, BTreeSet<Echo>), String> {
        let template = self.object.spec.template.as_deref();
        let dependant = Dependant::PushSecret(self.key.clone());
        let generates = self.object.spec.selector.generator_ref.is_some();
        let read = gather_for(self.cx, dependant, &self.key.namespace, template, |_| !generates).await; // I/O
        let (cx, object, targets, now) = (self.cx.clone(), self.object.clone(), stores.targets.clone(), self.now);
        // pure
        let made = aside(move || expand(&cx, &object, sources, &targets, &read, now)).await?;
        let mut echoes = BTreeSet::new();
        let mut work = Work::new();
        let mut wishes = Wishes { spared: stores.spared.clone(), ..Wishes::default() };
        for (target, of_sources) in stores.targets.iter().zip(made) {
            let store = &target.store;
            let mut all = Vec::new();
            let mut failure = None;
            for (origin, entries) in of_sources {
                match entries {
                    Ok(entries) => all.push((origin, entries)),
                    Err(why) => failure = failure.or(Some(why)),
                }
            }
            if let Some(why) = failure {
                wishes.spared.insert(status_key(store));
                work.push((store.clone(), Err(why)));
                continue;
            }
            let places = all.iter().flat_map(|(_, entries)| entries.iter().map(Wanted::place)).collect();
            wishes.places.insert(status_key(store), places);
            for (origin, entries) in &mut all {
                entries.retain(|entry| {
                    let echo = self.echo(origin, target, entry);
                    let stays = echo.is_none();
                    echoes.extend(echo);
                    stays
                });
            }
            let mut entries = push::unite(all.into_iter().map(|(origin, entries)| (origin.name, entries)).collect());
            push::indistinct(self.object.spec.deletion_policy, &mut entries);
            work.push((store.clone(), Ok(entries)));
        }
        Ok((work, wishes, echoes))
    }

    /// The ExternalSecret that wrote the source as it is, if it reads what the entry would write.
    fn echo(&self, origin: &Origin, target: &Target, entry: &Wanted) -> Option<Echo> {
        if !origin.is_as_written {
            return None;
        }
        let world = &self.cx.world;
        let secret = Key { namespace: self.key.namespace.clone(), name: origin.name.clone() };
        let place = entry.place();
        let reads = |key: &Key| {
            let reader = world.external_secret(key);
            reader
                .is_some_and(|it| it.spec.target.manifest.is_none() && push::read_back(&it.spec, &target.store, &place))
        };
        let reader = world.targeting(&secret).into_iter().find(reads)?;
        Some(Echo {
            external_secret: reader.name,
            secret: secret.name,
            store_kind: target.store.kind.as_str(),
            store: target.store.name.clone(),
            remote_key: place.key,
        })
    }

    async fn push(
        mut self,
        stores: Stores,
        work: Work,
        wishes: Wishes,
        echoes: BTreeSet<Echo>,
        present: Option<BTreeMap<String, String>>,
        vanished: Option<Duration>,
    ) -> Next {
        let recorded = self.object.status.as_ref().map(|status| status.synced_push_secrets.clone());
        let mut ledger = Ledger::new(recorded.unwrap_or_default());
        let refused = &self.memory.refused;
        let applied = apply::apply(self.cx, self.object.clone(), &work, &mut ledger, refused, self.slot).await; // I/O
        let (object, applied) = match applied {
            Ok(applied) => applied,
            Err(error) => return unreachable_api(self.key, &error),
        };
        self.object = object;
        let Applied { failures, causes, unexplained, wrote, refused } = applied;
        let unhad = !stores.failures.is_empty();
        let failures = Failures { stores: stores.failures, pushes: failures };
        self.cx.pushes.remember(self.key, |memory| memory.refused = refused);
        if !failures.is_empty() {
            let verdict = Verdict::failed(failures.message());
            let next = self.at_the_latest(retry(&causes, unexplained || unhad));
            return self.tell(&verdict, &ledger, wrote, Vec::new(), next).await;
        }
        let obsolete = ledger.obsolete(&wishes);
        let mut deleted = false;
        match self.object.spec.deletion_policy {
            PushSecretDeletionPolicy::None => obsolete.iter().for_each(|entry| ledger.gone(entry)),
            PushSecretDeletionPolicy::Delete if vanished.is_some() => {}
            PushSecretDeletionPolicy::Delete => {
                let cleaned = cleanup::clean(self.cx, &self.key.namespace, &mut ledger, obsolete, self.slot).await; // I/O
                deleted = cleaned.deleted;
                cleaned.notes.into_iter().for_each(|note| {
                    self.cx.events.tell(subject(&self.object.metadata), note, self.now);
                });
                if !cleaned.failures.is_empty() {
                    let verdict = Verdict::failed(push::not_deleted(&cleaned.failures));
                    let next = self.at_the_latest(retry(&cleaned.causes, false));
                    return self.tell(&verdict, &ledger, wrote || deleted, Vec::new(), next).await;
                }
            }
        }
        if vanished.is_none() {
            ledger.finish();
        }
        let standing =
            echoes.iter().map(|echo| Note::warning(EventReason::NotPushedBack, format!("not pushed back: {echo}")));
        let verdict = Verdict::Done(push::done_message(self.object.spec.update_policy, &echoes));
        let next = match (self.next(Some(self.now)), vanished) {
            (Next::After(next), Some(wait)) => Next::After(next.min(wait)),
            (_, Some(wait)) => Next::After(wait),
            (next, None) => next,
        };
        let changes = self.memory.changes;
        let told = self.tell(&verdict, &ledger, wrote || deleted, standing.collect(), next).await;
        if told == next {
            self.cx.pushes.remember(self.key, |memory| {
                memory.changes = memory.changes.saturating_sub(changes);
                memory.generated = None;
                if vanished.is_none() {
                    memory.missing_since = None;
                    memory.pushed = present;
                }
            });
        }
        told
    }

    async fn fail(&self, message: String, detail: Option<String>) -> Next {
        let recorded = self.object.status.as_ref().map(|status| status.synced_push_secrets.clone());
        let verdict = Verdict::Failed { message, detail };
        self.tell(&verdict, &Ledger::new(recorded.unwrap_or_default()), false, Vec::new(), Next::Backoff).await
    }

    async fn tell(&self, verdict: &Verdict, ledger: &Ledger, did: bool, standing: Vec<Note>, next: Next) -> Next {
        let tell = Tell { sync_version: &self.version, did, standing };
        match report::report(self.cx, &self.object, verdict, ledger.synced(), tell, self.now).await {
            Ok(_) => next,
            Err(error) => {
                let Key { namespace, name } = self.key;
                tracing::debug!(namespace, name, error = %error, "status not written");
                Next::Backoff
            }
        }
    }
}

fn sync_version(object: &PushSecret) -> String {
    let (meta, empty) = (&object.metadata, BTreeMap::new());
    hash::sync_version(
        meta.generation.unwrap_or_default(),
        meta.labels.as_ref().unwrap_or(&empty),
        meta.annotations.as_ref().unwrap_or(&empty),
    )
}

/// When to try again: as the stores say; only on a change if none of them lets another try help.
fn retry(causes: &[Error], unexplained: bool) -> Next {
    let waits = causes.iter().filter_map(|cause| match cause.retry_when() {
        Retry::After(wait) => Some(wait),
        Retry::Backoff | Retry::Never => None,
    });
    if let Some(wait) = waits.max() {
        return Next::FailedFor(wait);
    }
    let hopeless = !unexplained && causes.iter().all(|cause| cause.retry_when() == Retry::Never);
    if hopeless { Next::OnChange } else { Next::Backoff }
}

fn unreachable_api(key: &Key, error: &kube::Error) -> Next {
    tracing::warn!(namespace = key.namespace, name = key.name, error = %error, "the API server did not do what the PushSecret needs");
    Next::Backoff
}
