//! The watches: each one turns what the API server tells into records and wakes what depends on it.
//!
//! Lives here: what a change of each kind means for whom. Deliberately not here: the records (`world`), the work itself.

pub(crate) mod generic;
pub(crate) mod stores;
#[cfg(test)]
mod tenants;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use api::{ClusterExternalSecret, ClusterPushSecret, ExternalSecret, PushSecret, StoreKind};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use plan::fan_out::child;
use plan::template::SourceKind;
use telemetry::Lane;
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;

use crate::clock;
use crate::context::Context;
use crate::deletions;
use crate::dependencies::{Dependant, Input};
use crate::external_secret::refuse_unreadable;
use crate::fan_out;
use crate::push_secret;
use crate::world::{Brief, Change, Key, Memory, NamespaceSeen, Ready, SecretSeen, StoreKey};

pub(crate) use watch::{Told, WATCH_SECONDS, follow, follow_labelled};

/// Which kinds are watched, and where.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Empty for every namespace.
    pub(crate) namespace: String,
    /// Without ClusterSecretStores, ClusterExternalSecrets and ClusterPushSecrets nothing outside of `namespace` is asked for, so
    /// that a role suffices.
    pub(crate) cluster_stores: bool,
}

/// One watch: its name in the log, what to run for ever, and a flag that turns true once its first listing is in.
pub(crate) struct Watch {
    pub(crate) name: &'static str,
    pub(crate) listed: tokio::sync::watch::Receiver<bool>,
    pub(crate) run: BoxFuture<'static, ()>,
}

/// All watches of the controller.
pub(crate) fn watches(cx: &Arc<Context>, scope: &Scope) -> Vec<Watch> {
    let mut all = vec![
        start("secrets", cx, {
            let scope = scope.clone();
            move |cx, listed| secrets(cx, listed, scope)
        }),
        start("configmaps", cx, {
            let scope = scope.clone();
            move |cx, listed| config_maps(cx, listed, scope)
        }),
        start("externalsecrets", cx, {
            let scope = scope.clone();
            move |cx, listed| external_secrets(cx, listed, scope)
        }),
    ];
    let mut stores = start("secretstores", cx, {
        let scope = scope.clone();
        move |cx, listed| stores::secret_stores(cx, listed, scope)
    });
    if !cx.settings.checks(StoreKind::SecretStore) {
        stores = unawaited(stores);
    }
    all.push(stores);
    let (external, push) = (cx.settings.cluster_external_secrets, cx.settings.cluster_push_secrets);
    if scope.cluster_stores {
        all.push(start("clustersecretstores", cx, stores::cluster_secret_stores));
        all.push(start("namespaces", cx, namespaces));
    } else if external || push {
        all.push(unawaited(start("namespaces", cx, namespaces)));
    }
    if external {
        all.push(unawaited(start(
            "clusterexternalsecrets",
            cx,
            fan_out::watches::declarations::<ClusterExternalSecret>,
        )));
    }
    if push {
        all.push(unawaited(start("clusterpushsecrets", cx, fan_out::watches::declarations::<ClusterPushSecret>)));
    }
    if push || cx.settings.push_secrets {
        let scope = scope.clone();
        all.push(unawaited(start("pushsecrets", cx, move |cx, listed| push_secrets(cx, listed, scope))));
    }
    all
}

/// Whoever doesn't want a kind may have left its definition out: nobody waits for a listing that fails.
fn unawaited(watch: Watch) -> Watch {
    Watch { listed: tokio::sync::watch::channel(true).1, ..watch }
}

fn start<F>(name: &'static str, cx: &Arc<Context>, run: impl FnOnce(Arc<Context>, Sender<bool>) -> F) -> Watch
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, listed) = tokio::sync::watch::channel(false);
    Watch { name, listed, run: Box::pin(run(cx.clone(), sender)) }
}

pub(crate) fn namespaced<K>(cx: &Context, scope: &Scope) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    if scope.namespace.is_empty() {
        Api::all(cx.client.clone())
    } else {
        Api::namespaced(cx.client.clone(), &scope.namespace)
    }
}

