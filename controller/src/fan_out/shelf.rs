//! What is known of declarations, and of PushSecrets as far as a ClusterPushSecret is concerned with them.
//!
//! Deliberately not here: namespaces and ExternalSecrets (`world`), and what a change means for whom (`watches`).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::{ClusterExternalSecret, ClusterPushSecret, ExternalSecret, PushSecret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use plan::fan_out::Declaration;
use plan::fan_out::child::{self, Shape};

use super::appointments::Appointments;
use super::declared::{DeclarationKey, DeclarationKind, Declared};
use crate::workqueue::Workqueue;
use crate::world::{Change, Key, is_older, is_relevant};

/// Declarations are few, and each does so many writes at a time.
const DECLARATIONS_AT_A_TIME: usize = 4;
/// For so long after the last write of a round its children may still come in from the watch.
const ROUND_ENDS: Duration = Duration::from_secs(10);

/// Everything about both kinds.
pub(crate) struct FanOut {
    pub(crate) queue: Arc<Workqueue<DeclarationKey, ()>>,
    pub(crate) external: Shelf<ClusterExternalSecret>,
    pub(crate) push: Shelf<ClusterPushSecret>,
    pub(crate) push_secrets: PushSecrets,
    pub(crate) appointments: Arc<Appointments>,
    namespaces_listed: AtomicBool,
}

impl Default for FanOut {
    fn default() -> Self {
        Self {
            queue: Arc::new(Workqueue::new(DECLARATIONS_AT_A_TIME)),
            external: Shelf::default(),
            push: Shelf::default(),
            push_secrets: PushSecrets::default(),
            appointments: Arc::default(),
            namespaces_listed: AtomicBool::new(false),
        }
    }
}

impl FanOut {
    /// See [`DECLARATIONS_AT_A_TIME`].
    pub(crate) const AT_A_TIME: usize = DECLARATIONS_AT_A_TIME;

    pub(crate) fn are_namespaces_listed(&self) -> bool {
        self.namespaces_listed.load(Ordering::SeqCst)
    }

    /// Every namespace is known. Answers whether that is news.
    pub(crate) fn namespaces_are_listed(&self) -> bool {
        !self.namespaces_listed.swap(true, Ordering::SeqCst)
    }

    /// Whether there is such a declaration.
    pub(crate) fn exists(&self, key: &DeclarationKey) -> bool {
        match key.kind {
            DeclarationKind::ExternalSecret => self.external.contains(&key.name),
            DeclarationKind::PushSecret => self.push.contains(&key.name),
        }
    }

    /// The trigger of the round that wrote an ExternalSecret as it is, unless that round is long over: what it waits for may
    /// be read once for all of them.
    pub(crate) fn asked_by_round(&self, object: &ExternalSecret, now: Instant) -> Option<Instant> {
        let name = child::owner(&object.metadata, ClusterExternalSecret::KIND)?;
        self.external.asked_by_round(name, &object.metadata, &object.spec, now)
    }

    /// The oldest trigger that a child of a round may still come with.
    pub(crate) fn oldest_round(&self, now: Instant) -> Option<Instant> {
        self.external.lock().rounds.values().filter(|round| round.is_on(now)).map(|round| round.asked).min()
    }
}

/// One writing of children.
struct Round<S> {
    wish: Shape<S>,
    /// What the API server made of the wish, if that differs.
    stored: Option<Shape<S>>,
    asked: Instant,
    /// When its last write was done.
    ended: Option<Instant>,
}

impl<S> Round<S> {
    fn is_on(&self, now: Instant) -> bool {
        self.ended.is_none_or(|ended| now.saturating_duration_since(ended) < ROUND_ENDS)
    }
}

/// All declarations of one kind.
pub(crate) struct Shelf<D: Declaration> {
    inner: Mutex<Inner<D>>,
}

struct Inner<D: Declaration> {
    declarations: HashMap<String, Arc<D>>,
    unreadable: HashMap<String, (ObjectMeta, String)>,
    rounds: HashMap<String, Round<D::Spec>>,
    /// Whose finalizer was taken away.
    relieved: HashSet<String>,
}

