//! Targets that are no Secret: which kinds are written on whose behalf, and one watch for each of these kinds.
//!
//! A kind's watch starts once an ExternalSecret has such a target, and ends with the last one that has. Deliberately not
//! here: reading and writing the targets (`external_secret::generic`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::ManifestRef;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::discovery::{self, Scope};
use kube::error::DiscoveryError;
use plan::generic_target::Written;
use plan::names::MANAGED_LABEL;
use telemetry::Lane;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::{Told, follow_labelled};
use crate::context::Context;
use crate::world::Key;

/// Writes to one target within [`QUARREL`] after which its next repair has to wait: somebody else writes it too.
const REPAIRS: usize = 5;
/// See [`REPAIRS`].
const QUARREL: Duration = Duration::from_secs(60);

/// A kind as the API server has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kind {
    pub(crate) id: GroupVersionKind,
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

/// The target of one ExternalSecret in the version that was last seen as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// What this process wrote, if it did.
    pub(crate) written: Option<Written>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct GenericTargets {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    kinds: HashMap<GroupVersionKind, Kind>,
    followed: HashMap<GroupVersionKind, (ApiResource, HashSet<Key>)>,
    followers: HashMap<Key, GroupVersionKind>,
    known: HashMap<Key, Known>,
    /// When each target was last written, at most [`REPAIRS`] times.
    writes: HashMap<Key, VecDeque<Instant>>,
}

