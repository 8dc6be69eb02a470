//! Looks at every namespace and brings the child there in step: so many at a time, and what fails in one stops no other. I/O.
//!
//! Every write is preconditioned: on the version that was read, or on there being none. What is not the declaration's own is
//! neither written nor deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::{DeserializeGuard, Status};
use kube::{Api, Resource};
use plan::fan_out::Succession;
use plan::fan_out::child::{self, Shape, Step};
use plan::fan_out::outcome::Namespaces;

use super::declared::Declared;
use crate::clock;
use crate::context::Context;
use crate::lookup::api_text;
use crate::world::Key;

/// Writes under way at a time for one declaration.
pub(super) const WRITES: usize = 16;
/// Reads of a child that somebody else keeps writing.
const TRIES: usize = 3;

/// What came of a look.
pub(super) struct Looked {
    pub(super) namespaces: Namespaces,
    /// Something failed that only another try can mend.
    pub(super) again: bool,
}

/// What came of one namespace.
enum Fate {
    Provisioned,
    /// There is nothing to tell of it: it isn't selected, or it goes away.
    Nothing,
    Failed {
        reason: String,
        again: bool,
    },
}

/// One namespace in which something is, or should be.
struct Place<C> {
    namespace: String,
    selected: bool,
    /// The object of the child's name.
    there: Option<Arc<C>>,
    /// What else the declaration has there.
    old: Vec<Arc<C>>,
}

struct Round<'a, D: Declared> {
    cx: &'a Context,
    object: &'a D,
    name: &'a str,
    wish: Shape<D::Spec>,
    stored: Option<Shape<D::Spec>>,
}

/// See the module. `asked` is the trigger of the look.
pub(super) async fn look<D: Declared>(cx: &Context, object: &D, asked: Instant) -> Looked {
    let name = object.metadata().name.as_deref().unwrap_or_default();
    let places = places(cx, object, name);
    let wish = object.wish();
    let shelf = D::shelf(&cx.fan_out);
    let stored = shelf.round_begins(name, &wish, asked);
    let round = &Round { cx, object, name, wish, stored };
    let fates = stream::iter(places).map(|place| async move {
        let fate = round.settle(&place).await;
        (place.namespace, fate)
    });
    let fates: Vec<(String, Fate)> = fates.buffer_unordered(WRITES).collect().await;
    shelf.round_ends(name, clock::instant());
    let mut looked = Looked { namespaces: Namespaces::default(), again: false };
    for (namespace, fate) in fates {
        match fate {
            Fate::Provisioned => {
                looked.namespaces.provisioned.insert(namespace);
            }
            Fate::Nothing => {}
            Fate::Failed { reason, again } => {
                looked.namespaces.failed.insert(namespace, reason);
                looked.again |= again;
            }
        }
    }
    looked
}

/// The namespaces to look at. Those that end are left alone, with all that is in them; of one that isn't known there is nothing
/// to say: the watch will tell of it.
fn places<D: Declared>(cx: &Context, object: &D, name: &str) -> Vec<Place<D::Child>> {
    let child_name = object.child_name();
    let mut kept: BTreeMap<String, Vec<Arc<D::Child>>> = BTreeMap::new();
    for key in D::children(cx, name) {
        if let Some(child) = D::child_at(cx, &key) {
            kept.entry(key.namespace).or_default().push(child);
        }
    }
    let selection = object.selection();
    let place = |(namespace, seen): (String, crate::world::NamespaceSeen)| {
        if seen.terminating {
            return None;
        }
        let mut old = kept.remove(&namespace).unwrap_or_default();
        let selected = selection.selects(&namespace, &seen.labels);
        if !selected && old.is_empty() {
            return None;
        }
        let there = selected.then(|| {
            old.retain(|child| Resource::meta(&**child).name.as_deref() != Some(child_name));
            let key = Key { namespace: namespace.clone(), name: child_name.to_owned() };
            // A creation will tell what is there.
            D::child_at(cx, &key).filter(|_| !D::is_unreadable(cx, &key))
        });
        Some(Place { namespace, selected, there: there.flatten(), old })
    };
    cx.world.namespaces().into_iter().filter_map(place).collect()
}