impl<D: Declaration> Default for Shelf<D> {
    fn default() -> Self {
        let inner = Inner {
            declarations: HashMap::new(),
            unreadable: HashMap::new(),
            rounds: HashMap::new(),
            relieved: HashSet::new(),
        };
        Self { inner: Mutex::new(inner) }
    }
}

/// What is known under a name.
pub(crate) enum Sight<D> {
    Gone,
    /// Its last version can't be read, for this reason.
    Unreadable(Box<ObjectMeta>, String),
    Known(Arc<D>),
}

impl<D: Declared> Shelf<D> {
    /// Takes in a version that the API server told of, unless a newer one is known.
    pub(crate) fn put(&self, object: D) -> Change {
        let meta = Declaration::metadata(&object);
        let name = meta.name.clone().unwrap_or_default();
        let mut inner = self.lock();
        let mended = inner.unreadable.remove(&name).is_some();
        let change = match inner.declarations.get(&name).map(|before| Declaration::metadata(&**before)) {
            None => Change::New,
            Some(before) if is_older(meta, before) => return Change::Irrelevant,
            Some(before) if mended || is_relevant(before, meta) => Change::Relevant,
            Some(_) => Change::Irrelevant,
        };
        inner.declarations.insert(name, Arc::new(object));
        change
    }

    /// Takes in what became of one by our own write, unless it is gone meanwhile or a newer version is known.
    pub(crate) fn put_written(&self, object: D) {
        let meta = Declaration::metadata(&object);
        let name = meta.name.clone().unwrap_or_default();
        let mut inner = self.lock();
        let known = inner.declarations.get(&name).map(|before| Declaration::metadata(&**before));
        if known.is_some_and(|before| before.uid == meta.uid && !is_older(meta, before)) {
            inner.declarations.insert(name, Arc::new(object));
        }
    }

    /// Its last version can't be read. Answers whether that is news.
    pub(crate) fn put_unreadable(&self, unreadable: InvalidObject) -> bool {
        let InvalidObject { error, metadata } = unreadable;
        let name = metadata.name.clone().unwrap_or_default();
        let mut inner = self.lock();
        let before = inner.unreadable.get(&name);
        let news = before.is_none_or(|(meta, told)| {
            *told != error
                || meta.generation != metadata.generation
                || meta.deletion_timestamp != metadata.deletion_timestamp
        });
        inner.unreadable.insert(name, (metadata, error));
        news
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut inner = self.lock();
        inner.declarations.remove(name);
        inner.unreadable.remove(name);
        inner.rounds.remove(name);
        inner.relieved.remove(name);
    }

    /// Forgets those that a full listing no longer had; answers which.
    pub(crate) fn retain(&self, listed: &HashSet<String>) -> Vec<String> {
        let gone: Vec<String> = self.names().into_iter().filter(|name| !listed.contains(name)).collect();
        gone.iter().for_each(|name| self.remove(name));
        gone
    }