impl GenericTargets {
    /// Looks a kind up, at the API server unless it is known already; none if there is no such kind.
    pub(crate) async fn kind(&self, client: &kube::Client, wanted: &ManifestRef) -> Result<Option<Kind>, kube::Error> {
        let Some(id) = id(wanted) else { return Ok(None) };
        if let Some(kind) = self.lock().kinds.get(&id) {
            return Ok(Some(kind.clone()));
        }
        let (resource, capabilities) = match discovery::pinned_kind(client, &id).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(DiscoveryError::MissingKind(_))) => return Ok(None),
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = Kind { id: id.clone(), resource, namespaced: capabilities.scope == Scope::Namespaced };
        self.lock().kinds.insert(id, kind.clone());
        Ok(Some(kind))
    }

    /// A kind's definition may be gone: it is looked up anew when it is needed next.
    pub(crate) fn forget_kind(&self, kind: &Kind) {
        self.lock().kinds.remove(&kind.id);
    }

    /// The target of `owner` as it was last seen as written.
    pub(crate) fn known(&self, owner: &Key) -> Option<Known> {
        self.lock().known.get(owner).cloned()
    }

    /// The target of `owner` is as written in this version: from now on its kind is watched.
    pub(crate) fn follow(&self, owner: &Key, kind: &Kind, known: Known) {
        let mut inner = self.lock();
        inner.known.insert(owner.clone(), known);
        let before = inner.followers.insert(owner.clone(), kind.id.clone());
        if before.as_ref() == Some(&kind.id) {
            return;
        }
        if let Some(before) = before {
            inner.unfollow(owner, &before);
        }
        let (_, followers) = inner.followed.entry(kind.id.clone()).or_insert((kind.resource.clone(), HashSet::new()));
        followers.insert(owner.clone());
        self.changed.notify_one();
    }

    /// The target of `owner` was written.
    pub(crate) fn wrote(&self, owner: &Key, now: Instant) {
        let mut inner = self.lock();
        let writes = inner.writes.entry(owner.clone()).or_default();
        writes.push_back(now);
        if writes.len() > REPAIRS {
            writes.pop_front();
        }
    }

    /// How long the repair of a target has to wait, so that two who don't agree on it don't write it for ever without a
    /// pause; none if it may be done at once.
    pub(crate) fn pause(&self, owner: &Key, now: Instant) -> Option<Duration> {
        let inner = self.lock();
        let writes = inner.writes.get(owner).filter(|writes| writes.len() == REPAIRS)?;
        let over = *writes.front()? + QUARREL;
        (over > now).then(|| over - now)
    }

    /// The target of `owner` was deleted on its behalf.
    pub(crate) fn deleted(&self, owner: &Key) {
        self.lock().known.remove(owner);
    }

    /// `owner` is gone or has no such target any more.
    pub(crate) fn release(&self, owner: &Key) {
        let mut inner = self.lock();
        inner.known.remove(owner);
        inner.writes.remove(owner);
        if let Some(kind) = inner.followers.remove(owner) {
            inner.unfollow(owner, &kind);
            self.changed.notify_one();
        }
    }

    /// The kinds to watch.
    fn followed(&self) -> HashMap<GroupVersionKind, ApiResource> {
        self.lock().followed.iter().map(|(kind, (resource, _))| (kind.clone(), resource.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn unfollow(&mut self, owner: &Key, kind: &GroupVersionKind) {
        if let Some((_, followers)) = self.followed.get_mut(kind) {
            followers.remove(owner);
            if followers.is_empty() {
                self.followed.remove(kind);
            }
        }
    }
}

/// What `spec.target.manifest` names; none if it can't be a kind. What goes into a path is checked here.
fn id(manifest: &ManifestRef) -> Option<GroupVersionKind> {
    let ManifestRef { api_version, kind } = manifest;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let sound = !version.is_empty() && plain(version, "") && plain(group, "-.") && !group.starts_with('.');
    sound.then(|| GroupVersionKind::gvk(group, version, kind))
}

/// Keeps the watches that are needed running. Ends only if one of them does.
pub(crate) async fn run(cx: Arc<Context>, namespace: String) -> Result<(), String> {
    let mut watches: JoinSet<()> = JoinSet::new();
    let mut running: HashMap<GroupVersionKind, AbortHandle> = HashMap::new();
    loop {
        let needed = cx.generic_targets.followed();
        running.retain(|kind, watch| {
            let kept = needed.contains_key(kind);
            if !kept {
                tracing::info!(kind = kind.kind, group = kind.group, "no target of this kind is left; its watch ends");
                watch.abort();
            }
            kept
        });
        for (kind, resource) in needed {
            if let Entry::Vacant(place) = running.entry(kind) {
                let kind = place.key().clone();
                tracing::info!(kind = kind.kind, group = kind.group, "targets of this kind are watched");
                place.insert(watches.spawn(watch(cx.clone(), kind, resource, namespace.clone())));
            }
        }
        tokio::select! {
            () = cx.generic_targets.changed.notified() => {}
            Some(ended) = watches.join_next() => match ended {
                Err(ended) if ended.is_cancelled() => {}
                Ok(()) | Err(_) => return Err("the watch of a generic target's kind ended".to_owned()),
            },
        }
    }
}

/// Only objects with our label, and of them only the metadata.
async fn watch(cx: Arc<Context>, kind: GroupVersionKind, resource: ApiResource, namespace: String) {
    let api: Api<PartialObjectMeta<DynamicObject>> = if namespace.is_empty() {
        Api::all_with(cx.client.clone(), &resource)
    } else {
        Api::namespaced_with(cx.client.clone(), &namespace, &resource)
    };
    let (listed, _) = tokio::sync::watch::channel(false);
    let mut present: HashSet<Key> = HashSet::new();
    let mut relisted: HashSet<Key> = HashSet::new();
    follow_labelled(&cx.supervision, api, &format!("{MANAGED_LABEL}=true"), listed, |told| match told {
        Told::Restarted => relisted.clear(),
        Told::Present { object, listing } => {
            let key = Key::of(&object.metadata);
            seen(&cx, &kind, &key, Some(&object.metadata));
            let kept = if listing { &mut relisted } else { &mut present };
            kept.insert(key);
        }
        // Deleted, or its label was taken away.
        Told::Gone(object) => {
            let key = Key::of(&object.metadata);
            seen(&cx, &kind, &key, None);
            present.remove(&key);
        }
        Told::Listed => {
            for key in present.difference(&relisted) {
                seen(&cx, &kind, key, None);
            }
            present = std::mem::take(&mut relisted);
        }
    })
    .await;
}

/// Wakes whoever writes this object, unless it is in the very version that was last found as written, or gone at their
/// own wish.
fn seen(cx: &Context, kind: &GroupVersionKind, target: &Key, now: Option<&ObjectMeta>) {
    for owner in cx.world.targeting(target) {
        let Some(object) = cx.world.external_secret(&owner) else { continue };
        if object.spec.target.manifest.as_deref().and_then(id).as_ref() != Some(kind) {
            continue;
        }
        let known = cx.generic_targets.known(&owner);
        let expected = match (known, now) {
            (Some(known), Some(now)) => {
                Some(&known.uid) == now.uid.as_ref() && Some(&known.resource_version) == now.resource_version.as_ref()
            }
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => true,
        };
        if !expected {
            cx.external_secrets.wake(owner, Lane::Drift);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Kind {
        let id = GroupVersionKind::gvk("example.io", "v1", name);
        Kind { resource: ApiResource::from_gvk(&id), id, namespaced: true }
    }

    fn key(name: &str) -> Key {
        Key { namespace: "shop".into(), name: name.into() }
    }

    fn known() -> Known {
        Known { uid: "t".into(), resource_version: "1".into(), written: None }
    }

    #[test]
    fn a_kind_is_watched_from_its_first_writer_to_its_last() {
        let targets = GenericTargets::default();
        let watched = || {
            let mut kinds: Vec<String> = targets.followed().into_keys().map(|kind| kind.kind).collect();
            kinds.sort();
            kinds.join(" ")
        };
        targets.follow(&key("a"), &kind("Thing"), known());
        targets.follow(&key("b"), &kind("Thing"), known());
        targets.follow(&key("c"), &kind("Other"), known());
        assert_eq!(watched(), "Other Thing");
        targets.release(&key("a"));
        targets.follow(&key("c"), &kind("Thing"), known());
        assert_eq!(watched(), "Thing", "a writer that changed its kind let the other one go");
        targets.release(&key("b"));
        targets.release(&key("b"));
        assert_eq!(watched(), "Thing");
        targets.release(&key("c"));
        assert_eq!((watched().as_str(), targets.known(&key("c"))), ("", None));
    }

    #[test]
    fn a_target_that_is_written_all_the_time_has_to_wait() {
        let targets = GenericTargets::default();
        let start = Instant::now();
        for second in 0..5 {
            let now = start + Duration::from_secs(second * 10);
            assert_eq!(targets.pause(&key("a"), now), None, "{second}");
            targets.wrote(&key("a"), now);
        }
        assert_eq!(targets.pause(&key("a"), start + Duration::from_secs(50)), Some(Duration::from_secs(10)));
        assert_eq!(targets.pause(&key("b"), start), None);
        assert_eq!(targets.pause(&key("a"), start + QUARREL), None);
    }

    #[test]
    fn only_what_can_be_a_group_and_version_gets_into_a_path() {
        let cases = [
            ("v1", Some(("", "v1"))),
            ("apps/v1", Some(("apps", "v1"))),
            ("my-group.example.io/v1beta1", Some(("my-group.example.io", "v1beta1"))),
            ("", None),
            ("apps/", None),
            ("../v1", None),
            ("apps/v1/x", None),
            ("apps/v1?x", None),
            ("a b/v1", None),
        ];
        for (api_version, want) in cases {
            let found = id(&ManifestRef { api_version: api_version.into(), kind: "Thing".into() });
            let shown = found.as_ref().map(|id| (id.group.as_str(), id.version.as_str()));
            assert_eq!(shown, want, "{api_version}");
        }
    }
}