async fn external_secrets(cx: Arc<Context>, listed: Sender<bool>, scope: Scope) {
    let api: Api<DeserializeGuard<ExternalSecret>> = namespaced(&cx, &scope);
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            if listing {
                present.insert(Key::of(kube::Resource::meta(&object)));
            }
            external_secret_seen(&cx, object);
        }
        Told::Gone(object) => {
            external_secret_gone(&cx, kube::Resource::meta(&object));
        }
        Told::Listed => {
            let gone = cx.world.retain_external_secrets(&present);
            if !gone.is_empty() {
                fan_out::watches::external_secrets_missed(&cx);
            }
            for key in gone {
                cx.external_secrets.wake(key, Lane::Asked);
            }
            present = HashSet::new();
        }
    })
    .await;
}

/// An ExternalSecret exists in this version. Answers the task that tells that it can't be read, if one was started.
pub(crate) fn external_secret_seen(
    cx: &Arc<Context>,
    object: DeserializeGuard<ExternalSecret>,
) -> Option<JoinHandle<()>> {
    let mut object = match object {
        DeserializeGuard(Ok(object)) => object,
        DeserializeGuard(Err(unreadable)) => {
            let is_news = cx.world.put_unreadable(&unreadable.metadata, &unreadable.error);
            if is_news {
                fan_out::watches::external_secret_unreadable(cx, &unreadable.metadata);
            }
            return is_news.then(|| tokio::spawn(refuse_unreadable(cx.clone(), unreadable)));
        }
    };
    object.metadata.managed_fields = None;
    let key = Key::of(&object.metadata);
    let lane = first_lane(&object);
    settled_elsewhere(cx, &key, &object);
    let kept_by = cx.world.about(&key, |brief| brief.kept_by().map(str::to_owned));
    let keeps = child::owner(&object.metadata, ClusterExternalSecret::KIND).map(str::to_owned);
    // What a ClusterExternalSecret's change came to in many namespaces is one question.
    let now = clock::instant();
    let round = cx.fan_out.asked_by_round(&object, now);
    let asked = round.unwrap_or(now);
    let change = cx.world.put_external_secret(object);
    fan_out::watches::external_secret_seen(cx, &key, [kept_by, Some(keeps)], change, round.is_some());
    match change {
        Change::New => {
            // Another object may have had the name before.
            deletions::settled(cx, &key, false);
            cx.external_secrets.wake_for(key, lane, asked);
        }
        Change::Relevant => cx.external_secrets.wake_for(key, Lane::Asked, asked),
        Change::Irrelevant => {}
    }
    None
}

/// An ExternalSecret is gone.
pub(crate) fn external_secret_gone(cx: &Context, meta: &ObjectMeta) {
    let key = Key::of(meta);
    cx.world.remove_external_secret(&key);
    fan_out::watches::external_secret_gone(cx, &key, child::owner(meta, ClusterExternalSecret::KIND));
    cx.external_secrets.wake(key, Lane::Asked);
}

/// Why an object is looked at that nobody asked about.
fn first_lane(object: &ExternalSecret) -> Lane {
    lane_if(object.status.as_ref().is_some_and(|status| status.synced_resource_version.is_some()))
}

/// As [`first_lane`], of one as it is kept.
pub(crate) fn first_lane_of(brief: &Brief) -> Lane {
    lane_if(brief.synced)
}

fn lane_if(synced: bool) -> Lane {
    if synced { Lane::Periodic } else { Lane::New }
}

/// What another process has refreshed needs no refresh for what changed before, should it become ours.
fn settled_elsewhere(cx: &Context, key: &Key, object: &ExternalSecret) {
    let time = |object: &ExternalSecret| object.status.as_ref().and_then(|status| status.refresh_time.clone());
    if cx.tenure.holds(cx.tenure.bucket_of(object)) {
        return;
    }
    if cx.world.external_secret(key).is_some_and(|before| time(&before) != time(object)) {
        cx.world.remember(key, |memory| memory.changes = 0);
    }
}