/// The object of the child's name as it was found.
enum Found<C> {
    None,
    Some(Arc<C>),
    /// It can't be read but for its metadata.
    Unreadable(Box<ObjectMeta>),
}

impl<D: Declared> Round<'_, D> {
    async fn settle(&self, place: &Place<D::Child>) -> Fate {
        if !place.selected {
            return match self.remove_all(place, |_| Succession::NewFirst).await {
                Ok(()) => Fate::Nothing,
                Err(reason) => Fate::Failed { reason, again: true },
            };
        }
        let api: Api<D::Child> = Api::namespaced(self.cx.client.clone(), &place.namespace);
        let mut there = place.there.clone().map_or(Found::None, Found::Some);
        let mut last = String::new();
        for _ in 0..TRIES {
            let step = self.step(&there, &place.old);
            let written = match step {
                Step::Keep => return self.provisioned(place).await,
                Step::Taken => return waiting(D::TAKEN.to_owned()),
                Step::Ending => return waiting(self.ending()),
                Step::Clear => return self.clear(place).await,
                Step::Create => api.create(&PostParams::default(), &self.child(place, None)).await,
                Step::Update => {
                    let meta = match &there {
                        Found::None => None,
                        Found::Some(child) => Some(Resource::meta(&**child)),
                        Found::Unreadable(meta) => Some(&**meta),
                    };
                    api.replace(self.object.child_name(), &PostParams::default(), &self.child(place, meta)).await
                }
            };
            match written {
                Ok(stored) => {
                    let shelf = D::shelf(&self.cx.fan_out);
                    shelf.child_written(self.name, Resource::meta(&stored), D::spec(&stored));
                    return self.provisioned(place).await;
                }
                Err(kube::Error::Api(status)) if ends(&status, step) => return Fate::Nothing,
                Err(kube::Error::Api(status)) if is_stale(&status, step) => {
                    last = status.message.clone();
                    match self.read(&place.namespace).await {
                        Ok(found) => there = found,
                        Err(error) => return not_written::<D>(&api_text(&error)),
                    }
                }
                Err(error) => return not_written::<D>(&api_text(&error)),
            }
        }
        not_written::<D>(&last)
    }

    fn step(&self, there: &Found<D::Child>, old: &[Arc<D::Child>]) -> Step {
        let there = match there {
            Found::None => None,
            Found::Some(child) => Some((Resource::meta(&**child), Some(D::spec(child)))),
            Found::Unreadable(meta) => Some((&**meta, None)),
        };
        let standing = child::standing(self.object, &self.wish, self.stored.as_ref(), there);
        Step::of(standing, old.iter().map(|old| self.succession(old)))
    }

    /// How the child takes over from one of an earlier name.
    fn succession(&self, old: &D::Child) -> Succession {
        let name = Resource::meta(old).name.as_deref().unwrap_or_default();
        D::succession((name, D::spec(old)), (self.object.child_name(), &self.wish.spec))
    }

    fn child(&self, place: &Place<D::Child>, there: Option<&ObjectMeta>) -> D::Child {
        let metadata = child::metadata(self.object, &self.wish, &place.namespace, there);
        D::child(metadata, self.wish.spec.clone())
    }

    /// The child is there: those of earlier names can go.
    async fn provisioned(&self, place: &Place<D::Child>) -> Fate {
        match self.remove_all(place, |old| self.succession(old)).await {
            Ok(()) => Fate::Provisioned,
            Err(reason) => Fate::Failed { reason, again: true },
        }
    }

    /// Those of earlier names go first: their end wakes the declaration.
    async fn clear(&self, place: &Place<D::Child>) -> Fate {
        match self.remove_all(place, |old| self.succession(old)).await {
            Ok(()) => {
                let names: Vec<&str> =
                    place.old.iter().filter_map(|old| Resource::meta(&**old).name.as_deref()).collect();
                waiting(format!("waiting until {} {} is gone, whose place it takes", D::CHILD, names.join(", ")))
            }
            Err(reason) => Fate::Failed { reason, again: true },
        }
    }

    fn ending(&self) -> String {
        format!("{} {} is being deleted; it is made anew once it is gone", D::CHILD, self.object.child_name())
    }

    async fn read(&self, namespace: &str) -> Result<Found<D::Child>, kube::Error> {
        let api: Api<DeserializeGuard<D::Child>> = Api::namespaced(self.cx.client.clone(), namespace);
        Ok(match api.get_opt(self.object.child_name()).await? {
            None => Found::None,
            Some(DeserializeGuard(Ok(child))) => Found::Some(Arc::new(child)),
            Some(DeserializeGuard(Err(unreadable))) => Found::Unreadable(Box::new(unreadable.metadata)),
        })
    }

    /// # Errors
    /// What is to be told of the first one that could not be deleted.
    async fn remove_all(
        &self,
        place: &Place<D::Child>,
        succession: impl Fn(&D::Child) -> Succession,
    ) -> Result<(), String> {
        for child in &place.old {
            // What a child owns may stay for its successor; the garbage collector only takes the owner reference off it then.
            let keep_owned = match succession(child) {
                Succession::OldFirst { keep_owned } => keep_owned,
                Succession::NewFirst => false,
            };
            self.remove(&place.namespace, Resource::meta(&**child).clone(), keep_owned).await.map_err(|error| {
                format!("external secret in non matching namespace could not be deleted: {}", api_text(&error))
            })?;
        }
        Ok(())
    }

    async fn remove(&self, namespace: &str, mut meta: ObjectMeta, keep_owned: bool) -> Result<(), kube::Error> {
        let api: Api<D::Child> = Api::namespaced(self.cx.client.clone(), namespace);
        let name = meta.name.clone().unwrap_or_default();
        let mut tries = 0;
        loop {
            if meta.deletion_timestamp.is_some() || child::owner(&meta, D::KIND) != Some(self.name) {
                return Ok(());
            }
            let preconditions =
                Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
            let parameters = DeleteParams {
                preconditions: Some(preconditions),
                propagation_policy: keep_owned.then_some(PropagationPolicy::Orphan),
                ..DeleteParams::default()
            };
            tries += 1;
            match api.delete(&name, &parameters).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
                // Its status was written meanwhile.
                Err(kube::Error::Api(status)) if status.is_conflict() && tries < TRIES => {
                    match api.get_metadata_opt(&name).await? {
                        Some(found) => meta = found.metadata,
                        None => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What nobody but a change can mend.
fn waiting(reason: String) -> Fate {
    Fate::Failed { reason, again: false }
}

fn not_written<D: Declared>(why: &str) -> Fate {
    Fate::Failed { reason: format!("{}: {why}", D::NOT_WRITTEN), again: true }
}

/// Whether a refusal means that the child isn't what was known of it.
fn is_stale(status: &Status, step: Step) -> bool {
    match step {
        Step::Create => status.is_already_exists(),
        Step::Update => status.is_conflict() || status.is_not_found(),
        Step::Keep | Step::Taken | Step::Ending | Step::Clear => false,
    }
}

/// Whether a refusal means that the namespace ends or is gone: the watch will tell.
fn ends(status: &Status, step: Step) -> bool {
    let cause = status.details.iter().flat_map(|details| &details.causes).any(|it| it.reason == "NamespaceTerminating");
    let terminating = cause || (status.is_forbidden() && status.message.contains("because it is being terminated"));
    terminating || (step == Step::Create && status.is_not_found())
}
