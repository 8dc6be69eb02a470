//! The watches of declarations and their children, and whom a change wakes.
//!
//! The watches of namespaces, ExternalSecrets and PushSecrets are others' too (`ingest`) and tell here what they saw. Nobody but the declarations
//! themselves waits for any of these listings: their definitions may have been left out.

use std::collections::HashSet;
use std::sync::Arc;

use api::{ClusterExternalSecret, ClusterPushSecret, PushSecret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::core::DeserializeGuard;
use plan::fan_out::child;
use telemetry::Lane;
use tokio::sync::watch::Sender;

use super::declared::{DeclarationKey, DeclarationKind, Declared};
use crate::context::Context;
use crate::ingest::{Told, follow};
use crate::world::{Change, Key, NamespaceSeen, is_relevant};

/// Follows the declarations of one kind.
pub(crate) async fn declarations<D: Declared>(cx: Arc<Context>, listed: Sender<bool>) {
    let api: Api<DeserializeGuard<D>> = Api::all(cx.client.clone());
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            let name = kube::Resource::meta(&object).name.clone().unwrap_or_default();
            if listing {
                present.insert(name.clone());
            }
            seen::<D>(&cx, name, object);
        }
        Told::Gone(object) => {
            gone::<D>(&cx, kube::Resource::meta(&object).name.clone().unwrap_or_default());
        }
        Told::Listed => {
            for name in D::shelf(&cx.fan_out).retain(&present) {
                gone::<D>(&cx, name);
            }
            present = HashSet::new();
        }
    })
    .await;
}

/// A declaration exists in this version.
pub(crate) fn seen<D: Declared>(cx: &Context, name: String, object: DeserializeGuard<D>) {
    match object {
        DeserializeGuard(Ok(mut object)) => {
            object.meta_mut().managed_fields = None;
            match D::shelf(&cx.fan_out).put(object) {
                Change::New => wake::<D>(cx, name, Lane::New),
                Change::Relevant => wake::<D>(cx, name, Lane::Asked),
                Change::Irrelevant => {}
            }
        }
        DeserializeGuard(Err(unreadable)) => {
            if D::shelf(&cx.fan_out).put_unreadable(unreadable) {
                wake::<D>(cx, name, Lane::Asked);
            }
        }
    }
}

/// A declaration isn't there any more.
pub(crate) fn gone<D: Declared>(cx: &Context, name: String) {
    D::shelf(&cx.fan_out).remove(&name);
    wake::<D>(cx, name, Lane::Asked);
}

fn wake<D: Declared>(cx: &Context, name: String, lane: Lane) {
    cx.fan_out.queue.wake(DeclarationKey { kind: D::WHICH, name }, lane);
}

/// These PushSecrets are all that there are.
pub(crate) fn push_secrets_listed(cx: &Context, present: &HashSet<Key>) {
    let gone = cx.fan_out.push_secrets.retain(present);
    if cx.fan_out.push_secrets.are_listed() || !gone.is_empty() {
        wake_all_of::<ClusterPushSecret>(cx);
    }
}

/// A PushSecret exists in this version.
pub(crate) fn push_secret_seen(cx: &Context, object: DeserializeGuard<PushSecret>) {
    let object = match object {
        DeserializeGuard(Ok(object)) => object,
        // Whose it is can be told all the same.
        DeserializeGuard(Err(unreadable)) => PushSecret { metadata: unreadable.metadata, ..PushSecret::default() },
    };
    let key = Key::of(&object.metadata);
    let (metadata, spec) = (object.metadata.clone(), object.spec.clone());
    let before = cx.fan_out.push_secrets.put(object);
    let before = before.as_ref().map(|it| &it.metadata);
    let owner = |meta: &ObjectMeta| child::owner(meta, ClusterPushSecret::KIND).map(str::to_owned);
    let owners = [before.and_then(owner), owner(&metadata)];
    if before.is_some_and(|before| !is_relevant(before, &metadata)) && owners[0] == owners[1] {
        return;
    }
    let now = crate::clock::instant();
    let as_wished =
        owners[1].as_ref().is_some_and(|name| cx.fan_out.push.asked_by_round(name, &metadata, &spec, now).is_some());
    if as_wished && (before.is_none() || owners[0] == owners[1]) {
        return;
    }
    for owner in owners {
        child_changed::<ClusterPushSecret>(cx, &key, owner.as_deref());
    }
}

/// A PushSecret is gone.
pub(crate) fn push_secret_gone(cx: &Context, key: &Key) {
    let before = cx.fan_out.push_secrets.remove(key);
    let owner = before.as_ref().and_then(|it| child::owner(&it.metadata, ClusterPushSecret::KIND));
    child_changed::<ClusterPushSecret>(cx, key, owner);
}