/// PushSecrets are for those who push them, and for the ClusterPushSecrets that keep them.
async fn push_secrets(cx: Arc<Context>, listed: Sender<bool>, scope: Scope) {
    let api: Api<DeserializeGuard<PushSecret>> = namespaced(&cx, &scope);
    let (pushed, kept) = (cx.settings.push_secrets, cx.settings.cluster_push_secrets);
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            if listing {
                present.insert(Key::of(kube::Resource::meta(&object)));
            }
            if kept {
                fan_out::watches::push_secret_seen(&cx, object.clone());
            }
            if pushed {
                push_secret::told(&cx, object);
            }
        }
        Told::Gone(object) => {
            let key = Key::of(kube::Resource::meta(&object));
            if kept {
                fan_out::watches::push_secret_gone(&cx, &key);
            }
            if pushed {
                push_secret::gone(&cx, &key);
            }
        }
        Told::Listed => {
            if kept {
                fan_out::watches::push_secrets_listed(&cx, &present);
            }
            if pushed {
                push_secret::listed(&cx, &present);
            }
            present = HashSet::new();
        }
    })
    .await;
}

async fn secrets(cx: Arc<Context>, listed: Sender<bool>, scope: Scope) {
    let api: Api<PartialObjectMeta<Secret>> = namespaced(&cx, &scope);
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            let key = Key::of(&object.metadata);
            let seen = SecretSeen::of(&object.metadata);
            let input = Input { kind: SourceKind::Secret, key: key.clone() };
            let labels = object.metadata.labels.as_ref();
            let is_source = push_secret::source_seen(&cx, &key, labels);
            if listing && (seen.managed || is_source || cx.world.is_input(&input)) {
                present.insert(key.clone());
            }
            input_changed(&cx, &input, Some(&seen.resource_version));
            // A foreign Secret leaves no trace, unless it was ours a moment ago.
            let kept = (seen.managed || cx.world.is_input(&input)).then(|| seen.clone());
            let before = cx.world.put_secret(&key, kept);
            if before.as_ref() != Some(&seen) && (seen.managed || before.is_some_and(|before| before.managed)) {
                target_changed(&cx, &key);
            }
        }
        Told::Gone(object) => {
            let key = Key::of(&object.metadata);
            input_changed(&cx, &Input { kind: SourceKind::Secret, key: key.clone() }, None);
            push_secret::source_seen(&cx, &key, object.metadata.labels.as_ref());
            if cx.world.put_secret(&key, None).is_some_and(|before| before.managed) {
                target_changed(&cx, &key);
            }
        }
        Told::Listed => {
            for key in cx.world.retain_secrets(&present) {
                target_changed(&cx, &key);
            }
            missing_inputs(&cx, SourceKind::Secret, &present);
            push_secret::sources_listed(&cx, &present);
            present = HashSet::new();
        }
    })
    .await;
}

/// ConfigMaps leave no trace: only those that something was made of matter, and of them only that they changed.
async fn config_maps(cx: Arc<Context>, listed: Sender<bool>, scope: Scope) {
    // Nothing waits for the first listing: a ConfigMap is read when it is needed, and a role that doesn't let us watch
    // them only makes its readers wait for their next refresh.
    listed.send_replace(true);
    let api: Api<PartialObjectMeta<ConfigMap>> = namespaced(&cx, &scope);
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            let input = Input { kind: SourceKind::ConfigMap, key: Key::of(&object.metadata) };
            input_changed(&cx, &input, object.metadata.resource_version.as_deref());
            if listing && cx.world.is_input(&input) {
                present.insert(input.key);
            }
        }
        Told::Gone(object) => {
            input_changed(&cx, &Input { kind: SourceKind::ConfigMap, key: Key::of(&object.metadata) }, None);
        }
        Told::Listed => {
            missing_inputs(&cx, SourceKind::ConfigMap, &present);
            present = HashSet::new();
        }
    })
    .await;
}

/// What something was made of and a full listing no longer had is gone.
fn missing_inputs(cx: &Arc<Context>, kind: SourceKind, present: &HashSet<Key>) {
    for input in cx.world.inputs(kind).into_iter().filter(|input| !present.contains(&input.key)) {
        input_changed(cx, &input, None);
    }
}