    pub(crate) fn sight(&self, name: &str) -> Sight<D> {
        let inner = self.lock();
        match (inner.unreadable.get(name), inner.declarations.get(name)) {
            (Some((meta, error)), _) => Sight::Unreadable(Box::new(meta.clone()), error.clone()),
            (None, Some(object)) => Sight::Known(object.clone()),
            (None, None) => Sight::Gone,
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let inner = self.lock();
        let names: HashSet<&String> = inner.declarations.keys().chain(inner.unreadable.keys()).collect();
        names.into_iter().cloned().collect()
    }

    /// The names of those that `wanted` picks.
    pub(crate) fn that(&self, wanted: impl Fn(&D) -> bool) -> Vec<String> {
        let inner = self.lock();
        inner.declarations.iter().filter(|(_, object)| wanted(object)).map(|(name, _)| name.clone()).collect()
    }

    /// Children are written from now on; answers what the API server is known to make of the wish, if that differs.
    pub(crate) fn round_begins(&self, name: &str, wish: &Shape<D::Spec>, asked: Instant) -> Option<Shape<D::Spec>> {
        let mut inner = self.lock();
        let before = inner.rounds.remove(name).filter(|round| round.wish == *wish);
        let stored = before.and_then(|round| round.stored);
        let round = Round { wish: wish.clone(), stored: stored.clone(), asked, ended: None };
        inner.rounds.insert(name.to_owned(), round);
        stored
    }

    /// A child was written and looks so now.
    pub(crate) fn child_written(&self, name: &str, meta: &ObjectMeta, spec: &D::Spec) {
        if let Some(round) = self.lock().rounds.get_mut(name)
            && !round.wish.is_of(meta, spec)
        {
            let (labels, annotations) = (meta.labels.clone(), meta.annotations.clone());
            round.stored = Some(Shape {
                labels: labels.unwrap_or_default(),
                annotations: annotations.unwrap_or_default(),
                spec: spec.clone(),
            });
        }
    }

    /// All children are written.
    pub(crate) fn round_ends(&self, name: &str, now: Instant) {
        if let Some(round) = self.lock().rounds.get_mut(name) {
            round.ended = Some(now);
        }
    }

    /// The trigger of the round under which a child came to look so; none if no round that is on did that.
    pub(crate) fn asked_by_round(
        &self,
        name: &str,
        meta: &ObjectMeta,
        spec: &D::Spec,
        now: Instant,
    ) -> Option<Instant> {
        let inner = self.lock();
        let round = inner.rounds.get(name).filter(|round| round.is_on(now))?;
        let same = round.wish.is_of(meta, spec) || round.stored.as_ref().is_some_and(|stored| stored.is_of(meta, spec));
        (same && meta.deletion_timestamp.is_none()).then_some(round.asked)
    }

    /// Whether its finalizer was taken away before.
    pub(crate) fn is_relieved(&self, name: &str) -> bool {
        self.lock().relieved.contains(name)
    }

    /// Its finalizer was taken away.
    pub(crate) fn relieve(&self, name: &str) {
        self.lock().relieved.insert(name.to_owned());
    }
}

impl<D: Declaration> Shelf<D> {
    fn contains(&self, name: &str) -> bool {
        let inner = self.lock();
        inner.declarations.contains_key(name) || inner.unreadable.contains_key(name)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<D>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The PushSecrets that there are. Those that no ClusterPushSecret keeps are in the way at most, so that only their metadata is
/// kept.
#[derive(Default)]
pub(crate) struct PushSecrets {
    known: Mutex<HashMap<Key, Arc<PushSecret>>>,
    listed: AtomicBool,
}

impl PushSecrets {
    /// Takes in a version; answers the one before.
    pub(crate) fn put(&self, object: PushSecret) -> Option<Arc<PushSecret>> {
        let key = Key::of(&object.metadata);
        let PushSecret { mut metadata, spec, status: _ } = object;
        metadata.managed_fields = None;
        let spec = if child::owner(&metadata, ClusterPushSecret::KIND).is_some() { spec } else { Default::default() };
        self.lock().insert(key, Arc::new(PushSecret { metadata, spec, status: None }))
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<PushSecret>> {
        self.lock().remove(key)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<PushSecret>> {
        self.lock().get(key).cloned()
    }

    /// Forgets those that a full listing no longer had; answers which.
    pub(crate) fn retain(&self, listed: &HashSet<Key>) -> Vec<Key> {
        let mut known = self.lock();
        known.extract_if(|key, _| !listed.contains(key)).map(|(key, _)| key).collect()
    }

    /// Those that the ClusterPushSecret of this name keeps.
    pub(crate) fn kept_by(&self, name: &str) -> Vec<Key> {
        let known = self.lock();
        let kept = known.iter().filter(|(_, it)| child::owner(&it.metadata, ClusterPushSecret::KIND) == Some(name));
        kept.map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Ordering::SeqCst)
    }

    /// All are known. Answers whether that is news.
    pub(crate) fn are_listed(&self) -> bool {
        !self.listed.swap(true, Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<PushSecret>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