/// An ExternalSecret was taken in. Of it before and now: none if it wasn't known, else who keeps it. `as_written` says that it is as
/// a look that is under way wrote it: that is no news.
pub(crate) fn external_secret_seen(
    cx: &Context,
    key: &Key,
    [before, now]: [Option<Option<String>>; 2],
    change: Change,
    as_written: bool,
) {
    let same = before.is_none() || before == now;
    if same && (change == Change::Irrelevant || as_written) {
        return;
    }
    child_changed::<ClusterExternalSecret>(cx, key, now.flatten().as_deref());
    if !same {
        child_changed::<ClusterExternalSecret>(cx, key, before.flatten().as_deref());
    }
}

/// An ExternalSecret is there that can't be read but for its metadata.
pub(crate) fn external_secret_unreadable(cx: &Context, meta: &ObjectMeta) {
    let owner = child::owner(meta, ClusterExternalSecret::KIND);
    child_changed::<ClusterExternalSecret>(cx, &Key::of(meta), owner);
}

/// An ExternalSecret is gone; `owner` is who kept it.
pub(crate) fn external_secret_gone(cx: &Context, key: &Key, owner: Option<&str>) {
    child_changed::<ClusterExternalSecret>(cx, key, owner);
}

/// Some ExternalSecrets are gone, of which nobody told whose they were.
pub(crate) fn external_secrets_missed(cx: &Context) {
    wake_all_of::<ClusterExternalSecret>(cx);
}

/// Wakes whoever kept a child, and whoever waits for its name.
fn child_changed<D: Declared>(cx: &Context, key: &Key, owner: Option<&str>) {
    let mut names = D::shelf(&cx.fan_out).that(|object| object.child_name() == key.name);
    if let Some(owner) = owner
        && !names.iter().any(|name| name == owner)
    {
        names.push(owner.to_owned());
    }
    for name in names {
        wake::<D>(cx, name, Lane::Drift);
    }
}

/// A namespace exists in this version, or doesn't any more.
pub(crate) fn namespace_changed(cx: &Context, name: &str, before: Option<&NamespaceSeen>, now: Option<&NamespaceSeen>) {
    if before == now {
        return;
    }
    selecting::<ClusterExternalSecret>(cx, name, [before, now]);
    selecting::<ClusterPushSecret>(cx, name, [before, now]);
    // Whoever the reference left something for, be it gone.
    if cx.settings.cluster_external_secrets {
        for holder in now.iter().flat_map(|seen| &seen.holders) {
            wake::<ClusterExternalSecret>(cx, holder.to_string(), Lane::Asked);
        }
    }
}

fn selecting<D: Declared>(cx: &Context, name: &str, versions: [Option<&NamespaceSeen>; 2]) {
    let selects = |object: &D| {
        let selection = object.selection();
        versions.iter().flatten().any(|seen| selection.selects(name, &seen.labels))
    };
    for declaration in D::shelf(&cx.fan_out).that(selects) {
        wake::<D>(cx, declaration, Lane::Asked);
    }
}

/// All namespaces are known: whoever waited for that goes on.
pub(crate) fn namespaces_listed(cx: &Context) {
    if cx.fan_out.namespaces_are_listed() {
        wake_all_of::<ClusterExternalSecret>(cx);
        wake_all_of::<ClusterPushSecret>(cx);
    }
}

fn wake_all_of<D: Declared>(cx: &Context) {
    for name in D::shelf(&cx.fan_out).names() {
        wake::<D>(cx, name, Lane::New);
    }
}

/// Wakes all of these buckets, which are ours from now on, as after a first listing.
pub(crate) fn wake_buckets(cx: &Context, buckets: &[u16]) {
    let keys = |kind, names: Vec<String>| names.into_iter().map(move |name| DeclarationKey { kind, name });
    let namespaces = if cx.settings.cluster_external_secrets { cx.world.namespaces() } else { Vec::new() };
    let held = namespaces.into_iter().flat_map(|(_, seen)| seen.holders);
    let external = cx.fan_out.external.names().into_iter().chain(held.map(String::from)).collect();
    let all = keys(DeclarationKind::ExternalSecret, external)
        .chain(keys(DeclarationKind::PushSecret, cx.fan_out.push.names()));
    let mine = all.filter(|key| buckets.contains(&cx.tenure.bucket_of_declaration(key)));
    cx.fan_out.queue.wake_all(mine.map(|key| (key, Lane::New)));
}