/// Wakes whoever writes this Secret, unless it is in the very version that was last found as wished.
fn target_changed(cx: &Arc<Context>, secret: &Key) {
    let now = cx.world.secret(secret);
    for key in cx.world.targeting(secret) {
        // Another object of that name is its target.
        if cx.world.about(&key, |brief| brief.generic) == Some(true) {
            continue;
        }
        let verified = cx.world.memory(&key).verified;
        let same = verified
            .zip(now.as_ref())
            .is_some_and(|(v, now)| v.uid == now.uid && v.resource_version == now.resource_version);
        if !same {
            cx.external_secrets.wake(key, Lane::Drift);
        }
    }
}

/// Tells those that read this Secret or ConfigMap in another version: a store is opened anew, for those whose credential
/// it is; a template is rendered anew.
fn input_changed(cx: &Arc<Context>, input: &Input, version: Option<&str>) {
    let (mut whole, mut rendered, mut pushed) = (BTreeSet::new(), Vec::new(), Vec::new());
    let mut apart: BTreeMap<StoreKey, BTreeSet<String>> = BTreeMap::new();
    for reader in cx.world.outdated_by(input, version) {
        match reader {
            Dependant::Store { key, consumer: None } => {
                whole.insert(key);
            }
            Dependant::Store { key, consumer: Some(consumer) } => {
                apart.entry(key).or_default().insert(consumer);
            }
            Dependant::ExternalSecret(key) => rendered.push(key),
            Dependant::PushSecret(key) => pushed.push(key),
        }
    }
    for store in &whole {
        apart.remove(store);
        stores::store_changed(cx, store);
    }
    for (store, consumers) in apart {
        consumers_changed(cx, &store, &consumers);
    }
    try_again(cx, rendered);
    push_secret::try_again(cx, pushed);
}

/// Something that these objects depend on changed: they are tried again at once, with one trigger.
fn try_again(cx: &Context, keys: Vec<Key>) {
    keys.iter().for_each(|key| cx.world.remember(key, Memory::changed));
    cx.external_secrets.wake_all(keys.into_iter().map(|key| (key, Lane::Asked)));
}

/// What a store needs for these namespaces alone changed: their sessions are over and their objects tried again at once.
/// It says nothing about the store, nor about anybody else.
fn consumers_changed(cx: &Arc<Context>, store: &StoreKey, consumers: &BTreeSet<String>) {
    cx.retire_for(store, consumers);
    let theirs = |key: &Key, brief: &Brief| consumers.contains(&key.namespace) && brief.stores().contains(store);
    try_again(cx, cx.world.external_secrets(theirs));
    push_secret::consumers_changed(cx, store, consumers);
}

async fn namespaces(cx: Arc<Context>, listed: Sender<bool>) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(cx.client.clone());
    let mut present = HashSet::new();
    follow(&cx.supervision, api, listed, |told| match told {
        Told::Restarted => present.clear(),
        Told::Present { object, listing } => {
            let name = object.metadata.name.clone().unwrap_or_default();
            if listing {
                present.insert(name.clone());
            }
            namespace_seen(&cx, &name, Some(NamespaceSeen::of(object.metadata)));
        }
        Told::Gone(object) => namespace_seen(&cx, &object.metadata.name.unwrap_or_default(), None),
        Told::Listed => {
            for (name, _) in cx.world.namespaces() {
                if !present.contains(&name) {
                    namespace_seen(&cx, &name, None);
                }
            }
            present = HashSet::new();
            fan_out::watches::namespaces_listed(&cx);
        }
    })
    .await;
}

/// A namespace exists in this version, or doesn't any more.
pub(crate) fn namespace_seen(cx: &Arc<Context>, name: &str, seen: Option<NamespaceSeen>) {
    let before = cx.world.put_namespace(name, seen.clone());
    if let (Some(before), Some(seen)) = (&before, &seen)
        && before.labels != seen.labels
    {
        namespace_changed(cx, name);
    }
    fan_out::watches::namespace_changed(cx, name, before.as_ref(), seen.as_ref());
}

/// New labels may let a namespace use a ClusterSecretStore: what failed there is tried again.
fn namespace_changed(cx: &Arc<Context>, namespace: &str) {
    let failing = cx.world.external_secrets(|key, brief| key.namespace == namespace && brief.ready == Ready::False);
    try_again(cx, failing);
    push_secret::namespace_changed(cx, namespace);
}
